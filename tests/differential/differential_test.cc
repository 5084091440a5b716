#include <gtest/gtest.h>

#include <cstdlib>

#include "differential/duel.h"
#include "differential/generator.h"

namespace fairlead::testing {
namespace {

constexpr uint64_t kSeedsDefault = 500;
constexpr unsigned kFailuresMax = 3;  // then it is enough to read

struct Seeds {
  uint64_t from = 1;
  uint64_t to = kSeedsDefault;
  bool chosen = false;
};

// FAIRLEAD_SEEDS=17, or FAIRLEAD_SEEDS=1000..2000.
Seeds seeds() {
  const char* said = std::getenv("FAIRLEAD_SEEDS");
  if (!said) return {};
  const std::string text(said);
  const std::size_t dots = text.find("..");
  const uint64_t from = std::stoull(text);
  return {from, dots == std::string::npos ? from : std::stoull(text.substr(dots + 2)), true};
}

void play_all(Duel& duel, const Seeds& range) {
  unsigned failures = 0;
  for (uint64_t seed = range.from; seed <= range.to && failures < kFailuresMax; ++seed) {
    const Dialogue dialogue = make_dialogue(seed);
    const Outcome outcome = duel.play(dialogue);
    if (outcome.alike) continue;
    ++failures;
    const Outcome shorter = duel.play(duel.shorten(dialogue));
    ADD_FAILURE() << "FAIRLEAD_SEEDS=" << seed << " shows a difference:\n"
                  << (shorter.alike ? outcome : shorter).transcript;
  }
}

TEST(Differential, EveryDifferenceFromMosquittoIsExplained) {
  MosquittoBroker mosquitto;
  FairleadBroker fairlead({.shard_count = 2});
  Duel duel({"Fairlead", fairlead}, {"mosquitto", mosquitto}, known_deviations());
  const Seeds range = seeds();
  play_all(duel, range);
  for (const Deviation& deviation : known_deviations()) {
    const auto found = duel.counts().find(deviation.name);
    const unsigned count = found == duel.counts().end() ? 0 : found->second;
    std::printf("%6u  %.*s\n", count, static_cast<int>(deviation.name.size()),
                deviation.name.data());
    if (range.chosen) continue;
    EXPECT_GT(count, 0U) << "no seed of `make test` needs it: " << deviation.name;
  }
}

// The test above can fail: without the list there are differences, and little is left of the first.
TEST(Differential, ADifferenceIsFoundAndShortened) {
  MosquittoBroker mosquitto;
  FairleadBroker fairlead({.shard_count = 2});
  Duel duel({"Fairlead", fairlead}, {"mosquitto", mosquitto}, {});
  Dialogue dialogue = make_dialogue(1);
  for (uint64_t seed = 2; duel.play(dialogue).alike; ++seed) dialogue = make_dialogue(seed);
  const Dialogue shorter = duel.shorten(dialogue);
  EXPECT_LT(shorter.steps.size(), dialogue.steps.size());
  const Outcome outcome = duel.play(shorter);
  EXPECT_FALSE(outcome.alike);
  EXPECT_NE(outcome.transcript.find("\n! c"), std::string::npos) << outcome.transcript;
}

}  // namespace
}  // namespace fairlead::testing
