#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "proto/mqtt/packet.h"
#include "session/record_id.h"

namespace fairlead {

// Packet identifiers of QoS 2 messages that were received and routed, and not yet released by
// PUBREL (MQTT 5.0 section 4.3.3): what makes "exactly once". Bounded by the identifiers there are,
// and in each connection of MQTT 5.0 by Receive Maximum. Owns no memory when empty.
class ReceivedIds {
 public:
  [[nodiscard]] bool contains(mqtt::PacketId id) const {
    const auto at = lower_bound(id);
    return at != ids_.end() && at->id == id;
  }
  // Those of this connection: the ones that count against Receive Maximum (section 4.9).
  [[nodiscard]] uint32_t fresh_count() const { return fresh_count_; }
  [[nodiscard]] std::size_t size() const { return ids_.size(); }

  // Not contained yet. `record` is where it is written down.
  void add(mqtt::PacketId id, RecordId record = RecordId::kNone) {
    if (ids_.empty()) ids_.reserve(kRoomAtFirst);
    ids_.insert(lower_bound(id), Item{id, true, record});
    ++fresh_count_;
  }
  // Its record; nullopt when it was not there.
  std::optional<RecordId> remove(mqtt::PacketId id) {
    const auto at = lower_bound(id);
    if (at == ids_.end() || at->id != id) return std::nullopt;
    const RecordId record = at->record;
    if (at->fresh) --fresh_count_;
    ids_.erase(at);
    if (ids_.empty()) ids_.shrink_to_fit();
    return record;
  }
  // Calls visit(RecordId&) for each.
  template <class Visit>
  void for_each_record(Visit&& visit) {
    for (Item& item : ids_) visit(item.record);
  }
  void on_new_connection() {
    for (Item& item : ids_) item.fresh = false;
    fresh_count_ = 0;
  }
  void clear() {
    ids_.clear();
    ids_.shrink_to_fit();
    fresh_count_ = 0;
  }

 private:
  struct Item {
    mqtt::PacketId id;
    bool fresh;
    RecordId record;
  };
  [[nodiscard]] std::vector<Item>::const_iterator lower_bound(mqtt::PacketId id) const {
    return std::lower_bound(ids_.begin(), ids_.end(), id,
                            [](const Item& item, mqtt::PacketId key) { return item.id < key; });
  }

  // A client that has anything under way mostly has several.
  static constexpr std::size_t kRoomAtFirst = 16;

  std::vector<Item> ids_;  // sorted
  uint32_t fresh_count_ = 0;
};

}  // namespace fairlead
