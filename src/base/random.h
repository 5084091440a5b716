#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"

// The kernel's random source. Not for pure folders: they get random values as parameters.

namespace fairlead {

void random_bytes(MutableBytes out);
[[nodiscard]] uint64_t random_u64();
// `count` characters of [0-9A-Za-z].
[[nodiscard]] std::string random_text(std::size_t count);

}  // namespace fairlead
