#pragma once

#include <span>
#include <string_view>

#include "differential/dialogue.h"

namespace fairlead::testing {

// A random dialogue of two to six clients, valid in each version that they speak. The same for the
// same seed, whatever the compiler. What depends on time is left out (will delay, session and
// message expiry are nothing or long), and so is what a server may do one way or the other and
// then must go on with: which of several retained messages comes first into a narrow window, say.
[[nodiscard]] Dialogue make_dialogue(uint64_t seed);

// Every topic that a dialogue may speak of.
[[nodiscard]] std::span<const std::string_view> dialogue_topics();

}  // namespace fairlead::testing
