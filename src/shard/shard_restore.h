#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "session/records.h"
#include "session/session.h"
#include "store/record_store.h"

namespace fairlead {

class HostedSession;
class Shard;

// Brings back what one shard is to own, from its records: table by table, sessions first, bodies
// with the entries that refer to them. On the shard's thread, before it has connections.
// A session whose device or application is in the registry no more goes, with all that is its own;
// a record that belongs to nobody goes too.
class ShardRestore {
 public:
  explicit ShardRestore(Shard& shard) : shard_(shard) {}

  // What an entry refers to; `inlined`: another shard has the body too, so that this one writes
  // the message into its own record.
  struct BodyReference {
    RecordId id = RecordId::kNone;
    mqtt::MessageRef message = {};
    bool inlined = false;
  };
  void record(Table table, RecordId id, Bytes data, const BodyReference& body);
  // All records are there: puts messages in their order and starts timers.
  void finish();

  struct Figures {
    uint64_t sessions = 0;
    uint64_t subscriptions = 0;
    uint64_t messages = 0;
    uint64_t retained = 0;
    uint64_t dropped = 0;  // records of nobody, or that make no sense
  };
  [[nodiscard]] const Figures& figures() const { return figures_; }

 private:
  struct Item {
    RecordId id = RecordId::kNone;
    Outgoing outgoing = {};
    mqtt::PacketId packet_id{};
  };
  struct Delivery {
    mqtt::PacketId packet_id{};
    InflightRecord::Step step{};
    bool has_entry = false;
  };
  struct Restored {
    HostedSession* session = nullptr;
    // What became of deliveries, by the number of their entries. Sessions that have none, which are
    // nearly all, get their messages as they come; those of the others are gathered in `items`.
    std::unordered_map<RecordId, Delivery> deliveries = {};
    std::vector<Item> items = {};
  };

  [[nodiscard]] bool restore_session(RecordId id, Bytes data);
  [[nodiscard]] bool restore_subscription(RecordId id, Bytes data);
  [[nodiscard]] bool restore_entry(RecordId id, Bytes data, const BodyReference& body);
  [[nodiscard]] bool restore_inflight(RecordId id, Bytes data);
  [[nodiscard]] bool restore_received(RecordId id, Bytes data);
  [[nodiscard]] bool restore_retained(RecordId id, Bytes data);
  [[nodiscard]] Restored* find(RecordId session);
  void add_released(Restored& restored);
  // Who it belongs to, as the registry says now; nullopt: to nobody any more.
  [[nodiscard]] std::optional<SessionOwner> owner_of(HostedSession& session);

  Shard& shard_;
  std::unordered_map<RecordId, Restored> sessions_;
  std::vector<BodyReference> unused_;  // of entries that were dropped
  Figures figures_;
};

}  // namespace fairlead
