#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

// A thin wrapper over SQLite, used inside registry only. It throws SqliteError; database.cc
// catches it at the border and answers a Reject.

namespace fairlead {

class SqliteError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
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
  // True: a row is there. False: done, and reset for the next run.
  bool step();
  // Runs to the end; for statements without rows.
  void run();

  [[nodiscard]] std::string text(int column) const;
  [[nodiscard]] int64_t number(int column) const;
  [[nodiscard]] bool is_null(int column) const;

 private:
  [[noreturn]] void fail();
  sqlite3* connection_;
  sqlite3_stmt* statement_ = nullptr;
};

class SqliteConnection {
 public:
  explicit SqliteConnection(const std::filesystem::path& file);
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;
  ~SqliteConnection();

  // One or more statements without parameters or rows.
  void run(const char* sql);
  [[nodiscard]] int64_t number(const char* sql);  // the first column of the first row
  [[nodiscard]] int64_t changed_rows() const;
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
