#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <string>

#include "session/inflight.h"
#include "session/rate.h"
#include "session/received_ids.h"
#include "session/ring.h"
#include "session/subscriptions.h"
#include "session/topic_alias.h"

namespace fairlead {
namespace {

using mqtt::PacketId;
using mqtt::Qos;

Outgoing outgoing(Qos qos = Qos::kAtLeastOnce) {
  Outgoing result;
  result.message = mqtt::Message::make({.topic = "a", .payload = {}, .qos = qos});
  result.qos = qos;
  return result;
}

TEST(Ring, BehavesLikeADeque) {
  std::mt19937_64 random(1);
  Ring<int> ring;
  std::deque<int> model;
  for (int step = 0; step < 20'000; ++step) {
    const auto choice = random() % 5;
    if (choice < (step / 5000 % 2 == 0 ? 2u : 3u)) {
      ring.push_back(step);
      model.push_back(step);
    } else if (!model.empty() && choice == 3) {
      EXPECT_EQ(ring.pop_front(), model.front());
      model.pop_front();
    } else if (!model.empty()) {
      const auto at = static_cast<uint32_t>(random() % model.size());
      ring.erase(at);
      model.erase(model.begin() + at);
    }
    ASSERT_EQ(ring.size(), model.size());
    for (uint32_t i = 0; i < ring.size(); ++i) ASSERT_EQ(ring[i], model[i]);
  }
}

TEST(Inflight, FollowsTheLadderAndNothingElse) {
  using enum OutboundStep;
  EXPECT_EQ(next(kAwaitPuback, OutboundAck::kPuback), kDone);
  EXPECT_EQ(next(kAwaitPubrec, OutboundAck::kPubrec), kAwaitPubcomp);
  EXPECT_EQ(next(kAwaitPubrec, OutboundAck::kPubrecError), kDone);
  EXPECT_EQ(next(kAwaitPubcomp, OutboundAck::kPubcomp), kDone);
  for (const auto ack : {OutboundAck::kPubrec, OutboundAck::kPubrecError, OutboundAck::kPubcomp}) {
    EXPECT_EQ(next(kAwaitPuback, ack), kAwaitPuback);
  }
  for (const auto ack : {OutboundAck::kPuback, OutboundAck::kPubcomp}) {
    EXPECT_EQ(next(kAwaitPubrec, ack), kAwaitPubrec);
  }
  for (const auto ack : {OutboundAck::kPuback, OutboundAck::kPubrec, OutboundAck::kPubrecError}) {
    EXPECT_EQ(next(kAwaitPubcomp, ack), kAwaitPubcomp);
  }
}

TEST(Inflight, NeverGivesAnIdentifierTwice) {
  std::mt19937_64 random(2);
  Inflight inflight;
  std::set<PacketId> used;
  for (int step = 0; step < 200'000; ++step) {
    if (used.size() < 200 && random() % 2 == 0) {
      const PacketId id = inflight.add(outgoing()).id;
      ASSERT_NE(id, PacketId{});
      ASSERT_TRUE(used.insert(id).second);
    } else if (inflight.size() > 0 && random() % 16 == 0) {
      // Mostly the young ones, so that old ones stay while identifiers wrap around.
      const auto at = static_cast<uint32_t>(inflight.size() - 1 - random() % inflight.size() / 4);
      used.erase(inflight[at].id);
      inflight.erase(at);
    } else if (inflight.size() > 100) {
      used.erase(inflight[inflight.size() - 1].id);
      inflight.erase(inflight.size() - 1);
    }
    ASSERT_EQ(inflight.size(), used.size());
  }
}

TEST(Inflight, UsesAllIdentifiersThereAre) {
  Inflight inflight;
  for (uint32_t i = 1; i <= 65'535; ++i) {
    ASSERT_EQ(inflight.add(outgoing()).id, static_cast<PacketId>(i));
  }
  inflight.erase(*inflight.find(PacketId{65'535}));
  EXPECT_EQ(inflight.add(outgoing()).id, PacketId{65'535});
  inflight.erase(*inflight.find(PacketId{300}));
  EXPECT_EQ(inflight.add(outgoing()).id, PacketId{300});
}

TEST(Inflight, CountsWhatIsDueAfterAReconnect) {
  Inflight inflight;
  for (int i = 0; i < 3; ++i) (void)inflight.add(outgoing());
  inflight.repeat_all();
  EXPECT_EQ(inflight.sent(), 0u);
  inflight.mark_sent();
  inflight.erase(2);
  EXPECT_EQ(inflight.sent(), 1u);
  EXPECT_EQ(inflight.due(), 1u);
  EXPECT_EQ(inflight[inflight.first_due()].id, PacketId{2});
  inflight.erase(0);
  EXPECT_EQ(inflight.sent(), 0u);
}

TEST(ReceivedIds, OwnsNothingWhenEmptyAndCountsPerConnection) {
  ReceivedIds ids;
  ids.add(PacketId{9});
  ids.add(PacketId{3});
  EXPECT_TRUE(ids.contains(PacketId{3}));
  EXPECT_FALSE(ids.contains(PacketId{4}));
  ids.on_new_connection();
  EXPECT_EQ(ids.fresh_count(), 0u);
  ids.add(PacketId{4});
  EXPECT_EQ(ids.fresh_count(), 1u);
  EXPECT_TRUE(ids.remove(PacketId{3}));
  EXPECT_FALSE(ids.remove(PacketId{3}));
  EXPECT_EQ(ids.fresh_count(), 1u);
  EXPECT_TRUE(ids.remove(PacketId{4}));
  EXPECT_EQ(ids.fresh_count(), 0u);
  EXPECT_EQ(ids.size(), 1u);
}

TEST(RateLimit, AdmitsOneSecondsWorthAtOnceAndThenSteadily) {
  RateLimit limit;
  Instant now{};
  for (int i = 0; i < 30; ++i) EXPECT_TRUE(limit.admit(30, now));
  EXPECT_FALSE(limit.admit(30, now));
  int admitted = 0;
  for (int i = 0; i < 10'000; ++i) admitted += limit.admit(30, now += milliseconds(1)) ? 1 : 0;
  EXPECT_NEAR(admitted, 300, 1);
  now += seconds(3600);
  for (int i = 0; i < 30; ++i) EXPECT_TRUE(limit.admit(30, now));
  EXPECT_FALSE(limit.admit(30, now));
}

TEST(Subscriptions, BehaveLikeAMap) {
  std::mt19937_64 random(3);
  Subscriptions subscriptions;
  std::map<std::string, Qos> model;
  for (int step = 0; step < 5'000; ++step) {
    const std::string filter = "/pk/dn/" + std::to_string(random() % 40);
    const auto qos = static_cast<Qos>(random() % 3);
    switch (random() % 3) {
      case 0: {
        const bool existed =
            subscriptions.put(filter, {.qos = qos}).existed == SubscriptionGrant::Existed::kYes;
        EXPECT_EQ(existed, !model.insert_or_assign(filter, qos).second);
        break;
      }
      case 1:
        EXPECT_EQ(subscriptions.remove(filter).has_value(), model.erase(filter) == 1);
        break;
      default:
        EXPECT_EQ(subscriptions.contains(filter), model.contains(filter));
    }
  }
  auto expected = model.begin();
  subscriptions.for_each([&](std::string_view filter, const mqtt::SubscriptionOptions& options) {
    EXPECT_EQ(filter, expected->first);
    EXPECT_EQ(options.qos, (expected++)->second);
  });
  EXPECT_EQ(subscriptions.size(), model.size());
}

TEST(TopicAliases, StandForWhatWasSetLast) {
  InboundAliases inbound;
  EXPECT_EQ(inbound.find(5), "");
  inbound.set(5, "a");
  inbound.set(2, "b");
  inbound.set(5, "c");
  EXPECT_EQ(inbound.find(5), "c");
  EXPECT_EQ(inbound.find(2), "b");
  EXPECT_EQ(inbound.find(1), "");
  EXPECT_EQ(inbound.find(6), "");
}

}  // namespace
}  // namespace fairlead
