#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace fairlead {

// Lower-case.
[[nodiscard]] std::string to_hex(Bytes bytes);
// Either case; nullopt for an odd length or another character.
[[nodiscard]] std::optional<std::vector<std::byte>> from_hex(std::string_view text);

}  // namespace fairlead
