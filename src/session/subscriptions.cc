#include "session/subscriptions.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/assert.h"

namespace fairlead {

Subscriptions::EntryPtr Subscriptions::make_entry(std::string_view filter,
                                                  const mqtt::SubscriptionOptions& options) {
  FL_ASSERT(filter.size() <= UINT16_MAX);
  void* memory = std::malloc(sizeof(Entry) + filter.size());
  if (memory == nullptr) throw std::bad_alloc();
  auto* entry = new (memory) Entry{RecordId::kNone, options, static_cast<uint16_t>(filter.size())};
  std::memcpy(entry + 1, filter.data(), filter.size());
  return EntryPtr(entry);
}

std::vector<Subscriptions::EntryPtr>::const_iterator Subscriptions::lower_bound(
    std::string_view filter) const {
  return std::lower_bound(
      entries_.begin(), entries_.end(), filter,
      [](const EntryPtr& entry, std::string_view key) { return entry->filter() < key; });
}

bool Subscriptions::contains(std::string_view filter) const {
  const auto at = lower_bound(filter);
  return at != entries_.end() && (*at)->filter() == filter;
}

Subscriptions::Put Subscriptions::put(std::string_view filter,
                                      const mqtt::SubscriptionOptions& options) {
  const auto at = lower_bound(filter);
  if (at != entries_.end() && (*at)->filter() == filter) {
    (*at)->options = options;
    return {SubscriptionGrant::Existed::kYes, (*at)->record};
  }
  const auto added = entries_.insert(at, make_entry(filter, options));
  return {SubscriptionGrant::Existed::kNo, (*added)->record};
}

std::optional<RecordId> Subscriptions::remove(std::string_view filter) {
  const auto at = lower_bound(filter);
  if (at == entries_.end() || (*at)->filter() != filter) return std::nullopt;
  const RecordId record = (*at)->record;
  entries_.erase(at);
  if (entries_.empty()) entries_.shrink_to_fit();
  return record;
}

}  // namespace fairlead
