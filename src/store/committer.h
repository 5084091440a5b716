#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/time.h"
#include "store/record_store.h"

namespace fairlead {

// Group commit of the whole server, by a thread of its own: no shard waits for the disk.
//
// Time is cut into epochs, numbered upwards. What a shard records belongs to the newest epoch; what
// it records because of another shard's mail belongs to the epoch which that mail carries. So all
// that comes of one packet, on whatever shards, is of one epoch, and an epoch is one transaction:
// durable as a whole or not at all. A commit goes like this:
//
//   1. the newest epoch, e, is closed to new work: e + 1 is the newest from now on;
//   2. every shard enters e + 1, and the mail of e that is on its way is worked off;
//   3. every shard hands over what it recorded in e, less what has become void meanwhile;
//   4. one transaction; then the shards are told, and let go what waited for it.
//
// While it fails (a full disk) it is tried again and again; nothing is forgotten.
// Any thread, unless said otherwise.
class Committer {
 public:
  struct Options {
    milliseconds gap{1};  // from one commit to the next, where waiting pays: see gap_after
    milliseconds retry_after{250};  // a failed commit
  };
  struct Figures {
    uint64_t commits = 0;
    uint64_t records = 0;  // put and erased
    uint64_t bytes = 0;    // of records put
    uint64_t failures = 0;
    uint64_t commit_microseconds = 0;  // in total
    uint64_t slowest_microseconds = 0;
    uint64_t overflows = 0;  // changes that could not be recorded
    RecordStore::Sizes sizes = {};
  };

  // What a commit had in it: to be put, become void before, erased.
  struct Load {
    std::size_t puts = 0;
    std::size_t struck = 0;
    std::size_t erasures = 0;
    std::size_t bytes = 0;  // of what is to be put
    [[nodiscard]] bool empty() const { return puts + struck + erasures == 0; }
  };
  // How long after such a commit began the next one is to begin. To wait pays where receivers are
  // there and acknowledge: what they do meanwhile need not be written. And where many records come
  // together. A few for who is away are written at once: somebody waits for the acknowledgement.
  [[nodiscard]] static std::chrono::microseconds gap_after(const Load& load, milliseconds gap);
  // The one that follows the last commit. One with nothing in it says nothing about what is to
  // come: it leaves the gap as it was.
  [[nodiscard]] std::chrono::microseconds gap() const;

  // `wake(shard)` makes a shard take a turn; called on any thread, until stop().
  Committer(RecordStore store, const Options& options, uint16_t shard_count,
            std::function<void(uint16_t)> wake);
  ~Committer();
  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

  [[nodiscard]] uint64_t newest() const { return newest_.load(std::memory_order_acquire); }
  [[nodiscard]] uint64_t committed() const { return committed_.load(std::memory_order_acquire); }
  [[nodiscard]] bool closed(uint64_t epoch) const {
    return closed_.load(std::memory_order_acquire) >= epoch;
  }
  // The last attempt failed: what is recorded now is not durable soon.
  [[nodiscard]] bool failing() const { return failing_.load(std::memory_order_relaxed); }
  [[nodiscard]] Figures figures() const;

  // --- From shards -------------------------------------------------------------------------------

  // Something was recorded in the newest epoch.
  void announce_work();
  // Mail that carries `epoch` is on its way: to be called before the sender enters the next epoch,
  // and before the mail is put into an inbox; and that some has been dealt with, after what came of
  // it was announced itself.
  void mail_sent(uint64_t epoch) { mail_[epoch % 2].fetch_add(1, std::memory_order_relaxed); }
  void mail_done(uint64_t epoch, int64_t count);
  // The shard records in the newest epoch from now on, once for each epoch.
  void enter();
  // The shard has sessions that are kept: messages routed to it may have to be durable.
  void note_keeping(uint16_t shard) {
    keeping_.fetch_or(uint64_t{1} << shard, std::memory_order_relaxed);
  }
  [[nodiscard]] bool keeping(uint16_t shard) const {
    return (keeping_.load(std::memory_order_relaxed) >> shard & 1) != 0;
  }
  // A change could not be recorded, for want of numbers.
  void note_overflow() { overflows_.fetch_add(1, std::memory_order_relaxed); }
  // What the shard recorded in an epoch that is closed.
  void hand_over(RecordBatch&& batch);
  // Memory for the next one: a batch that was handed over before, cleared.
  [[nodiscard]] RecordBatch recycled();

  // --- The owner ---------------------------------------------------------------------------------

  // Before start(): to be read.
  [[nodiscard]] const RecordStore& store() const { return store_; }
  // A thread takes the steps from now on.
  void start();
  // Waits until all that was recorded before is durable, or `limit` is over. False: it is not.
  [[nodiscard]] bool flush(milliseconds limit);
  // No more commits.
  void stop();

  // --- The steps, one after the other: the thread's, or those of who has no threads --------------

  [[nodiscard]] bool has_work() const { return has_work_.load(std::memory_order_acquire); }
  void close_epoch();
  // Every shard has handed over what it recorded in the epoch that was closed.
  [[nodiscard]] bool handed_over() const;
  // False: the disk has not taken it; to be tried again.
  [[nodiscard]] bool commit();

 private:
  void run();
  [[nodiscard]] bool wait_for_work(std::unique_lock<std::mutex>& lock);
  void close_if_complete(uint64_t epoch);
  [[nodiscard]] Load load_of_handed() const;
  [[nodiscard]] bool write(const std::vector<RecordBatch*>& batches, const Load& load);
  void keep_house();
  void wake_all();

  RecordStore store_;  // the thread's, once it runs
  const Options options_;
  const uint16_t shard_count_;
  const std::function<void(uint16_t)> wake_;
  std::atomic<uint64_t> newest_;
  std::atomic<uint64_t> closed_;
  std::atomic<uint64_t> committed_;
  std::array<std::atomic<int64_t>, 2> mail_{};  // under way, by the epoch's parity
  std::atomic<uint64_t> keeping_{0};            // by shard
  std::atomic<uint64_t> overflows_{0};
  std::atomic<bool> failing_{false};
  std::atomic<bool> has_work_{false};

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  uint16_t entered_ = 0;  // shards that are in the newest epoch
  std::chrono::steady_clock::time_point next_house_{};
  std::vector<RecordBatch> handed_;  // of the epoch that is being closed
  std::chrono::microseconds gap_{0};
  std::optional<std::chrono::steady_clock::time_point> commit_began_;
  std::vector<RecordBatch> spare_;
  Figures figures_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace fairlead
