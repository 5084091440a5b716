#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "base/temp_dir_for_test.h"
#include "base/test_seeds.h"
#include "store/record_store.h"
#include "store/sim_disk_for_test.h"
#include "store/test_store_model.h"

namespace fairlead {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t kSlower = 5;
#elif defined(__has_feature)
constexpr uint64_t kSlower =
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ? 5 : 1;
#else
constexpr uint64_t kSlower = 1;
#endif
constexpr int kCommits = 25;
constexpr uint32_t kCheckpointPages = 12;  // so that many of the commits come upon a checkpoint

// For the lock; one world at a time.
TempDir& shared_dir() {
  static TempDir dir;
  return dir;
}

class World {
 public:
  explicit World(uint64_t seed, SyncPolicy policy = SyncPolicy::kAlways)
      : disk(seed),
        model(seed),
        options{.sync = policy, .checkpoint_pages = kCheckpointPages, .vfs = disk.name()} {
    states.push_back(model.content);
  }

  bool open() {
    auto opened = RecordStore::open(shared_dir().path(), options, found);
    why = opened ? "" : opened.error().sentence;
    if (opened) store.emplace(std::move(*opened));
    EXPECT_TRUE(found.quarantine.empty());
    return opened.ok();
  }

  // A commit of the random program; false when it failed.
  bool commit() {
    RecordBatch batch;
    attempted = model.change(batch);
    const Status ok = store->commit({&batch});
    states.push_back(attempted);  // rejected too: a crash may find it there all the same
    if (!ok) return false;
    model.content = attempted;
    return true;
  }
  // Commits until one fails or there were enough; syncs, tidies and opens again on the way.
  bool run() {
    if (!store && !open()) return false;
    for (int i = 0; i < kCommits; ++i) {
      if (!commit()) return false;
      if (i % 5 == 4 && !store->tidy()) return false;
      if (i % 7 == 6) {
        if (!store->sync()) return false;
        if (options.sync != SyncPolicy::kNever) synced = states.size() - 1;
      }
      if (i == kCommits / 2) {
        store.reset();
        if (!open()) return false;
      }
    }
    return true;
  }

  void crash(SimDisk::Lost lost) {
    store.reset();
    disk.crash(lost);
    ASSERT_TRUE(open()) << why;
  }

  // What `always` promises: every commit is there, and the one that was interrupted as a whole or
  // not at all.
  void expect_nothing_lost() {
    const auto found_now = StoreModel::content_of(*store);
    EXPECT_TRUE(found_now == model.content || found_now == attempted);
    model.content = found_now;
    states.push_back(found_now);
  }
  // What the others promise: it is as it was after one of the commits since the last sync.
  void expect_an_earlier_state() {
    const auto found_now = StoreModel::content_of(*store);
    bool known = false;
    for (std::size_t i = synced; i < states.size(); ++i) known = known || states[i] == found_now;
    EXPECT_TRUE(known);
    model.content = found_now;
  }

  SimDisk disk;
  StoreModel model;
  StoreOptions options;
  RecordStore::Opened found;
  std::string why;
  std::optional<RecordStore> store;
  StoreModel::Content attempted;
  std::vector<StoreModel::Content> states;  // after each commit, done or attempted
  std::size_t synced = 0;                   // of these, the last that is on disk for certain
};

TEST(RecordStoreProperty, IsTheModelAcrossReopen) {
  testing::for_each_seed(5, [](uint64_t seed) {
    TempDir dir;
    StoreModel model(seed);
    for (int life = 0; life < 3; ++life) {
      RecordStore::Opened opened;
      auto store = RecordStore::open(
          dir.path(), {.sync = SyncPolicy::kNever, .checkpoint_pages = kCheckpointPages}, opened);
      ASSERT_TRUE(store) << store.error().sentence;
      EXPECT_TRUE(StoreModel::content_of(*store) == model.content);
      EXPECT_GE(*store->last_epoch(), model.epoch);
      for (int i = 0; i < kCommits; ++i) {
        RecordBatch one;
        RecordBatch two;
        model.content = model.change(one);
        model.content = model.change(two);
        ASSERT_TRUE(store->commit({&one, &two}));
      }
      EXPECT_TRUE(StoreModel::content_of(*store) == model.content);
      for (std::size_t i = 0; i < kTableCount; ++i) {
        EXPECT_EQ(*store->count(static_cast<Table>(i)), model.content[i].size());
      }
    }
  });
}

uint64_t calls_of_a_run(uint64_t seed) {
  World world(seed);
  EXPECT_TRUE(world.run());
  world.store.reset();
  return world.disk.calls();
}

// A crash at each call there is, and each time the disk makes something else of what was not
// synced.
TEST(RecordStoreSimulation, CrashAtAnyCallLosesNothingThatWasCommitted) {
  const uint64_t calls = calls_of_a_run(1);
  ASSERT_GT(calls, 300u);
  for (uint64_t call = 1; call <= calls; call += kSlower) {
    SCOPED_TRACE("crash at call " + std::to_string(call));
    for (auto lost : {SimDisk::Lost::kBySector,
                      call % 2 == 0 ? SimDisk::Lost::kNothing : SimDisk::Lost::kAll}) {
      World world(1);
      world.disk.die_at_call(call);
      world.run();
      ASSERT_NO_FATAL_FAILURE(world.crash(lost));
      world.expect_nothing_lost();
      EXPECT_TRUE(world.run());  // and it works on
      EXPECT_TRUE(StoreModel::content_of(*world.store) == world.model.content);
      if (HasFailure()) return;
    }
  }
}

TEST(RecordStoreSimulation, AnyCallMayFailAndTheNextCommitSucceeds) {
  const uint64_t calls = calls_of_a_run(2);
  for (uint64_t call = 1; call <= calls; call += kSlower) {
    SCOPED_TRACE("call " + std::to_string(call) + " fails");
    World world(2);
    world.disk.fail_call(call);
    for (int tries = 0; tries < 3 && !world.run(); ++tries) {
      if (!world.store) continue;
      // A rejected commit has changed nothing.
      EXPECT_TRUE(StoreModel::content_of(*world.store) == world.model.content);
    }
    ASSERT_TRUE(world.store);
    ASSERT_TRUE(world.commit() || world.commit());  // the first may be what fails
    EXPECT_TRUE(StoreModel::content_of(*world.store) == world.model.content);
    world.attempted = world.model.content;
    ASSERT_NO_FATAL_FAILURE(world.crash(SimDisk::Lost::kBySector));
    world.expect_nothing_lost();
    if (HasFailure()) return;
  }
}

TEST(RecordStoreSimulation, FullDiskRefusesAndRecoversWhenThereIsRoom) {
  const uint64_t writes = [] {
    World dry(3);
    EXPECT_TRUE(dry.run());
    return dry.disk.writes();
  }();
  for (uint64_t write = 1; write <= writes; write += kSlower) {
    SCOPED_TRACE("full at write " + std::to_string(write));
    World world(3);
    world.disk.fill_up_at_write(write);
    bool stood = world.run();
    for (int i = 0; !stood && world.store && i < 3; ++i) {
      RecordBatch batch;
      batch.put(Table::kBody, make_record_id(world.model.epoch + 1, 0, 0),
                as_bytes(std::string(200'000, 'x')));
      const Status ok = world.store->commit({&batch});
      ASSERT_FALSE(ok);
      EXPECT_EQ(ok.error().code, ReasonCode::kQuotaExceeded) << ok.error().sentence;
      EXPECT_TRUE(StoreModel::content_of(*world.store) == world.model.content);
    }
    world.disk.make_room();
    ASSERT_TRUE(world.store || world.open());
    ASSERT_TRUE(world.commit());
    world.attempted = world.model.content;
    ASSERT_NO_FATAL_FAILURE(world.crash(SimDisk::Lost::kAll));
    world.expect_nothing_lost();
    if (HasFailure()) return;
  }
}

// Several crashes in a row, at random calls, with random faults between them.
void random_life(uint64_t seed, SyncPolicy policy) {
  World world(seed, policy);
  // Without a sync at each commit there is no telling what a failed sync has left in the log; a
  // power cut soon afterwards may damage the file then. That is a case for salvage.
  if (policy != SyncPolicy::kAlways) world.disk.spare_syncs();
  for (int life = 0; life < 4; ++life) {
    world.disk.die_at_call(world.disk.calls() + 1 + world.model.random() % 400);
    if (world.model.random() % 2 == 0) {
      world.disk.fail_call(world.disk.calls() + 1 + world.model.random() % 200);
    }
    if (world.model.random() % 3 == 0) {
      world.disk.fill_up_at_write(world.disk.writes() + 1 + world.model.random() % 200);
    }
    while (!world.disk.is_dead()) world.run();
    const bool process_only = world.model.random() % 3 == 0;
    ASSERT_NO_FATAL_FAILURE(
        world.crash(process_only ? SimDisk::Lost::kNothing : SimDisk::Lost::kBySector));
    if (policy == SyncPolicy::kAlways || process_only) {
      world.expect_nothing_lost();
    } else {
      world.expect_an_earlier_state();
    }
    world.states = {world.model.content};
    world.synced = 0;
  }
}

TEST(RecordStoreSimulation, ManyCrashesLoseNothingThatWasCommitted) {
  testing::for_each_seed(150 / kSlower,
                         [](uint64_t seed) { random_life(seed, SyncPolicy::kAlways); });
}

TEST(RecordStoreSimulation, WithIntervalACrashGoesBackToACommitSinceTheLastSync) {
  testing::for_each_seed(100 / kSlower,
                         [](uint64_t seed) { random_life(seed, SyncPolicy::kInterval); });
}

TEST(RecordStoreSimulation, WithoutSyncACrashGoesBackToSomeCommit) {
  testing::for_each_seed(100 / kSlower,
                         [](uint64_t seed) { random_life(seed, SyncPolicy::kNever); });
}

}  // namespace
}  // namespace fairlead
