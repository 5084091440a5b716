#include "router/shared_group.h"

#include <utility>

namespace fairlead {
namespace {

std::string key_of(std::string_view group, std::string_view filter) {
  std::string key;
  key.reserve(group.size() + 1 + filter.size());
  return key.append(group).append(1, '/').append(filter);
}

}  // namespace

Added SharedGroups::join(std::string_view group, std::string_view filter,
                         const SharedMember& member, Presence presence) {
  std::string key = key_of(group, filter);
  const auto known = by_name_.find(key);
  const uint32_t slot = known == by_name_.end() ? open(std::move(key), filter) : known->second;
  Group& joined = groups_[slot];
  auto position = joined.members.find(member.session);
  const Added added = position ? Added::kReplaced : Added::kNew;
  if (position) {
    joined.members.replace(*position, member);
  } else {
    position = joined.members.size();
    joined.members.push_back(member);
  }
  move_to(joined, *position, presence);
  return added;
}

bool SharedGroups::leave(std::string_view group, std::string_view filter,
                         mqtt::Message::SenderId session) {
  const auto known = by_name_.find(key_of(group, filter));
  if (known == by_name_.end()) return false;
  const uint32_t slot = known->second;
  Group& left = groups_[slot];
  const auto position = left.members.find(session);
  if (!position) return false;
  move_to(left, *position, Presence::kOffline);
  left.members.erase(*left.members.find(session));
  if (!left.members.empty()) return true;

  filters_.remove(filter, SubscriberId{slot});
  by_name_.erase(known);
  const uint32_t generation = left.generation + 1;
  left = Group{};
  left.generation = generation;
  free_slots_.push_back(slot);
  return true;
}

bool SharedGroups::set_presence(std::string_view group, std::string_view filter,
                                mqtt::Message::SenderId session, Presence presence) {
  const auto known = by_name_.find(key_of(group, filter));
  if (known == by_name_.end()) return false;
  Group& found = groups_[known->second];
  const auto position = found.members.find(session);
  if (!position) return false;
  move_to(found, *position, presence);
  return true;
}

const SharedMember* SharedGroups::choose(GroupRef group) {
  if (!find(group)) return nullptr;
  Group& chosen = groups_[group.slot];
  const uint32_t among = chosen.online_count ? chosen.online_count : chosen.members.size();
  if (chosen.turn >= among) chosen.turn = 0;
  return &chosen.members[chosen.turn++];
}

const SharedMember* SharedGroups::next_after(GroupRef group, mqtt::Message::SenderId failed,
                                             uint32_t& tried) {
  const Group* found = find(group);
  if (!found) return nullptr;
  const auto position = found->members.find(failed);
  if (!position && tried > 0) --tried;
  if (tried >= found->members.size()) return nullptr;
  if (!position) return choose(group);
  const uint32_t online = found->online_count;
  if (online == 0) return &found->members[(*position + 1) % found->members.size()];
  if (tried >= online) return &found->members[tried];
  return &found->members[(*position + 1) % online];
}

uint32_t SharedGroups::member_count(GroupRef group) const {
  const Group* found = find(group);
  return found ? found->members.size() : 0;
}

const SharedGroups::Group* SharedGroups::find(GroupRef ref) const {
  if (ref.slot >= groups_.size()) return nullptr;
  const Group& group = groups_[ref.slot];
  return group.generation == ref.generation && !group.members.empty() ? &group : nullptr;
}

uint32_t SharedGroups::open(std::string key, std::string_view filter) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<uint32_t>(groups_.size()));
    groups_.emplace_back();
  }
  const uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  by_name_.emplace(std::move(key), slot);
  filters_.add(filter, {SubscriberId{slot}, 0, {}});
  return slot;
}

// Brings the member to its side of the border between those online and the others. What changes
// place are two elements, so turns are not lost, at most taken out of order.
void SharedGroups::move_to(Group& group, uint32_t position, Presence presence) {
  const bool online = position < group.online_count;
  if (presence == Presence::kOnline && !online) {
    group.members.swap(position, group.online_count++);
  } else if (presence == Presence::kOffline && online) {
    group.members.swap(position, --group.online_count);
  }
}

}  // namespace fairlead
