#pragma once

#include <cstdint>

#include "proto/mqtt/packet.h"
#include "session/queue.h"
#include "session/record_id.h"
#include "session/records.h"

namespace fairlead {

class Session;

// Writes down what of a session must outlive the process (DESIGN section 5). Each call records a
// change and returns at once; what was recorded becomes durable with the others of its time, and
// the session hears Session::on_committed() when something that it waited for is. Answers that
// promise something to the client wait outside of the session.
//
// This one keeps nothing: of a server without a store, and of tests. Sessions that do not outlive
// their connection never call it.
class Keeper {
 public:
  virtual ~Keeper() = default;

  // False: what is recorded now could not be made durable soon (the disk is full); the session
  // refuses what it would have to keep.
  [[nodiscard]] virtual bool accepts() const { return true; }

  // The session itself; `id` kNone: a new record. Answers the record's name.
  virtual RecordId put_session(Session&, RecordId /*id*/, const SessionRecord&) {
    return RecordId::kNone;
  }
  virtual RecordId put_subscription(Session&, RecordId /*id*/, const SubscriptionRecord&) {
    return RecordId::kNone;
  }
  virtual RecordId put_received(Session&, const ReceivedRecord&) { return RecordId::kNone; }
  virtual void erase_session(Session&, RecordId) {}
  virtual void erase_subscription(Session&, RecordId) {}
  virtual void erase_received(Session&, RecordId) {}

  // A message that waits for the client, with the packet identifier that it goes under, 0: none
  // yet.
  virtual RecordId put_entry(Session&, const Outgoing&, mqtt::PacketId) { return RecordId::kNone; }
  // It has been given a packet identifier.
  virtual void set_packet_id(Session&, const Outgoing&, mqtt::PacketId) {}
  // PUBREC has come: the message goes, the identifier stays until PUBCOMP.
  virtual void release_entry(Session&, const Outgoing&, mqtt::PacketId) {}
  // It goes, with its identifier. `outgoing.message` is null once it was released.
  virtual void erase_entry(Session&, const Outgoing&) {}
  // It goes, but its message is not settled: it comes back to its shared group.
  virtual void pass_on_entry(Session&, const Outgoing&) {}

  // The moment that has to be durable before a client may be told of what was recorded so far; and
  // whether it is. Moments count upwards.
  [[nodiscard]] virtual uint64_t moment() const { return 0; }
  [[nodiscard]] virtual bool durable(uint64_t /*moment*/) const { return true; }
};

}  // namespace fairlead
