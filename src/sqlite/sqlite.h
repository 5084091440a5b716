#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/bytes.h"

struct sqlite3;
struct sqlite3_stmt;

// A thin wrapper over SQLite, for the folders that keep something on disk. It throws SqliteError;
// whoever uses it catches that at its border and answers a Reject.

namespace fairlead {

enum class SqliteTrouble : uint8_t {
  kOther,
  kDamaged,     // the file is not what SQLite has written
  kUnreadable,  // the disk does not give back what is in the file
  kFull,        // no room on the disk
};

class SqliteError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  SqliteError(const std::string& what, SqliteTrouble trouble)
      : std::runtime_error(what), trouble_(trouble) {}
  [[nodiscard]] SqliteTrouble trouble() const { return trouble_; }

 private:
  SqliteTrouble trouble_ = SqliteTrouble::kOther;
};

// A prepared statement; the connection must outlive it. Parameters count from 1, columns from 0.
class SqliteStatement {
 public:
  SqliteStatement(sqlite3* connection, std::string_view sql);
  SqliteStatement(const SqliteStatement&) = delete;
  SqliteStatement& operator=(const SqliteStatement&) = delete;
  ~SqliteStatement();

  // The text must live until the next reset.
  SqliteStatement& bind(int parameter, std::string_view text);
  SqliteStatement& bind(int parameter, int64_t number);
  SqliteStatement& bind(int parameter, Bytes blob);  // likewise
  // True: a row is there. False: done, and reset for the next run.
  bool step();
  // Runs to the end; for statements without rows.
  void run();
  // Ends a run before its last row.
  void reset();

  [[nodiscard]] std::string text(int column) const;
  // Valid until the next step or reset.
  [[nodiscard]] Bytes blob(int column) const;
  [[nodiscard]] int64_t number(int column) const;
  [[nodiscard]] bool is_null(int column) const;

 private:
  [[noreturn]] void fail();
  sqlite3* connection_;
  sqlite3_stmt* statement_ = nullptr;
};

class SqliteConnection {
 public:
  // `kExisting` is for a look at somebody else's file: it makes none, and leaves its log (WAL) as
  // it is.
  enum class Mode : uint8_t { kCreate, kExisting };
  // `vfs` names the file system to use; empty: the usual one.
  explicit SqliteConnection(const std::filesystem::path& file, Mode mode = Mode::kCreate,
                            const std::string& vfs = {});
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;
  ~SqliteConnection();

  // One or more statements without parameters or rows.
  void run(const char* sql);
  [[nodiscard]] int64_t number(const char* sql);  // the first column of the first row
  [[nodiscard]] int64_t changed_rows() const;
  // The log (WAL) is worked into the file and removed at the end, as it is at first, or stays.
  void keep_log(bool keep);
  // All that is in `source`, instead of what is here: one transaction.
  void overwrite_from(const SqliteConnection& source);
  // Makes durable what has been written to the log (WAL) so far.
  void sync_log();
  [[nodiscard]] sqlite3* get() const { return connection_; }

 private:
  sqlite3* connection_ = nullptr;
};

enum class TransactionKind : uint8_t { kRead, kWrite };

// Rolls back unless committed.
class SqliteTransaction {
 public:
  SqliteTransaction(SqliteConnection& connection, TransactionKind kind);
  SqliteTransaction(const SqliteTransaction&) = delete;
  SqliteTransaction& operator=(const SqliteTransaction&) = delete;
  ~SqliteTransaction();
  void commit();

 private:
  SqliteConnection& connection_;
  bool open_ = true;
};

}  // namespace fairlead
