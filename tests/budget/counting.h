#pragma once

#include <cstdint>

// Counts what the server's threads ask of the kernel and of the heap: functions of libc, and a few
// of ours, are defined here in front of the real ones. A thread that waits in epoll_wait is a
// shard's; of those that never do, one that is not the test's own is the writer of the store.

namespace fairlead::testing {

struct Counts {
  // System calls.
  uint64_t waits = 0;           // epoll_wait
  uint64_t interests = 0;       // epoll_ctl
  uint64_t receives = 0;        // recv
  uint64_t sends = 0;           // send, sendmsg
  uint64_t wakes = 0;           // write: to the event descriptor of a loop
  uint64_t accepts = 0;         // accept4
  uint64_t socket_options = 0;  // setsockopt, getsockopt, getsockname
  uint64_t closes = 0;          // close, shutdown
  uint64_t disk_writes = 0;     // pwrite64: SQLite's
  // The heap. Bytes as they were asked for; `held` as they are in use: allocated less freed, with
  // the allocator's rounding and eight bytes of its own for each piece.
  uint64_t allocations = 0;
  uint64_t allocated_bytes = 0;
  int64_t held_bytes = 0;
  // Of our own.
  uint64_t encodings = 0;      // PUBLISH packets written by the codec, not copied from another
  uint64_t timers_placed = 0;  // put into a slot of the wheel; a later deadline is only noted
};
[[nodiscard]] Counts operator-(const Counts& after, const Counts& before);

[[nodiscard]] Counts shard_counts();
[[nodiscard]] Counts writer_counts();

// While it lives, a shard that has something to do does not begin: what clients say meanwhile lies
// in the kernel, and all of it is there for one turn afterwards. They have to say something. For
// servers of one shard.
class HeldShard {
 public:
  HeldShard();
  ~HeldShard();
  HeldShard(const HeldShard&) = delete;
  HeldShard& operator=(const HeldShard&) = delete;
};

// While it lives, a commit that has begun to write does not go on.
class HeldDisk {
 public:
  HeldDisk();
  ~HeldDisk();
  HeldDisk(const HeldDisk&) = delete;
  HeldDisk& operator=(const HeldDisk&) = delete;
  // Until a commit has begun.
  void await_commit();
};

// For counting_ours.cc.
void count_encoding();
void count_timer_placed();

}  // namespace fairlead::testing
