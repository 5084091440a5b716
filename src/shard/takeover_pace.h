#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/time.h"

namespace fairlead {

// Two clients with one identity, each of which connects again when the other has taken its place,
// would go on for ever as fast as they can. A few take-overs pass at once: that is a client whose
// old connection is dead. After those, so many a minute; who comes earlier waits.
// Eight bytes a session. Pure: time is a parameter.
class TakeoverPace {
 public:
  static constexpr int kAtOnce = 10;

  // Reserves the next take-over: how long it has to wait, zero for not at all. None is reserved
  // when that is more than `wait_max`: others wait already. `per_minute` > 0.
  [[nodiscard]] std::optional<milliseconds> reserve(uint32_t per_minute, milliseconds wait_max,
                                                    Instant now) {
    const milliseconds period = milliseconds(60'000) / per_minute;
    const Instant paid_at = std::max(paid_at_, now);
    const milliseconds wait = std::max(paid_at - now - (kAtOnce - 1) * period, milliseconds(0));
    if (wait > wait_max) return std::nullopt;
    paid_at_ = paid_at + period;
    return wait;
  }

 private:
  Instant paid_at_{};  // when all that was reserved is paid off
};

}  // namespace fairlead
