#pragma once

#include <chrono>
#include <cstdint>

namespace fairlead {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A point of the monotonic clock, in milliseconds since an arbitrary start. Pure code gets it as
// a parameter; only the engine (and a test) reads a clock.
struct MonotonicClock {
  using duration = milliseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicClock, milliseconds>;
  static constexpr bool is_steady = true;
  static time_point now();
};
using Instant = MonotonicClock::time_point;

// Milliseconds since 1970-01-01 UTC: what is shown, logged, sent and stored; never used for
// time-outs.
[[nodiscard]] milliseconds wall_clock_now();

// Where an engine reads the time from: the machine's clock, or one that a test moves on by script.
class Clock {
 public:
  [[nodiscard]] virtual Instant now() const = 0;
  [[nodiscard]] virtual milliseconds wall_now() const { return wall_clock_now(); }

 protected:
  ~Clock() = default;
};
[[nodiscard]] const Clock& machine_clock();

}  // namespace fairlead
