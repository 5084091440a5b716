#include "shard/shard_effects.h"

#include "base/log.h"
#include "shard/connection.h"
#include "shard/hosted_session.h"
#include "shard/shard.h"

namespace fairlead {
namespace {

// Every session of this process is a hosted one.
HostedSession& hosted(Session& session) { return static_cast<HostedSession&>(session); }

Connection& connection_of(Session& session) {
  Connection* connection = hosted(session).connection;
  FL_ASSERT(connection);
  return *connection;
}

std::string_view journal_event(JournalKind kind) {
  switch (kind) {
    case JournalKind::kPublishForbidden:
      return "journal.publish_forbidden";
    case JournalKind::kPublishOverRate:
      return "journal.publish_over_rate";
    case JournalKind::kSubscribeRefused:
      return "journal.subscribe_refused";
    case JournalKind::kQueueOverflow:
      return "journal.queue_overflow";
    case JournalKind::kRetainedLeftOut:
      return "journal.retained_left_out";
    case JournalKind::kDeliveryTooLarge:
      return "journal.delivery_too_large";
    case JournalKind::kPublishUnstorable:
      return "journal.publish_unstorable";
  }
  unreachable();
}

}  // namespace

void ShardEffects::send(Session& session, const mqtt::ConnackPacket& packet) {
  connection_of(session).send(packet);
  // Of a session that is not kept: what was of it before must not come back.
  const uint64_t moment =
      session.kept() ? moment_of(session) : shard_.keeper().moment_of_end(session.key());
  if (shard_.journal().durable(moment)) return;
  connection_of(session).hold_output();
  hosted(session).output_moment = moment;
  shard_.answers().await(hosted(session));
}

// PUBREL and PUBCOMP let the client forget: what we have to remember instead comes first.
void ShardEffects::send(Session& session, const mqtt::AckPacket& packet) {
  const bool lets_forget =
      packet.type == mqtt::PacketType::kPubrel || packet.type == mqtt::PacketType::kPubcomp;
  shard_.answers().send(hosted(session), packet, lets_forget ? moment_of(session) : 0);
}

void ShardEffects::send(Session& session, const mqtt::UnsubackPacket& packet) {
  shard_.answers().send(hosted(session), packet, moment_of(session));
}

// That must be durable before the client is told of what the session has recorded.
uint64_t ShardEffects::moment_of(const Session& session) const {
  return session.kept() ? shard_.journal().moment() : 0;
}

Keeper& ShardEffects::keeper() { return shard_.keeper(); }
void ShardEffects::send(Session& session, const mqtt::PingrespPacket& packet) {
  connection_of(session).send(packet);
}
void ShardEffects::send(Session& session, const mqtt::Message& message,
                        const mqtt::PublishForm& form) {
  connection_of(session).send_publish(message, form);
}

Outlet ShardEffects::outlet(const Session& session) const {
  Connection* connection = static_cast<const HostedSession&>(session).connection;
  return connection ? connection->outlet() : Outlet::kCongested;
}

void ShardEffects::publish(Session& session, mqtt::MessageRef message, const Answer& answer) {
  shard_.exchange().publish(std::move(message), session.id(), answer);
}

void ShardEffects::subscribe(Session& session, std::span<const SubscriptionGrant> grants,
                             const mqtt::SubackPacket& suback) {
  shard_.exchange().subscribe(hosted(session), grants, suback);
}

void ShardEffects::unsubscribe(Session& session, std::string_view filter) {
  shard_.exchange().unsubscribe(hosted(session), filter);
}

void ShardEffects::hand_back(Session&, const SharedOrigin& origin, mqtt::MessageRef message) {
  shard_.exchange().hand_back(origin, std::move(message));
}

void ShardEffects::close(Session& session, CloseStyle style, ReasonCode reason,
                         std::string_view sentence) {
  DetachCause cause = DetachCause::kConnectionLost;
  if (style == CloseStyle::kSilently) {
    cause = reason == ReasonCode::kSuccess ? DetachCause::kClientDisconnect
                                           : DetachCause::kClientDisconnectWithWill;
  }
  connection_of(session).close(style, reason, sentence, cause);
}

void ShardEffects::journal(Session& session, JournalKind kind, std::string_view topic) {
  const bool dropped = kind != JournalKind::kSubscribeRefused;
  if (dropped) shard_.counters().messages_dropped.add();
  if (!hosted(session).journal_now(shard_.now())) return;
  FL_LOG(kInfo, journal_event(kind), {"device", hosted(session).name()}, {"topic", topic});
}

}  // namespace fairlead
