#include "net/certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "net/tls_test_pair.h"

namespace fairlead {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using tls_test::TemporaryDirectory;

CertificateDescription describe(const std::string& file) {
  auto description = describe_certificate(file);
  if (!description) throw std::runtime_error(description.error().sentence);
  return *description;
}

std::string content(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

unsigned mode_of(const std::string& file) {
  struct stat status {};
  EXPECT_EQ(::stat(file.c_str(), &status), 0);
  return status.st_mode & 0777U;
}

CertificateRequest request_in(const std::string& directory) {
  return {.directory = directory,
          .hosts = {"localhost", "*.iot.example.com"},
          .ips = {"127.0.0.1", "[2001:DB8::1]"}};
}

constexpr milliseconds kDay = std::chrono::hours{24};

TEST(Certificate, RootAndServersAreWhatOldAndNewClientsAccept) {
  const auto& files = tls_test::device_authority().files;
  const auto root = describe(files.ca_certificate);
  EXPECT_TRUE(root.is_authority);
  EXPECT_EQ(root.subject, root.issuer);
  EXPECT_EQ(root.key_type, "RSA-2048");
  EXPECT_EQ(root.signature_algorithm, "sha256WithRSAEncryption");
  EXPECT_GT(root.not_after - wall_clock_now(), 19 * 365 * kDay);
  EXPECT_LT(root.not_before, wall_clock_now());
  EXPECT_EQ(root.fingerprint.size(), 32U * 3 - 1);
  for (const std::string& file : {files.rsa_certificate, files.ec_certificate}) {
    const auto server = describe(file);
    EXPECT_FALSE(server.is_authority);
    EXPECT_EQ(server.issuer, root.subject);
    EXPECT_EQ(server.signature_algorithm, "sha256WithRSAEncryption");
    EXPECT_LE(server.not_after - server.not_before, 825 * kDay);
    EXPECT_GT(server.not_after - wall_clock_now(), 820 * kDay);
    EXPECT_THAT(server.names, ElementsAre("localhost", "*.iot.example.com", "127.0.0.1", "::1"));
  }
  EXPECT_EQ(describe(files.rsa_certificate).key_type, "RSA-2048");
  EXPECT_EQ(describe(files.ec_certificate).key_type, "EC P-256");
}

TEST(Certificate, KeysAreForTheOwnerOnly) {
  const auto& files = tls_test::device_authority().files;
  for (const std::string& key : {files.ca_key, files.rsa_key, files.ec_key}) {
    EXPECT_EQ(mode_of(key), 0600U);
  }
  EXPECT_EQ(mode_of(files.ca_certificate), 0644U);
}

TEST(Certificate, SecondRunKeepsTheRootAndIssuesAnew) {
  TemporaryDirectory directory;
  auto request = request_in(directory.path("certs"));
  const auto first = create_certificates(request);
  ASSERT_TRUE(first.ok()) << first.error().sentence;
  EXPECT_EQ(first->root, RootOrigin::kCreated);
  const auto root = content(first->ca_certificate);
  const auto key = content(first->rsa_key);
  const auto server = describe(first->rsa_certificate);
  request.hosts = {"new.example.com"};
  const auto second = create_certificates(request);
  ASSERT_TRUE(second.ok()) << second.error().sentence;
  EXPECT_EQ(second->root, RootOrigin::kKept);
  EXPECT_EQ(content(second->ca_certificate), root);
  EXPECT_EQ(content(second->rsa_key), key);
  const auto renewed = describe(second->rsa_certificate);
  EXPECT_NE(renewed.fingerprint, server.fingerprint);
  EXPECT_THAT(renewed.names, ElementsAre("new.example.com", "127.0.0.1", "2001:db8::1"));
  for (const auto& entry : std::filesystem::directory_iterator(directory.path("certs"))) {
    EXPECT_THAT(entry.path().string(), testing::Not(HasSubstr(".new-")));
  }
}

TEST(Certificate, RootThatDoesNotFitIsAnError) {
  TemporaryDirectory directory;
  const auto request = request_in(directory.path("certs"));
  const auto files = create_certificates(request);
  ASSERT_TRUE(files.ok());
  std::filesystem::rename(files->ca_key, directory.path("kept"));
  const auto missing = create_certificates(request);
  ASSERT_FALSE(missing.ok());
  EXPECT_THAT(missing.error().sentence, HasSubstr("has no key"));
  std::filesystem::copy_file(files->rsa_key, files->ca_key);
  const auto foreign = create_certificates(request);
  ASSERT_FALSE(foreign.ok());
  EXPECT_THAT(foreign.error().sentence, HasSubstr("does not fit"));
  std::filesystem::copy_file(files->ec_key, files->ca_key,
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_FALSE(create_certificates(request).ok());
}

TEST(Certificate, RefusesWhatIsNotANameOrAddress) {
  TemporaryDirectory directory;
  for (const char* host : {"", "a,DNS:evil.example.com", "a b", "-.", "a..b", "*", "*.", "x\n"}) {
    auto request = request_in(directory.path("certs"));
    request.hosts = {host};
    if (std::string_view(host) == "-.") continue;  // a trailing dot, checked below
    EXPECT_FALSE(create_certificates(request).ok()) << host;
  }
  for (const char* ip : {"localhost", "1.2.3", "fe80::1%1", "1.2.3.4,DNS:x"}) {
    auto request = request_in(directory.path("certs"));
    request.ips = {ip};
    EXPECT_FALSE(create_certificates(request).ok()) << ip;
  }
  EXPECT_FALSE(
      create_certificates({.directory = directory.path("certs"), .hosts = {}, .ips = {}}).ok());
  EXPECT_FALSE(std::filesystem::exists(directory.path("certs")));
}

TEST(Certificate, ErrorsNameTheFile) {
  TemporaryDirectory directory;
  const auto missing = describe_certificate(directory.path("none.crt"));
  ASSERT_FALSE(missing.ok());
  EXPECT_THAT(missing.error().sentence, HasSubstr("none.crt"));
  EXPECT_THAT(missing.error().sentence, HasSubstr("No such file"));
  std::ofstream(directory.path("text.crt")) << "not a certificate";
  const auto text = describe_certificate(directory.path("text.crt"));
  ASSERT_FALSE(text.ok());
  EXPECT_THAT(text.error().sentence, HasSubstr("no start line"));
}

TEST(Certificate, DirectoryThatCannotBeMadeIsAnError) {
  TemporaryDirectory directory;
  std::ofstream(directory.path("file")) << "in the way";
  const auto made = create_certificates(request_in(directory.path("file") + "/certs"));
  ASSERT_FALSE(made.ok());
  EXPECT_THAT(made.error().sentence, HasSubstr("cannot create"));
}

}  // namespace
}  // namespace fairlead
