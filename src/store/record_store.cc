#include "store/record_store.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <optional>
#include <span>
#include <utility>

#include "sqlite/sqlite.h"
#include "sqlite/sqlite_files.h"
#include "store/attempt.h"
#include "store/salvage.h"
#include "store/store_format.h"
#include "store/store_lock.h"

namespace fairlead {
namespace {

using std::chrono::steady_clock;

// The bound of epochs in `meta` is moved on by this much at a time: otherwise each commit would
// write one more page for it.
constexpr uint64_t kEpochsAhead = 1000;
// Free pages are kept for what comes next: an eighth of the file, and not less than 4 MiB.
constexpr int64_t kFreePagesMin = 1024;
constexpr int64_t kFreePartOfFile = 8;
constexpr int kTidyPages = 256;
// Records that one statement puts: a third of its work is to begin and to end.
constexpr std::size_t kRowsAtOnce = 16;
constexpr std::size_t kRowBytesMax = 4096;  // larger ones go alone
constexpr int kReadTries = 2;  // a disk that cannot read may find its way at the second try

constexpr const char* kSettings =
    "PRAGMA journal_mode = WAL;"
    "PRAGMA cache_size = -16384;"  // KiB
    "PRAGMA journal_size_limit = 33554432;";

std::string put_rows(std::string_view table, std::size_t count) {
  std::string sql = "INSERT OR REPLACE INTO " + std::string(table) + " VALUES (?, ?)";
  for (; count > 1; --count) sql.append(", (?, ?)");
  return sql;
}

struct TableStatements {
  TableStatements(sqlite3* connection, std::string_view name)
      : put(connection, put_rows(name, 1)),
        put_many(connection, put_rows(name, kRowsAtOnce)),
        erase(connection, "DELETE FROM " + std::string(name) + " WHERE id = ?1") {}
  SqliteStatement put;
  SqliteStatement put_many;  // kRowsAtOnce
  SqliteStatement erase;
};

int64_t number_in_file(RecordId id) { return static_cast<int64_t>(id); }

}  // namespace

struct RecordStore::Impl {
  Impl(std::filesystem::path path, const StoreOptions& wanted)
      : file(std::move(path)),
        options(wanted),
        connection(file, SqliteConnection::Mode::kCreate, options.vfs) {
    connection.keep_log(true);  // until the file is known to be sound
    connection.run(kNewFileSettings);
    connection.run(kSettings);
    connection.run(
        ("PRAGMA wal_autocheckpoint = " + std::to_string(options.checkpoint_pages)).c_str());
    connection.run(options.sync == SyncPolicy::kAlways ? "PRAGMA synchronous = FULL"
                                                       : "PRAGMA synchronous = NORMAL");
  }

  // Finds or makes the tables. Throws SqliteError of kDamaged when they are not as they should be.
  void start(Opened& opened) {
    const Format found = find_format(connection);
    switch (found.state) {
      case FormatState::kEmpty:
        create_store(connection);
        opened.created = true;
        break;
      case FormatState::kOlder:
        migrate_store(connection, found.version, kFormatSteps);
        opened.migrated_from = static_cast<uint64_t>(found.version);
        break;
      case FormatState::kCurrent:
        break;
      case FormatState::kNewer:
        throw Refused{newer_format(file, found.version)};
      case FormatState::kForeign:
        throw SqliteError("this is not a store of Fairlead", SqliteTrouble::kDamaged);
    }
    if (!opened.created) require_sound(connection);
    connection.keep_log(false);
    prepare();
  }

  void prepare() {
    for (std::string_view name : kTableNames) tables.emplace_back(connection.get(), name);
    move_bound.emplace(connection.get(), "UPDATE meta SET value = ?1 WHERE key = ?2");
    SqliteStatement bound(connection.get(), "SELECT value FROM meta WHERE key = ?1");
    if (bound.bind(1, std::string_view(kEpochKey)).step()) {
      epoch_bound = static_cast<uint64_t>(bound.number(0));
    }
    last_epoch = epoch_bound;
  }

  // The first of `puts` and those behind it that go into the same statement.
  [[nodiscard]] static std::size_t rows_at_once(std::span<const RecordBatch::Put> puts) {
    if (puts.size() < kRowsAtOnce) return 1;
    const bool alike =
        std::ranges::all_of(puts.first(kRowsAtOnce), [&](const RecordBatch::Put& each) {
          return each.table == puts.front().table && each.size <= kRowBytesMax;
        });
    return alike ? kRowsAtOnce : 1;
  }

  void put(const RecordBatch& batch, std::span<const RecordBatch::Put> rows) {
    stored.clear();
    for (const RecordBatch::Put& row : rows) {
      const Bytes data = batch.data(row);
      stored.append(data);
      stored.u32(record_checksum(row.table, row.id, data));
    }
    TableStatements& table = tables[static_cast<std::size_t>(rows.front().table)];
    SqliteStatement& statement = rows.size() == 1 ? table.put : table.put_many;
    int parameter = 1;
    std::size_t offset = 0;
    for (const RecordBatch::Put& row : rows) {
      const std::size_t size = row.size + kChecksumBytes;
      statement.bind(parameter++, number_in_file(row.id));
      statement.bind(parameter++, stored.view().subspan(offset, size));
      offset += size;
    }
    statement.run();
  }

  // The highest epoch of what was put, or 0.
  uint64_t apply(const RecordBatch& batch) {
    uint64_t epoch = 0;
    for (std::span puts(batch.puts()); !puts.empty();) {
      const std::size_t count = rows_at_once(puts);
      put(batch, puts.first(count));
      puts = puts.subspan(count);
    }
    for (const RecordBatch::Put& each : batch.puts()) epoch = std::max(epoch, epoch_of(each.id));
    for (const RecordBatch::Erase& each : batch.erasures()) {
      tables[static_cast<std::size_t>(each.table)].erase.bind(1, number_in_file(each.id)).run();
    }
    return epoch;
  }

  void commit(const std::vector<RecordBatch*>& batches) {
    if (sync_due() <= steady_clock::now()) sync();
    SqliteTransaction transaction(connection, TransactionKind::kWrite);
    uint64_t epoch = 0;
    for (const RecordBatch* batch : batches) epoch = std::max(epoch, apply(*batch));
    uint64_t bound = epoch_bound;
    if (epoch > bound) {
      bound = epoch + kEpochsAhead;
      move_bound->bind(1, static_cast<int64_t>(bound)).bind(2, std::string_view(kEpochKey)).run();
    }
    transaction.commit();
    epoch_bound = bound;
    last_epoch = std::max(last_epoch, epoch);
    if (options.sync == SyncPolicy::kInterval && !unsynced_since) {
      unsynced_since = steady_clock::now();
    }
  }

  [[nodiscard]] steady_clock::time_point sync_due() const {
    return unsynced_since ? *unsynced_since + options.sync_interval
                          : steady_clock::time_point::max();
  }

  void sync() {
    if (!unsynced_since) return;
    if (sync_failed) {
      // What a failed sync has left in the log may never reach the disk, whatever a second one
      // says: the system takes it for written. Writing it again, to its place in the file, does.
      connection.run("PRAGMA wal_checkpoint(FULL)");
    } else {
      sync_failed = true;
      connection.sync_log();
    }
    sync_failed = false;
    unsynced_since.reset();
  }

  void tidy() {
    const int64_t free = connection.number("PRAGMA freelist_count");
    const int64_t all = connection.number("PRAGMA page_count");
    const int64_t keep = std::max(kFreePagesMin, (all - free) / kFreePartOfFile);
    if (free <= keep) return;
    const auto step = std::min<int64_t>(kTidyPages, free - keep);
    connection.run(("PRAGMA incremental_vacuum(" + std::to_string(step) + ")").c_str());
  }

  std::optional<StoreLock> lock;
  std::filesystem::path file;
  StoreOptions options;
  SqliteConnection connection;
  std::deque<TableStatements> tables;  // by Table
  std::optional<SqliteStatement> move_bound;
  ByteBuffer stored;         // records with their checksums
  uint64_t epoch_bound = 0;  // as in the file
  uint64_t last_epoch = 0;
  std::optional<steady_clock::time_point> unsynced_since;
  bool sync_failed = false;
};

RecordStore::RecordStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RecordStore::RecordStore(RecordStore&&) noexcept = default;
RecordStore& RecordStore::operator=(RecordStore&&) noexcept = default;
RecordStore::~RecordStore() = default;

std::filesystem::path RecordStore::file_in(const std::filesystem::path& data_dir) {
  return data_dir / "store.db";
}

Result<RecordStore> RecordStore::open(const std::filesystem::path& data_dir,
                                      const StoreOptions& options, Opened& opened) {
  opened = {};
  auto lock = StoreLock::take(data_dir);
  if (!lock) return lock.error();
  const std::filesystem::path file = file_in(data_dir);
  if (options.vfs.empty()) {
    if (Status ok = finish_replacement(file); !ok) return ok.error();
    if (Status ok = make_private_file(file); !ok) return ok.error();
  }
  return attempt(file, [&] {
    auto impl = open_sound(file, options, opened);
    if (!impl) {
      set_aside(file, opened);
      impl = open_sound(file, options, opened);
    }
    if (!impl) throw SqliteError(opened.damage);
    if (opened.quarantine.empty()) opened.damage.clear();  // it went away
    impl->lock = std::move(*lock);
    return RecordStore(std::move(impl));
  });
}

// Null: the file is damaged, and `opened` says how.
std::unique_ptr<RecordStore::Impl> RecordStore::open_sound(const std::filesystem::path& file,
                                                           const StoreOptions& options,
                                                           Opened& opened) {
  for (int tries = 0; tries < kReadTries; ++tries) {
    try {
      auto impl = std::make_unique<Impl>(file, options);
      impl->start(opened);
      return impl;
    } catch (const SqliteError& error) {
      opened.damage = error.what();
      // Of a file system of a test there is nothing that could be set aside.
      if (!options.vfs.empty()) throw;
      if (error.trouble() == SqliteTrouble::kDamaged) return nullptr;
      if (error.trouble() != SqliteTrouble::kUnreadable) throw;
    }
  }
  return nullptr;
}

void RecordStore::set_aside(const std::filesystem::path& file, Opened& opened) {
  const std::filesystem::path fresh = building_file(file);
  require(make_private_file(fresh));
  opened.lost = salvage(file, fresh);
  opened.quarantine = free_name(file, "damaged");
  require(replace_database(file, opened.quarantine));
}

Status RecordStore::commit(const std::vector<RecordBatch*>& batches) {
  if (std::ranges::all_of(batches, [](const RecordBatch* each) { return each->empty(); })) {
    return Done{};
  }
  return attempt(impl_->file, [&] { impl_->commit(batches); });
}

Status RecordStore::sync() {
  return attempt(impl_->file, [&] { impl_->sync(); });
}

steady_clock::time_point RecordStore::sync_due() const { return impl_->sync_due(); }

Status RecordStore::tidy() {
  return attempt(impl_->file, [&] { impl_->tidy(); });
}

Status RecordStore::for_each(Table table, const std::function<void(RecordId, Bytes)>& visit) const {
  return attempt(impl_->file, [&] {
    SqliteStatement row(impl_->connection.get(),
                        "SELECT id, data FROM " + std::string(table_name(table)));
    while (row.step()) {
      const auto id = static_cast<RecordId>(row.number(0));
      const auto data = checked_record(table, id, row.blob(1));
      if (!data) throw SqliteError("a record has a wrong checksum", SqliteTrouble::kDamaged);
      visit(id, *data);
    }
  });
}

Result<uint64_t> RecordStore::count(Table table) const {
  return attempt(impl_->file, [&] {
    const std::string sql = "SELECT count(*) FROM " + std::string(table_name(table));
    return static_cast<uint64_t>(impl_->connection.number(sql.c_str()));
  });
}

Result<uint64_t> RecordStore::last_epoch() const { return impl_->last_epoch; }

RecordStore::Sizes RecordStore::sizes() const {
  Sizes sizes;
  std::error_code ignored;
  for (const auto& path : {impl_->file, log_of(impl_->file)}) {
    const auto bytes = std::filesystem::file_size(path, ignored);
    if (!ignored) sizes.file_bytes += bytes;
  }
  const auto free = attempt(impl_->file, [&] {
    return impl_->connection.number("PRAGMA freelist_count") *
           impl_->connection.number("PRAGMA page_size");
  });
  if (free) sizes.free_bytes = static_cast<uint64_t>(*free);
  return sizes;
}

}  // namespace fairlead
