#include <gtest/gtest.h>

#include <cstdio>

#include "differential/duel.h"
#include "differential/generator.h"
#include "differential/seeds.h"

namespace fairlead::testing {
namespace {

constexpr Seeds kSeedsOfMakeTest{1, 300};

TEST(Differential, EveryDifferenceFromMosquittoIsExplained) {
  MosquittoBroker mosquitto;
  FairleadBroker fairlead({.shard_count = 2});
  Duel duel({"Fairlead", fairlead}, {"mosquitto", mosquitto}, known_deviations());
  play_all(duel, chosen_seeds().value_or(kSeedsOfMakeTest));
  for (const Deviation& deviation : known_deviations()) {
    const auto found = duel.counts().find(deviation.name);
    const unsigned count = found == duel.counts().end() ? 0 : found->second;
    std::printf("%6u  %.*s\n", count, static_cast<int>(deviation.name.size()),
                deviation.name.data());
    if (chosen_seeds()) continue;
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
