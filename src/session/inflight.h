#pragma once

#include <cstdint>
#include <optional>

#include "proto/mqtt/packet.h"
#include "session/queue.h"
#include "session/ring.h"

namespace fairlead {

// Where a message stands that was sent at QoS 1 or 2 (MQTT 5.0 section 4.3), and what the client
// answers. An answer that does not fit changes nothing.
enum class OutboundStep : uint8_t { kAwaitPuback, kAwaitPubrec, kAwaitPubcomp, kDone };
enum class OutboundAck : uint8_t { kPuback, kPubrec, kPubrecError, kPubcomp };
[[nodiscard]] OutboundStep next(OutboundStep step, OutboundAck ack);

// Messages sent at QoS 1 and 2 and not yet settled, oldest first (MQTT 5.0 sections 4.4 and 4.6).
// due() counts those not yet sent on this connection, which are always the youngest: all of them
// after a reconnect, and new ones that wait for the disk. Invariant: a packet identifier occurs
// once. The window is the session's to keep. Does not own payloads; that of QoS 2 is let go with
// PUBREC. Cost: find() and erase() O(1) for answers in order, and never more than the window; add()
// amortised O(1).
class Inflight {
 public:
  struct Entry : Outgoing {  // without a message once PUBREC has come
    mqtt::PacketId id{};
    OutboundStep step = OutboundStep::kAwaitPuback;
    bool sent = false;    // ever: then it is sent again as a duplicate
    uint64_t moment = 0;  // of QoS 2: must be durable before it is sent
  };

  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] uint32_t size() const { return entries_.size(); }
  // On this connection: sent and not settled, and still to be sent.
  [[nodiscard]] uint32_t sent() const { return entries_.size() - due_; }
  [[nodiscard]] uint32_t due() const { return due_; }

  // Of QoS 1 or 2; takes the next free packet identifier, and is due. size() < 65,535.
  Entry& add(Outgoing outgoing);
  // As it was before a restart, due after those that were restored before. False, and `outgoing` is
  // as it was: the identifier is in use already.
  [[nodiscard]] bool restore(Outgoing&& outgoing, mqtt::PacketId id, OutboundStep step);
  [[nodiscard]] std::optional<uint32_t> find(mqtt::PacketId id) const;
  [[nodiscard]] Entry& operator[](uint32_t position) { return entries_[position]; }
  [[nodiscard]] const Entry& operator[](uint32_t position) const { return entries_[position]; }
  void erase(uint32_t position);
  void clear();

  // A new connection: everything is due again.
  void repeat_all() { due_ = entries_.size(); }
  // The oldest that is due; due() > 0.
  [[nodiscard]] uint32_t first_due() const { return entries_.size() - due_; }
  void mark_sent() {
    entries_[first_due()].sent = true;
    --due_;
  }

 private:
  void find_free_run();

  Ring<Entry> entries_;
  uint32_t due_ = 0;
  // Identifiers of [next_id_, free_end_) are not in use.
  uint32_t next_id_ = 1;
  uint32_t free_end_ = 1;
};

static_assert(sizeof(Inflight::Entry) <= 40);

}  // namespace fairlead
