#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <set>
#include <string>

#include "base/temp_dir_for_test.h"
#include "base/test_seeds.h"
#include "sqlite/sqlite.h"
#include "sqlite/sqlite_files.h"
#include "store/record_store.h"
#include "store/test_store_model.h"

namespace fairlead {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::size_t kPage = 4096;
constexpr uint32_t kRecords = 20'000;

std::string record(uint32_t i) { return "record " + std::to_string(i) + std::string(100, '.'); }

class DamagedStore : public ::testing::Test {
 protected:
  fs::path file() const { return RecordStore::file_in(dir_->path()); }

  // Entries and, between them, sessions; several hundred pages.
  void fill() {
    auto store = RecordStore::open(dir_->path(), {.sync = SyncPolicy::kNever}, opened_);
    ASSERT_TRUE(store) << store.error().sentence;
    RecordBatch batch;
    for (uint32_t i = 0; i < kRecords; ++i) {
      batch.put(Table::kEntry, make_record_id(i + 1, 0, 0), as_bytes(record(i)));
      if (i % 100 == 0) batch.put(Table::kSession, make_record_id(i + 1, 1, 0), as_bytes("s"));
    }
    ASSERT_TRUE(store->commit({&batch}));
  }

  void overwrite(std::size_t at, std::string_view bytes) const {
    std::fstream(file(), std::ios::in | std::ios::out | std::ios::binary)
        .seekp(static_cast<std::streamoff>(at))
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  std::size_t page_of(std::string_view text) const {
    std::ifstream in(file(), std::ios::binary);
    const std::string all{std::istreambuf_iterator<char>(in), {}};
    return all.find(text) / kPage * kPage;
  }

  // What is there after a start: all of it must be what was written.
  std::size_t entries_found() {
    auto store = RecordStore::open(dir_->path(), {.sync = SyncPolicy::kNever}, opened_);
    EXPECT_TRUE(store) << store.error().sentence;
    std::size_t found = 0;
    EXPECT_TRUE(store->for_each(Table::kEntry, [&](RecordId id, Bytes data) {
      EXPECT_EQ(as_text(data), record(static_cast<uint32_t>(epoch_of(id) - 1)));
      ++found;
    }));
    sessions_ = static_cast<std::size_t>(*store->count(Table::kSession));
    EXPECT_GE(*store->last_epoch(), found);
    RecordBatch batch;
    batch.put(Table::kBody, make_record_id(1'000'000, 0, 0), as_bytes("works on"));
    EXPECT_TRUE(store->commit({&batch}));
    return found;
  }

  std::unique_ptr<TempDir> dir_ = std::make_unique<TempDir>();
  RecordStore::Opened opened_;
  std::size_t sessions_ = 0;
};

TEST_F(DamagedStore, ABitTurnedOverCostsOneRecord) {
  fill();
  std::ifstream in(file(), std::ios::binary);
  const std::string all{std::istreambuf_iterator<char>(in), {}};
  overwrite(all.find("record 777."), "R");
  EXPECT_EQ(entries_found(), kRecords - 1);
  EXPECT_THAT(opened_.quarantine.filename().string(), HasSubstr("store.db.damaged-2"));
  EXPECT_TRUE(fs::exists(opened_.quarantine));
  EXPECT_THAT(opened_.lost, HasSubstr("1 record with a wrong checksum in table entry"));
  EXPECT_THAT(opened_.damage, HasSubstr("checksum"));
  EXPECT_EQ(sessions_, kRecords / 100);
  // And it is sound from now on.
  EXPECT_EQ(entries_found(), kRecords - 1);
  EXPECT_TRUE(opened_.quarantine.empty());
  EXPECT_THAT(opened_.lost, IsEmpty());
}

TEST_F(DamagedStore, AnUnreadablePageCostsItsRecordsOnly) {
  fill();
  overwrite(page_of("record 1234."), std::string(kPage, '\x7f'));
  overwrite(page_of("record 15000."), std::string(kPage, '\x7f'));
  const std::size_t found = entries_found();
  EXPECT_LT(found, kRecords);
  EXPECT_GT(found, kRecords - 2 * kPage / 100);
  EXPECT_THAT(opened_.lost, HasSubstr("pages that cannot be read in table entry"));
  EXPECT_EQ(sessions_, kRecords / 100);
}

TEST_F(DamagedStore, ATornFirstPageCostsNothing) {
  for (std::size_t torn : {std::size_t{512}, kPage}) {
    dir_ = std::make_unique<TempDir>();
    fill();
    overwrite(0, std::string(torn, '\0'));
    EXPECT_EQ(entries_found(), kRecords);
    EXPECT_FALSE(opened_.quarantine.empty());
    EXPECT_EQ(sessions_, kRecords / 100);
  }
}

TEST_F(DamagedStore, WhatIsNoStoreIsSetAside) {
  { std::ofstream(file()) << std::string(10'000, '?'); }
  EXPECT_EQ(entries_found(), 0u);
  EXPECT_FALSE(opened_.quarantine.empty());
  EXPECT_EQ(fs::file_size(opened_.quarantine), 10'000u);
  EXPECT_FALSE(opened_.created);
}

TEST_F(DamagedStore, AFileThatIsCutShortKeepsItsFirstPart) {
  fill();
  fs::resize_file(file(), fs::file_size(file()) / 2 / kPage * kPage);
  const std::size_t found = entries_found();
  EXPECT_LT(found, kRecords);
  EXPECT_FALSE(opened_.quarantine.empty());
  EXPECT_FALSE(opened_.lost.empty());
}

TEST_F(DamagedStore, NeverOverwritesWhatWasSetAsideBefore) {
  std::set<fs::path> all;
  for (int i = 0; i < 3; ++i) {
    fs::remove(file());
    fs::remove(log_of(file()));
    { std::ofstream(file()) << std::string(10'000, '?'); }
    EXPECT_EQ(entries_found(), 0u);
    all.insert(opened_.quarantine);
  }
  EXPECT_THAT(all, SizeIs(3));
  for (const fs::path& each : all) EXPECT_TRUE(fs::exists(each));
}

// What is in the log only goes aside with the file, and is salvaged with it.
TEST_F(DamagedStore, TheLogBelongsToTheDamagedFile) {
  fill();
  auto image = std::make_unique<TempDir>();
  {
    auto store = RecordStore::open(dir_->path(), {.sync = SyncPolicy::kNever}, opened_);
    ASSERT_TRUE(store);
    RecordBatch batch;
    batch.put(Table::kRetained, make_record_id(kRecords + 1, 0, 0), as_bytes("late"));
    ASSERT_TRUE(store->commit({&batch}));
    fs::copy(file(), RecordStore::file_in(image->path()));
    fs::copy(log_of(file()), log_of(RecordStore::file_in(image->path())));
  }
  std::swap(image, dir_);
  overwrite(page_of("record 1234."), std::string(kPage, '\x7f'));
  EXPECT_GT(entries_found(), kRecords - kPage / 100);
  EXPECT_TRUE(fs::exists(log_of(opened_.quarantine)));
  auto store = RecordStore::open(dir_->path(), {.sync = SyncPolicy::kNever}, opened_);
  EXPECT_EQ(*store->count(Table::kRetained), 1u);
}

// A crash in the midst of putting the new file in the place of the damaged one.
TEST_F(DamagedStore, AReplacementThatWasInterruptedIsFinished) {
  fill();
  const fs::path staged = file().string() + ".new";
  fs::copy(file(), staged);
  { std::ofstream(file()) << "half gone"; }
  { std::ofstream(log_of(file())) << "the log of another"; }
  EXPECT_EQ(entries_found(), kRecords);
  EXPECT_FALSE(fs::exists(staged));
  // And when the old one was gone already.
  fs::rename(file(), staged);
  { std::ofstream(log_of(file())) << "the log of another"; }
  EXPECT_EQ(entries_found(), kRecords);
  // One that was not whole yet is forgotten.
  { std::ofstream(building_file(file())) << "unfinished"; }
  EXPECT_EQ(entries_found(), kRecords);
  EXPECT_FALSE(fs::exists(building_file(file())));
}

TEST_F(DamagedStore, ANewerFormatIsRefusedAndLeftAlone) {
  fill();
  {
    SqliteConnection raw(file());
    raw.run("PRAGMA user_version = 99; UPDATE meta SET value = 99 WHERE key = 'format'");
  }
  auto store = RecordStore::open(dir_->path(), {.sync = SyncPolicy::kNever}, opened_);
  ASSERT_FALSE(store);
  EXPECT_THAT(store.error().sentence,
              AllOf(HasSubstr("newer version of fairlead (format 99"), HasSubstr("backup")));
  EXPECT_TRUE(opened_.quarantine.empty());
}

// Whatever is done to the file: the server starts, and what it finds is what was written.
TEST_F(DamagedStore, AnyDamageLeavesAStoreThatStarts) {
  fill();
  std::ifstream in(file(), std::ios::binary);
  const std::string sound{std::istreambuf_iterator<char>(in), {}};
  testing::for_each_seed(10, [&](uint64_t seed) {
    std::mt19937_64 random(seed);
    dir_ = std::make_unique<TempDir>();
    std::string bytes = sound;
    const std::size_t places = 1 + random() % 4;
    const bool only_first_pages = random() % 2 == 0;
    for (std::size_t i = 0; i < places; ++i) {
      const std::size_t at = random() % (only_first_pages ? 20 * kPage : bytes.size());
      const std::size_t size = random() % 2 == 0 ? 1 : random() % (2 * kPage);
      for (std::size_t j = at; j < std::min(at + size, bytes.size()); ++j) {
        bytes[j] = static_cast<char>(random());
      }
    }
    { std::ofstream(file(), std::ios::binary) << bytes; }
    entries_found();
    // All commands get along with it.
    EXPECT_TRUE(RecordStore::check(file())->problems.empty());
  });
}

}  // namespace
}  // namespace fairlead
