#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "proto/mqtt/packet.h"
#include "session/effects.h"
#include "session/record_id.h"

namespace fairlead {

// The filters of one session with their options, compact: one block of memory for each, of its
// text and sixteen bytes, and a sorted array of pointers. Most sessions have one to twenty.
// Cost: find O(log n), put and remove O(n) moves of a pointer (n <= 10,000 by the profiles).
class Subscriptions {
 public:
  [[nodiscard]] bool contains(std::string_view filter) const;
  // Adds the filter or replaces its options. A filter is at most 65,535 bytes. `record` names where
  // it is written down: the caller's to set, valid until the next change.
  struct Put {
    SubscriptionGrant::Existed existed = SubscriptionGrant::Existed::kNo;
    RecordId& record;
  };
  Put put(std::string_view filter, const mqtt::SubscriptionOptions& options);
  // Its record; nullopt when it was not there.
  std::optional<RecordId> remove(std::string_view filter);
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

  // Calls visit(std::string_view filter, const mqtt::SubscriptionOptions&), in order of filters.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const EntryPtr& entry : entries_) visit(entry->filter(), entry->options);
  }
  // Calls visit(std::string_view filter, RecordId& record).
  template <class Visit>
  void for_each_record(Visit&& visit) {
    for (const EntryPtr& entry : entries_) visit(entry->filter(), entry->record);
  }
  // Removes what should_drop(filter) says yes to, and calls dropped(filter, record) for each.
  template <class Predicate, class Visit>
  void drop_if(Predicate&& should_drop, Visit&& dropped) {
    std::erase_if(entries_, [&](const EntryPtr& entry) {
      if (!should_drop(entry->filter())) return false;
      dropped(entry->filter(), entry->record);
      return true;
    });
    if (entries_.empty()) entries_.shrink_to_fit();
  }

 private:
  struct Entry {  // the text follows
    RecordId record = RecordId::kNone;
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
