#include "router/shared_group.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <set>

namespace fairlead {
namespace {

SharedMember member(uint64_t session, uint16_t shard = 0) {
  return {.session = session,
          .subscriber = SubscriberId{static_cast<uint32_t>(session)},
          .identifier = 0,
          .options = {},
          .shard = shard};
}

std::vector<SharedGroups::GroupRef> matching(const SharedGroups& groups, std::string_view topic) {
  std::vector<SharedGroups::GroupRef> found;
  groups.match(topic, [&](SharedGroups::GroupRef group) { found.push_back(group); });
  return found;
}

SharedGroups::GroupRef only(const SharedGroups& groups, std::string_view topic) {
  const auto found = matching(groups, topic);
  EXPECT_EQ(found.size(), 1u);
  return found.at(0);
}

TEST(SharedGroups, MembersTakeTurns) {
  SharedGroups groups;
  for (uint64_t i = 1; i <= 3; ++i) groups.join("g", "a/+", member(i), Presence::kOnline);
  const auto group = only(groups, "a/b");
  std::map<uint64_t, int> chosen;
  for (int i = 0; i < 9; ++i) ++chosen[groups.choose(group)->session];
  EXPECT_EQ(chosen, (std::map<uint64_t, int>{{1, 3}, {2, 3}, {3, 3}}));
}

TEST(SharedGroups, GroupsOfTheSameFilterEachGetTheMessage) {
  SharedGroups groups;
  groups.join("g", "a/b", member(1), Presence::kOnline);
  groups.join("h", "a/b", member(1), Presence::kOnline);
  groups.join("g", "a/#", member(2), Presence::kOnline);
  groups.join("g", "c", member(2), Presence::kOnline);
  EXPECT_EQ(matching(groups, "a/b").size(), 3u);
  EXPECT_EQ(groups.group_count(), 4u);
}

TEST(SharedGroups, PrefersThoseOnline) {
  SharedGroups groups;
  for (uint64_t i = 1; i <= 4; ++i) groups.join("g", "a", member(i), Presence::kOffline);
  groups.set_presence("g", "a", 3, Presence::kOnline);
  const auto group = only(groups, "a");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(groups.choose(group)->session, 3u);
  groups.set_presence("g", "a", 3, Presence::kOffline);
  std::set<uint64_t> chosen;
  for (int i = 0; i < 4; ++i) chosen.insert(groups.choose(group)->session);
  EXPECT_EQ(chosen, (std::set<uint64_t>{1, 2, 3, 4}));
}

TEST(SharedGroups, TriesEveryMemberOnceOnlineOnesFirst) {
  for (uint32_t online = 0; online <= 5; ++online) {
    SharedGroups groups;
    for (uint64_t i = 1; i <= 5; ++i) {
      groups.join("g", "a", member(i), i <= online ? Presence::kOnline : Presence::kOffline);
    }
    const auto group = only(groups, "a");
    for (int start = 0; start < 5; ++start) {
      std::vector<uint64_t> tried;
      const SharedMember* next = groups.choose(group);
      while (next) {
        tried.push_back(next->session);
        ASSERT_LE(tried.size(), 5u);
        auto count = static_cast<uint32_t>(tried.size());
        next = groups.next_after(group, tried.back(), count);
        EXPECT_EQ(count, tried.size());
      }
      EXPECT_EQ(std::set(tried.begin(), tried.end()).size(), 5u) << online << " online";
      for (uint32_t i = 0; i < 5; ++i) EXPECT_EQ(tried[i] <= online, i < online);
    }
  }
}

TEST(SharedGroups, GoesOnWithAnotherWhenTheFailedMemberHasLeft) {
  SharedGroups groups;
  groups.join("g", "a", member(1), Presence::kOnline);
  groups.join("g", "a", member(2), Presence::kOnline);
  const auto group = only(groups, "a");
  groups.leave("g", "a", 1);
  uint32_t tried = 1;
  const SharedMember* next = groups.next_after(group, 1, tried);
  ASSERT_NE(next, nullptr);
  EXPECT_EQ(next->session, 2u);
  ++tried;
  EXPECT_EQ(groups.next_after(group, 2, tried), nullptr);
}

TEST(SharedGroups, JoiningAgainReplacesPlaceAndOptions) {
  SharedGroups groups;
  EXPECT_EQ(groups.join("g", "a", member(1, 0), Presence::kOnline), Added::kNew);
  SharedMember again = member(1, 3);
  again.options.qos = mqtt::Qos::kAtLeastOnce;
  EXPECT_EQ(groups.join("g", "a", again, Presence::kOffline), Added::kReplaced);
  const auto group = only(groups, "a");
  EXPECT_EQ(groups.member_count(group), 1u);
  EXPECT_EQ(*groups.choose(group), again);
}

TEST(SharedGroups, AGroupEndsWithItsLastMember) {
  SharedGroups groups;
  groups.join("g", "a", member(1), Presence::kOnline);
  const auto group = only(groups, "a");
  EXPECT_FALSE(groups.leave("g", "a", 2));
  EXPECT_FALSE(groups.leave("h", "a", 1));
  EXPECT_FALSE(groups.set_presence("g", "b", 1, Presence::kOnline));
  EXPECT_TRUE(groups.leave("g", "a", 1));
  EXPECT_TRUE(matching(groups, "a").empty());
  EXPECT_EQ(groups.choose(group), nullptr);
  uint32_t tried = 1;
  EXPECT_EQ(groups.next_after(group, 1, tried), nullptr);
  EXPECT_EQ(groups.member_count(group), 0u);

  groups.join("g", "other", member(9), Presence::kOnline);  // takes the slot
  EXPECT_EQ(groups.choose(group), nullptr) << "a stale reference reached another group";
}

TEST(SharedGroups, KeepsPresenceApartThroughRandomChanges) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    SharedGroups groups;
    std::map<uint64_t, Presence> model;
    for (int step = 0; step < 5000; ++step) {
      const uint64_t session = 1 + random() % 60;
      const Presence presence = random() % 2 ? Presence::kOnline : Presence::kOffline;
      switch (random() % 3) {
        case 0:
          groups.join("g", "a", member(session), presence);
          model[session] = presence;
          break;
        case 1:
          ASSERT_EQ(groups.leave("g", "a", session), model.erase(session) == 1);
          break;
        case 2:
          ASSERT_EQ(groups.set_presence("g", "a", session, presence), model.contains(session));
          if (model.contains(session)) model[session] = presence;
      }
      const auto found = matching(groups, "a");
      ASSERT_EQ(found.size(), model.empty() ? 0u : 1u);
      if (model.empty()) continue;
      const SharedMember* chosen = groups.choose(found[0]);
      ASSERT_NE(chosen, nullptr);
      ASSERT_TRUE(model.contains(chosen->session));
      const bool any_online = std::any_of(model.begin(), model.end(), [](const auto& entry) {
        return entry.second == Presence::kOnline;
      });
      ASSERT_EQ(model[chosen->session] == Presence::kOnline, any_online);
      ASSERT_EQ(groups.member_count(found[0]), model.size());
    }
  }
}

}  // namespace
}  // namespace fairlead
