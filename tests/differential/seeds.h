#pragma once

#include <cstdint>
#include <optional>

#include "differential/duel.h"

namespace fairlead::testing {

struct Seeds {
  uint64_t from = 1;
  uint64_t to = 1;
};

// What FAIRLEAD_SEEDS says: 17, or 1000..2000.
[[nodiscard]] std::optional<Seeds> chosen_seeds();

// Plays the dialogues of these seeds. A difference fails the test, with the seed and the shortest
// dialogue that shows it; after a few it is enough.
void play_all(Duel& duel, const Seeds& seeds);

}  // namespace fairlead::testing
