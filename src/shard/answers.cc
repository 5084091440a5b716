#include "shard/answers.h"

#include "proto/mqtt/writer.h"
#include "shard/connection.h"
#include "shard/hosted_session.h"
#include "shard/shard.h"

namespace fairlead {

void Answers::answer(uint64_t session_id, const Answer& answer, Journal::Routing& routing) {
  HostedSession* session = shard_.sessions().find(session_id);
  const ReceiptRef receipt = std::move(routing.receipt);
  const bool settled = !receipt || receipt->close();
  if (!session || !session->connection) return;
  // The identifier of a QoS 2 message and its copies are of one commit, or a repetition would
  // find one without the other.
  const bool takes_identifier = answer.type == mqtt::PacketType::kPubrec && session->kept();
  const bool needs_commit = routing.needs_commit || takes_identifier;
  mqtt::AckPacket packet;
  packet.type = answer.type;
  packet.packet_id = answer.id;
  if (settled && !needs_commit) return send(*session, packet, 0);
  hold(*session, packet, shard_.journal().epoch(), needs_commit ? ReceiptRef() : receipt);
}

void Answers::send(HostedSession& session, const mqtt::AckPacket& packet, uint64_t moment) {
  send_or_hold(session, packet, moment);
}

void Answers::send(HostedSession& session, const mqtt::UnsubackPacket& packet, uint64_t moment) {
  send_or_hold(session, packet, moment);
}

template <class Packet>
void Answers::send_or_hold(HostedSession& session, const Packet& packet, uint64_t moment) {
  // Behind a CONNACK that waits for as much it waits in any case, and keeps its place.
  const bool behind_connack = session.connection->output_held() && moment <= session.output_moment;
  if (session.held_answers.empty() && (behind_connack || shard_.journal().durable(moment))) {
    session.connection->send(packet);
  } else {
    hold(session, packet, moment, {});
  }
}

template <class Packet>
void Answers::hold(HostedSession& session, const Packet& packet, uint64_t moment,
                   ReceiptRef receipt) {
  ByteBuffer& scratch = shard_.packet_scratch();
  scratch.clear();
  mqtt::write(scratch, session.version(), packet, session.peer_packet_size_max());
  session.held_answers.push_back(
      {moment, std::move(receipt), std::string(as_text(scratch.view()))});
  await(session);
}

void Answers::await(HostedSession& session) {
  if (session.awaits_commit) return;
  session.awaits_commit = true;
  awaiting_.push_back(session.id());
}

void Answers::release(HostedSession& session) {
  auto& held = session.held_answers;
  while (!held.empty()) {
    const HeldAnswer& first = held[0];
    const bool ready =
        shard_.journal().durable(first.moment) || (first.receipt && first.receipt->settled());
    if (!ready) return;
    const HeldAnswer answer = held.pop_front();
    if (session.connection) session.connection->send_packet(as_bytes(answer.packet));
  }
  if (session.connection) session.connection->resume_later();
}

void Answers::on_committed() {
  shard_.keeper().on_committed();
  const std::vector<uint64_t> awaiting = std::exchange(awaiting_, {});
  for (const uint64_t id : awaiting) {
    HostedSession* session = shard_.sessions().find(id);
    if (!session) continue;
    session->awaits_commit = false;
    if (session->connection && session->connection->output_held() &&
        shard_.journal().durable(session->output_moment)) {
      session->connection->release_output();
    }
    release(*session);
    const bool subscribes = shard_.exchange().on_committed(*session);
    session->on_committed(shard_.effects(), shard_.now());
    shard_.settle();
    const bool output = session->connection && session->connection->output_held();
    if (subscribes || output || !session->held_answers.empty() ||
        session->awaits_disk(shard_.effects())) {
      await(*session);
    }
  }
}

void Answers::settle_receipts() {
  std::vector<ReceiptRef> settled = std::exchange(shard_.journal().settled(), {});
  for (const ReceiptRef& receipt : settled) {
    if (receipt->shard() != shard_.index()) {
      shard_.post(receipt->shard(), ReceiptSettled{receipt->session()});
    } else if (HostedSession* session = shard_.sessions().find(receipt->session())) {
      release(*session);
    }
  }
}

void Answers::on_message(ReceiptSettled&& m) {
  if (HostedSession* session = shard_.sessions().find(m.session)) release(*session);
}

}  // namespace fairlead
