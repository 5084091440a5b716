#pragma once

#include <cstdint>
#include <optional>

#include "differential/duel.h"

namespace fairlead::testing {

struct Seeds {
  uint64_t from = 1;
  uint64_t to = 1;
};

// FAIRLEAD_SEED=17 is one; FAIRLEAD_SEEDS=1000..2000 are many, and so is =500, from 1 on.
[[nodiscard]] std::optional<Seeds> chosen_seeds();

// Plays the dialogues of these seeds. A difference fails the test, with the seed and the shortest
// dialogue that shows it; after a few it is enough.
void play_all(Duel& duel, const Seeds& seeds);

}  // namespace fairlead::testing
