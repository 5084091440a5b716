#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "shard/hosted_session.h"

namespace fairlead {

// All sessions of a shard, by key and by slot. Shard thread only.
class SessionTable {
 public:
  SessionTable(Shard& shard, uint16_t shard_index, const SessionLimits& limits, QueueTotal& total);
  ~SessionTable();
  SessionTable(const SessionTable&) = delete;
  SessionTable& operator=(const SessionTable&) = delete;

  [[nodiscard]] HostedSession* find(std::string_view key) const;
  // By slot; null when the slot is free.
  [[nodiscard]] HostedSession* at(SubscriberId slot) const {
    return slots_[static_cast<uint32_t>(slot)].get();
  }
  // By Session::id(); null when it is another shard's or has gone, and for 0.
  [[nodiscard]] HostedSession* find(uint64_t session_id) const {
    const auto slot = static_cast<uint32_t>(session_id & kSlotMask);
    if (slot >= slots_.size()) return nullptr;
    HostedSession* session = slots_[slot].get();
    return session && session->id() == session_id ? session : nullptr;
  }
  // Whether there is a slot for one more.
  [[nodiscard]] bool full() const { return free_slots_.empty() && slots_.size() > kSlotMask; }

  // The key must not be there yet.
  HostedSession& create(std::string key);
  void destroy(HostedSession& session);

  [[nodiscard]] std::size_t size() const { return by_key_.size(); }
  // The next of all sessions, round and round, whatever comes and goes meanwhile; null: none is in
  // the next `budget` places. Empty places that were passed are taken off the budget.
  [[nodiscard]] HostedSession* next(uint32_t& budget);
  // With a session or without.
  [[nodiscard]] std::size_t places() const { return slots_.size(); }

  // Calls visit(HostedSession&) for each; sessions may be destroyed, none created, meanwhile.
  template <class Visit>
  void for_each(Visit&& visit) {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i]) visit(*slots_[i]);
    }
  }

 private:
  // A session's id: shard (6 bits), a number that is never used again (34), slot (24).
  static constexpr unsigned kSlotBits = 24;
  static constexpr unsigned kShardShift = 58;
  static constexpr uint64_t kSlotMask = (uint64_t{1} << kSlotBits) - 1;

  struct KeyHash {
    std::size_t operator()(std::string_view key) const { return keyed_hash(key); }
  };

  Shard& shard_;
  const SessionLimits& limits_;
  QueueTotal& total_;
  const uint16_t shard_index_;
  uint64_t next_number_ = 1;
  std::size_t next_place_ = 0;
  std::vector<std::unique_ptr<HostedSession>> slots_;
  std::vector<SubscriberId> free_slots_;
  std::unordered_map<std::string_view, HostedSession*, KeyHash> by_key_;  // views of Session::key()
};

}  // namespace fairlead
