#include "store/committer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/temp_dir_for_test.h"
#include "base/test_seeds.h"
#include "store/journal.h"
#include "store/sim_disk_for_test.h"

namespace fairlead {
namespace {

constexpr uint16_t kShards = 3;
constexpr std::size_t kLiveMax = 50;
constexpr int kTurnsMax = 10;
constexpr milliseconds kPatience{60'000};
constexpr RecordId kSession = make_record_id(1, 0, 0);  // whose entries these are

RecordStore open_store(const TempDir& dir, const std::string& vfs = {}) {
  RecordStore::Opened opened;
  auto store = RecordStore::open(dir.path(), {.vfs = vfs}, opened);
  EXPECT_TRUE(store) << store.error().sentence;
  return std::move(*store);
}

using Records = std::map<RecordId, std::string>;
Records records(const RecordStore& store, Table table) {
  Records found;
  const Status ok =
      store.for_each(table, [&](RecordId id, Bytes data) { found[id] = as_text(data); });
  EXPECT_TRUE(ok) << ok.error().sentence;
  return found;
}

// --- Shards on threads of their own, that do at random what shards do ----------------------------

struct Mail {
  uint64_t epoch = 0;
  std::string token;  // what it is about: goes on to the next shard
};

class TestShard {
 public:
  TestShard(uint16_t index, uint64_t seed, Committer& committer)
      : index_(index), random_(seed * kShards + index), journal_(index, &committer, WallTime{}) {}

  std::array<TestShard*, kShards> peers{};
  std::atomic<int64_t>* mail_under_way = nullptr;
  std::function<void()> on_news;

  void start(int turns) {
    thread_ = std::thread([this, turns] { run(turns); });
  }
  void wake() {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    changed_.notify_all();
  }
  [[nodiscard]] bool idle() const { return idle_; }
  void stop() {
    quitting_ = true;
    wake();
    if (thread_.joinable()) thread_.join();
  }

  // What the store is to hold of this shard when all is durable.
  Records sessions;
  Records entries;    // payloads, of messages that are still there
  Records in_flight;  // "7": sent under that identifier; "7 released"

 private:
  struct Kept {
    Outgoing outgoing;
    mqtt::PacketId packet_id{};
  };

  void run(int turns) {
    for (int turn = 0; !quitting_; ++turn) {
      if (turn == turns) idle_ = true;
      if (turn >= turns || is_ahead()) wait();
      std::deque<Mail> mail;
      {
        const std::lock_guard lock(mutex_);
        std::swap(mail, inbox_);
      }
      for (const Mail& each : mail) read(each);
      if (turn < turns && turns_of_epoch_ <= kTurnsMax) {
        for (std::size_t i = random_() % 8; i > 0; --i) change();
        if (random_() % 2 == 0) publish();
      }
      do {
        send();
      } while (journal_.end_turn());
      *mail_under_way -= static_cast<int64_t>(mail.size());
      if (idle_) on_news();
    }
  }
  // Enough for one epoch: there are more of them this way.
  [[nodiscard]] bool is_ahead() {
    if (epoch_ != journal_.epoch()) turns_of_epoch_ = 0;
    epoch_ = journal_.epoch();
    return ++turns_of_epoch_ > kTurnsMax;
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return woken_ || quitting_; });
    woken_ = false;
  }

  // The parts of one message's way, on all shards: durable together or not at all.
  void publish() {
    const std::string token = std::to_string(index_) + '.' + std::to_string(++published_);
    (void)journal_.put_tagged(Table::kRetained, as_bytes(token));
    pass_on(token);
  }
  void read(const Mail& mail) {
    journal_.begin_mail(mail.epoch);
    (void)journal_.put_tagged(Table::kRetained, as_bytes(mail.token));
    const bool was_everywhere = mail.token[0] - '0' == (index_ + 1) % kShards;
    if (!was_everywhere) pass_on(mail.token);
    if (random_() % 4 == 0) put_entry();
    journal_.end_mail(mail.epoch);
  }
  void pass_on(const std::string& token) { outbox_.push_back({journal_.epoch(), token}); }
  void send() {
    for (Mail& mail : outbox_) {
      TestShard& to = *peers[(index_ + 1) % kShards];
      ++*mail_under_way;
      journal_.mail_sent(mail.epoch);
      const std::lock_guard lock(to.mutex_);
      to.inbox_.push_back(std::move(mail));
      to.woken_ = true;
      to.changed_.notify_all();
    }
    outbox_.clear();
  }

  void change() {
    switch (random_() % 9) {
      case 0:
      case 1:
        return sessions.size() > kLiveMax ? void() : put_session(RecordId::kNone);
      case 2:
        return sessions.empty() ? void() : put_session(any(sessions));
      case 3:
        return sessions.empty() ? void() : erase_session(any(sessions));
      case 4:
        return kept_.size() > kLiveMax ? void() : put_shared();
      case 5:
        return kept_.size() > kLiveMax ? void() : put_entry();
      default:
        return kept_.empty() ? void() : advance(random_() % kept_.size());
    }
  }
  RecordId any(const Records& of) {
    auto at = of.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random_() % of.size()));
    return at->first;
  }
  void put_session(RecordId id) {
    const std::string text = std::to_string(random_());
    id = journal_.put(Table::kSession, id, as_bytes(text));
    sessions[id] = text;
  }
  void erase_session(RecordId id) {
    journal_.erase(Table::kSession, id);
    sessions.erase(id);
  }
  mqtt::MessageRef message() {
    const std::string text = std::to_string(random_());
    return mqtt::Message::make(
        {.topic = "t", .payload = as_bytes(text), .qos = mqtt::Qos::kExactlyOnce});
  }
  void put_shared() {
    const mqtt::MessageRef shared = message();
    journal_.begin_shared();
    for (std::size_t i = 2 + random_() % 3; i > 0; --i) put_entry(shared);
    journal_.end_shared();
  }
  void put_entry() { put_entry(message()); }
  void put_entry(const mqtt::MessageRef& message) {
    Outgoing outgoing(message, {.qos = mqtt::Qos::kExactlyOnce});
    outgoing.record = journal_.put_entry(kSession, outgoing, mqtt::PacketId{});
    entries[outgoing.record] = as_text(message->payload());
    kept_.push_back({std::move(outgoing), mqtt::PacketId{}});
  }
  // What happens to a message: identifier, PUBREC, PUBCOMP; or it goes at any time.
  void advance(std::size_t position) {
    Kept& kept = kept_[position];
    const RecordId id = kept.outgoing.record;
    if (kept.packet_id == mqtt::PacketId{} && random_() % 3 != 0) {
      kept.packet_id = static_cast<mqtt::PacketId>(1 + random_() % 1000);
      journal_.set_packet_id(kSession, kept.outgoing, kept.packet_id);
      in_flight[id] = std::to_string(static_cast<unsigned>(kept.packet_id));
    } else if (kept.packet_id != mqtt::PacketId{} && kept.outgoing.message && random_() % 3 != 0) {
      journal_.release_entry(kSession, kept.outgoing, kept.packet_id);
      kept.outgoing.message = {};
      entries.erase(id);
      in_flight[id] += " released";
    } else {
      journal_.erase_entry(kept.outgoing);
      entries.erase(id);
      in_flight.erase(id);
      kept_.erase(kept_.begin() + static_cast<std::ptrdiff_t>(position));
    }
  }

  const uint16_t index_;
  std::mt19937_64 random_;
  Journal journal_;
  std::vector<Kept> kept_;
  std::vector<Mail> outbox_;
  uint32_t published_ = 0;
  uint64_t epoch_ = 0;
  int turns_of_epoch_ = 0;
  std::atomic<bool> idle_{false};
  std::atomic<bool> quitting_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Mail> inbox_;
  bool woken_ = false;
  std::thread thread_;
};

class World {
 public:
  World(uint64_t seed, const TempDir& dir, const std::string& vfs = {})
      : committer_(open_store(dir, vfs), {.gap = milliseconds{0}, .retry_after = milliseconds{1}},
                   kShards, [this](uint16_t shard) {
                     shards_[shard]->wake();
                     tell();
                   }) {
    for (uint16_t i = 0; i < kShards; ++i) {
      shards_.push_back(std::make_unique<TestShard>(i, seed, committer_));
    }
    for (auto& shard : shards_) {
      for (uint16_t i = 0; i < kShards; ++i) shard->peers[i] = shards_[i].get();
      shard->mail_under_way = &mail_under_way_;
      shard->on_news = [this] { tell(); };
    }
  }
  ~World() {
    for (auto& shard : shards_) shard->stop();
    committer_.stop();
  }

  void start(int turns) {
    committer_.start();
    for (auto& shard : shards_) shard->start(turns);
  }
  // Waits until done() says yes.
  template <class Done>
  void await(Done&& done) {
    std::unique_lock lock(mutex_);
    while (!done()) {
      changed_.wait(lock, [this] { return has_news_; });
      has_news_ = false;
    }
  }
  // All have done what they were to do, and mail is worked off.
  void await_idle() {
    await([this] {
      return mail_under_way_ == 0 &&
             std::ranges::all_of(shards_, [](const auto& shard) { return shard->idle(); });
    });
  }
  // The process ends: shards and committer stop where they are.
  void crash() {
    committer_.stop();
    for (auto& shard : shards_) shard->stop();
  }
  Committer& committer() { return committer_; }
  std::vector<std::unique_ptr<TestShard>>& shards() { return shards_; }

 private:
  void tell() {
    const std::lock_guard lock(mutex_);
    has_news_ = true;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool has_news_ = false;
  std::vector<std::unique_ptr<TestShard>> shards_;
  std::atomic<int64_t> mail_under_way_{0};
  Committer committer_;
};

// Of each message that was passed around, all parts or none.
std::size_t expect_whole_messages(const RecordStore& store) {
  std::map<std::string, int> parts;
  for (const auto& [id, token] : records(store, Table::kRetained)) ++parts[token];
  for (const auto& [token, count] : parts) EXPECT_EQ(count, kShards) << token;
  return parts.size();
}

// What is in the store, in the words of TestShard.
void expect_holds(const RecordStore& store, const std::vector<std::unique_ptr<TestShard>>& shards) {
  Records sessions;
  Records entries;
  Records in_flight;
  for (const auto& shard : shards) {
    sessions.insert(shard->sessions.begin(), shard->sessions.end());
    entries.insert(shard->entries.begin(), shard->entries.end());
    in_flight.insert(shard->in_flight.begin(), shard->in_flight.end());
  }
  Records found_entries;
  Records found_in_flight;
  std::set<RecordId> used;
  const Records bodies = records(store, Table::kBody);
  for (const auto& [id, bytes] : records(store, Table::kEntry)) {
    const auto entry = decode_entry(as_bytes(bytes));
    ASSERT_TRUE(entry.ok());
    Bytes whole = entry->message;
    if (entry->body != RecordId::kNone) {
      ASSERT_TRUE(bodies.contains(entry->body));
      used.insert(entry->body);
      whole = as_bytes(bodies.at(entry->body));
    }
    found_entries[id] = as_text((*decode_message(whole, WallTime{}))->payload());
    if (entry->packet_id != mqtt::PacketId{}) {
      found_in_flight[id] = std::to_string(static_cast<unsigned>(entry->packet_id));
    }
  }
  for (const auto& [id, bytes] : records(store, Table::kInflight)) {
    const auto record = decode_inflight(as_bytes(bytes));
    ASSERT_TRUE(record.ok());
    found_in_flight[id] = std::to_string(static_cast<unsigned>(record->packet_id)) +
                          (record->step == InflightRecord::Step::kReleased ? " released" : "");
  }
  EXPECT_EQ(records(store, Table::kSession), sessions);
  EXPECT_EQ(found_entries, entries);
  EXPECT_EQ(found_in_flight, in_flight);
  EXPECT_EQ(used.size(), bodies.size()) << "bodies of nobody";
}

TEST(Committer, WaitsWhereWaitingPays) {
  using std::chrono::microseconds;
  constexpr milliseconds kGap{2};
  const auto gap = [&](const Committer::Load& load) { return Committer::gap_after(load, kGap); };
  EXPECT_EQ(gap({.puts = 1}), microseconds(7)) << "somebody waits for one message";
  EXPECT_EQ(gap({.puts = 128}), microseconds(1'000));
  EXPECT_EQ(gap({.puts = 256}), kGap) << "many come together";
  EXPECT_EQ(gap({.puts = 100'000}), kGap);
  EXPECT_EQ(gap({.puts = 4, .struck = 1}), kGap) << "receivers acknowledge meanwhile";
  EXPECT_EQ(gap({.puts = 4, .erasures = 1}), kGap);
  EXPECT_EQ(gap({.puts = 100, .struck = 10, .erasures = 10}), microseconds(781));
  EXPECT_EQ(Committer::gap_after({.puts = 9, .struck = 9}, milliseconds(0)), microseconds(0));
}

// One shard, whose turns and the committer's steps the test takes itself.
struct StepByStep {
  StepByStep() : committer(open_store(dir), {.gap = kGap}, 1, [](uint16_t) {}) {}
  RecordId put() { return journal.put(Table::kSession, RecordId::kNone, as_bytes("s")); }
  void end_turn() { (void)journal.end_turn(); }
  void commit() {
    committer.close_epoch();
    end_turn();
    ASSERT_TRUE(committer.handed_over());
    ASSERT_TRUE(committer.commit());
    end_turn();
  }

  static constexpr milliseconds kGap{2};
  TempDir dir;
  Committer committer;
  Journal journal{0, &committer, WallTime{}};
};

// Each commit was followed by one with nothing in it, and that one by the whole gap: a publisher
// that waits for each answer had to wait for that, too.
TEST(Committer, WhatIsBeingClosedDoesNotMakeAnEmptyCommitBehindIt) {
  StepByStep world;
  (void)world.put();
  world.end_turn();
  ASSERT_TRUE(world.committer.has_work());
  world.commit();
  EXPECT_FALSE(world.committer.has_work());
  // What is recorded in the turn that enters the next epoch is of the one that is being closed.
  (void)world.put();
  world.end_turn();
  world.committer.close_epoch();
  (void)world.put();
  world.end_turn();
  ASSERT_TRUE(world.committer.commit());
  EXPECT_FALSE(world.committer.has_work());
  EXPECT_EQ(world.committer.figures().records, 3u);
}

TEST(Committer, EmptyCommitLeavesTheGapAsItWas) {
  StepByStep world;
  const RecordId id = world.put();
  world.commit();
  EXPECT_EQ(world.committer.gap(), std::chrono::microseconds(7));
  world.commit();
  EXPECT_EQ(world.committer.gap(), std::chrono::microseconds(7)) << "somebody waits";
  world.journal.erase(Table::kSession, id);
  world.commit();
  EXPECT_EQ(world.committer.gap(), StepByStep::kGap);
  world.commit();
  EXPECT_EQ(world.committer.gap(), StepByStep::kGap) << "somebody acknowledges";
}

TEST(Committer, HoldsWhatShardsHoldWhenAllIsFlushed) {
  testing::for_each_seed(4, [](uint64_t seed) {
    TempDir dir;
    std::vector<std::unique_ptr<TestShard>> shards;
    World world(seed, dir);
    world.start(400);
    world.await_idle();
    ASSERT_TRUE(world.committer().flush(kPatience));
    EXPECT_EQ(world.committer().figures().overflows, 0u);
    world.crash();
    std::swap(shards, world.shards());
    TempDir copy;
    ASSERT_TRUE(RecordStore::backup(dir.path(), copy.path() / "store.db"));
    const RecordStore store = open_store(copy);
    EXPECT_GT(expect_whole_messages(store), 100u);
    expect_holds(store, shards);
  });
}

TEST(Committer, MessageIsDurableOnAllShardsOrOnNone) {
  testing::for_each_seed(6, [](uint64_t seed) {
    TempDir dir;
    {
      World world(seed, dir);
      world.start(1'000'000);
      world.await([&] { return world.committer().committed() >= 3 + seed * 7; });
      world.crash();
    }
    EXPECT_GT(expect_whole_messages(open_store(dir)), 0u);
  });
}

TEST(Committer, NothingIsLostByADiskThatWasFull) {
  TempDir dir;
  SimDisk disk(3);
  std::vector<std::unique_ptr<TestShard>> shards;
  {
    World world(3, dir, disk.name());
    disk.fill_up_at_write(0);
    world.start(300);
    while (!world.committer().failing()) std::this_thread::yield();
    EXPECT_FALSE(world.committer().flush(milliseconds{5}));
    disk.make_room();
    world.await_idle();
    ASSERT_TRUE(world.committer().flush(kPatience));
    EXPECT_FALSE(world.committer().failing());
    EXPECT_GT(world.committer().figures().failures, 0u);
    world.crash();
    std::swap(shards, world.shards());
  }
  const RecordStore store = open_store(dir, disk.name());
  (void)expect_whole_messages(store);
  expect_holds(store, shards);
}

// --- By itself ---------------------------------------------------------------------------------

TEST(Committer, FlushOfNothingIsDoneOnceTheShardsHaveTakenTheirTurns) {
  TempDir dir;
  World world(1, dir);
  world.start(0);
  EXPECT_TRUE(world.committer().flush(kPatience));
  EXPECT_EQ(world.committer().figures().commits, 0u);
}

TEST(Committer, FlushGivesUpWhenNobodyTakesTurns) {
  TempDir dir;
  Committer committer(open_store(dir), {}, 1, [](uint16_t) {});
  committer.start();
  EXPECT_FALSE(committer.flush(milliseconds{1}));
  committer.stop();
  EXPECT_FALSE(committer.flush(kPatience)) << "it has stopped";
}

TEST(Committer, StopsWhileTheDiskIsFull) {
  TempDir dir;
  SimDisk disk(5);
  World world(5, dir, disk.name());
  disk.fill_up_at_write(0);
  world.start(100);
  while (!world.committer().failing()) std::this_thread::yield();
  world.crash();
  EXPECT_EQ(world.committer().figures().commits, 0u);
}

TEST(Committer, RemembersWhichShardsKeepSessions) {
  TempDir dir;
  Committer committer(open_store(dir), {}, 64, [](uint16_t) {});
  EXPECT_FALSE(committer.keeping(0));
  committer.note_keeping(0);
  committer.note_keeping(63);
  EXPECT_TRUE(committer.keeping(0));
  EXPECT_FALSE(committer.keeping(1));
  EXPECT_TRUE(committer.keeping(63));
}

}  // namespace
}  // namespace fairlead
