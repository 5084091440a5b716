#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "store/record_store.h"

// Two engines behind one interface: what the store asks of one. Any failure throws.

namespace fairlead::bench {

struct EngineOptions {
  std::filesystem::path directory;
  unsigned page_bytes = 4096;            // SQLite
  unsigned checkpoint_pages = 1000;      // SQLite: when its log is this long
  bool checkpoint_thread = false;        // SQLite: another thread copies the log to the file
  bool secure_delete = false;            // SQLite: zeroes what is erased; Debian's default is on
  bool incremental_vacuum = true;        // SQLite: free pages can be given back
  bool exclusive = false;                // SQLite: no other process may read beside us
  unsigned recycled_logs = 0;            // RocksDB
  bool single_delete = false;            // RocksDB: for what is put once and erased once
  bool insert_hint = false;              // RocksDB: begins where the last insert ended
  std::size_t write_buffer = 16u << 20;  // RocksDB
};

class Engine {
 public:
  virtual ~Engine() = default;
  // Durable on return.
  virtual void commit(const RecordBatch& batch) = 0;
  // Sizes of the records that were found.
  virtual std::size_t get(Table table, RecordId id) = 0;
  virtual std::size_t scan(Table table, RecordId from, uint64_t count_max) = 0;
  // Gives space back to the file system.
  virtual void reclaim() = 0;
};

[[nodiscard]] std::unique_ptr<Engine> open_sqlite(const EngineOptions& options);
[[nodiscard]] std::unique_ptr<Engine> open_rocksdb(const EngineOptions& options);

}  // namespace fairlead::bench
