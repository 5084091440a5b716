#include "net/certificate_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "net/tls_test_pair.h"

namespace fairlead {
namespace {

using namespace tls_test;  // NOLINT: the dialogue's words
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const CertificateFiles& ours() { return device_authority().files; }
const CertificateFiles& others() { return other_authority().files; }

void append(const std::string& from, const std::string& to) {
  std::ofstream(to, std::ios::app) << std::ifstream(from).rdbuf();
}

TEST(CertificateCheck, OneThatIsGoodHasNoProblems) {
  EXPECT_THAT(check_certificate(ours().rsa_certificate, ours().rsa_key, ours().ca_certificate,
                                wall_clock_now()),
              IsEmpty());
}

TEST(CertificateCheck, ItsOwnRootInTheFileCompletesTheChain) {
  const TemporaryDirectory directory;
  append(ours().ec_certificate, directory.path("chain.pem"));
  append(ours().ca_certificate, directory.path("chain.pem"));
  EXPECT_THAT(check_certificate(directory.path("chain.pem"), ours().ec_key, "", wall_clock_now()),
              IsEmpty());
}

TEST(CertificateCheck, TimesAreChecked) {
  const auto at = [](milliseconds now) {
    return check_certificate(ours().rsa_certificate, ours().rsa_key, ours().ca_certificate, now);
  };
  EXPECT_THAT(at(wall_clock_now() + std::chrono::hours(24 * 1000)),
              ElementsAre("the certificate CN=localhost,O=Test has expired"));
  EXPECT_THAT(at(seconds(0)), ElementsAre("the certificate CN=localhost,O=Test is not valid yet"));
}

TEST(CertificateCheck, TheKeyIsChecked) {
  const auto with_key = [](const std::string& key) {
    return check_certificate(ours().rsa_certificate, key, ours().ca_certificate, wall_clock_now());
  };
  EXPECT_THAT(with_key(others().rsa_key), ElementsAre(HasSubstr("is that of another certificate")));
  EXPECT_THAT(with_key(ours().ec_key), ElementsAre(HasSubstr("is that of another certificate")));
  EXPECT_THAT(with_key("/nonexistent.key"), ElementsAre(HasSubstr("cannot be read: ")));
  EXPECT_THAT(with_key(ours().rsa_certificate), ElementsAre(HasSubstr("cannot be used: ")));
}

TEST(CertificateCheck, GapsInTheChainAreNamed) {
  EXPECT_THAT(check_certificate(ours().rsa_certificate, ours().rsa_key, others().ca_certificate,
                                wall_clock_now()),
              ElementsAre(HasSubstr("the chain is incomplete: its issuer CN=Test Root CA")));
  const TemporaryDirectory directory;
  append(ours().rsa_certificate, directory.path("chain.pem"));
  append(others().ca_certificate, directory.path("chain.pem"));
  EXPECT_THAT(check_certificate(directory.path("chain.pem"), ours().rsa_key, ours().ca_certificate,
                                wall_clock_now()),
              ElementsAre(HasSubstr("the chain has a gap: certificate 2 of the file")));
}

TEST(CertificateCheck, AFileWithoutACertificateIsToldSo) {
  EXPECT_THAT(check_certificate(ours().rsa_key, ours().rsa_key, "", wall_clock_now()),
              ElementsAre("the file holds no certificate"));
}

}  // namespace
}  // namespace fairlead
