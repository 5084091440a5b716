#include "store/store_format.h"

#include "store/crc32c.h"

namespace fairlead {
namespace {

std::string schema() {
  std::string sql = "CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;";
  for (std::string_view name : kTableNames) {
    sql.append("CREATE TABLE ").append(name);
    sql.append(" (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;");
  }
  sql.append("INSERT INTO meta VALUES ('").append(kEpochKey).append("', 0);");
  sql.append("PRAGMA application_id = ").append(std::to_string(kStoreApplicationId)).append(";");
  return sql;
}

// Whether `meta` says the same as the header: a byte turned over there is no other version.
bool is_confirmed(SqliteConnection& connection, int64_t version) {
  if (connection.number("SELECT count(*) FROM sqlite_schema WHERE name = 'meta'") == 0) {
    return false;
  }
  const std::string sql = "SELECT value FROM meta WHERE key = '" + std::string(kFormatKey) + "'";
  return connection.number(sql.c_str()) == version;
}

bool has_all_tables(SqliteConnection& connection) {
  std::string names = "'meta'";
  for (std::string_view name : kTableNames) names.append(",'").append(name).append("'");
  const std::string sql =
      "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN (" + names + ")";
  return connection.number(sql.c_str()) == static_cast<int64_t>(kTableCount + 1);
}

void set_version(SqliteConnection& connection, int64_t version) {
  const std::string number = std::to_string(version);
  connection.run(("PRAGMA user_version = " + number + "; INSERT OR REPLACE INTO meta VALUES ('" +
                  kFormatKey + "', " + number + ")")
                     .c_str());
}

}  // namespace

uint32_t record_checksum(Table table, RecordId id, Bytes data) {
  const auto number = static_cast<uint64_t>(id) * 0x9e3779b97f4a7c15;
  const auto begin =
      static_cast<uint32_t>((number >> 32) ^ (static_cast<uint64_t>(table) + 1) * 0x85ebca6b);
  return crc32c(begin, data);
}

std::optional<Bytes> checked_record(Table table, RecordId id, Bytes stored) {
  if (stored.size() < kChecksumBytes) return std::nullopt;
  const Bytes data = stored.first(stored.size() - kChecksumBytes);
  const auto expected = load_be<uint32_t>(stored.data() + data.size());
  if (record_checksum(table, id, data) != expected) return std::nullopt;
  return data;
}

Format find_format(SqliteConnection& connection, int64_t current) {
  const int64_t version = connection.number("PRAGMA user_version");
  if (version == 0 && connection.number("SELECT count(*) FROM sqlite_schema") == 0) {
    return {FormatState::kEmpty, 0};
  }
  if (connection.number("PRAGMA application_id") != kStoreApplicationId ||
      !is_confirmed(connection, version)) {
    return {FormatState::kForeign, version};
  }
  if (version > current) return {FormatState::kNewer, version};
  if (version < current) return {FormatState::kOlder, version};
  return {has_all_tables(connection) ? FormatState::kCurrent : FormatState::kForeign, version};
}

void create_store(SqliteConnection& connection) {
  SqliteTransaction transaction(connection, TransactionKind::kWrite);
  connection.run(schema().c_str());
  set_version(connection, kStoreFormat);
  transaction.commit();
}

void migrate_store(SqliteConnection& connection, int64_t from, std::span<const FormatStep> steps) {
  SqliteTransaction transaction(connection, TransactionKind::kWrite);
  for (const FormatStep& step : steps) {
    if (step.from < from) continue;
    connection.run(step.sql);
    set_version(connection, step.from + 1);
  }
  transaction.commit();
}

}  // namespace fairlead
