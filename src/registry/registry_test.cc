#include "registry/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <string>
#include <thread>

#include "base/temp_dir_for_test.h"
#include "registry/control_socket.h"
#include "sqlite/sqlite.h"

namespace fairlead {
namespace {

using namespace std::chrono_literals;
using Kind = RegistryChange::Kind;

// The CLI's database handle and the server's registry on one directory.
class RegistryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = Database::open(dir_.path());
    ASSERT_TRUE(opened.ok());
    database_.emplace(std::move(*opened));
    ASSERT_TRUE(cli().create_product({.key = "pk"}).ok());
    ASSERT_TRUE(cli().create_device({.product_key = "pk", .name = "d1", .secret = "s1"}).ok());
    auto registry = Registry::open(dir_.path());
    ASSERT_TRUE(registry.ok());
    registry_ = std::move(*registry);
    registry_->set_listener([this](const RegistryChange& change) { heard_.push_back(change); });
  }

  Database& cli() { return *database_; }
  std::vector<RegistryChange> apply() {
    heard_.clear();
    EXPECT_TRUE(registry_->apply_changes().ok());
    return heard_;
  }

  TempDir dir_;
  std::optional<Database> database_;
  std::unique_ptr<Registry> registry_;
  std::vector<RegistryChange> heard_;
};

TEST_F(RegistryTest, LoadsWhatIsThere) {
  ASSERT_TRUE(registry_->product("pk"));
  EXPECT_TRUE(registry_->product("pk")->topic_rules->may_publish("user/x"));
  ASSERT_TRUE(registry_->device("pk", "d1"));
  EXPECT_EQ(registry_->device("pk", "d1")->secret, "s1");
  EXPECT_TRUE(registry_->device("pk", "d1")->enabled);
  EXPECT_FALSE(registry_->device("pk", "d2"));
  EXPECT_FALSE(registry_->device("p", "kd1"));
  EXPECT_FALSE(registry_->product("p"));
  EXPECT_EQ(registry_->device_count(), 1u);
}

TEST_F(RegistryTest, FollowsEveryKindOfChange) {
  ASSERT_TRUE(cli().create_device({.product_key = "pk", .name = "d2", .secret = "s2"}).ok());
  EXPECT_EQ(apply(), (std::vector<RegistryChange>{{Kind::kDeviceCreated, "pk", "d2"}}));
  EXPECT_EQ(registry_->device("pk", "d2")->secret, "s2");

  ASSERT_TRUE(cli().set_device_enabled("pk", "d2", false).ok());
  EXPECT_EQ(apply(), (std::vector<RegistryChange>{{Kind::kDeviceDisabled, "pk", "d2"}}));
  EXPECT_FALSE(registry_->device("pk", "d2")->enabled);

  ASSERT_TRUE(cli().set_device_secret("pk", "d2", "new").ok());
  EXPECT_EQ(apply(), (std::vector<RegistryChange>{{Kind::kDeviceChanged, "pk", "d2"}}));
  EXPECT_EQ(registry_->device("pk", "d2")->secret, "new");

  ASSERT_TRUE(cli().delete_device("pk", "d2").ok());
  EXPECT_EQ(apply(), (std::vector<RegistryChange>{{Kind::kDeviceDeleted, "pk", "d2"}}));
  EXPECT_FALSE(registry_->device("pk", "d2"));

  auto product = *cli().product("pk");
  product->topic_classes = {{"/${productKey}/${deviceName}/x", TopicPermission::kAll}};
  ASSERT_TRUE(cli().update_product(*product).ok());
  EXPECT_EQ(apply(), (std::vector<RegistryChange>{{Kind::kProductChanged, "pk", ""}}));
  EXPECT_FALSE(registry_->product("pk")->topic_rules->may_publish("user/x"));

  ASSERT_TRUE(cli()
                  .create_app({.name = "app",
                               .password_hash = "h",
                               .permissions = {{Permission::Kind::kPublish, "a"}}})
                  .ok());
  EXPECT_EQ(apply(), (std::vector<RegistryChange>{{Kind::kAppChanged, "", "app"}}));
  EXPECT_TRUE(registry_->app("app")->policy->may_publish("a"));
  ASSERT_TRUE(cli().delete_app("app").ok());
  EXPECT_EQ(apply(), (std::vector<RegistryChange>{{Kind::kAppDeleted, "", "app"}}));
  EXPECT_FALSE(registry_->app("app"));

  EXPECT_TRUE(apply().empty());
}

TEST_F(RegistryTest, ADeletedProductTakesItsDevicesAlong) {
  ASSERT_TRUE(cli().create_product({.key = "p"}).ok());
  ASSERT_TRUE(cli().create_device({.product_key = "p", .name = "kd1"}).ok());
  ASSERT_TRUE(cli().delete_product("pk", WithDevices::kDelete).ok());
  apply();
  EXPECT_FALSE(registry_->product("pk"));
  EXPECT_FALSE(registry_->device("pk", "d1"));
  EXPECT_TRUE(registry_->device("p", "kd1"));
}

TEST_F(RegistryTest, ReachesTheLastStateOfWhatChangedOften) {
  ASSERT_TRUE(cli().delete_product("pk", WithDevices::kDelete).ok());
  ASSERT_TRUE(cli().create_product({.key = "pk"}).ok());
  ASSERT_TRUE(cli().create_device({.product_key = "pk", .name = "d1", .secret = "again"}).ok());
  ASSERT_TRUE(cli().set_device_enabled("pk", "d1", false).ok());
  EXPECT_EQ(apply().size(), 4u);
  EXPECT_EQ(registry_->device("pk", "d1")->secret, "again");
  EXPECT_FALSE(registry_->device("pk", "d1")->enabled);
}

TEST_F(RegistryTest, AppliesALargeImport) {
  std::vector<ImportRow> rows;
  for (std::size_t i = 1; i <= 1000; ++i) rows.push_back({i, "pk", "x" + std::to_string(i), {}});
  ASSERT_TRUE(cli().import_devices(rows).ok());
  EXPECT_EQ(apply().size(), 1000u);
  EXPECT_EQ(registry_->device_count(), 1001u);
}

TEST_F(RegistryTest, ReadsAllAgainWhenTheFeedHasAGap) {
  ASSERT_TRUE(cli().create_device({.product_key = "pk", .name = "d2"}).ok());
  ASSERT_TRUE(cli().set_device_enabled("pk", "d1", false).ok());
  ASSERT_TRUE(cli().delete_device("pk", "d2").ok());
  ASSERT_TRUE(cli().create_device({.product_key = "pk", .name = "d3"}).ok());
  {
    SqliteConnection raw(dir_.path() / "registry.db");
    raw.run("DELETE FROM change WHERE seq < (SELECT max(seq) FROM change)");
  }
  EXPECT_THAT(apply(),
              ::testing::UnorderedElementsAre(RegistryChange{Kind::kDeviceDisabled, "pk", "d1"},
                                              RegistryChange{Kind::kDeviceCreated, "pk", "d3"}));
  EXPECT_FALSE(registry_->device("pk", "d1")->enabled);
  EXPECT_TRUE(registry_->device("pk", "d3"));
  EXPECT_TRUE(apply().empty());
}

TEST_F(RegistryTest, AnswersFromMemoryWhenTheDatabaseFails) {
  {
    SqliteConnection raw(dir_.path() / "registry.db");
    raw.run("DROP TABLE change");
  }
  EXPECT_FALSE(registry_->apply_changes().ok());
  EXPECT_EQ(registry_->device("pk", "d1")->secret, "s1");
}

TEST_F(RegistryTest, AProductWithUnreadableRulesIsNotThere) {
  {
    SqliteConnection raw(dir_.path() / "registry.db");
    raw.run(
        "UPDATE product SET topic_classes = 'all:/broken/+x';"
        "INSERT INTO change (kind, product_key, name) VALUES (0, 'pk', '')");
  }
  EXPECT_TRUE(registry_->apply_changes().ok());
  EXPECT_FALSE(registry_->product("pk"));
}

TEST_F(RegistryTest, PollingAppliesOnlyWhenSomethingWasCommitted) {
  ASSERT_TRUE(registry_->apply_changes_if_any().ok());
  heard_.clear();
  ASSERT_TRUE(registry_->apply_changes_if_any().ok());
  EXPECT_TRUE(heard_.empty());
  ASSERT_TRUE(cli().set_device_enabled("pk", "d1", false).ok());
  ASSERT_TRUE(registry_->apply_changes_if_any().ok());
  EXPECT_EQ(heard_.size(), 1u);
}

TEST_F(RegistryTest, TheWatcherAppliesByItself) {
  std::promise<RegistryChange> heard;
  registry_->set_listener([&](const RegistryChange& change) { heard.set_value(change); });
  ChangeWatcher watcher(*registry_);
  ASSERT_TRUE(cli().set_device_enabled("pk", "d1", false).ok());
  watcher.poke();
  EXPECT_EQ(heard.get_future().get(), (RegistryChange{Kind::kDeviceDisabled, "pk", "d1"}));
}

TEST_F(RegistryTest, ANotifiedServerHasAppliedTheChangeAndToldItsListener) {
  EXPECT_EQ(notify_server(dir_.path(), 5s), Notified::kNoServer);
  auto control = ControlSocket::start(dir_.path(), *registry_);
  ASSERT_TRUE(control.ok()) << control.error().sentence;
  std::atomic<int> heard = 0;
  registry_->set_listener([&](const RegistryChange&) { ++heard; });
  ASSERT_TRUE(cli().set_device_enabled("pk", "d1", false).ok());
  EXPECT_EQ(notify_server(dir_.path(), 5s), Notified::kApplied);
  EXPECT_EQ(heard, 1);
  EXPECT_FALSE(registry_->device("pk", "d1")->enabled);
  control->reset();
  EXPECT_EQ(notify_server(dir_.path(), 5s), Notified::kNoServer);
  EXPECT_FALSE(std::filesystem::exists(dir_.path() / "control.sock"));
}

TEST_F(RegistryTest, ASecondServerIsRefusedAndAStaleSocketReplaced) {
  std::filesystem::create_directories(dir_.path());
  {
    auto first = ControlSocket::start(dir_.path(), *registry_);
    ASSERT_TRUE(first.ok());
    auto second = ControlSocket::start(dir_.path(), *registry_);
    ASSERT_FALSE(second.ok());
    EXPECT_NE(second.error().sentence.find("another server"), std::string::npos);
    EXPECT_EQ(notify_server(dir_.path(), 5s), Notified::kApplied);
    // What a killed server leaves: the file, and nobody behind it.
    std::filesystem::rename(dir_.path() / "control.sock", dir_.path() / "stale");
  }
  std::filesystem::rename(dir_.path() / "stale", dir_.path() / "control.sock");
  EXPECT_EQ(notify_server(dir_.path(), 5s), Notified::kNoServer);
  auto third = ControlSocket::start(dir_.path(), *registry_);
  ASSERT_TRUE(third.ok()) << third.error().sentence;
  EXPECT_EQ(notify_server(dir_.path(), 5s), Notified::kApplied);
  const auto mode = std::filesystem::status(dir_.path() / "control.sock").permissions();
  EXPECT_EQ(mode, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(RegistryTest, AServerThatFailsToApplySaysSo) {
  auto control = ControlSocket::start(dir_.path(), *registry_);
  ASSERT_TRUE(control.ok());
  {
    SqliteConnection raw(dir_.path() / "registry.db");
    raw.run("DROP TABLE change");
  }
  EXPECT_EQ(notify_server(dir_.path(), 5s), Notified::kFailed);
}

TEST(ControlSocket, WorksInADirectoryWithALongName) {
  TempDir dir;
  const auto deep = dir.path() / std::string(120, 'x');
  auto registry = Registry::open(deep);
  ASSERT_TRUE(registry.ok());
  auto control = ControlSocket::start(deep, **registry);
  ASSERT_TRUE(control.ok()) << control.error().sentence;
  EXPECT_EQ(notify_server(deep, 5s), Notified::kApplied);
}

TEST_F(RegistryTest, LookUpsGoOnWhileChangesAreApplied) {
  registry_->set_listener([this](const RegistryChange& change) {
    // Memory has the change before the listener hears of it.
    if (change.kind == Kind::kDeviceCreated) {
      EXPECT_TRUE(registry_->device(change.product_key, change.name));
    }
  });
  std::atomic<bool> done = false;
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      while (!done) {
        auto device = registry_->device("pk", "d1");
        EXPECT_TRUE(device && device->secret == "s1");
        EXPECT_TRUE(registry_->product("pk"));
      }
    });
  }
  for (int round = 0; round < 20; ++round) {
    const std::string name = "n" + std::to_string(round);
    EXPECT_TRUE(cli().create_device({.product_key = "pk", .name = name}).ok());
    EXPECT_TRUE(cli().set_device_enabled("pk", "d1", round % 2 == 0).ok());
    std::thread other([&] { EXPECT_TRUE(registry_->apply_changes_if_any().ok()); });
    EXPECT_TRUE(registry_->apply_changes().ok());
    other.join();
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(registry_->device_count(), 21u);
}

}  // namespace
}  // namespace fairlead
