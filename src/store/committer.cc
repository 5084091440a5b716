#include "store/committer.h"

#include <algorithm>

#include "base/log.h"

namespace fairlead {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kSpareBytesMax = std::size_t{4} << 20;
constexpr milliseconds kIdleStep{200};

uint64_t first_epoch(const RecordStore& store) {
  const auto last = store.last_epoch();
  return last ? *last + 1 : 1;
}

}  // namespace

Committer::Committer(RecordStore store, const Options& options, uint16_t shard_count,
                     std::function<void(uint16_t)> wake)
    : store_(std::move(store)),
      options_(options),
      shard_count_(shard_count),
      wake_(std::move(wake)),
      newest_(first_epoch(store_)),
      closed_(newest_ - 1),
      committed_(newest_ - 1) {}

Committer::~Committer() { stop(); }

void Committer::start() {
  thread_ = std::thread([this] { run(); });
}

void Committer::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool Committer::flush(milliseconds limit) {
  const uint64_t wanted = newest();
  announce_work();
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, limit, [&] { return stopping_ || committed() >= wanted; }) &&
         committed() >= wanted;
}

Committer::Figures Committer::figures() const {
  const std::lock_guard lock(mutex_);
  Figures figures = figures_;
  figures.overflows = overflows_.load(std::memory_order_relaxed);
  return figures;
}

// --- From shards ---------------------------------------------------------------------------------

void Committer::announce_work() {
  if (has_work_.exchange(true, std::memory_order_acq_rel)) return;
  { const std::lock_guard lock(mutex_); }  // the thread is past its look, or waits
  changed_.notify_all();
}

void Committer::mail_done(uint64_t epoch, int64_t count) {
  const int64_t before = mail_[epoch % 2].fetch_sub(count, std::memory_order_acq_rel);
  if (before != count || epoch == newest()) return;
  const std::lock_guard lock(mutex_);
  close_if_complete(epoch);
}

void Committer::enter() {
  const std::lock_guard lock(mutex_);
  ++entered_;
  close_if_complete(newest() - 1);
}

// Once every shard has entered the next epoch, only mail makes work for this one; and mail that is
// under way keeps the count above zero until what came of it was counted.
void Committer::close_if_complete(uint64_t epoch) {
  if (closed(epoch) || entered_ < shard_count_ || mail_[epoch % 2].load() != 0) return;
  closed_.store(epoch, std::memory_order_release);
  if (shard_count_ > 1) wake_all();
}

void Committer::hand_over(RecordBatch&& batch) {
  {
    const std::lock_guard lock(mutex_);
    handed_.push_back(std::move(batch));
    if (handed_.size() < shard_count_) return;
  }
  changed_.notify_all();
}

RecordBatch Committer::recycled() {
  const std::lock_guard lock(mutex_);
  if (spare_.empty()) return {};
  RecordBatch batch = std::move(spare_.back());
  spare_.pop_back();
  return batch;
}

// --- The thread ----------------------------------------------------------------------------------

void Committer::run() {
  std::unique_lock lock(mutex_);
  while (wait_for_work(lock)) {
    const auto earliest_next = SteadyClock::now() + options_.gap;
    close_epoch(lock);
    const uint64_t epoch = newest() - 1;
    changed_.wait(lock, [&] { return stopping_ || handed_.size() == shard_count_; });
    if (stopping_) return;
    commit(lock, epoch);
    changed_.wait_until(lock, earliest_next, [&] { return stopping_; });
  }
}

// False: it is time to stop.
bool Committer::wait_for_work(std::unique_lock<std::mutex>& lock) {
  auto wanted = [this] { return stopping_ || has_work_.load(std::memory_order_acquire); };
  while (!changed_.wait_for(lock, kIdleStep, wanted)) {
    lock.unlock();
    keep_house();
    lock.lock();
    figures_.sizes = store_.sizes();
  }
  return !stopping_;
}

void Committer::close_epoch(std::unique_lock<std::mutex>& lock) {
  has_work_ = false;
  entered_ = 0;
  newest_.fetch_add(1, std::memory_order_acq_rel);
  lock.unlock();
  wake_all();
  lock.lock();
}

void Committer::commit(std::unique_lock<std::mutex>& lock, uint64_t epoch) {
  std::vector<RecordBatch> handed = std::exchange(handed_, {});
  lock.unlock();
  std::vector<RecordBatch*> batches;
  uint64_t records = 0;
  uint64_t bytes = 0;
  for (RecordBatch& batch : handed) {
    if (batch.empty()) continue;
    records += batch.puts().size() + batch.erasures().size();
    bytes += batch.bytes();
    batches.push_back(&batch);
  }
  const auto begin = SteadyClock::now();
  const bool written = !batches.empty();
  while (written && !commit_once(epoch, batches)) {
    lock.lock();
    ++figures_.failures;
    if (changed_.wait_for(lock, options_.retry_after, [&] { return stopping_; })) return;
    lock.unlock();
  }
  const auto took =
      std::chrono::duration_cast<std::chrono::microseconds>(SteadyClock::now() - begin);
  lock.lock();
  if (written) {
    const auto us = static_cast<uint64_t>(took.count());
    ++figures_.commits;
    figures_.records += records;
    figures_.bytes += bytes;
    figures_.commit_microseconds += us;
    figures_.slowest_microseconds = std::max(figures_.slowest_microseconds, us);
  }
  committed_.store(epoch, std::memory_order_release);
  changed_.notify_all();  // flush()
  lock.unlock();
  wake_all();
  lock.lock();
  for (RecordBatch& batch : handed) {
    if (batch.bytes() > kSpareBytesMax) continue;
    batch.clear();
    spare_.push_back(std::move(batch));
  }
}

bool Committer::commit_once(uint64_t epoch, const std::vector<RecordBatch*>& batches) {
  const Status status = store_.commit(batches);
  if (status.ok()) {
    if (failing_.exchange(false)) FL_LOG(kWarning, "store.recovered", {"epoch", epoch});
    return true;
  }
  if (!failing_.exchange(true)) {
    FL_LOG(kError, "store.failing", {"cause", status.error().sentence},
           {"hint", "what needs to be stored is refused until the disk takes it again"});
  }
  return false;
}

void Committer::keep_house() {
  if (SteadyClock::now() >= store_.sync_due()) {
    if (const Status synced = store_.sync(); !synced) {
      FL_LOG(kError, "store.sync_failed", {"cause", synced.error().sentence});
    }
  }
  if (const Status tidied = store_.tidy(); !tidied) {
    FL_LOG(kWarning, "store.tidy_failed", {"cause", tidied.error().sentence});
  }
}

void Committer::wake_all() {
  for (uint16_t shard = 0; shard < shard_count_; ++shard) wake_(shard);
}

}  // namespace fairlead
