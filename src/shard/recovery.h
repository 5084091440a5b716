#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "shard/shard_restore.h"

namespace fairlead {

class Shard;

// Reads the store and gives each shard what it is to own, before there are connections. The shards
// run already and take in their parts side by side, while the caller's thread reads.
class Recovery {
 public:
  // `turn`: all shards take a turn. Called while they are waited for, where they have no threads.
  explicit Recovery(std::vector<std::unique_ptr<Shard>>& shards, std::function<void()> turn = {});
  ~Recovery();

  // Returns when every shard has all of it. The figures are of all shards.
  [[nodiscard]] Result<ShardRestore::Figures> run(const RecordStore& store);

 private:
  struct Chunk;
  [[nodiscard]] Status read(const RecordStore& store, Table table);
  void take(Table table, RecordId id, Bytes data);
  [[nodiscard]] std::optional<uint16_t> home(Table table, Bytes data) const;
  void add(uint16_t shard, Table table, RecordId id, Bytes data, ShardRestore::BodyReference body);
  void send(uint16_t shard);
  void on_shard(uint16_t shard, std::function<void()> work);
  void wait() { wait_until_at_most(0); }
  void wait_until_at_most(uint32_t under_way);
  void say_progress();

  struct Pace;

  std::vector<std::unique_ptr<Shard>>& shards_;
  const std::function<void()> turn_;
  std::vector<std::unique_ptr<ShardRestore>> parts_;
  std::vector<std::unique_ptr<Chunk>> chunks_;  // being filled, by shard
  std::shared_ptr<Pace> pace_;
  std::unordered_map<RecordId, uint16_t> homes_;  // of sessions
  struct Body {
    mqtt::MessageRef message;
    uint16_t shard = UINT16_MAX;  // of the first entry
    bool used = false;
  };
  std::unordered_map<RecordId, Body> bodies_;
  WallTime time_;
  uint64_t records_ = 0;
  Instant next_word_;
};

}  // namespace fairlead
