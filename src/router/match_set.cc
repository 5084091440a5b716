#include "router/match_set.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"

namespace fairlead {

void MatchSet::clear(std::optional<SubscriberId> sender) {
  entries_.clear();
  identifiers_.clear();
  sender_ = sender;
}

void MatchSet::add(const Subscription& subscription) {
  if (subscription.options.no_local && subscription.subscriber == sender_) return;
  Entry& entry = entry_of(subscription.subscriber);
  entry.qos = std::max(entry.qos, subscription.options.qos);
  entry.retain_as_published |= subscription.options.retain_as_published;
  if (subscription.identifier != 0) append_identifier(entry, subscription.identifier);
}

MatchSet::Target MatchSet::operator[](std::size_t at) const {
  FL_ASSERT(at < entries_.size());
  const Entry& entry = entries_[at];
  return {entry.subscriber, entry.qos, entry.retain_as_published,
          std::span(identifiers_).subspan(entry.identifiers_begin, entry.identifiers_count)};
}

// The table by slot is left alone until there are two sessions to tell apart.
MatchSet::Entry& MatchSet::entry_of(SubscriberId subscriber) {
  if (entries_.size() == 1) {
    if (entries_[0].subscriber == subscriber) return entries_[0];
    next_stamp();
    seen(entries_[0].subscriber) = {stamp_, 0};
  }
  if (!entries_.empty()) {
    Seen& place = seen(subscriber);
    if (place.stamp == stamp_) return entries_[place.entry];
    place = {stamp_, static_cast<uint32_t>(entries_.size())};
  }
  return entries_.emplace_back(Entry{.subscriber = subscriber});
}

MatchSet::Seen& MatchSet::seen(SubscriberId subscriber) {
  const auto slot = static_cast<std::size_t>(subscriber);
  if (slot >= seen_.size()) seen_.resize(std::bit_ceil(slot + 1));
  return seen_[slot];
}

void MatchSet::next_stamp() {
  if (++stamp_ != 0) return;
  std::fill(seen_.begin(), seen_.end(), Seen{});
  stamp_ = 1;
}

// Runs of several targets share one vector. A full run (its size is a power of two) that something
// stands behind moves to the end with room for as many again, so that the cost stays linear however
// the runs interleave.
void MatchSet::append_identifier(Entry& entry, uint32_t identifier) {
  const uint32_t count = entry.identifiers_count;
  if (count == 0 || std::has_single_bit(count)) {
    const auto end = static_cast<uint32_t>(identifiers_.size());
    const uint32_t room = count == 0 ? 1 : count * 2;
    if (count != 0 && entry.identifiers_begin + count == end) {
      identifiers_.resize(end + count);
    } else {
      identifiers_.resize(end + room);
      std::copy_n(identifiers_.begin() + entry.identifiers_begin, count,
                  identifiers_.begin() + end);
      entry.identifiers_begin = end;
    }
  }
  identifiers_[entry.identifiers_begin + count] = identifier;
  entry.identifiers_count = count + 1;
}

}  // namespace fairlead
