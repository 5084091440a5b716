#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <memory>
#include <string>

#include "net/tls_test_pair.h"

namespace fairlead {
namespace {

using namespace tls_test;  // NOLINT: the dialogue's words
using testing::HasSubstr;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

File open_file(const std::string& path, const char* mode) {
  return File(std::fopen(path.c_str(), mode));
}

// A device's certificate under the test root: subject "O=Test, CN=pk1&dev1", use clientAuth.
TlsKeyPair issue_device_certificate(const TemporaryDirectory& directory) {
  const CertificateFiles& root = device_authority().files;
  X509* issuer =
      PEM_read_X509(open_file(root.ca_certificate, "r").get(), nullptr, nullptr, nullptr);
  EVP_PKEY* issuer_key =
      PEM_read_PrivateKey(open_file(root.ca_key, "r").get(), nullptr, nullptr, nullptr);
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* made = X509_new();
  X509_set_version(made, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made), 7);
  X509_gmtime_adj(X509_getm_notBefore(made), -3600);
  X509_gmtime_adj(X509_getm_notAfter(made), 3600);
  X509_NAME* subject = X509_get_subject_name(made);
  for (const auto& [field, value] : {std::pair{"O", "Test"}, std::pair{"CN", "pk1&dev1"}}) {
    X509_NAME_add_entry_by_txt(subject, field, MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(value), -1, -1, 0);
  }
  X509_set_issuer_name(made, X509_get_subject_name(issuer));
  X509_set_pubkey(made, key);
  X509_EXTENSION* use = X509V3_EXT_conf_nid(nullptr, nullptr, NID_ext_key_usage, "clientAuth");
  X509_add_ext(made, use, -1);
  X509_sign(made, issuer_key, EVP_sha256());
  TlsKeyPair pair{directory.path("device.crt"), directory.path("device.key")};
  PEM_write_X509(open_file(pair.certificate_file, "w").get(), made);
  PEM_write_PrivateKey(open_file(pair.key_file, "w").get(), key, nullptr, nullptr, 0, nullptr,
                       nullptr);
  X509_EXTENSION_free(use);
  X509_free(made);
  X509_free(issuer);
  EVP_PKEY_free(key);
  EVP_PKEY_free(issuer_key);
  return pair;
}

TlsServerOptions asks_clients(ClientCertificates policy) {
  return {.client_certificates = policy, .client_ca_file = device_authority().files.ca_certificate};
}

TEST(TlsClientCertificate, IsVerifiedAndNamedAlsoAfterResumption) {
  TemporaryDirectory directory;
  const TlsKeyPair device = issue_device_certificate(directory);
  for (const auto policy : {ClientCertificates::kRequest, ClientCertificates::kRequire}) {
    const auto server = server_context(asks_clients(policy));
    for (const bool old : {false, true}) {
      const auto client = client_context({.client_certificate = device, .tls12_only = old});
      Pair first(server, client);
      ASSERT_TRUE(first.handshake()) << first.server.progress.reason;
      EXPECT_EQ(first.server.stream.peer_certificate_subject(), "CN=pk1&dev1,O=Test");
      const TlsSession session = first.client.stream.session();
      Pair second(server, client, "localhost", &session);
      ASSERT_TRUE(second.handshake()) << second.server.progress.reason;
      EXPECT_TRUE(second.server.stream.session_resumed());
      EXPECT_EQ(second.server.stream.peer_certificate_common_name(), "pk1&dev1");
    }
  }
}

TEST(TlsClientCertificate, OfAnotherRootIsRefused) {
  TemporaryDirectory directory;
  auto options = asks_clients(ClientCertificates::kRequest);
  options.client_ca_file = other_authority().files.ca_certificate;
  Pair pair(server_context(options),
            client_context({.client_certificate = issue_device_certificate(directory)}));
  EXPECT_FALSE(pair.handshake());
  EXPECT_THAT(pair.server.progress.reason, HasSubstr("unable to get local issuer certificate"));
}

TEST(TlsClientCertificate, ForAnotherPurposeIsRefused) {
  Pair pair(server_context(asks_clients(ClientCertificates::kRequire)),
            client_context({.client_certificate = device_authority().ec()}));
  EXPECT_FALSE(pair.handshake());
  EXPECT_THAT(pair.server.progress.reason, HasSubstr("unsuitable certificate purpose"));
}

TEST(TlsClientCertificate, MayBeAbsentWhenRequestedNotWhenRequired) {
  Pair requested(server_context(asks_clients(ClientCertificates::kRequest)), client_context());
  EXPECT_TRUE(requested.handshake());
  EXPECT_EQ(requested.server.stream.peer_certificate_subject(), "");
  Pair required(server_context(asks_clients(ClientCertificates::kRequire)), client_context());
  EXPECT_FALSE(required.handshake());
  EXPECT_EQ(required.server.progress.reason, "peer did not return a certificate");
}

TEST(TlsClientCertificate, TicketOfAnOpenListenerDoesNotPassAStrictOne) {
  const auto keys = TlsTicketKeys::generate();
  for (const bool old : {false, true}) {
    const auto client = client_context({.tls12_only = old});
    Pair open(server_context({.ticket_keys = keys}), client);
    ASSERT_TRUE(open.handshake());
    const TlsSession session = open.client.stream.session();
    auto strict = asks_clients(ClientCertificates::kRequire);
    strict.ticket_keys = keys;
    Pair pair(server_context(strict), client, "localhost", &session);
    EXPECT_FALSE(pair.handshake());
  }
}

}  // namespace
}  // namespace fairlead
