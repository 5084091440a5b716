#include "proto/ws/utf8_stream.h"

#include <cstring>

namespace fairlead {
namespace {

// What must come next. The last four hold the second byte of a sequence to a narrower range: no
// overlong form, no surrogate, nothing above U+10FFFF.
enum State : uint8_t {
  kStart,
  kOne,
  kTwo,
  kThree,
  kAfterE0,
  kAfterEd,
  kAfterF0,
  kAfterF4,
  kBroken
};

State after_lead(uint8_t byte) {
  if (byte < 0x80) return kStart;
  if (byte < 0xC2 || byte > 0xF4) return kBroken;
  if (byte < 0xE0) return kOne;
  if (byte < 0xF0) return byte == 0xE0 ? kAfterE0 : byte == 0xED ? kAfterEd : kTwo;
  return byte == 0xF0 ? kAfterF0 : byte == 0xF4 ? kAfterF4 : kThree;
}

State next(State state, uint8_t byte) {
  auto within = [byte](uint8_t low, uint8_t high, State then) {
    return byte >= low && byte <= high ? then : kBroken;
  };
  switch (state) {
    case kStart:
      return after_lead(byte);
    case kOne:
      return within(0x80, 0xBF, kStart);
    case kTwo:
      return within(0x80, 0xBF, kOne);
    case kThree:
      return within(0x80, 0xBF, kTwo);
    case kAfterE0:
      return within(0xA0, 0xBF, kOne);
    case kAfterEd:
      return within(0x80, 0x9F, kOne);
    case kAfterF0:
      return within(0x90, 0xBF, kTwo);
    case kAfterF4:
      return within(0x80, 0x8F, kTwo);
    case kBroken:
      return kBroken;
  }
  unreachable();
}

}  // namespace

std::size_t Utf8Stream::accept(Bytes piece) {
  auto state = static_cast<State>(state_);
  std::size_t i = 0;
  while (i < piece.size()) {
    if (state == kStart && piece.size() - i >= 8) {
      uint64_t word = 0;
      std::memcpy(&word, piece.data() + i, 8);
      if ((word & 0x8080808080808080u) == 0) {
        i += 8;
        continue;
      }
    }
    state = next(state, std::to_integer<uint8_t>(piece[i]));
    if (state == kBroken) break;
    ++i;
  }
  state_ = state;
  return i;
}

}  // namespace fairlead
