#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <array>
#include <stdexcept>
#include <string>

#include "base/bytes.h"
#include "bench/engines/engine.h"

namespace fairlead::bench {
namespace {

void check(const rocksdb::Status& status) {
  if (!status.ok()) throw std::runtime_error("RocksDB: " + status.ToString());
}

// Table, then number, big-endian: the order of the keys is that of the records. One column family:
// several would keep each other's logs from being deleted.
class Key {
 public:
  Key(Table table, RecordId id) {
    bytes_[0] = static_cast<std::byte>(table);
    store_be(bytes_.data() + 1, static_cast<uint64_t>(id));
  }
  [[nodiscard]] rocksdb::Slice slice() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }

 private:
  std::array<std::byte, 9> bytes_;
};

// For a small server: 16 MiB to write into, 8 MiB to read from, two threads behind.
rocksdb::Options options_for(const EngineOptions& options) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(8u << 20);
  table.cache_index_and_filter_blocks = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.format_version = 5;

  rocksdb::Options made;
  made.create_if_missing = true;
  made.compression = rocksdb::kNoCompression;
  made.write_buffer_size = options.write_buffer;
  made.max_write_buffer_number = 2;
  made.target_file_size_base = 16u << 20;
  made.max_bytes_for_level_base = 64u << 20;
  made.level_compaction_dynamic_level_bytes = true;
  made.max_background_jobs = 2;
  made.max_open_files = 256;
  made.max_total_wal_size = 64u << 20;
  made.bytes_per_sync = 1u << 20;
  made.recycle_log_file_num = options.recycled_logs;
  made.allow_concurrent_memtable_write = false;  // one thread writes
  if (options.insert_hint) {
    made.memtable_insert_with_hint_prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(1));
  }
  made.keep_log_file_num = 2;
  made.info_log_level = rocksdb::WARN_LEVEL;
  made.stats_dump_period_sec = 0;
  made.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return made;
}

class RocksdbEngine final : public Engine {
 public:
  explicit RocksdbEngine(const EngineOptions& options) : options_(options) {
    rocksdb::DB* opened = nullptr;
    check(rocksdb::DB::Open(options_for(options), options.directory / "rocks", &opened));
    database_.reset(opened);
    write_.sync = true;
  }

  void commit(const RecordBatch& batch) override {
    batch_.Clear();
    for (const RecordBatch::Put& put : batch.puts()) {
      const std::string_view data = as_text(batch.data(put));
      check(batch_.Put(Key(put.table, put.id).slice(), {data.data(), data.size()}));
    }
    for (const RecordBatch::Erase& erase : batch.erasures()) {
      const Key key(erase.table, erase.id);
      check(options_.single_delete ? batch_.SingleDelete(key.slice()) : batch_.Delete(key.slice()));
    }
    check(database_->Write(write_, &batch_));
  }

  std::size_t get(Table table, RecordId id) override {
    rocksdb::PinnableSlice value;
    const rocksdb::Status status = database_->Get(
        rocksdb::ReadOptions(), database_->DefaultColumnFamily(), Key(table, id).slice(), &value);
    if (status.IsNotFound()) return 0;
    check(status);
    return value.size();
  }

  std::size_t scan(Table table, RecordId from, uint64_t count_max) override {
    rocksdb::ReadOptions options;
    options.fill_cache = false;
    options.readahead_size = 256u << 10;
    const std::unique_ptr<rocksdb::Iterator> at(database_->NewIterator(options));
    std::size_t size = 0;
    const Key end(static_cast<Table>(static_cast<uint8_t>(table) + 1), RecordId::kNone);
    for (at->Seek(Key(table, from).slice()); at->Valid() && count_max-- > 0; at->Next()) {
      if (at->key().compare(end.slice()) >= 0) break;
      size += at->value().size();
    }
    check(at->status());
    return size;
  }

  void reclaim() override {
    check(database_->Flush({}));
    rocksdb::CompactRangeOptions options;
    options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
    check(database_->CompactRange(options, nullptr, nullptr));
  }

 private:
  EngineOptions options_;
  rocksdb::WriteOptions write_;
  rocksdb::WriteBatch batch_;
  std::unique_ptr<rocksdb::DB> database_;
};

}  // namespace

std::unique_ptr<Engine> open_rocksdb(const EngineOptions& options) {
  return std::make_unique<RocksdbEngine>(options);
}

}  // namespace fairlead::bench
