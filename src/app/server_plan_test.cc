#include "app/server_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "app/data_dir.h"
#include "app/tls_keeper.h"

namespace fairlead {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

ServeRequest listen(std::vector<std::string> addresses) {
  ServeRequest request;
  request.listen = std::move(addresses);
  request.admin = "off";
  return request;
}

TEST(ServerPlan, CommandLineWinsOverTheConfiguration) {
  Config config;
  config.listeners.emplace_back();
  config.shard_count = 3;
  ServeRequest request = listen({"127.0.0.1:0", "127.0.0.2:0/mqtt"});
  auto plan = plan_server(config, request);
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->options.listeners.size(), 2u);
  EXPECT_EQ(plan->options.listeners[1].address.ip_text(), "127.0.0.2");
  EXPECT_EQ(plan->options.shard_count, 3u);
  request.shards = 5;
  EXPECT_EQ(plan_server(config, request)->options.shard_count, 5u);
  request.listen.clear();
  EXPECT_EQ(plan_server(config, request)->options.listeners.front().address.text(), "0.0.0.0:8443");
}

TEST(ServerPlan, ThereIsAlwaysAShardAndAListener) {
  auto plan = plan_server(Config{}, listen({}));
  ASSERT_TRUE(plan);
  EXPECT_GE(plan->options.shard_count, 1u);
  EXPECT_FALSE(plan->options.listeners.empty());
}

TEST(ServerPlan, AnonymousAccessStaysOnLoopbackUnlessSaidTwice) {
  ServeRequest request = listen({"0.0.0.0:0"});
  request.allow_anonymous = true;
  auto refused = plan_server(Config{}, request);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().sentence, HasSubstr("auth.allow_anonymous_on_any_address = true"));

  Config once;
  once.auth.allow_anonymous_on_any_address = true;
  EXPECT_FALSE(plan_server(once, request));
  Config twice = once;
  twice.auth.allow_anonymous = true;
  ASSERT_TRUE(plan_server(twice, request));

  request.listen = {"127.0.0.1:0", "[::1]:0"};
  auto local = plan_server(Config{}, request);
  ASSERT_TRUE(local);
  EXPECT_EQ(local->auth.anonymous, AnonymousAccess::kAllowed);
}

TEST(ServerPlan, AdminPlaneStaysOnLoopbackUnlessAllowed) {
  ServeRequest request = listen({"127.0.0.1:0"});
  EXPECT_FALSE(plan_server(Config{}, request)->admin);
  request.admin = "0.0.0.0:8080";
  EXPECT_THAT(plan_server(Config{}, request).error().sentence, HasSubstr("admin.allow_remote"));
  Config allowed;
  allowed.admin.allow_remote = true;
  EXPECT_TRUE(plan_server(allowed, request)->admin);
  request.admin.reset();
  auto usual = plan_server(Config{}, request);
  EXPECT_TRUE(usual->admin_is_optional);
  EXPECT_EQ(usual->admin->text(), "127.0.0.1:8080");
}

TEST(ServerPlan, WrongAddressNamesTheOption) {
  EXPECT_THAT(plan_server(Config{}, listen({"8443"})).error().sentence,
              HasSubstr("--listen: \"8443\""));
}

TEST(Reload, NamesKeysThatWaitForARestart) {
  Config running;
  Config wanted;
  EXPECT_TRUE(changed_restart_keys(running, wanted).empty());
  wanted.shard_count = 7;
  wanted.log_level = LogLevel::kDebug;
  wanted.tls.profile = TlsProfile::kLegacy;
  wanted.listeners.resize(2);
  const auto changed = changed_restart_keys(running, wanted);
  EXPECT_THAT(changed, Contains("server.shards"));
  EXPECT_THAT(changed, Contains("listener.port"));
  EXPECT_THAT(changed, Not(Contains("log.level")));
  EXPECT_THAT(changed, Not(Contains("tls.profile")));
}

TEST(ProtocolList, NamesWhatIsAllowed) {
  EXPECT_EQ(protocol_list({}), "mqtt,mqtts,ws,wss");
  EXPECT_EQ(protocol_list({.mqtt = false, .mqtts = true, .ws = false, .wss = true}), "mqtts,wss");
}

class DataDir : public testing::Test {
 protected:
  ~DataDir() override { std::filesystem::remove_all(path_); }
  const std::filesystem::path path_ = std::filesystem::temp_directory_path() /
                                      ("fairlead_data_dir_test_" + std::to_string(::getpid()));
};

TEST_F(DataDir, IsCreatedForItsOwnerOnly) {
  ASSERT_TRUE(prepare_data_dir(path_ / "a" / "b"));
  struct stat status {};
  ASSERT_EQ(::stat((path_ / "a" / "b").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0700u);
  EXPECT_TRUE(prepare_data_dir(path_ / "a" / "b"));
  EXPECT_FALSE(prepare_data_dir("/proc/nothing/here"));
}

TEST_F(DataDir, HasOneServerAtATime) {
  ASSERT_TRUE(prepare_data_dir(path_));
  EXPECT_FALSE(running_server(path_));
  {
    auto first = DataDirLock::take(path_);
    ASSERT_TRUE(first);
    EXPECT_EQ(running_server(path_), ::getpid());
    auto second = DataDirLock::take(path_);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ReasonCode::kServerBusy);
    EXPECT_THAT(second.error().sentence, HasSubstr(std::to_string(::getpid())));
  }
  EXPECT_FALSE(running_server(path_));
  EXPECT_TRUE(DataDirLock::take(path_));
}

TEST_F(DataDir, ServerMakesItsCertificatesOnce) {
  std::vector<ListenerOptions> listeners(1);
  ASSERT_TRUE(prepare_data_dir(path_));
  TlsKeeper first(path_);
  ASSERT_TRUE(first.start({}, listeners));
  ASSERT_TRUE(first.context());
  EXPECT_THAT(first.context()->names(), Contains("localhost"));
  const auto made = std::filesystem::last_write_time(path_ / "certs" / "server-rsa.crt");
  ASSERT_TRUE(first.load({}));
  TlsKeeper second(path_);
  ASSERT_TRUE(second.start({}, listeners));
  EXPECT_EQ(std::filesystem::last_write_time(path_ / "certs" / "server-rsa.crt"), made);
}

TEST_F(DataDir, ListenersWithoutTlsNeedNoCertificates) {
  std::vector<ListenerOptions> listeners(1);
  listeners[0].protocols = {.mqtt = true, .mqtts = false, .ws = true, .wss = false};
  TlsKeeper tls(path_);
  ASSERT_TRUE(tls.start({}, listeners));
  EXPECT_FALSE(tls.context());
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(DataDir, CertificateThatIsMissingIsNamed) {
  TlsConfig config;
  config.certificates.push_back({{"/nonexistent/a.crt"}, {"/nonexistent/a.key"}});
  TlsKeeper tls(path_);
  const Status started = tls.start(config, std::vector<ListenerOptions>(1));
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().sentence, HasSubstr("/nonexistent/a.crt"));
}

TEST_F(DataDir, ConfigurationInItIsFound) {
  EXPECT_EQ(config_file_of({}, path_), "");
  ServeRequest told;
  told.config_file = "other.toml";
  EXPECT_EQ(config_file_of(told, path_), "other.toml");
}

}  // namespace
}  // namespace fairlead
