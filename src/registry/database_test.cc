#include "registry/database.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <string>

#include "base/temp_dir_for_test.h"
#include "sqlite/sqlite.h"

namespace fairlead {
namespace {

class DatabaseTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = Database::open(dir_.path());
    ASSERT_TRUE(opened.ok()) << opened.error().sentence;
    database_.emplace(std::move(*opened));
    ASSERT_TRUE(database_->create_product({.key = "pk", .name = "Lamp"}).ok());
  }

  Database& db() { return *database_; }
  uint64_t count() { return *db().device_count({}); }
  std::vector<RegistryChange> feed(int64_t after) {
    std::vector<RegistryChange> changes;
    EXPECT_TRUE(
        db().read_feed(after, [&](Database::FeedEntry&& entry) { changes.push_back(entry.change); })
            .ok());
    return changes;
  }
  static std::string sentence(const Status& status) {
    EXPECT_FALSE(status.ok());
    return status ? std::string() : status.error().sentence;
  }

  TempDir dir_;
  std::optional<Database> database_;
};

TEST_F(DatabaseTest, IsReadableByItsOwnerOnly) {
  struct stat info {};
  ASSERT_EQ(::stat((dir_.path() / "registry.db").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  ASSERT_EQ(::stat((dir_.path() / "registry.db-wal").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(DatabaseTest, MakesADataDirectoryForItsOwnerOnly) {
  ASSERT_TRUE(Database::open(dir_.path() / "a" / "b").ok());
  struct stat info {};
  ASSERT_EQ(::stat((dir_.path() / "a" / "b").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
}

TEST_F(DatabaseTest, KeepsAProductWithEverything) {
  Product product{.key = "p2",
                  .name = "Gateway \xE7\xBD\x91",
                  .profile = ProfileKind::kStandard,
                  .secret = "ps",
                  .topic_classes = {{"/${productKey}/${deviceName}/user/#", TopicPermission::kAll},
                                    {"/${productKey}/${deviceName}/a", TopicPermission::kPublish}},
                  .transport = TransportRule::kTlsOnly,
                  .created_ms = 5};
  ASSERT_TRUE(db().create_product(product).ok());
  EXPECT_EQ(**db().product("p2"), product);
  EXPECT_EQ(sentence(db().create_product(product)), "product p2 exists already");
  product.transport = TransportRule::kAny;
  product.topic_classes.clear();
  ASSERT_TRUE(db().update_product(product).ok());
  EXPECT_EQ(**db().product("p2"), product);
  EXPECT_EQ(db().products()->size(), 2u);
  EXPECT_FALSE(db().product("p3")->has_value());
  product.key = "p3";
  EXPECT_EQ(sentence(db().update_product(product)), "product p3 does not exist");
}

TEST_F(DatabaseTest, GeneratesSecretsAndTimes) {
  EXPECT_EQ((*db().product("pk"))->secret.size(), kGeneratedSecretBytes);
  EXPECT_GT((*db().product("pk"))->created_ms, 0);
  auto device = db().create_device({.product_key = "pk", .name = "d1"});
  ASSERT_TRUE(device.ok());
  EXPECT_EQ(device->secret.size(), kGeneratedSecretBytes);
  EXPECT_EQ(**db().device("pk", "d1"), *device);
}

TEST_F(DatabaseTest, RefusesADeviceOfAnUnknownProductOrTwice) {
  auto unknown = db().create_device({.product_key = "nope", .name = "d1"});
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().sentence, "product nope does not exist");
  ASSERT_TRUE(db().create_device({.product_key = "pk", .name = "d1"}).ok());
  auto twice = db().create_device({.product_key = "pk", .name = "d1"});
  ASSERT_FALSE(twice.ok());
  EXPECT_EQ(twice.error().sentence, "device pk/d1 exists already");
  EXPECT_EQ(count(), 1u);
}

TEST_F(DatabaseTest, ChangesAndDeletesDevices) {
  ASSERT_TRUE(db().create_device({.product_key = "pk", .name = "d1", .secret = "s"}).ok());
  ASSERT_TRUE(db().set_device_enabled("pk", "d1", false).ok());
  ASSERT_TRUE(db().set_device_secret("pk", "d1", "t").ok());
  auto device = db().device("pk", "d1");
  EXPECT_FALSE((*device)->enabled);
  EXPECT_EQ((*device)->secret, "t");
  ASSERT_TRUE(db().delete_device("pk", "d1").ok());
  EXPECT_FALSE(db().device("pk", "d1")->has_value());
  EXPECT_EQ(sentence(db().delete_device("pk", "d1")), "device pk/d1 does not exist");
  EXPECT_EQ(sentence(db().set_device_enabled("pk", "d1", true)), "device pk/d1 does not exist");
}

TEST_F(DatabaseTest, AProductWithDevicesIsDeletedOnlyOnDemand) {
  ASSERT_TRUE(db().create_device({.product_key = "pk", .name = "d1"}).ok());
  EXPECT_EQ(sentence(db().delete_product("pk", WithDevices::kRefuse)),
            "product pk still has devices");
  EXPECT_EQ(count(), 1u);
  ASSERT_TRUE(db().delete_product("pk", WithDevices::kDelete).ok());
  EXPECT_EQ(count(), 0u);
  EXPECT_EQ(sentence(db().delete_product("pk", WithDevices::kDelete)), "product pk does not exist");
}

TEST_F(DatabaseTest, ListsDevicesPageByPage) {
  for (const char* name : {"c", "a", "b"}) {
    ASSERT_TRUE(db().create_device({.product_key = "pk", .name = name}).ok());
  }
  auto page = db().devices("pk", {}, 2);
  ASSERT_EQ(page->size(), 2u);
  EXPECT_EQ((*page)[1].name, "b");
  page = db().devices("pk", "b", 2);
  ASSERT_EQ(page->size(), 1u);
  EXPECT_EQ((*page)[0].name, "c");
  EXPECT_EQ(db().devices({})->size(), 3u);
  EXPECT_EQ(*db().device_count("other"), 0u);
}

TEST_F(DatabaseTest, KeepsApplications) {
  App app{.name = "backend",
          .password_hash = "hash",
          .permissions = {{Permission::Kind::kPublish, "#"},
                          {Permission::Kind::kSubscribe, "/pk/+/user/#"}},
          .enabled = true,
          .created_ms = 9};
  ASSERT_TRUE(db().create_app(app).ok());
  EXPECT_EQ(**db().app("backend"), app);
  EXPECT_EQ(sentence(db().create_app(app)), "application backend exists already");
  app.enabled = false;
  app.permissions.pop_back();
  ASSERT_TRUE(db().update_app(app).ok());
  EXPECT_EQ((*db().apps())[0], app);
  ASSERT_TRUE(db().delete_app("backend").ok());
  EXPECT_EQ(sentence(db().delete_app("backend")), "application backend does not exist");
}

TEST_F(DatabaseTest, ImportsAllRowsAndReportsProgress) {
  std::vector<ImportRow> rows;
  for (std::size_t i = 1; i <= 2500; ++i) rows.push_back({i, "pk", "d" + std::to_string(i), {}});
  std::vector<std::size_t> progress;
  auto made = db().import_devices(rows, [&](std::size_t done) { progress.push_back(done); });
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->size(), 2500u);
  EXPECT_EQ(count(), 2500u);
  EXPECT_EQ(progress, (std::vector<std::size_t>{1000, 2000, 2500}));
  EXPECT_EQ((*made)[7], **db().device("pk", "d8"));
}

TEST_F(DatabaseTest, AnImportWithABadRowImportsNothing) {
  ASSERT_TRUE(db().create_device({.product_key = "pk", .name = "old"}).ok());
  const auto before = feed(0);
  auto known = db().import_devices({{1, "pk", "a", "s"}, {2, "pk", "old", "s"}});
  ASSERT_FALSE(known.ok());
  EXPECT_EQ(known.error().sentence, "line 2: device pk/old exists already");
  auto unknown = db().import_devices({{1, "pk", "a", "s"}, {4, "nope", "b", "s"}});
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().sentence, "line 4: product nope does not exist");
  auto invalid = db().import_devices({{1, "pk", "a", "s"}, {2, "pk", "b c", "s"}});
  ASSERT_FALSE(invalid.ok());
  auto twice = db().import_devices({{1, "pk", "a", "s"}, {2, "pk", "a", "s"}});
  ASSERT_FALSE(twice.ok());
  EXPECT_EQ(count(), 1u);
  EXPECT_EQ(feed(0), before);
}

TEST_F(DatabaseTest, EveryWriteIsInTheFeed) {
  using Kind = RegistryChange::Kind;
  const int64_t start = db().feed_range()->newest;
  ASSERT_TRUE(db().create_device({.product_key = "pk", .name = "d1"}).ok());
  ASSERT_TRUE(db().set_device_enabled("pk", "d1", false).ok());
  ASSERT_TRUE(db().set_device_enabled("pk", "d1", true).ok());
  ASSERT_TRUE(db().set_device_secret("pk", "d1", "t").ok());
  ASSERT_TRUE(db().create_app({.name = "app", .password_hash = "h"}).ok());
  ASSERT_TRUE(db().delete_app("app").ok());
  ASSERT_TRUE(db().delete_device("pk", "d1").ok());
  ASSERT_TRUE(db().delete_product("pk", WithDevices::kRefuse).ok());
  EXPECT_EQ(feed(start), (std::vector<RegistryChange>{{Kind::kDeviceCreated, "pk", "d1"},
                                                      {Kind::kDeviceDisabled, "pk", "d1"},
                                                      {Kind::kDeviceEnabled, "pk", "d1"},
                                                      {Kind::kDeviceChanged, "pk", "d1"},
                                                      {Kind::kAppChanged, "", "app"},
                                                      {Kind::kAppDeleted, "", "app"},
                                                      {Kind::kDeviceDeleted, "pk", "d1"},
                                                      {Kind::kProductDeleted, "pk", ""}}));
}

TEST_F(DatabaseTest, AnotherConnectionSeesTheChangeAtOnce) {
  auto other = Database::open(dir_.path());
  ASSERT_TRUE(other.ok());
  const int64_t before = *db().data_version();
  EXPECT_EQ(*db().data_version(), before);
  ASSERT_TRUE(other->create_device({.product_key = "pk", .name = "d1"}).ok());
  EXPECT_NE(*db().data_version(), before);
  EXPECT_TRUE(db().device("pk", "d1")->has_value());
}

TEST_F(DatabaseTest, RestoreBringsABackupBackAndKeepsWhatWasThere) {
  ASSERT_TRUE(db().create_device({.product_key = "pk", .name = "then"}).ok());
  const auto copy = dir_.path() / "copy.db";
  ASSERT_TRUE(Database::backup(dir_.path(), copy).ok());
  ASSERT_TRUE(db().create_device({.product_key = "pk", .name = "since"}).ok());
  const auto kept = Database::restore(dir_.path(), copy);
  ASSERT_TRUE(kept.ok()) << kept.error().sentence;
  // Also for who has it open: it is one transaction.
  EXPECT_TRUE(db().device("pk", "then")->has_value());
  EXPECT_FALSE(db().device("pk", "since")->has_value());
  ASSERT_TRUE(Database::restore(dir_.path(), *kept).ok());
  EXPECT_TRUE(db().device("pk", "since")->has_value());
}

TEST_F(DatabaseTest, RestoreReplacesWhatIsBeyondReading) {
  const auto copy = dir_.path() / "copy.db";
  ASSERT_TRUE(Database::backup(dir_.path(), copy).ok());
  TempDir other;
  std::ofstream(Database::file_in(other.path())) << std::string(5000, 'x');
  const auto kept = Database::restore(other.path(), copy);
  ASSERT_TRUE(kept.ok()) << kept.error().sentence;
  EXPECT_EQ(std::filesystem::file_size(*kept), 5000u);
  EXPECT_TRUE(Database::open(other.path())->product("pk")->has_value());
  // And a backup that is beyond reading replaces nothing.
  std::ofstream(other.path() / "bad.db") << std::string(5000, 'x');
  EXPECT_FALSE(Database::restore(other.path(), other.path() / "bad.db").ok());
  EXPECT_TRUE(Database::open(other.path())->product("pk")->has_value());
}

TEST_F(DatabaseTest, RefusesANewerSchema) {
  {
    SqliteConnection raw(dir_.path() / "registry.db");
    raw.run("PRAGMA user_version = 999");
  }
  auto opened = Database::open(dir_.path());
  ASSERT_FALSE(opened.ok());
  EXPECT_NE(opened.error().sentence.find("newer version"), std::string::npos);
}

TEST(Database, RefusesAFileThatIsNoDatabase) {
  TempDir dir;
  std::ofstream(dir.path() / "registry.db") << std::string(5000, 'x');
  auto opened = Database::open(dir.path());
  ASSERT_FALSE(opened.ok());
  EXPECT_NE(opened.error().sentence.find("not a database"), std::string::npos);
}

TEST(Database, RefusesADirectoryThatCannotBe) {
  TempDir dir;
  std::ofstream(dir.path() / "file") << "x";
  EXPECT_FALSE(Database::open(dir.path() / "file").ok());
}

}  // namespace
}  // namespace fairlead
