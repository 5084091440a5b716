#include "store/committer.h"

#include <algorithm>
#include <utility>

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

std::chrono::microseconds Committer::gap() const {
  const std::lock_guard lock(mutex_);
  return gap_;
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
    const auto began = SteadyClock::now();
    lock.unlock();
    close_epoch();
    lock.lock();
    changed_.wait(lock, [&] { return stopping_ || handed_.size() == shard_count_; });
    if (stopping_) return;
    lock.unlock();
    while (!commit()) {
      lock.lock();
      if (changed_.wait_for(lock, options_.retry_after, [&] { return stopping_; })) return;
      lock.unlock();
    }
    if (SteadyClock::now() >= next_house_) keep_house();
    lock.lock();
    changed_.wait_until(lock, began + gap_, [&] { return stopping_; });
  }
}

std::chrono::microseconds Committer::gap_after(const Load& load, milliseconds gap) {
  constexpr std::size_t kMany = 256;  // records
  const bool settles_fast = (load.struck + load.erasures) * 4 >= load.puts;
  if (settles_fast || load.puts >= kMany) return gap;
  return std::chrono::microseconds(gap) * load.puts / kMany;
}

// False: it is time to stop.
bool Committer::wait_for_work(std::unique_lock<std::mutex>& lock) {
  while (!changed_.wait_for(lock, kIdleStep, [this] { return stopping_ || has_work(); })) {
    lock.unlock();
    keep_house();
    lock.lock();
  }
  return !stopping_;
}

void Committer::close_epoch() {
  {
    const std::lock_guard lock(mutex_);
    has_work_ = false;
    entered_ = 0;
    newest_.fetch_add(1, std::memory_order_acq_rel);
  }
  wake_all();
}

bool Committer::handed_over() const {
  const std::lock_guard lock(mutex_);
  return handed_.size() == shard_count_;
}

// Nobody else touches what was handed over until the next epoch is closed.
bool Committer::commit() {
  std::vector<RecordBatch*> batches;
  for (RecordBatch& batch : handed_) {
    if (!batch.empty()) batches.push_back(&batch);
  }
  const Load load = load_of_handed();
  if (!batches.empty() && !write(batches, load)) return false;
  committed_.store(newest() - 1, std::memory_order_release);
  wake_all();
  const std::lock_guard lock(mutex_);
  if (!load.empty()) gap_ = gap_after(load, options_.gap);
  for (RecordBatch& batch : handed_) {
    if (batch.bytes() > kSpareBytesMax) continue;
    batch.clear();
    spare_.push_back(std::move(batch));
  }
  handed_.clear();
  changed_.notify_all();  // flush()
  return true;
}

Committer::Load Committer::load_of_handed() const {
  Load load;
  for (const RecordBatch& batch : handed_) {
    load.puts += batch.puts().size();
    load.struck += batch.struck();
    load.erasures += batch.erasures().size();
    load.bytes += batch.bytes();
  }
  return load;
}

bool Committer::write(const std::vector<RecordBatch*>& batches, const Load& load) {
  if (!commit_began_) commit_began_ = SteadyClock::now();
  const Status status = store_.commit(batches);
  const std::lock_guard lock(mutex_);
  if (!status) {
    ++figures_.failures;
    if (!failing_.exchange(true)) {
      FL_LOG(kError, "store.failing", {"cause", status.error().sentence},
             {"hint", "what needs to be stored is refused until the disk takes it again"});
    }
    return false;
  }
  if (failing_.exchange(false)) FL_LOG(kWarning, "store.writable", {"epoch", newest() - 1});
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(
      SteadyClock::now() - *std::exchange(commit_began_, std::nullopt));
  const auto us = static_cast<uint64_t>(took.count());
  ++figures_.commits;
  figures_.commit_microseconds += us;
  figures_.slowest_microseconds = std::max(figures_.slowest_microseconds, us);
  figures_.records += load.puts + load.erasures;
  figures_.bytes += load.bytes;
  return true;
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
  const RecordStore::Sizes sizes = store_.sizes();
  next_house_ = std::min(SteadyClock::now() + kIdleStep, store_.sync_due());
  const std::lock_guard lock(mutex_);
  figures_.sizes = sizes;
}

void Committer::wake_all() {
  for (uint16_t shard = 0; shard < shard_count_; ++shard) wake_(shard);
}

}  // namespace fairlead
