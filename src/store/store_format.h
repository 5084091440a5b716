#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "sqlite/sqlite.h"
#include "store/record_store.h"

// What stands in `store.db`: a table for each Table, (id INTEGER PRIMARY KEY, data BLOB), and
// `meta`. `data` is the record with its checksum behind it, 4 bytes, big-endian.

namespace fairlead {

constexpr int64_t kStoreApplicationId = 0x464c7374;  // "FLst"
constexpr int64_t kStoreFormat = 1;                  // in `user_version`, and in `meta`
constexpr std::size_t kChecksumBytes = 4;
constexpr const char* kFormatKey = "format";  // in `meta`
constexpr const char* kEpochKey = "epoch_bound";

constexpr std::array<std::string_view, kTableCount> kTableNames{
    "session", "subscription", "body", "entry", "inflight", "received", "retained"};
constexpr std::string_view table_name(Table table) {
  return kTableNames[static_cast<std::size_t>(table)];
}

// CRC-32C of the record, begun with where it belongs: a record that turns up under another number
// or in another table is as wrong as one with a bit turned over.
[[nodiscard]] uint32_t record_checksum(Table table, RecordId id, Bytes data);
// What was stored, without its checksum; nullopt when that is wrong.
[[nodiscard]] std::optional<Bytes> checked_record(Table table, RecordId id, Bytes stored);

// To be said before the first page is written. 4 KiB: small commits, which are most, write least.
constexpr std::size_t kPageBytes = 4096;
constexpr const char* kNewFileSettings =
    "PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL;";

// How a format becomes the next one. There are no older formats yet.
struct FormatStep {
  int64_t from;
  const char* sql;
};
constexpr std::span<const FormatStep> kFormatSteps{};

enum class FormatState : uint8_t {
  kEmpty,  // nothing was ever written
  kOlder,  // a store that migrate_store() brings up to date
  kCurrent,
  kNewer,    // a store of a version to come
  kForeign,  // no store, or what damage has left of one
};
struct Format {
  FormatState state = FormatState::kCurrent;
  int64_t version = 0;
};
// All of these throw SqliteError.
[[nodiscard]] Format find_format(SqliteConnection& connection, int64_t current = kStoreFormat);
void create_store(SqliteConnection& connection);
// One transaction: after a crash the file is the old one or the new one.
void migrate_store(SqliteConnection& connection, int64_t from, std::span<const FormatStep> steps);

}  // namespace fairlead
