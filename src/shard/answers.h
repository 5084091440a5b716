#pragma once

#include <cstdint>
#include <vector>

#include "session/effects.h"
#include "shard/inbox.h"
#include "store/journal.h"

namespace fairlead {

class HostedSession;
class Shard;

// What a client may be told only when something is durable: PUBACK and PUBREC of messages that
// sessions are to keep, PUBREL and PUBCOMP of a kept session, UNSUBACK, and CONNACK with all that
// comes behind it. (SUBACK waits in the exchange, with its retained messages.) The answers of one
// session leave in their order; other packets do not wait for them. Shard thread only.
class Answers {
 public:
  explicit Answers(Shard& shard) : shard_(shard) {}

  // The answer for a message that has been routed, whose receivers are in `routing`.
  void answer(uint64_t session, const Answer& answer, Journal::Routing& routing);
  // In the order of the session's answers, and when `moment` is durable.
  void send(HostedSession& session, const mqtt::AckPacket& packet, uint64_t moment);
  void send(HostedSession& session, const mqtt::UnsubackPacket& packet, uint64_t moment);

  // The session waits for something that was recorded.
  void await(HostedSession& session);
  // More is durable than before.
  void on_committed();
  // The receivers of messages are done with them, before the commit.
  void settle_receipts();
  void on_message(ReceiptSettled&& m);

 private:
  template <class Packet>
  void send_or_hold(HostedSession& session, const Packet& packet, uint64_t moment);
  template <class Packet>
  void hold(HostedSession& session, const Packet& packet, uint64_t moment, ReceiptRef receipt);
  void release(HostedSession& session);

  Shard& shard_;
  std::vector<uint64_t> awaiting_;  // ids of sessions
};

}  // namespace fairlead
