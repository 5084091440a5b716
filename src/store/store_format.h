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
constexpr int64_t kStoreFormat = 1;                  // in `user_version`
constexpr std::size_t kChecksumBytes = 4;
constexpr const char* kEpochKey = "epoch_bound";  // in `meta`

constexpr std::array<std::string_view, kTableCount> kTableNames{
    "session", "subscription", "body", "entry", "inflight", "received", "retained"};
constexpr std::string_view table_name(Table table) {
  return kTableNames[static_cast<std::size_t>(table)];
}

// CRC-32 of the record, begun with where it belongs: a record that turns up under another number
// or in another table is as wrong as one with a bit turned over.
[[nodiscard]] uint32_t record_checksum(Table table, RecordId id, Bytes data);
// What was stored, without its checksum; nullopt when that is wrong.
[[nodiscard]] std::optional<Bytes> checked_record(Table table, RecordId id, Bytes stored);

// How format `from` becomes `from + 1`.
struct FormatStep {
  int64_t from;
  const char* sql;
};

enum class FormatState : uint8_t { kCreated, kCurrent, kMigrated, kNewer, kForeign };
struct FormatFound {
  FormatState state = FormatState::kCurrent;
  int64_t version = 0;  // what the file had
};
// Makes an empty file a store, and an older one a store of this format: one transaction, so that
// after a crash the file is the old one or the new one. Throws SqliteError.
FormatFound bring_up_to_date(SqliteConnection& connection, int64_t format = kStoreFormat,
                             std::span<const FormatStep> steps = {});

}  // namespace fairlead
