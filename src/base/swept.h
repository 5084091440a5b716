#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace fairlead {

// What a slice of a search for expired things has found.
struct Swept {
  uint32_t dropped = 0;
  Instant earliest = Instant::max();  // when the first of them expired

  void note(Instant expired_at) {
    ++dropped;
    earliest = std::min(earliest, expired_at);
  }
};

}  // namespace fairlead
