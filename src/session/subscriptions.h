#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <vector>

#include "proto/mqtt/packet.h"
#include "session/effects.h"

namespace fairlead {

// The filters of one session with their options, compact: one block of memory for each, of its
// text and eight bytes, and a sorted array of pointers. Most sessions have one to twenty.
// Cost: find O(log n), put and remove O(n) moves of a pointer (n <= 10,000 by the profiles).
class Subscriptions {
 public:
  [[nodiscard]] bool contains(std::string_view filter) const;
  // Adds the filter or replaces its options. A filter is at most 65,535 bytes.
  SubscriptionGrant::Existed put(std::string_view filter, const mqtt::SubscriptionOptions& options);
  // Says whether it was there.
  bool remove(std::string_view filter);
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

  // Calls visit(std::string_view filter, const mqtt::SubscriptionOptions&), in order of filters.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const EntryPtr& entry : entries_) visit(entry->filter(), entry->options);
  }
  // Removes what should_drop(filter) says yes to, and calls dropped(filter) for each.
  template <class Predicate, class Visit>
  void drop_if(Predicate&& should_drop, Visit&& dropped) {
    std::erase_if(entries_, [&](const EntryPtr& entry) {
      if (!should_drop(entry->filter())) return false;
      dropped(entry->filter());
      return true;
    });
    if (entries_.empty()) entries_.shrink_to_fit();
  }

 private:
  struct Entry {  // the text follows
    mqtt::SubscriptionOptions options;
    uint16_t size = 0;
    [[nodiscard]] std::string_view filter() const {
      return {reinterpret_cast<const char*>(this + 1), size};
    }
  };
  struct Free {
    void operator()(Entry* entry) const { std::free(entry); }
  };
  using EntryPtr = std::unique_ptr<Entry, Free>;

  [[nodiscard]] static EntryPtr make_entry(std::string_view filter,
                                           const mqtt::SubscriptionOptions& options);
  [[nodiscard]] std::vector<EntryPtr>::const_iterator lower_bound(std::string_view filter) const;

  std::vector<EntryPtr> entries_;  // sorted by filter
};

}  // namespace fairlead
