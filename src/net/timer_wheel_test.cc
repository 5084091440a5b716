#include "net/timer_wheel.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <vector>

namespace fairlead {
namespace {

using std::chrono::hours;

constexpr Instant kStart{milliseconds{1'000'000}};

class Probe final : public Timer {
 public:
  std::vector<Instant> fired;
  std::function<void(Instant)> then;

 private:
  void on_expiry(Instant now) override {
    fired.push_back(now);
    if (then) then(now);
  }
};

TEST(TimerWheel, ExpiresAtTheDeadlineAndNotBefore) {
  TimerWheel wheel(kStart);
  Probe probe;
  wheel.arm(probe, kStart + milliseconds{1500});
  wheel.advance(kStart + milliseconds{1499});
  EXPECT_TRUE(probe.fired.empty());
  wheel.advance(kStart + milliseconds{1500});
  EXPECT_EQ(probe.fired.size(), 1U);
  EXPECT_FALSE(probe.armed());
}

TEST(TimerWheel, ExpiresAfterOneLongJump) {
  TimerWheel wheel(kStart);
  Probe probe;
  wheel.arm(probe, kStart + hours{18});
  wheel.advance(kStart + hours{20});
  EXPECT_EQ(probe.fired.size(), 1U);
}

TEST(TimerWheel, HoldsTheLongestDelayOfTheProtocol) {
  TimerWheel wheel(kStart);
  Probe probe;
  const auto deadline = kStart + seconds{0xffffffff};
  wheel.arm(probe, deadline);
  wheel.advance(deadline - milliseconds{1});
  EXPECT_TRUE(probe.fired.empty());
  wheel.advance(deadline);
  EXPECT_EQ(probe.fired.size(), 1U);
}

TEST(TimerWheel, MovingADeadlineBackTakesOneExpiry) {
  TimerWheel wheel(kStart);
  Probe probe;
  for (int i = 1; i <= 100; ++i) {
    wheel.arm(probe, kStart + seconds{i + 60});
    wheel.advance(kStart + seconds{i});
  }
  EXPECT_TRUE(probe.fired.empty());
  wheel.advance(kStart + seconds{160});
  EXPECT_EQ(probe.fired.size(), 1U);
}

TEST(TimerWheel, MovingADeadlineForwardExpiresEarlier) {
  TimerWheel wheel(kStart);
  Probe probe;
  wheel.arm(probe, kStart + seconds{600});
  wheel.arm(probe, kStart + seconds{1});
  wheel.advance(kStart + seconds{1});
  EXPECT_EQ(probe.fired.size(), 1U);
  wheel.advance(kStart + seconds{601});
  EXPECT_EQ(probe.fired.size(), 1U);
}

TEST(TimerWheel, PastDeadlineExpiresInTheNextMillisecond) {
  TimerWheel wheel(kStart);
  Probe probe;
  wheel.advance(kStart + seconds{5});
  wheel.arm(probe, kStart);
  EXPECT_EQ(wheel.next_wake(), kStart + seconds{5} + milliseconds{1});
  wheel.advance(kStart + seconds{5} + milliseconds{1});
  EXPECT_EQ(probe.fired.size(), 1U);
}

TEST(TimerWheel, RearmingWithoutDelayDoesNotStarveTheLoop) {
  TimerWheel wheel(kStart);
  Probe probe;
  probe.then = [&](Instant now) { wheel.arm(probe, now); };
  wheel.arm(probe, kStart);
  wheel.advance(kStart + milliseconds{1});
  EXPECT_EQ(probe.fired.size(), 1U);
  EXPECT_TRUE(probe.armed());
}

TEST(TimerWheel, CancelledAndDestroyedTimersStaySilent) {
  TimerWheel wheel(kStart);
  Probe cancelled;
  auto destroyed = std::make_unique<Probe>();
  wheel.arm(cancelled, kStart + seconds{1});
  wheel.arm(*destroyed, kStart + seconds{1});
  cancelled.cancel();
  destroyed.reset();
  wheel.advance(kStart + seconds{2});
  EXPECT_TRUE(cancelled.fired.empty());
}

TEST(TimerWheel, ExpiryMayDestroyItselfAndItsNeighbour) {
  TimerWheel wheel(kStart);
  int fired = 0;
  auto first = std::make_unique<Probe>();
  auto second = std::make_unique<Probe>();
  const auto destroy_both = [&](Instant) {
    ++fired;
    // The closure lives in the probe that is being destroyed: nothing of it is used afterwards.
    auto one = std::move(first);
    auto two = std::move(second);
  };
  first->then = destroy_both;
  second->then = destroy_both;
  wheel.arm(*first, kStart + seconds{1});
  wheel.arm(*second, kStart + seconds{1});
  wheel.advance(kStart + seconds{1});
  EXPECT_EQ(fired, 1);
}

TEST(TimerWheel, NextWakeIsNeverLate) {
  TimerWheel wheel(kStart);
  EXPECT_EQ(wheel.next_wake(), std::nullopt);
  Probe probe;
  const auto deadline = kStart + hours{5} + milliseconds{7};
  wheel.arm(probe, deadline);
  int wakes = 0;
  while (const auto wake = wheel.next_wake()) {
    EXPECT_LE(*wake, deadline);
    wheel.advance(*wake);
    ++wakes;
  }
  EXPECT_EQ(probe.fired, std::vector{deadline});
  EXPECT_LE(wakes, 7);
}

struct Owner {
  explicit Owner(TimerWheel& wheel) { wheel.arm(timer, kStart + seconds{1}); }
  void on_time(Instant) { ++calls; }
  int calls = 0;
  MethodTimer<Owner, &Owner::on_time> timer{*this};
};

TEST(TimerWheel, CallsAMemberFunction) {
  TimerWheel wheel(kStart);
  Owner owner(wheel);
  wheel.advance(kStart + seconds{1});
  EXPECT_EQ(owner.calls, 1);
}

static_assert(sizeof(Timer) == 32, "times several timers times a million connections");

}  // namespace
}  // namespace fairlead
