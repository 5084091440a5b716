#include "sqlite/sqlite.h"

#include <sqlite3.h>

#include <cerrno>

namespace fairlead {
namespace {

constexpr int kBusyTimeoutMs = 5000;

SqliteTrouble trouble_of(sqlite3* connection) {
  const int code = sqlite3_extended_errcode(connection);
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return SqliteTrouble::kDamaged;
    case SQLITE_FULL:
      return SqliteTrouble::kFull;
    case SQLITE_IOERR: {
      // SQLite says "full" for writes only; room is also wanted to grow the log's index.
      const int cause = sqlite3_system_errno(connection);
      if (cause == ENOSPC || cause == EDQUOT) return SqliteTrouble::kFull;
      if (code == SQLITE_IOERR_READ || code == SQLITE_IOERR_SHORT_READ ||
          code == SQLITE_IOERR_CORRUPTFS) {
        return SqliteTrouble::kUnreadable;
      }
      return SqliteTrouble::kOther;
    }
    default:
      return SqliteTrouble::kOther;
  }
}

[[noreturn]] void fail_with(sqlite3* connection) {
  throw SqliteError(sqlite3_errmsg(connection), trouble_of(connection));
}

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

SqliteStatement& SqliteStatement::bind(int parameter, Bytes blob) {
  static constexpr std::byte kNothing{};  // as above
  const void* data = blob.empty() ? &kNothing : blob.data();
  if (sqlite3_bind_blob64(statement_, parameter, data, blob.size(), SQLITE_STATIC) != SQLITE_OK) {
    fail();
  }
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

void SqliteStatement::reset() { sqlite3_reset(statement_); }

Bytes SqliteStatement::blob(int column) const {
  const auto* data = static_cast<const std::byte*>(sqlite3_column_blob(statement_, column));
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

int64_t SqliteStatement::number(int column) const {
  return sqlite3_column_int64(statement_, column);
}

bool SqliteStatement::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

void SqliteStatement::fail() {
  // Reset first: a statement that has failed would keep its transaction from being rolled back.
  // It leaves the error as it was.
  sqlite3_reset(statement_);
  fail_with(connection_);
}

SqliteConnection::SqliteConnection(const std::filesystem::path& file, Mode mode,
                                   const std::string& vfs) {
  // Nobody asks SQLite for its memory figures, and a lock around each allocation is what they cost.
  static const int ignored = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  static_cast<void>(ignored);
  const int access =
      mode == Mode::kCreate ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READWRITE;
  if (sqlite3_open_v2(file.c_str(), &connection_, access | SQLITE_OPEN_NOMUTEX,
                      vfs.empty() ? nullptr : vfs.c_str()) != SQLITE_OK) {
    std::string why = connection_ ? sqlite3_errmsg(connection_) : "out of memory";
    SqliteTrouble trouble = connection_ ? trouble_of(connection_) : SqliteTrouble::kOther;
    sqlite3_close_v2(connection_);
    throw SqliteError(why, trouble);
  }
  sqlite3_extended_result_codes(connection_, 1);
  sqlite3_busy_timeout(connection_, kBusyTimeoutMs);
  if (mode == Mode::kExisting) keep_log(true);
}

SqliteConnection::~SqliteConnection() { sqlite3_close_v2(connection_); }

void SqliteConnection::run(const char* sql) {
  if (sqlite3_exec(connection_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    fail_with(connection_);
  }
}

int64_t SqliteConnection::number(const char* sql) {
  SqliteStatement statement(connection_, sql);
  return statement.step() ? statement.number(0) : 0;
}

int64_t SqliteConnection::changed_rows() const { return sqlite3_changes64(connection_); }

void SqliteConnection::keep_log(bool keep) {
  sqlite3_db_config(connection_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep ? 1 : 0, nullptr);
}

void SqliteConnection::overwrite_from(const SqliteConnection& source) {
  run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  sqlite3_backup* copy = sqlite3_backup_init(connection_, "main", source.connection_, "main");
  if (copy == nullptr) fail_with(connection_);
  sqlite3_backup_step(copy, -1);
  if (sqlite3_backup_finish(copy) != SQLITE_OK) fail_with(connection_);
}

void SqliteConnection::sync_log() {
  sqlite3_file* log = nullptr;
  if (sqlite3_file_control(connection_, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) != SQLITE_OK ||
      log == nullptr || log->pMethods == nullptr) {
    throw SqliteError("the log is not open");
  }
  if (log->pMethods->xSync(log, SQLITE_SYNC_NORMAL) != SQLITE_OK) {
    throw SqliteError("the log cannot be synced");
  }
}

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
