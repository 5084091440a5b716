#include "registry/sqlite.h"

#include <sqlite3.h>

namespace fairlead {
namespace {

constexpr int kBusyTimeoutMs = 5000;

}  // namespace

SqliteStatement::SqliteStatement(sqlite3* connection, std::string_view sql)
    : connection_(connection) {
  if (sqlite3_prepare_v2(connection, sql.data(), static_cast<int>(sql.size()), &statement_,
                         nullptr) != SQLITE_OK) {
    fail();
  }
}

SqliteStatement::~SqliteStatement() { sqlite3_finalize(statement_); }

SqliteStatement& SqliteStatement::bind(int parameter, std::string_view text) {
  // A null pointer would bind NULL rather than an empty text.
  const char* data = text.data() ? text.data() : "";
  if (sqlite3_bind_text(statement_, parameter, data, static_cast<int>(text.size()),
                        SQLITE_STATIC) != SQLITE_OK) {
    fail();
  }
  return *this;
}

SqliteStatement& SqliteStatement::bind(int parameter, int64_t number) {
  if (sqlite3_bind_int64(statement_, parameter, number) != SQLITE_OK) fail();
  return *this;
}

bool SqliteStatement::step() {
  switch (sqlite3_step(statement_)) {
    case SQLITE_ROW:
      return true;
    case SQLITE_DONE:
      sqlite3_reset(statement_);
      return false;
    default:
      fail();
  }
}

void SqliteStatement::run() {
  while (step()) {
  }
}

std::string SqliteStatement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return data
             ? std::string(data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)))
             : std::string();
}

int64_t SqliteStatement::number(int column) const {
  return sqlite3_column_int64(statement_, column);
}

bool SqliteStatement::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

void SqliteStatement::fail() { throw SqliteError(sqlite3_errmsg(connection_)); }

SqliteConnection::SqliteConnection(const std::filesystem::path& file) {
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2(file.c_str(), &connection_, flags, nullptr) != SQLITE_OK) {
    std::string why = connection_ ? sqlite3_errmsg(connection_) : "out of memory";
    sqlite3_close_v2(connection_);
    throw SqliteError(why);
  }
  sqlite3_busy_timeout(connection_, kBusyTimeoutMs);
}

SqliteConnection::~SqliteConnection() { sqlite3_close_v2(connection_); }

void SqliteConnection::run(const char* sql) {
  if (sqlite3_exec(connection_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    throw SqliteError(sqlite3_errmsg(connection_));
  }
}

int64_t SqliteConnection::number(const char* sql) {
  SqliteStatement statement(connection_, sql);
  return statement.step() ? statement.number(0) : 0;
}

int64_t SqliteConnection::changed_rows() const { return sqlite3_changes64(connection_); }

SqliteTransaction::SqliteTransaction(SqliteConnection& connection, TransactionKind kind)
    : connection_(connection) {
  connection_.run(kind == TransactionKind::kWrite ? "BEGIN IMMEDIATE" : "BEGIN");
}

SqliteTransaction::~SqliteTransaction() {
  if (!open_) return;
  try {
    connection_.run("ROLLBACK");
  } catch (const SqliteError&) {
    // SQLite has rolled back by itself, as it does after a full disk.
  }
}

void SqliteTransaction::commit() {
  connection_.run("COMMIT");
  open_ = false;
}

}  // namespace fairlead
