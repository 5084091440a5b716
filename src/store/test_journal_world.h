#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/temp_dir_for_test.h"
#include "store/journal.h"

namespace fairlead {

// What is in a store: by table, by number.
using Content = std::map<Table, std::map<RecordId, std::string>>;

// Journals of some shards over one store, whose turns the test takes itself; so that it can look at
// any moment of a commit. The end of it, or crash(), is the end of the process.
class JournalWorld {
 public:
  explicit JournalWorld(uint16_t shard_count = 1, std::string vfs = {})
      : shard_count_(shard_count), vfs_(std::move(vfs)) {
    start();
  }
  ~JournalWorld() { committer_.reset(); }

  Journal& operator[](uint16_t shard) { return *journals_[shard]; }
  Committer& committer() { return *committer_; }

  // Waits until done() says yes; it is asked again when the committer has news.
  template <class Done>
  void await(Done&& done) {
    for (uint64_t seen = news(); !done(); seen = news()) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return news_ != seen; });
    }
  }
  // The turn of a shard that has recorded something ends, and the committer begins with it.
  void close_epoch(uint16_t shard = 0) {
    const uint64_t epoch = (*this)[shard].epoch();
    (void)(*this)[shard].end_turn();
    await([&] { return committer_->newest() > epoch; });
  }
  // Turns of all shards until all that was recorded is durable.
  void commit() {
    uint64_t wanted = 0;
    for (auto& journal : journals_) {
      (void)journal->end_turn();
      wanted = std::max(wanted, journal->moment());
    }
    await([&] {
      for (auto& journal : journals_) (void)journal->end_turn();
      return committer_->committed() >= wanted;
    });
    for (auto& journal : journals_) (void)journal->end_turn();
  }
  // What is durable now is all that the next process finds.
  Content crash() {
    journals_.clear();
    committer_.reset();
    Content content;
    RecordStore::Opened opened;
    {
      auto store = RecordStore::open(dir_.path(), {.vfs = vfs_}, opened);
      EXPECT_TRUE(store) << store.error().sentence;
      for (std::size_t i = 0; i < kTableCount; ++i) {
        const auto table = static_cast<Table>(i);
        const Status ok = store->for_each(
            table, [&](RecordId id, Bytes data) { content[table][id] = as_text(data); });
        EXPECT_TRUE(ok) << ok.error().sentence;
      }
    }
    start();
    return content;
  }

 private:
  uint64_t news() {
    const std::lock_guard lock(mutex_);
    return news_;
  }
  void start() {
    RecordStore::Opened opened;
    auto store = RecordStore::open(dir_.path(), {.vfs = vfs_}, opened);
    ASSERT_TRUE(store) << store.error().sentence;
    const Committer::Options options{.gap = milliseconds{0}, .retry_after = milliseconds{1}};
    committer_.emplace(std::move(*store), options, shard_count_, [this](uint16_t) {
      const std::lock_guard lock(mutex_);
      ++news_;
      changed_.notify_all();
    });
    for (uint16_t i = 0; i < shard_count_; ++i) {
      journals_.push_back(std::make_unique<Journal>(i, &*committer_, WallTime{}));
    }
    committer_->start();
  }

  const uint16_t shard_count_;
  const std::string vfs_;
  TempDir dir_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t news_ = 0;
  std::optional<Committer> committer_;
  std::vector<std::unique_ptr<Journal>> journals_;
};

}  // namespace fairlead
