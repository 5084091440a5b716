#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <random>

#include "net/timer_wheel.h"

namespace fairlead {
namespace {

constexpr std::size_t kTimers = 64;

class Recorder final : public Timer {
 public:
  int fired = 0;

 private:
  void on_expiry(Instant) override { ++fired; }
};

// Delays of every magnitude, from none to 139 years, and often near powers of 64.
milliseconds some_delay(std::mt19937_64& random) {
  const unsigned bits = static_cast<unsigned>(random() % 42);
  const auto around = static_cast<int64_t>(uint64_t{1} << bits);
  const auto jitter = static_cast<int64_t>(random() % 5) - 2;
  const bool near_power = random() % 2 == 0;
  return milliseconds{near_power ? around + jitter
                                 : static_cast<int64_t>(random() % (uint64_t{1} << bits))};
}

// The specification: a plain array of deadlines, looked through at each step.
struct Model {
  std::array<std::optional<Instant>, kTimers> deadlines;
  std::array<int, kTimers> fired{};

  void arm(std::size_t index, Instant now, Instant deadline) {
    deadlines[index] = std::max(deadline, now + milliseconds{1});
  }
  void advance(Instant now) {
    for (std::size_t i = 0; i < kTimers; ++i) {
      if (!deadlines[i] || *deadlines[i] > now) continue;
      deadlines[i].reset();
      ++fired[i];
    }
  }
  std::optional<Instant> earliest() const {
    std::optional<Instant> first;
    for (const auto& deadline : deadlines) {
      if (deadline && (!first || *deadline < *first)) first = deadline;
    }
    return first;
  }
};

void run(uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  Instant now{milliseconds{static_cast<int64_t>(random() % 1'000'000'000)}};
  const Instant end = now + milliseconds{int64_t{1} << 41};
  TimerWheel wheel(now);
  std::array<Recorder, kTimers> timers;
  Model model;
  for (int step = 0; step < 400 && now < end; ++step) {
    const std::size_t index = random() % kTimers;
    switch (random() % 4) {
      case 0:
      case 1: {
        const Instant deadline = std::min(now + some_delay(random), end);
        wheel.arm(timers[index], deadline);
        model.arm(index, now, deadline);
        break;
      }
      case 2:
        timers[index].cancel();
        model.deadlines[index].reset();
        break;
      default: {
        const auto earliest = model.earliest();
        const auto wake = wheel.next_wake();
        if (earliest) {
          ASSERT_TRUE(wake && *wake <= *earliest);
        }
        // Sometimes exactly to the next wake, as a loop does; sometimes anywhere.
        const bool follow = wake && random() % 2 == 0;
        now = follow ? *wake : now + std::max(some_delay(random) / 64, milliseconds{0});
        wheel.advance(now);
        model.advance(now);
        for (std::size_t i = 0; i < kTimers; ++i) {
          ASSERT_EQ(timers[i].fired, model.fired[i]) << "timer " << i << " step " << step;
          ASSERT_EQ(timers[i].armed(), model.deadlines[i].has_value()) << "timer " << i;
        }
      }
    }
  }
}

TEST(TimerWheelProperty, BehavesLikeAListOfDeadlines) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    run(seed);
    if (testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace fairlead
