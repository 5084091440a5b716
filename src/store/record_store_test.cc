#include "store/record_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <map>
#include <string>

#include "base/temp_dir_for_test.h"

namespace fairlead {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

using Content = std::map<RecordId, std::string>;

Content content(const RecordStore& store, Table table) {
  Content found;
  const Status ok = store.for_each(table, [&](RecordId id, Bytes data) {
    EXPECT_TRUE(found.empty() || found.rbegin()->first < id);
    found.emplace(id, as_text(data));
  });
  EXPECT_TRUE(ok) << ok.error().sentence;
  return found;
}

class RecordStoreTest : public ::testing::Test {
 protected:
  RecordStore open(const StoreOptions& options = {}) {
    auto store = RecordStore::open(dir_.path(), options, opened_);
    EXPECT_TRUE(store) << store.error().sentence;
    return std::move(*store);
  }
  static void commit(RecordStore& store, RecordBatch& batch) {
    const Status ok = store.commit({&batch});
    EXPECT_TRUE(ok) << ok.error().sentence;
    batch.clear();
  }

  TempDir dir_;
  RecordStore::Opened opened_;
};

TEST_F(RecordStoreTest, KeepsRecordsAcrossReopen) {
  const RecordId first = make_record_id(1, 0, 1);
  const RecordId second = make_record_id(1, 1, 0);
  {
    RecordStore store = open();
    EXPECT_TRUE(opened_.created);
    RecordBatch batch;
    batch.put(Table::kEntry, second, as_bytes("two"));
    batch.put(Table::kEntry, first, as_bytes("one"));
    batch.put(Table::kSession, first, as_bytes(""));
    commit(store, batch);
    batch.put(Table::kEntry, first, as_bytes("uno"));
    batch.erase(Table::kEntry, second);
    batch.erase(Table::kBody, second);
    commit(store, batch);
  }
  RecordStore store = open();
  EXPECT_FALSE(opened_.created);
  EXPECT_THAT(content(store, Table::kEntry), ElementsAre(Pair(first, "uno")));
  EXPECT_THAT(content(store, Table::kSession), ElementsAre(Pair(first, "")));
  EXPECT_EQ(*store.count(Table::kEntry), 1u);
  EXPECT_EQ(*store.count(Table::kBody), 0u);
}

TEST_F(RecordStoreTest, NeverForgetsAnEpochThatWasGiven) {
  {
    RecordStore store = open();
    EXPECT_EQ(*store.last_epoch(), 0u);
    RecordBatch batch;
    const RecordId id = make_record_id(7, 3, 1);
    batch.put(Table::kEntry, id, as_bytes("x"));
    batch.erase(Table::kEntry, id);
    commit(store, batch);
    EXPECT_GE(*store.last_epoch(), 7u);
  }
  EXPECT_GE(*open().last_epoch(), 7u);
}

TEST_F(RecordStoreTest, TakesAllBatchesOfACommit) {
  RecordStore store = open();
  RecordBatch one;
  RecordBatch none;
  RecordBatch two;
  one.put(Table::kRetained, make_record_id(1, 0, 0), as_bytes("a"));
  two.put(Table::kReceived, make_record_id(1, 1, 0), as_bytes("b"));
  ASSERT_TRUE(store.commit({&one, &none, &two}));
  EXPECT_EQ(*store.count(Table::kRetained), 1u);
  EXPECT_EQ(*store.count(Table::kReceived), 1u);
}

TEST_F(RecordStoreTest, KeepsARecordWithoutDataThatIsAloneInItsBatch) {
  const RecordId id = make_record_id(1, 0, 0);
  RecordStore store = open();
  RecordBatch batch;
  batch.put(Table::kSession, id, {});
  commit(store, batch);
  EXPECT_THAT(content(store, Table::kSession), ElementsAre(Pair(id, "")));
}

TEST_F(RecordStoreTest, SecondProcessIsTurnedAway) {
  RecordStore store = open();
  RecordStore::Opened opened;
  auto second = RecordStore::open(dir_.path(), {}, opened);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ReasonCode::kServerBusy);
  EXPECT_THAT(second.error().sentence, HasSubstr("store.lock"));
}

TEST_F(RecordStoreTest, FilesAreForTheirOwnerOnly) {
  RecordStore store = open();
  RecordBatch batch;
  batch.put(Table::kEntry, make_record_id(1, 0, 0), as_bytes("x"));
  commit(store, batch);
  for (const char* name : {"store.db", "store.db-wal", "store.db-shm", "store.lock"}) {
    struct stat found {};
    ASSERT_EQ(::stat((dir_.path() / name).c_str(), &found), 0) << name;
    EXPECT_EQ(found.st_mode & 0777, 0600u) << name;
  }
}

TEST_F(RecordStoreTest, IntervalIsDueAfterACommitUntilSynced) {
  RecordStore store = open({.sync = SyncPolicy::kInterval});
  const auto never = std::chrono::steady_clock::time_point::max();
  EXPECT_EQ(store.sync_due(), never);
  RecordBatch batch;
  batch.put(Table::kEntry, make_record_id(1, 0, 0), as_bytes("x"));
  commit(store, batch);
  const auto due = store.sync_due();
  EXPECT_NE(due, never);
  batch.put(Table::kEntry, make_record_id(1, 0, 1), as_bytes("y"));
  commit(store, batch);
  EXPECT_EQ(store.sync_due(), due);
  ASSERT_TRUE(store.sync());
  EXPECT_EQ(store.sync_due(), never);
}

TEST_F(RecordStoreTest, GivesFreePagesBackInSteps) {
  RecordStore store = open();
  RecordBatch batch;
  const std::string data(4000, 'x');
  constexpr uint32_t kCount = 4000;
  for (uint32_t i = 0; i < kCount; ++i) {
    batch.put(Table::kBody, make_record_id(1, 0, i), as_bytes(data));
  }
  commit(store, batch);
  for (uint32_t i = 0; i < kCount; ++i) batch.erase(Table::kBody, make_record_id(1, 0, i));
  commit(store, batch);
  const uint64_t before = store.sizes().free_bytes;
  EXPECT_GT(before, 14u << 20);
  ASSERT_TRUE(store.tidy());
  const uint64_t after = store.sizes().free_bytes;
  EXPECT_LT(after, before);
  EXPECT_GT(after, before - (2u << 20));
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(store.tidy());
  EXPECT_LE(store.sizes().free_bytes, 4u << 20);
}

TEST_F(RecordStoreTest, BackupBesideAWriterIsOfOneMoment) {
  RecordStore store = open();
  RecordBatch batch;
  for (uint32_t i = 0; i < 1000; ++i) {
    batch.put(Table::kEntry, make_record_id(1, 0, i), as_bytes("x"));
  }
  commit(store, batch);
  const auto copy = dir_.path() / "copy.db";
  ASSERT_TRUE(RecordStore::backup(dir_.path(), copy));
  batch.put(Table::kEntry, make_record_id(2, 0, 0), as_bytes("later"));
  commit(store, batch);
  const auto report = RecordStore::check(copy);
  ASSERT_TRUE(report);
  EXPECT_THAT(report->problems, ::testing::IsEmpty());
  EXPECT_EQ(report->counts[static_cast<std::size_t>(Table::kEntry)],
            (std::pair<std::string_view, uint64_t>("entry", 1000)));
  const Status again = RecordStore::backup(dir_.path(), copy);
  ASSERT_FALSE(again);
  EXPECT_THAT(again.error().sentence, HasSubstr("exists"));
}

TEST_F(RecordStoreTest, RestoreKeepsWhatWasThere) {
  const auto copy = dir_.path() / "copy.db";
  const RecordId id = make_record_id(1, 0, 0);
  {
    RecordStore store = open();
    RecordBatch batch;
    batch.put(Table::kSession, id, as_bytes("then"));
    commit(store, batch);
    ASSERT_TRUE(RecordStore::backup(dir_.path(), copy));
    batch.put(Table::kSession, id, as_bytes("now"));
    commit(store, batch);
    const auto refused = RecordStore::restore(dir_.path(), copy);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ReasonCode::kServerBusy);
  }
  const auto restored = RecordStore::restore(dir_.path(), copy);
  ASSERT_TRUE(restored) << restored.error().sentence;
  EXPECT_THAT(content(open(), Table::kSession), ElementsAre(Pair(id, "then")));
  std::filesystem::rename(restored->kept, copy);
  ASSERT_TRUE(RecordStore::restore(dir_.path(), copy));
  EXPECT_THAT(content(open(), Table::kSession), ElementsAre(Pair(id, "now")));
}

TEST_F(RecordStoreTest, CompactGivesAllFreePagesBack) {
  {
    RecordStore store = open();
    RecordBatch batch;
    const std::string data(4000, 'x');
    for (uint32_t i = 0; i < 500; ++i) {
      batch.put(Table::kBody, make_record_id(1, 0, i), as_bytes(data));
    }
    commit(store, batch);
    for (uint32_t i = 1; i < 500; ++i) batch.erase(Table::kBody, make_record_id(1, 0, i));
    commit(store, batch);
    EXPECT_EQ(RecordStore::compact(dir_.path()).error().code, ReasonCode::kServerBusy);
  }
  const auto sizes = RecordStore::compact(dir_.path());
  ASSERT_TRUE(sizes) << sizes.error().sentence;
  EXPECT_LT(sizes->file_bytes, 100'000u);
  EXPECT_EQ(sizes->free_bytes, 0u);
  EXPECT_THAT(content(open(), Table::kBody), ::testing::SizeIs(1));
}

}  // namespace
}  // namespace fairlead
