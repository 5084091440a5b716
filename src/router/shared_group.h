#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "proto/mqtt/message.h"
#include "router/indexed_vector.h"
#include "router/topic_tree.h"

namespace fairlead {

// A session in a shared group: where it lives, and with which options it joined.
struct SharedMember {
  // The session's number, unique over all shards and never used again: as in Message::sender().
  mqtt::Message::SenderId session = 0;
  SubscriberId subscriber{};  // its slot in that shard
  uint32_t identifier = 0;
  uint32_t stay = 0;  // the session's: what is on its way to a former member reaches it no more
  mqtt::SubscriptionOptions options;
  uint16_t shard = 0;
  friend bool operator==(const SharedMember&, const SharedMember&) = default;
};

enum class Presence : uint8_t { kOffline, kOnline };

// The shared groups that this shard owns (MQTT 5.0 section 4.8.2): a group is the pair of group
// name and filter, its members live on any shard, and each matching message goes to one of them.
//
// Members take turns, those online before all others. A member that is offline and has not left has
// a session that outlives its connection, so it can queue the message: whoever takes a session
// away lets it leave, group by group, from the session's own list.
//
// Arguments are the parts of split_filter(), checked. Used by one thread, the owner's.
// Cost: join, leave, set_presence, choose: O(1) at any size of group, one string for the key, none
// in choose. match() is TopicTree's.
class SharedGroups {
 public:
  // A group at a moment; a stale one (the group has gone since) is recognised.
  struct GroupRef {
    uint32_t slot = 0;
    uint32_t generation = 0;
    friend bool operator==(const GroupRef&, const GroupRef&) = default;
  };

  // Joining again replaces options, place and presence.
  Added join(std::string_view group, std::string_view filter, const SharedMember& member,
             Presence presence);
  // These two are false when the session is no member.
  bool leave(std::string_view group, std::string_view filter, mqtt::Message::SenderId session);
  bool set_presence(std::string_view group, std::string_view filter,
                    mqtt::Message::SenderId session, Presence presence);

  // Calls visit(GroupRef) for each group whose filter matches. Never allocates. The visitor may
  // choose(), but not change groups.
  template <class Visit>
  uint32_t match(std::string_view topic, Visit&& visit) const {
    return filters_.match(topic, [&](const Subscription& subscription) {
      const auto slot = static_cast<uint32_t>(subscription.subscriber);
      visit(GroupRef{slot, groups_[slot].generation});
    });
  }

  // The member whose turn it is; null when the group has gone. Valid until groups change.
  [[nodiscard]] const SharedMember* choose(GroupRef group);

  // Another member, when `failed` could not take the message and `tried` members, it included, have
  // been asked: the rest of those online, then the others. Null when all have been. One that has
  // left meanwhile is taken off `tried`: those that are there may not have been asked.
  [[nodiscard]] const SharedMember* next_after(GroupRef group, mqtt::Message::SenderId failed,
                                               uint32_t& tried);

  [[nodiscard]] std::size_t group_count() const { return by_name_.size(); }
  [[nodiscard]] uint32_t member_count(GroupRef group) const;

 private:
  struct KeyOf {
    uint64_t operator()(const SharedMember& member) const { return member.session; }
  };
  struct Group {
    IndexedVector<SharedMember, KeyOf> members;  // those online first
    uint32_t online_count = 0;
    uint32_t turn = 0;
    uint32_t generation = 0;
  };

  [[nodiscard]] const Group* find(GroupRef ref) const;
  uint32_t open(std::string key, std::string_view filter);
  static void move_to(Group& group, uint32_t position, Presence presence);

  std::vector<Group> groups_;  // by slot
  std::vector<uint32_t> free_slots_;
  TextMap<uint32_t> by_name_;  // "group/filter", as a group name holds no slash
  TopicTree filters_;          // subscriber: the group's slot
};

}  // namespace fairlead
