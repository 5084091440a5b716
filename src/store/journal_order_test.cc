#include "store/journal.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/temp_dir_for_test.h"

namespace fairlead {
namespace {

using mqtt::PacketId;

constexpr RecordId kSession{1};

// Two journals, and a committer between them whose steps the test takes one by one: it goes on when
// both shards have ended a turn.
class JournalOrderTest : public ::testing::Test {
 protected:
  JournalOrderTest() {
    auto store = RecordStore::open(dir_.path(), {}, opened_);
    EXPECT_TRUE(store) << store.error().sentence;
    committer_ = std::make_unique<Committer>(std::move(*store), Committer::Options{}, 2,
                                             [this](uint16_t) { wake(); });
    committer_->start();
    here_.emplace(0, committer_.get(), WallTime());
    there_.emplace(1, committer_.get(), WallTime());
  }

  void wake() {
    const std::lock_guard lock(mutex_);
    ++wakes_;
    woken_.notify_all();
  }
  // Until the committer has got so far; `turn` is what shards do each time they are woken.
  template <class Done, class Turn>
  void drive(Done&& done, Turn&& turn) {
    std::unique_lock lock(mutex_);
    while (true) {
      const uint64_t seen = wakes_;
      lock.unlock();
      turn();
      if (done()) return;
      lock.lock();
      woken_.wait(lock, [&] { return wakes_ != seen; });
    }
  }
  void commit_all() {
    const uint64_t wanted = committer_->newest();
    drive([&] { return committer_->committed() >= wanted; },
          [&] {
            (void)here_->end_turn();
            (void)there_->end_turn();
          });
  }

  // What a process finds that starts now.
  std::vector<PacketId> restart() {
    committer_.reset();
    auto store = RecordStore::open(dir_.path(), {}, opened_);
    EXPECT_TRUE(store) << store.error().sentence;
    std::map<RecordId, PacketId> found;
    EXPECT_TRUE(store->for_each(Table::kEntry, [&](RecordId id, Bytes data) {
      found[id] = decode_entry(data)->packet_id;
    }));
    EXPECT_TRUE(store->for_each(Table::kInflight, [&](RecordId id, Bytes data) {
      found[id] = decode_inflight(data)->packet_id;
    }));
    std::vector<PacketId> ids;
    for (const auto& [record, id] : found) ids.push_back(id);
    return ids;
  }

  static Outgoing outgoing(std::string_view payload) {
    return Outgoing(mqtt::Message::make({.topic = "t", .payload = as_bytes(payload)}),
                    {.qos = mqtt::Qos::kExactlyOnce});
  }

  TempDir dir_;
  RecordStore::Opened opened_;
  std::mutex mutex_;
  std::condition_variable woken_;
  uint64_t wakes_ = 0;
  std::unique_ptr<Committer> committer_;
  std::optional<Journal> here_, there_;
};

// The first message waits and is durable. It gets an identifier, and so does a second one, which
// mail of the epoch before brings: only that epoch is committed.
TEST_F(JournalOrderTest, IdentifiersAreDurableInTheOrderInWhichTheyWereGiven) {
  Outgoing first = outgoing("first");
  first.record = here_->put_entry(kSession, first, PacketId{});
  commit_all();
  const uint64_t before = here_->epoch();
  (void)here_->put_entry(kSession, outgoing("other"), PacketId{});
  there_->mail_sent(before);
  drive([&] { return here_->epoch() > before; }, [&] { (void)here_->end_turn(); });
  here_->set_packet_id(kSession, first, PacketId{1});
  here_->begin_mail(before);
  (void)here_->put_entry(kSession, outgoing("second"), PacketId{2});
  here_->end_mail(before);
  drive([&] { return committer_->committed() >= before; },
        [&] {
          (void)here_->end_turn();
          if (there_->epoch() == before || committer_->closed(before)) (void)there_->end_turn();
        });
  EXPECT_EQ(restart(), std::vector<PacketId>(3));
}

}  // namespace
}  // namespace fairlead
