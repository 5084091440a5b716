#include "differential/seeds.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "differential/generator.h"

namespace fairlead::testing {

namespace {
constexpr unsigned kFailuresMax = 3;
}

std::optional<Seeds> chosen_seeds() {
  if (const char* only = std::getenv("FAIRLEAD_SEED")) {
    return Seeds{std::stoull(only), std::stoull(only)};
  }
  const char* said = std::getenv("FAIRLEAD_SEEDS");
  if (!said) return std::nullopt;
  const std::string text(said);
  const std::size_t dots = text.find("..");
  if (dots == std::string::npos) return Seeds{1, std::stoull(text)};
  return Seeds{std::stoull(text), std::stoull(text.substr(dots + 2))};
}

void play_all(Duel& duel, const Seeds& seeds) {
  unsigned failures = 0;
  for (uint64_t seed = seeds.from; seed <= seeds.to && failures < kFailuresMax; ++seed) {
    const Dialogue dialogue = make_dialogue(seed);
    const Outcome outcome = duel.play(dialogue);
    if (outcome.alike) continue;
    ++failures;
    const Outcome shorter = duel.play(duel.shorten(dialogue));
    ADD_FAILURE() << "FAIRLEAD_SEED=" << seed << " shows a difference:\n"
                  << (shorter.alike ? outcome : shorter).transcript;
  }
}

}  // namespace fairlead::testing
