#include "net/loop.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "base/mpsc_queue.h"

namespace fairlead {
namespace {

using std::chrono::hours;

std::pair<UniqueFd, UniqueFd> socket_pair() {
  std::array<int, 2> fds{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

void write_byte(const UniqueFd& fd) { EXPECT_EQ(::write(fd.get(), "x", 1), 1); }

// A handler with a socket pair of its own; forgets itself when destroyed.
class Peer final : public IoHandler {
 public:
  explicit Peer(Loop& loop, IoInterest interest = IoInterest::kRead) : loop_(loop) {
    std::tie(inner, outer) = socket_pair();
    EXPECT_TRUE(loop_.watch(inner.get(), *this, interest));
  }
  ~Peer() { loop_.forget(inner.get(), *this); }

  void on_io(IoEvents events) override {
    seen.push_back(events);
    if (then) then();
  }

  UniqueFd inner;
  UniqueFd outer;
  std::vector<IoEvents> seen;
  std::function<void()> then;

 private:
  Loop& loop_;
};

TEST(Loop, ReportsReadinessUntilItIsConsumed) {
  Loop loop;
  Peer peer(loop);
  write_byte(peer.outer);
  loop.turn(hours{1});
  loop.turn(hours{1});
  EXPECT_EQ(peer.seen.size(), 2U);
  char byte = 0;
  EXPECT_EQ(::read(peer.inner.get(), &byte, 1), 1);
  loop.turn(milliseconds{0});
  EXPECT_EQ(peer.seen.size(), 2U);
}

TEST(Loop, ReportsOnlyWhatIsOfInterest) {
  Loop loop;
  Peer peer(loop, IoInterest::kNone);
  write_byte(peer.outer);
  loop.turn(milliseconds{0});
  EXPECT_TRUE(peer.seen.empty());
  loop.change(peer.inner.get(), peer, IoInterest::kReadWrite);
  loop.turn(hours{1});
  ASSERT_EQ(peer.seen.size(), 1U);
  EXPECT_TRUE(peer.seen[0].readable && peer.seen[0].writable && !peer.seen[0].hang_up);
}

TEST(Loop, ReportsAHangUpWhateverTheInterest) {
  Loop loop;
  Peer peer(loop, IoInterest::kNone);
  peer.outer.reset();
  loop.turn(hours{1});
  ASSERT_EQ(peer.seen.size(), 1U);
  EXPECT_TRUE(peer.seen[0].readable && peer.seen[0].hang_up);
}

TEST(Loop, ForgottenHandlerHearsNothingOfTheSameTurn) {
  Loop loop;
  std::vector<std::unique_ptr<Peer>> peers;
  int heard = 0;
  for (int i = 0; i < 8; ++i) {
    peers.push_back(std::make_unique<Peer>(loop));
    write_byte(peers.back()->outer);
    peers.back()->then = [&] {
      ++heard;
      // Whoever comes first destroys all, itself included: the closure dies with it.
      auto all = std::move(peers);
    };
  }
  loop.turn(hours{1});
  EXPECT_EQ(heard, 1);
}

TEST(Loop, DescriptorReusedWithinATurnDoesNotInheritEvents) {
  Loop loop;
  std::array<std::unique_ptr<Peer>, 2> peers{std::make_unique<Peer>(loop),
                                             std::make_unique<Peer>(loop)};
  std::unique_ptr<Peer> replacement;
  for (std::size_t i = 0; i < 2; ++i) {
    write_byte(peers[i]->outer);
    peers[i]->then = [&, i] {
      peers[1 - i].reset();
      if (!replacement) replacement = std::make_unique<Peer>(loop);
    };
  }
  loop.turn(hours{1});
  ASSERT_TRUE(replacement);
  EXPECT_TRUE(replacement->seen.empty());
}

TEST(Loop, RunsDueTimersAndWaitsNoLongerThanTheNext) {
  struct Alarm final : Timer {
    void on_expiry(Instant now) override { fired_at = now; }
    Instant fired_at{};
  };
  Loop loop;
  Alarm alarm;
  const Instant deadline = loop.now() + milliseconds{2};
  loop.timers().arm(alarm, deadline);
  while (alarm.armed()) loop.turn(hours{1});
  EXPECT_GE(alarm.fired_at, deadline);
  EXPECT_EQ(alarm.fired_at, loop.now());
}

TEST(Loop, TimersFollowTheClockThatItWasGiven) {
  struct ScriptedClock final : Clock {
    Instant at{};
    [[nodiscard]] Instant now() const override { return at; }
  } clock;
  Loop loop(clock);
  struct Alarm {
    int rings = 0;
    void on_ring(Instant) { ++rings; }
    MethodTimer<Alarm, &Alarm::on_ring> timer{*this};
  } alarm;
  loop.timers().arm(alarm.timer, clock.at + hours{18});
  clock.at += hours{18} - milliseconds{1};
  loop.turn(milliseconds{0});
  EXPECT_EQ(alarm.rings, 0);
  clock.at += milliseconds{1};
  loop.turn(milliseconds{0});
  EXPECT_EQ(alarm.rings, 1);
  EXPECT_EQ(loop.now(), clock.at);
}

TEST(Loop, WakeBeforeTheWaitIsNotLost) {
  Loop loop;
  loop.wake();
  loop.wake();
  loop.turn(hours{1});
}

TEST(Loop, WakesForEachBatchOfOtherThreads) {
  constexpr int kItems = 2000;
  constexpr int kThreads = 2;
  Loop loop;
  MpscQueue<int> inbox;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int item = 0; item < kItems; ++item) {
        if (inbox.push(item)) loop.wake();
      }
    });
  }
  int received = 0;
  while (received < kItems * kThreads) {
    loop.turn(hours{1});  // a lost wake-up would hang here
    inbox.drain([&](int&&) { ++received; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(received, kItems * kThreads);
}

TEST(Loop, ScratchBuffersAreApart) {
  Loop loop;
  EXPECT_GE(loop.scratch().size(), std::size_t{64} << 10);
  EXPECT_GE(loop.cipher_scratch().size(), std::size_t{64} << 10);
  EXPECT_NE(loop.scratch().data(), loop.cipher_scratch().data());
}

}  // namespace
}  // namespace fairlead
