#include "shard/session_table.h"

namespace fairlead {

SessionTable::SessionTable(Shard& shard, uint16_t shard_index, const SessionLimits& limits,
                           QueueTotal& total)
    : shard_(shard), limits_(limits), total_(total), shard_index_(shard_index) {}

SessionTable::~SessionTable() = default;

HostedSession* SessionTable::find(std::string_view key) const {
  auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : found->second;
}

HostedSession& SessionTable::create(std::string key) {
  SubscriberId slot{};
  if (free_slots_.empty()) {
    slot = SubscriberId{static_cast<uint32_t>(slots_.size())};
    slots_.emplace_back();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  const uint64_t id = (uint64_t{shard_index_} << kShardShift) | (next_number_++ << kSlotBits) |
                      static_cast<uint32_t>(slot);
  auto made = std::make_unique<HostedSession>(shard_, slot, id, std::move(key), limits_, total_);
  HostedSession& session = *made;
  slots_[static_cast<uint32_t>(slot)] = std::move(made);
  const bool inserted = by_key_.emplace(session.key(), &session).second;
  FL_ASSERT(inserted);
  return session;
}

HostedSession* SessionTable::next(uint32_t& budget) {
  for (; budget > 0 && !slots_.empty(); --budget) {
    if (next_place_ >= slots_.size()) next_place_ = 0;
    if (HostedSession* session = slots_[next_place_++].get()) return session;
  }
  return nullptr;
}

void SessionTable::destroy(HostedSession& session) {
  const SubscriberId slot = session.slot();
  by_key_.erase(session.key());
  free_slots_.push_back(slot);
  slots_[static_cast<uint32_t>(slot)].reset();
}

}  // namespace fairlead
