#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace fairlead {

// Validates UTF-8 (RFC 3629) that comes in pieces, cut anywhere. One byte of state.
class Utf8Stream {
 public:
  // How many bytes at the front of `piece` keep the text well-formed so far. Less than its size:
  // the byte behind them breaks it, and the stream must not be fed again before reset().
  [[nodiscard]] std::size_t accept(Bytes piece);
  // Whether the text so far ends between characters.
  [[nodiscard]] bool complete() const { return state_ == 0; }
  void reset() { state_ = 0; }

 private:
  uint8_t state_ = 0;  // what must come next: see the .cc
};

}  // namespace fairlead
