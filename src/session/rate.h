#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "base/time.h"

namespace fairlead {

// At most so many events a second, in bursts of one second's worth: a token bucket of eight bytes
// (the generic cell rate algorithm). It starts full.
class RateLimit {
 public:
  // Whether one more event may pass at `now`; counts it if so. `per_second` > 0.
  [[nodiscard]] bool admit(uint32_t per_second, Instant now) {
    const microseconds period = microseconds(std::chrono::seconds(1)) / per_second;
    const microseconds at = now.time_since_epoch();
    const microseconds empty_at = std::max(empty_at_, at) + period;
    if (empty_at - at > std::chrono::seconds(1)) return false;
    empty_at_ = empty_at;
    return true;
  }

 private:
  using microseconds = std::chrono::microseconds;
  microseconds empty_at_ = microseconds::min();  // when all that was admitted is paid off
};

}  // namespace fairlead
