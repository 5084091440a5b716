#include <algorithm>
#include <string>
#include <vector>

#include "base/assert.h"
#include "base/utf8.h"
#include "proto/mqtt/topic.h"
#include "session/keeper.h"
#include "session/session.h"

// What a session does with the packets of its client (MQTT 5.0 chapter 3 and 4.3, 3.1.1 alike).

namespace fairlead {

using mqtt::AckPacket;
using mqtt::PacketId;
using mqtt::PacketType;
using mqtt::PublishPacket;
using mqtt::Qos;
using mqtt::SubscriptionRequest;

namespace {

Answer answer_to(const PublishPacket& packet) {
  return {packet.qos == Qos::kAtLeastOnce ? PacketType::kPuback : PacketType::kPubrec,
          packet.qos == Qos::kAtMostOnce ? PacketId{} : packet.packet_id};
}

}  // namespace

void Session::refuse(ReasonCode reason, std::string_view sentence, Effects& effects) {
  peer_.closing = true;
  effects.close(*this, CloseStyle::kWithDisconnect, reason, sentence);
}

void Session::refuse(const Reject& reject, Effects& effects) {
  refuse(reject.code, reject.sentence, effects);
}

void Session::send_ack(PacketType type, PacketId id, ReasonCode reason, std::string_view sentence,
                       Effects& effects) {
  AckPacket ack;
  ack.type = type;
  ack.packet_id = id;
  if (is_v5()) {
    ack.reason = reason;
    if (!sentence.empty() && peer_.wants_problem_information) {
      ack.properties.reason_string = sentence;
    }
  }
  effects.send(*this, ack);
}

// --- PUBLISH -------------------------------------------------------------------------------------

void Session::on_publish(const PublishPacket& packet, Effects& effects, Instant now) {
  affine_.check();
  if (!reachable()) return;
  const Result<std::string_view> topic = topic_of(packet);
  if (!topic) return refuse(topic.error(), effects);
  const mqtt::NameShape shape = mqtt::shape_of(*topic);
  if (const Status form = check_publish(packet, shape); !form) {
    return refuse(form.error(), effects);
  }
  const Status named = check_topic(*topic, shape);
  if (named) take_alias(packet);
  if (packet.qos == Qos::kExactlyOnce && received_.contains(packet.packet_id)) {
    // Routed before; the PUBREC was lost (section 4.3.3).
    return send_ack(PacketType::kPubrec, packet.packet_id, ReasonCode::kSuccess, {}, effects);
  }
  if (is_v5() && packet.qos == Qos::kExactlyOnce && received_.fresh_count() >= receive_maximum()) {
    return refuse(ReasonCode::kReceiveMaximumExceeded,
                  "PUBLISH: more unreleased QoS 2 messages than Receive Maximum", effects);
  }
  if (const Status fine = named ? check_payload(packet) : named; !fine) {
    const bool can_be_told = is_v5() && packet.qos != Qos::kAtMostOnce;
    if (!can_be_told) return refuse(fine.error(), effects);
    return acknowledge(packet, fine.error().code, fine.error().sentence, effects);
  }
  if (packet.qos != Qos::kAtMostOnce) {
    if (!effects.keeper().accepts()) {
      return refuse_unstorable(packet, *topic, "PUBLISH: the server cannot write to its disk now",
                               effects);
    }
    if (waiting_.total().full()) {
      return refuse_unstorable(
          packet, *topic, "PUBLISH: as much waits for clients as the server may hold", effects);
    }
  }
  admit(packet, *topic, effects, now);
}

// What cannot be kept until it is delivered is not acknowledged. There is no code for that before
// 5.0: who comes back repeats it, and what followed it, in order.
void Session::refuse_unstorable(const PublishPacket& packet, std::string_view topic,
                                std::string_view sentence, Effects& effects) {
  effects.journal(*this, JournalKind::kPublishUnstorable, topic);
  if (!is_v5()) return refuse(ReasonCode::kQuotaExceeded, sentence, effects);
  acknowledge(packet, ReasonCode::kQuotaExceeded, sentence, effects);
}

// The topic, behind its alias where there is one.
Result<std::string_view> Session::topic_of(const PublishPacket& packet) const {
  if (packet.properties.topic_alias) {
    const uint16_t alias = *packet.properties.topic_alias;
    if (alias == 0 || alias > owner_.profile->topic_alias_maximum) {
      return Reject{ReasonCode::kTopicAliasInvalid, "PUBLISH: topic alias " +
                                                        std::to_string(alias) +
                                                        " is not within 1 to Topic Alias Maximum"};
    }
    if (packet.topic.empty()) {
      const std::string_view topic = aliases_in_ ? aliases_in_->find(alias) : std::string_view();
      if (!topic.empty()) return topic;
      return Reject{ReasonCode::kProtocolError,
                    "PUBLISH: topic alias " + std::to_string(alias) + " was never set"};
    }
  }
  if (packet.topic.empty()) {
    return Reject{is_v5() ? ReasonCode::kProtocolError : ReasonCode::kTopicNameInvalid,
                  "PUBLISH: topic is empty"};
  }
  return packet.topic;
}

// What ends the connection whatever the QoS.
Status Session::check_publish(const PublishPacket& packet, const mqtt::NameShape& shape) const {
  const ProtocolProfile& profile = *owner_.profile;
  if (shape.wildcard) {
    return Reject{ReasonCode::kTopicNameInvalid, "PUBLISH: topic holds a wildcard"};
  }
  if (static_cast<uint8_t>(packet.qos) > profile.qos_max &&
      (is_v5() || profile.qos2 == Qos2Policy::kRefuse)) {
    return Reject{ReasonCode::kQosNotSupported, "PUBLISH: QoS is above Maximum QoS"};
  }
  bool has_identifier = false;
  packet.properties.subscription_identifiers.for_each([&](uint32_t) { has_identifier = true; });
  if (has_identifier) {
    return Reject{ReasonCode::kProtocolError, "PUBLISH: a client sent a subscription identifier"};
  }
  const auto& response_topic = packet.properties.response_topic;
  if (response_topic && !mqtt::check_topic_name(*response_topic).ok()) {
    return Reject{ReasonCode::kProtocolError, "PUBLISH: response topic is not a topic name"};
  }
  return Done{};
}

// These two: what MQTT 5.0 can refuse in PUBACK and PUBREC.
Status Session::check_topic(std::string_view topic, const mqtt::NameShape& shape) const {
  if (Status name = mqtt::check_topic_name(topic, shape); !name) {
    return Reject{ReasonCode::kTopicNameInvalid, "PUBLISH: " + name.error().sentence};
  }
  if (!within_topic_limits(*owner_.profile, topic, shape.levels - 1)) {
    return Reject{ReasonCode::kTopicNameInvalid, "PUBLISH: topic is too long or too deep"};
  }
  return Done{};
}

Status Session::check_payload(const PublishPacket& packet) const {
  if (packet.properties.payload_format == uint8_t{1} && !is_utf8(packet.payload)) {
    return Reject{ReasonCode::kPayloadFormatInvalid, "PUBLISH: payload is not UTF-8"};
  }
  return Done{};
}

// Whatever becomes of the message: the client takes its alias for set when it has sent it, in one
// that is refused or was received before too (section 3.3.2.3.4).
void Session::take_alias(const PublishPacket& packet) {
  if (!packet.properties.topic_alias || packet.topic.empty()) return;
  if (!aliases_in_) aliases_in_ = std::make_unique<InboundAliases>();
  aliases_in_->set(*packet.properties.topic_alias, packet.topic);
}

bool Session::within_rate(Qos qos, Instant now) {
  if (owner_.profile->over_rate == OverRate::kDeliver) return true;
  const bool plain = qos == Qos::kAtMostOnce;
  const uint32_t per_second = plain ? limits_->device_publish_qos0_per_second_max
                                    : limits_->device_publish_qos1_per_second_max;
  return per_second == 0 || (plain ? rate_qos0_ : rate_qos1_).admit(per_second, now);
}

// Routes the message, or drops it as the platform does: acknowledged, so that firmware does not
// repeat it, and journaled. Only a standard client of MQTT 5.0 is told that it may not.
void Session::admit(const PublishPacket& packet, std::string_view topic, Effects& effects,
                    Instant now) {
  if (!within_rate(packet.qos, now)) {
    effects.journal(*this, JournalKind::kPublishOverRate, topic);
    return acknowledge(packet, ReasonCode::kSuccess, {}, effects);
  }
  if (!owner_.policy->may_publish(topic)) {
    effects.journal(*this, JournalKind::kPublishForbidden, topic);
    const bool tell = is_v5() && owner_.profile->kind == ProfileKind::kStandard;
    return tell ? acknowledge(packet, ReasonCode::kNotAuthorized,
                              "PUBLISH: not permitted on this topic", effects)
                : acknowledge(packet, ReasonCode::kSuccess, {}, effects);
  }
  const bool ignore_retain = !is_v5() && owner_.profile->retain == RetainPolicy::kIgnoreInV3;
  mqtt::Message::Parts parts{.topic = topic, .payload = packet.payload, .qos = packet.qos};
  parts.retain = ignore_retain ? mqtt::Retain::kNo : packet.retain;
  if (packet.properties.message_expiry_seconds) {
    parts.expires_at = now + seconds(*packet.properties.message_expiry_seconds);
  }
  parts.sender = id_;
  parts.properties = &packet.properties;
  if (packet.qos == Qos::kExactlyOnce) take_identifier(packet.packet_id, effects);
  effects.publish(*this, mqtt::Message::make(parts), answer_to(packet));
}

void Session::acknowledge(const PublishPacket& packet, ReasonCode reason, std::string_view sentence,
                          Effects& effects) {
  switch (packet.qos) {
    case Qos::kAtMostOnce:
      return;
    case Qos::kAtLeastOnce:
      return send_ack(PacketType::kPuback, packet.packet_id, reason, sentence, effects);
    case Qos::kExactlyOnce:
      // A PUBREC with an error ends the exchange (section 4.3.3).
      if (!is_error(reason)) take_identifier(packet.packet_id, effects);
      return send_ack(PacketType::kPubrec, packet.packet_id, reason, sentence, effects);
  }
  unreachable();
}

// --- PUBACK, PUBREC, PUBREL, PUBCOMP -------------------------------------------------------------

void Session::on_ack(const AckPacket& packet, Effects& effects, Instant now) {
  affine_.check();
  if (!reachable()) return;
  if (packet.type == PacketType::kPubrel) return on_pubrel(packet, effects);
  on_outbound_ack(packet, effects, now);
}

void Session::on_pubrel(const AckPacket& packet, Effects& effects) {
  const std::optional<RecordId> known = received_.remove(packet.packet_id);
  if (known && kept()) effects.keeper().erase_received(*this, *known);
  send_ack(PacketType::kPubcomp, packet.packet_id,
           known ? ReasonCode::kSuccess : ReasonCode::kPacketIdentifierNotFound, {}, effects);
}

void Session::on_outbound_ack(const AckPacket& packet, Effects& effects, Instant now) {
  const bool is_pubrec = packet.type == PacketType::kPubrec;
  const std::optional<uint32_t> position = inflight_.find(packet.packet_id);
  if (!position) {
    // Lets a client finish that knows more of the exchange than we do (section 4.3.3).
    if (is_pubrec && !is_error(packet.reason)) {
      send_ack(PacketType::kPubrel, packet.packet_id, ReasonCode::kPacketIdentifierNotFound, {},
               effects);
    }
    return;
  }
  const OutboundAck ack = packet.type == PacketType::kPuback    ? OutboundAck::kPuback
                          : packet.type == PacketType::kPubcomp ? OutboundAck::kPubcomp
                          : is_error(packet.reason)             ? OutboundAck::kPubrecError
                                                                : OutboundAck::kPubrec;
  Inflight::Entry& entry = inflight_[*position];
  if (!entry.sent) return;  // a guess
  const bool held_message = static_cast<bool>(entry.message);
  entry.step = next(entry.step, ack);
  if (entry.step == OutboundStep::kDone) {
    let_go(entry, effects);
    inflight_.erase(*position);
    return pump(effects, now);
  }
  if (is_pubrec && entry.step == OutboundStep::kAwaitPubcomp) {
    if (held_message && kept()) effects.keeper().release_entry(*this, entry, entry.id);
    entry.message = {};  // the client has it
    entry.extras.reset();
    send_ack(PacketType::kPubrel, packet.packet_id, ReasonCode::kSuccess, {}, effects);
  }
}

// --- SUBSCRIBE, UNSUBSCRIBE ----------------------------------------------------------------------

void Session::on_subscribe(const mqtt::SubscribePacket& packet, Effects& effects, Instant /*now*/) {
  affine_.check();
  if (!reachable()) return;
  if (const Status fine = check_subscribe(packet); !fine) return refuse(fine.error(), effects);
  const ProtocolProfile& profile = *owner_.profile;
  const bool always_one = !is_v5() && profile.suback_code == SubackCode::kAlwaysOneInV3;
  mqtt::SubackPacket suback;
  suback.packet_id = packet.packet_id;
  suback.reasons.reserve(packet.requests.size());
  std::vector<SubscriptionGrant> grants;
  grants.reserve(packet.requests.size());
  const bool unstorable = kept() && !effects.keeper().accepts();
  for (const SubscriptionRequest& request : packet.requests) {
    const bool too_many = suback.reasons.size() >= profile.filters_per_subscribe_max;
    const ReasonCode refusal = too_many || unstorable ? ReasonCode::kQuotaExceeded : judge(request);
    if (is_error(refusal)) {
      suback.reasons.push_back(refusal);
      effects.journal(*this, JournalKind::kSubscribeRefused, request.filter);
      continue;
    }
    SubscriptionGrant grant{.filter = request.filter, .options = request.options};
    grant.options.qos = std::min(request.options.qos, static_cast<Qos>(profile.qos_max));
    grant.identifier = packet.properties.subscription_identifier.value_or(0);
    const Subscriptions::Put put = subscriptions_.put(request.filter, grant.options);
    grant.existed = put.existed;
    grants.push_back(grant);
    if (kept()) {
      put.record = effects.keeper().put_subscription(
          *this, put.record, {record_, request.filter, grant.options, grant.identifier});
    }
    suback.reasons.push_back(always_one ? ReasonCode::kGrantedQos1
                                        : static_cast<ReasonCode>(grant.options.qos));
  }
  effects.subscribe(*this, grants, suback);
}

// What ends the connection.
Status Session::check_subscribe(const mqtt::SubscribePacket& packet) const {
  if (packet.properties.subscription_identifier &&
      !owner_.profile->subscription_identifiers_available) {
    return Reject{ReasonCode::kSubscriptionIdentifiersNotSupported,
                  "SUBSCRIBE: subscription identifiers are not available"};
  }
  for (const SubscriptionRequest& request : packet.requests) {
    if (request.options.no_local && request.filter.starts_with("$share/")) {
      return Reject{ReasonCode::kProtocolError, "SUBSCRIBE: No Local on a shared subscription"};
    }
  }
  return Done{};
}

// Success, or why this filter is refused.
ReasonCode Session::judge(const SubscriptionRequest& request) const {
  const ProtocolProfile& profile = *owner_.profile;
  const Result<mqtt::FilterParts> parts = mqtt::split_filter(request.filter);
  if (!parts) return ReasonCode::kTopicFilterInvalid;
  if (!within_topic_limits(profile, parts->filter)) return ReasonCode::kTopicFilterInvalid;
  const bool shared_available =
      profile.shared_available && (is_v5() || profile.kind == ProfileKind::kStandard);
  if (!parts->group.empty() && !shared_available) {
    return ReasonCode::kSharedSubscriptionsNotSupported;
  }
  if (!owner_.policy->may_subscribe(request.filter)) return ReasonCode::kNotAuthorized;
  if (subscriptions_.size() >= profile.subscriptions_per_session_max &&
      !subscriptions_.contains(request.filter)) {
    return ReasonCode::kQuotaExceeded;
  }
  return ReasonCode::kSuccess;
}

void Session::on_unsubscribe(const mqtt::UnsubscribePacket& packet, Effects& effects) {
  affine_.check();
  if (!reachable()) return;
  mqtt::UnsubackPacket unsuback;
  unsuback.packet_id = packet.packet_id;
  if (is_v5()) unsuback.reasons.reserve(packet.filters.size());
  for (const std::string_view filter : packet.filters) {
    const bool valid = mqtt::split_filter(filter).ok();
    const std::optional<RecordId> existed =
        valid ? subscriptions_.remove(filter) : std::optional<RecordId>();
    if (existed && kept()) effects.keeper().erase_subscription(*this, *existed);
    if (existed) effects.unsubscribe(*this, filter);
    if (!is_v5()) continue;  // its UNSUBACK has no codes
    unsuback.reasons.push_back(!valid    ? ReasonCode::kTopicFilterInvalid
                               : existed ? ReasonCode::kSuccess
                                         : ReasonCode::kNoSubscriptionExisted);
  }
  effects.send(*this, unsuback);
}

// --- PINGREQ, DISCONNECT -------------------------------------------------------------------------

void Session::on_pingreq(Effects& effects) {
  affine_.check();
  if (reachable()) effects.send(*this, mqtt::PingrespPacket{});
}

void Session::on_disconnect(const mqtt::DisconnectPacket& packet, Effects& effects) {
  affine_.check();
  if (!reachable()) return;
  if (!mqtt::may_client_disconnect_with(packet.reason)) {
    return refuse(ReasonCode::kProtocolError, "DISCONNECT: reason code is one that servers send",
                  effects);
  }
  if (const auto expiry = packet.properties.session_expiry_seconds) {
    if (expiry_seconds_ == 0 && *expiry != 0) {
      return refuse(ReasonCode::kProtocolError,
                    "DISCONNECT: session expiry set after CONNECT said 0", effects);
    }
    const auto longest = static_cast<uint64_t>(limits_->expiry_max.count());
    expiry_seconds_ = static_cast<uint32_t>(std::min<uint64_t>(*expiry, longest));
  }
  if (packet.reason == ReasonCode::kSuccess) will_.reset();
  peer_.closing = true;
  effects.close(*this, CloseStyle::kSilently, packet.reason, "client sent DISCONNECT");
}

}  // namespace fairlead
