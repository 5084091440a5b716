#include "app/tls_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/temp_dir_for_test.h"
#include "net/certificate.h"

namespace fairlead {
namespace {

using testing::Contains;
using testing::Not;

constexpr milliseconds kDay = std::chrono::hours{24};

class TlsKeeperTest : public testing::Test {
 protected:
  TlsKeeperTest() {
    set_log_level(LogLevel::kOff);
    EXPECT_TRUE(keeper_.start({}, std::vector<ListenerOptions>(1)));
  }
  ~TlsKeeperTest() override { set_log_level(LogLevel::kInfo); }
  // What is in force when the changes that are there have been seen.
  std::shared_ptr<const TlsContext> look() {
    auto first = keeper_.look(now_);
    auto second = keeper_.look(now_);
    EXPECT_FALSE(keeper_.look(now_));
    return first ? first : second;
  }
  void issue(const char* host) {
    ASSERT_TRUE(create_certificates({.directory = certs_.string(), .hosts = {host}, .ips = {}}));
  }

  TempDir dir_;
  std::filesystem::path certs_ = dir_.path() / "certs";
  TlsKeeper keeper_{dir_.path()};
  Instant now_ = MonotonicClock::now();
};

TEST_F(TlsKeeperTest, NothingIsLoadedWhileNothingChanges) { EXPECT_FALSE(look()); }

TEST_F(TlsKeeperTest, NewCertificatesAreLoadedWithoutBeingAsked) {
  issue("new.example.com");
  const auto renewed = look();
  ASSERT_TRUE(renewed);
  EXPECT_THAT(renewed->names(), Contains("new.example.com"));
  EXPECT_EQ(keeper_.context(), renewed);
}

TEST_F(TlsKeeperTest, HalfAFileChangesNothingUntilItIsWhole) {
  const auto before = keeper_.context();
  issue("new.example.com");
  const auto file = certs_ / "server-rsa.crt";
  std::stringstream whole;
  whole << std::ifstream(file).rdbuf();
  std::filesystem::resize_file(file, 300);
  EXPECT_FALSE(look());
  EXPECT_EQ(keeper_.context(), before);
  EXPECT_FALSE(look());
  std::ofstream(file) << whole.str();
  const auto renewed = look();
  ASSERT_TRUE(renewed);
  EXPECT_THAT(renewed->names(), Contains("new.example.com"));
}

// As when a tool writes the certificate and its key one after the other, seconds apart.
TEST_F(TlsKeeperTest, ACertificateWithoutItsKeyWaitsForIt) {
  const TempDir other;
  auto made = create_certificates(
      {.directory = (other.path() / "certs").string(), .hosts = {"other.example.com"}, .ips = {}});
  ASSERT_TRUE(made);
  std::filesystem::rename(made->rsa_certificate, certs_ / "server-rsa.crt");
  EXPECT_FALSE(look());
  EXPECT_THAT(keeper_.context()->names(), Not(Contains("other.example.com")));
  std::filesystem::rename(made->rsa_key, certs_ / "server-rsa.key");
  const auto renewed = look();
  ASSERT_TRUE(renewed);
  EXPECT_THAT(renewed->names(), Contains("other.example.com"));
}

TEST_F(TlsKeeperTest, ARunningServerMakesNoCertificatesOfItsOwn) {
  const auto before = keeper_.context();
  std::filesystem::remove_all(certs_);
  EXPECT_FALSE(look());
  EXPECT_FALSE(keeper_.load({}));
  EXPECT_EQ(keeper_.context(), before);
  EXPECT_FALSE(std::filesystem::exists(certs_));
}

TEST_F(TlsKeeperTest, WhatCannotBeLoadedLeavesTheConfigurationInForce) {
  TlsConfig wrong;
  wrong.certificates.push_back({{"/nonexistent/a.crt"}, {"/nonexistent/a.key"}});
  EXPECT_FALSE(keeper_.load(wrong));
  issue("new.example.com");
  EXPECT_TRUE(look());  // still the files of before
}

class CheckTls : public testing::Test {
 protected:
  // The sentence, or nothing when all is good.
  std::string sentence(const TlsConfig& config) const {
    const Status status = check_tls(config, dir_.path(), listeners_);
    return status ? "" : status.error().sentence;
  }
  TempDir dir_;
  std::filesystem::path certs_ = dir_.path() / "certs";
  std::vector<ListenerOptions> listeners_{1};
};

TEST_F(CheckTls, NamesTheFileThatCannotBeLoaded) {
  TlsConfig config;
  config.certificates.push_back({{"/nonexistent/a.crt"}, {"/nonexistent/a.key"}});
  EXPECT_THAT(sentence(config), testing::HasSubstr("/nonexistent/a.crt"));
  listeners_[0].protocols = {.mqtt = true, .mqtts = false, .ws = true, .wss = false};
  EXPECT_EQ(sentence(config), "");  // nobody needs it
}

TEST_F(CheckTls, AKeyOfAnotherCertificateIsFound) {
  auto made = create_certificates({.directory = certs_.string(), .hosts = {"a.test"}, .ips = {}});
  ASSERT_TRUE(made);
  EXPECT_EQ(sentence({}), "");
  std::filesystem::copy_file(made->ec_key, made->rsa_key,
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_THAT(sentence({}), testing::HasSubstr("server-rsa"));
}

TEST_F(CheckTls, MakesNoCertificatesAndJudgesTheFilesOfClientsAllTheSame) {
  EXPECT_EQ(sentence({}), "");
  EXPECT_FALSE(std::filesystem::exists(certs_));
  TlsConfig config;
  config.client_certificates = ClientCertificates::kRequire;
  config.client_ca_file = (dir_.path() / "none.pem").string();
  EXPECT_THAT(sentence(config), testing::HasSubstr("none.pem"));
}

TEST(TlsExpiryLevel, RisesWithTheTimeThatIsLeft) {
  using Kind = TlsExpiry::Kind;
  for (Kind kind : {Kind::kServer, Kind::kChain, Kind::kAuthority}) {
    EXPECT_EQ(expiry_level(kind, 31 * kDay), std::nullopt);
    EXPECT_EQ(expiry_level(kind, 29 * kDay), LogLevel::kWarning);
    EXPECT_EQ(expiry_level(kind, 2 * kDay), LogLevel::kWarning);
    EXPECT_EQ(expiry_level(kind, kDay / 2), LogLevel::kError);
    EXPECT_EQ(expiry_level(kind, -kDay), LogLevel::kError);
  }
  EXPECT_EQ(expiry_level(Kind::kRevocations, 2 * kDay), std::nullopt);
  EXPECT_EQ(expiry_level(Kind::kRevocations, kDay / 2), LogLevel::kWarning);
  EXPECT_EQ(expiry_level(Kind::kRevocations, milliseconds(0)), LogLevel::kError);
}

}  // namespace
}  // namespace fairlead
