#include <sqlite3.h>

#include <array>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>

#include "bench/engines/engine.h"

namespace fairlead::bench {
namespace {

class Connection {
 public:
  explicit Connection(const std::filesystem::path& file) {
    constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    check(sqlite3_open_v2(file.c_str(), &handle_, kFlags, nullptr));
    sqlite3_busy_timeout(handle_, 10'000);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { sqlite3_close_v2(handle_); }

  void check(int code) const {
    if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE) return;
    throw std::runtime_error(std::string("SQLite: ") + sqlite3_errmsg(handle_));
  }
  void execute(const std::string& sql) const {
    check(sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr));
  }
  [[nodiscard]] sqlite3* handle() const { return handle_; }

 private:
  sqlite3* handle_ = nullptr;
};

class Statement {
 public:
  Statement() = default;
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement() { sqlite3_finalize(handle_); }

  void prepare(const Connection& connection, const std::string& sql) {
    connection_ = &connection;
    connection.check(sqlite3_prepare_v3(connection.handle(), sql.c_str(), -1,
                                        SQLITE_PREPARE_PERSISTENT, &handle_, nullptr));
  }
  void bind(int parameter, int64_t number) {
    connection_->check(sqlite3_bind_int64(handle_, parameter, number));
  }
  void bind(int parameter, Bytes data) {
    connection_->check(sqlite3_bind_blob(handle_, parameter, data.data(),
                                         static_cast<int>(data.size()), SQLITE_STATIC));
  }
  bool step() {
    const int code = sqlite3_step(handle_);
    connection_->check(code);
    return code == SQLITE_ROW;
  }
  void run() {
    step();
    reset();
  }
  void reset() { sqlite3_reset(handle_); }
  [[nodiscard]] std::size_t blob_size() {
    return sqlite3_column_blob(handle_, 0) == nullptr
               ? 0
               : static_cast<std::size_t>(sqlite3_column_bytes(handle_, 0));
  }

 private:
  const Connection* connection_ = nullptr;
  sqlite3_stmt* handle_ = nullptr;
};

// Copies the log into the file beside the writer, when asked. What the writer appended meanwhile
// is left: a second, short checkpoint by the writer itself ends it, and the log starts anew.
class CheckpointThread {
 public:
  explicit CheckpointThread(const std::filesystem::path& file)
      : connection_(file), thread_([this] { run(); }) {
    connection_.execute("PRAGMA synchronous=FULL");
  }
  ~CheckpointThread() {
    set(State::kStop);
    thread_.join();
  }
  CheckpointThread(const CheckpointThread&) = delete;
  CheckpointThread& operator=(const CheckpointThread&) = delete;

  // True when the long part is done and the writer should do the rest.
  [[nodiscard]] bool advance() {
    const std::lock_guard lock(mutex_);
    if (state_ == State::kDone) {
      state_ = State::kIdle;
      return true;
    }
    if (state_ == State::kIdle) {
      state_ = State::kWanted;
      changed_.notify_one();
    }
    return false;
  }

 private:
  enum class State : uint8_t { kIdle, kWanted, kDone, kStop };

  void set(State state) {
    const std::lock_guard lock(mutex_);
    if (state_ != State::kStop) state_ = state;
    changed_.notify_one();
  }
  void run() {
    while (true) {
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return state_ == State::kWanted || state_ == State::kStop; });
        if (state_ == State::kStop) return;
      }
      sqlite3_wal_checkpoint_v2(connection_.handle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr,
                                nullptr);
      set(State::kDone);
    }
  }

  Connection connection_;
  std::mutex mutex_;
  std::condition_variable changed_;
  State state_ = State::kIdle;
  std::thread thread_;
};

class SqliteEngine final : public Engine {
 public:
  explicit SqliteEngine(const EngineOptions& options)
      : options_(options), file_(options.directory / "store.db"), connection_(file_) {
    connection_.execute("PRAGMA page_size=" + std::to_string(options.page_bytes));
    if (options.incremental_vacuum) connection_.execute("PRAGMA auto_vacuum=INCREMENTAL");
    if (options.exclusive) connection_.execute("PRAGMA locking_mode=EXCLUSIVE");
    connection_.execute(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
        "PRAGMA cache_size=-8192; PRAGMA temp_store=MEMORY;");
    connection_.execute(options.secure_delete ? "PRAGMA secure_delete=ON"
                                              : "PRAGMA secure_delete=OFF");
    for (std::size_t i = 0; i < kTableCount; ++i) {
      const std::string name = "t" + std::to_string(i);
      connection_.execute("CREATE TABLE IF NOT EXISTS " + name +
                          " (id INTEGER PRIMARY KEY, data BLOB NOT NULL)");
      put_[i].prepare(connection_, "REPLACE INTO " + name + " VALUES (?, ?)");
      erase_[i].prepare(connection_, "DELETE FROM " + name + " WHERE id = ?");
      get_[i].prepare(connection_, "SELECT data FROM " + name + " WHERE id = ?");
      scan_[i].prepare(connection_,
                       "SELECT data FROM " + name + " WHERE id >= ? ORDER BY id LIMIT ?");
    }
    begin_.prepare(connection_, "BEGIN IMMEDIATE");
    end_.prepare(connection_, "COMMIT");
    sqlite3_wal_hook(connection_.handle(), note_log_pages, this);
    if (options.checkpoint_thread) checkpointer_ = std::make_unique<CheckpointThread>(file_);
  }

  void commit(const RecordBatch& batch) override {
    begin_.run();
    for (const RecordBatch::Put& put : batch.puts()) {
      Statement& statement = put_.at(static_cast<std::size_t>(put.table));
      statement.bind(1, static_cast<int64_t>(put.id));
      statement.bind(2, batch.data(put));
      statement.run();
    }
    for (const RecordBatch::Erase& erase : batch.erasures()) {
      Statement& statement = erase_.at(static_cast<std::size_t>(erase.table));
      statement.bind(1, static_cast<int64_t>(erase.id));
      statement.run();
    }
    end_.run();
    if (log_pages_ < options_.checkpoint_pages) return;
    if (!checkpointer_ || checkpointer_->advance()) checkpoint(SQLITE_CHECKPOINT_PASSIVE);
  }

  std::size_t get(Table table, RecordId id) override {
    Statement& statement = get_.at(static_cast<std::size_t>(table));
    statement.bind(1, static_cast<int64_t>(id));
    const std::size_t size = statement.step() ? statement.blob_size() : 0;
    statement.reset();
    return size;
  }

  std::size_t scan(Table table, RecordId from, uint64_t count_max) override {
    Statement& statement = scan_.at(static_cast<std::size_t>(table));
    statement.bind(1, static_cast<int64_t>(from));
    statement.bind(2, static_cast<int64_t>(count_max));
    std::size_t size = 0;
    while (statement.step()) size += statement.blob_size();
    statement.reset();
    return size;
  }

  void reclaim() override {
    connection_.execute("PRAGMA incremental_vacuum");
    checkpointer_.reset();
    checkpoint(SQLITE_CHECKPOINT_TRUNCATE);
  }

 private:
  static int note_log_pages(void* self, sqlite3*, const char*, int pages) {
    static_cast<SqliteEngine*>(self)->log_pages_ = static_cast<unsigned>(pages);
    return SQLITE_OK;
  }
  void checkpoint(int mode) {
    connection_.check(
        sqlite3_wal_checkpoint_v2(connection_.handle(), nullptr, mode, nullptr, nullptr));
  }

  EngineOptions options_;
  std::filesystem::path file_;
  Connection connection_;
  std::array<Statement, kTableCount> put_;
  std::array<Statement, kTableCount> erase_;
  std::array<Statement, kTableCount> get_;
  std::array<Statement, kTableCount> scan_;
  Statement begin_;
  Statement end_;
  unsigned log_pages_ = 0;
  std::unique_ptr<CheckpointThread> checkpointer_;
};

}  // namespace

std::unique_ptr<Engine> open_sqlite(const EngineOptions& options) {
  return std::make_unique<SqliteEngine>(options);
}

}  // namespace fairlead::bench
