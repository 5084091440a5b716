#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <random>

#include "registry/registry.h"
#include "shard/shard.h"
#include "store/committer.h"
#include "store/sim_disk_for_test.h"

namespace fairlead::sim {

class SimClock final : public Clock {
 public:
  Instant at{};
  [[nodiscard]] Instant now() const override { return at; }
  [[nodiscard]] milliseconds wall_now() const override {
    return milliseconds(1'700'000'000'000) + at.time_since_epoch();
  }
};

// The server's side of a simulated world: shards without threads, a committer whose steps are taken
// by hand, a disk in memory. It may crash between any two calls and be started again, with another
// number of shards.
class SimServer {
 public:
  explicit SimServer(uint64_t seed);
  ~SimServer();
  SimServer(const SimServer&) = delete;
  SimServer& operator=(const SimServer&) = delete;

  // With what the disk has. False: a fault that was set up for the disk came in between; crash()
  // comes next.
  [[nodiscard]] bool start(unsigned shard_count, uint16_t window);
  // All is gone but the disk.
  void crash(SimDisk::Lost lost);
  [[nodiscard]] bool running() const { return committer_ != nullptr; }

  [[nodiscard]] const Shard& shard(std::size_t index) const { return *peers_->shards[index]; }
  [[nodiscard]] unsigned shard_count() const { return options_.shard_count; }
  void turn(std::size_t shard) { peers_->shards[shard]->turn(milliseconds{0}); }
  // A connection, as a listener of that shard would have accepted it. The client's end.
  [[nodiscard]] UniqueFd connect(std::size_t shard);

  // A commit, step by step; each does nothing where it is not its turn.
  enum class Step : uint8_t { kNothing, kClosed, kCommitted, kFailed };
  Step commit_step();
  [[nodiscard]] bool has_commit_under_way() const { return closing_; }

  [[nodiscard]] uint64_t records(Table table) const;
  // All that the store has about sessions, for the trace.
  [[nodiscard]] std::string dump() const;

  SimClock clock;
  SimDisk disk;

 private:
  ServerOptions options_;
  std::unique_ptr<Committer> committer_;
  std::unique_ptr<ShardPeers> peers_;
  bool closing_ = false;
};

}  // namespace fairlead::sim
