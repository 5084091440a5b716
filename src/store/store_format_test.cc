#include "store/store_format.h"

#include <gtest/gtest.h>

#include <array>

#include "base/temp_dir_for_test.h"

namespace fairlead {
namespace {

TEST(StoreFormat, AnOlderOneBecomesTheCurrentOneStepByStep) {
  TempDir dir;
  SqliteConnection connection(dir.path() / "old.db");
  create_store(connection);
  // As if version 1 had been two formats ago.
  constexpr std::array<FormatStep, 2> kSteps{
      FormatStep{1, "CREATE TABLE two (id INTEGER PRIMARY KEY)"},
      FormatStep{2, "INSERT INTO two VALUES (3)"},
  };
  EXPECT_EQ(find_format(connection, 3).state, FormatState::kOlder);
  migrate_store(connection, 1, kSteps);
  EXPECT_EQ(find_format(connection, 3).state, FormatState::kCurrent);
  EXPECT_EQ(connection.number("SELECT id FROM two"), 3);
  // From the middle: only what is missing.
  connection.run("DELETE FROM two");
  migrate_store(connection, 2, kSteps);
  EXPECT_EQ(connection.number("SELECT count(*) FROM two"), 1);
}

TEST(StoreFormat, AStepThatFailsLeavesTheOldFormat) {
  TempDir dir;
  SqliteConnection connection(dir.path() / "old.db");
  create_store(connection);
  constexpr std::array<FormatStep, 2> kSteps{
      FormatStep{1, "CREATE TABLE two (id INTEGER PRIMARY KEY)"},
      FormatStep{2, "INSERT INTO nowhere VALUES (3)"},
  };
  EXPECT_THROW(migrate_store(connection, 1, kSteps), SqliteError);
  EXPECT_EQ(find_format(connection, 3).version, 1);
  EXPECT_EQ(connection.number("SELECT count(*) FROM sqlite_schema WHERE name = 'two'"), 0);
}

TEST(StoreFormat, TellsWhatItIsLookingAt) {
  TempDir dir;
  SqliteConnection connection(dir.path() / "any.db");
  EXPECT_EQ(find_format(connection).state, FormatState::kEmpty);
  create_store(connection);
  EXPECT_EQ(find_format(connection).state, FormatState::kCurrent);
  EXPECT_EQ(find_format(connection, 0).state, FormatState::kNewer);
  connection.run("PRAGMA user_version = 2");  // and nothing else
  EXPECT_EQ(find_format(connection).state, FormatState::kForeign);
  connection.run("PRAGMA user_version = 1; DROP TABLE entry");
  EXPECT_EQ(find_format(connection).state, FormatState::kForeign);
  connection.run("PRAGMA application_id = 7");
  EXPECT_EQ(find_format(connection).state, FormatState::kForeign);
}

TEST(StoreFormat, AChecksumBelongsToTableAndNumber) {
  const Bytes data = as_bytes("data");
  const RecordId id = make_record_id(1, 2, 3);
  const uint32_t sum = record_checksum(Table::kEntry, id, data);
  EXPECT_NE(sum, record_checksum(Table::kBody, id, data));
  EXPECT_NE(sum, record_checksum(Table::kEntry, make_record_id(1, 2, 4), data));
  EXPECT_NE(sum, record_checksum(Table::kEntry, make_record_id(2, 2, 3), data));
}

}  // namespace
}  // namespace fairlead
