#include <gtest/gtest.h>

#include "differential/duel.h"
#include "differential/seeds.h"

namespace fairlead::testing {
namespace {

// The same dialogues, to two Fairleads: what a client hears does not depend on the number of
// shards, on the transport, or on where its bytes are cut. No deviation is known.
struct Variant {
  const char* name;
  FairleadBroker::Options options;
};

class Variants : public ::testing::TestWithParam<Variant> {};

TEST_P(Variants, AreHeardAlike) {
  FairleadBroker plain({.shard_count = 1, .transport = Transport::kTcp});
  FairleadBroker variant(GetParam().options);
  Duel duel({"one shard, tcp", plain}, {GetParam().name, variant}, {});
  play_all(duel, chosen_seeds().value_or(Seeds{1, 30}));
}

INSTANTIATE_TEST_SUITE_P(All, Variants,
                         ::testing::Values(Variant{"two_shards", {.shard_count = 2}},
                                           Variant{"four_shards", {.shard_count = 4}},
                                           Variant{"tcp_cut", {2, Transport::kTcp, 1}},
                                           Variant{"tls_cut", {2, Transport::kTls, 2}},
                                           Variant{"ws_cut", {3, Transport::kWs, 3}},
                                           Variant{"wss_cut", {4, Transport::kWss, 4}}),
                         [](const auto& variant) { return std::string(variant.param.name); });

}  // namespace
}  // namespace fairlead::testing
