#include "base/time.h"

namespace fairlead {

Instant MonotonicClock::now() {
  auto since_start = std::chrono::steady_clock::now().time_since_epoch();
  return Instant(std::chrono::duration_cast<milliseconds>(since_start));
}

const Clock& machine_clock() {
  struct MachineClock final : Clock {
    [[nodiscard]] Instant now() const override { return MonotonicClock::now(); }
  };
  static const MachineClock clock;
  return clock;
}

milliseconds wall_clock_now() {
  auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<milliseconds>(since_epoch);
}

}  // namespace fairlead
