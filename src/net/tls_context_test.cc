#include "net/tls_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "net/tls_test_pair.h"

namespace fairlead {
namespace {

using namespace tls_test;  // NOLINT: the dialogue's words
using testing::ElementsAre;
using testing::HasSubstr;

std::string refusal(const TlsServerOptions& options) {
  const auto context = TlsContext::server(options);
  return context.ok() ? "" : context.error().sentence;
}

TlsServerOptions with(TlsKeyPair pair) { return {.certificates = {{{std::move(pair)}}}}; }

TEST(TlsContext, ListsTheNamesOfItsCertificates) {
  const auto context =
      server_context({.certificates = {device_authority().both(), other_authority().both()}});
  EXPECT_THAT(context->names(), ElementsAre("*.iot.example.com", "*.other.example.com", "localhost",
                                            "other.example.com"));
}

TEST(TlsContext, ErrorsNameTheFileAndTheCause) {
  const auto& authority = device_authority();
  EXPECT_THAT(refusal({}), HasSubstr("no certificate"));
  EXPECT_THAT(refusal(with({"/nowhere/a.crt", authority.files.rsa_key})),
              HasSubstr("certificate file /nowhere/a.crt: No such file"));
  EXPECT_THAT(refusal(with({authority.files.rsa_certificate, "/nowhere/a.key"})),
              HasSubstr("key file /nowhere/a.key: No such file"));
  EXPECT_THAT(refusal(with({authority.files.rsa_certificate, other_authority().files.rsa_key})),
              HasSubstr("key values mismatch"));
  EXPECT_THAT(refusal({.certificates = {{{authority.rsa(), other_authority().rsa()}}}}),
              HasSubstr("same key type"));
  EXPECT_THAT(refusal({.certificates = {TlsCertificateSet{}}}), HasSubstr("empty"));
}

TEST(TlsContext, GarbageFilesAreRefused) {
  TemporaryDirectory directory;
  std::ofstream(directory.path("a.crt")) << "-----BEGIN CERTIFICATE-----\nxx\n";
  EXPECT_THAT(refusal(with({directory.path("a.crt"), directory.path("a.crt")})),
              HasSubstr("a.crt"));
}

TEST(TlsContext, ClientCaFileMustBeReadable) {
  TlsServerOptions options{.certificates = {device_authority().both()},
                           .client_certificates = ClientCertificates::kRequest,
                           .client_ca_file = "/nowhere/ca.crt"};
  EXPECT_THAT(refusal(options), HasSubstr("client CA file /nowhere/ca.crt"));
}

TEST(TlsContext, ClientOptionsAreChecked) {
  const auto ca = TlsContext::client({.ca_file = "/nowhere/ca.crt"});
  ASSERT_FALSE(ca.ok());
  EXPECT_THAT(ca.error().sentence, HasSubstr("/nowhere/ca.crt"));
  const auto ciphers = TlsContext::client({.tls12_cipher_list = "NOT-A-SUITE"});
  ASSERT_FALSE(ciphers.ok());
  EXPECT_THAT(ciphers.error().sentence, HasSubstr("NOT-A-SUITE"));
}

}  // namespace
}  // namespace fairlead
