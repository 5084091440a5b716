#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "session/session.h"

// For the tests of this folder: a conversation with a Session that reads as a dialogue. What the
// session does is recorded as one line each, and `server("...")` expects the next of them:
//   CONNACK [present]                        PUBACK 7 [0x87]   (PUBREC, PUBREL, PUBCOMP alike)
//   PUBLISH topic payload qN [id=] [dup] [retain] [expiry=] [alias=] [by-alias] [ids=1,2]
//   GRANT filter qN [existed]                UNGRANT filter
//   SUBACK 3 01 80                           UNSUBACK 4 [00 11]
//   ROUTE topic payload qN [retain]          JOURNAL kind topic
//   HANDBACK topic payload to slot
//   CLOSE 0x82 | BYE 0x00 (silently)         PINGRESP
// GRANTs stand before their SUBACK.

namespace fairlead::testing {

using mqtt::CleanStart;
using mqtt::ConnectPacket;
using mqtt::PacketId;
using mqtt::PacketType;
using mqtt::ProtocolVersion;
using mqtt::PublishPacket;
using mqtt::Qos;
using mqtt::Retain;

inline constexpr Qos kQos0 = Qos::kAtMostOnce;
inline constexpr Qos kQos1 = Qos::kAtLeastOnce;
inline constexpr Qos kQos2 = Qos::kExactlyOnce;

inline std::string hex(ReasonCode reason) {
  static constexpr char kDigits[] = "0123456789abcdef";
  const auto code = static_cast<uint8_t>(reason);
  return {kDigits[code >> 4], kDigits[code & 15]};
}

inline std::string number(PacketId id) { return std::to_string(static_cast<unsigned>(id)); }

// Writes down what the session asks for.
class Recorder final : public Effects {
 public:
  std::deque<std::string> lines;
  Outlet outlet_state = Outlet::kReady;
  mqtt::ConnackProperties connack;  // of the last CONNACK, without its texts
  std::string assigned_client_id;
  std::string reason_string;  // of the last acknowledgement
  std::string sentence;       // of the last CLOSE
  mqtt::MessageRef routed;    // the last one
  Keeper* kept_by = nullptr;  // null: nothing is kept

  void send(Session&, const mqtt::ConnackPacket& packet) override {
    connack = packet.properties;
    assigned_client_id = packet.properties.assigned_client_id.value_or("");
    const bool present = packet.session_present == mqtt::ConnackPacket::SessionPresent::kYes;
    lines.push_back(present ? "CONNACK present" : "CONNACK");
  }
  void send(Session&, const mqtt::AckPacket& packet) override {
    std::string line = std::string(mqtt::packet_name(packet.type)) + ' ' + number(packet.packet_id);
    if (packet.reason != ReasonCode::kSuccess) line += " 0x" + hex(packet.reason);
    reason_string = packet.properties.reason_string.value_or("");
    lines.push_back(std::move(line));
  }
  void send(Session&, const mqtt::UnsubackPacket& packet) override {
    std::string line = "UNSUBACK " + number(packet.packet_id);
    for (const ReasonCode reason : packet.reasons) line += ' ' + hex(reason);
    lines.push_back(std::move(line));
  }
  void send(Session&, const mqtt::PingrespPacket&) override { lines.emplace_back("PINGRESP"); }
  void send(Session&, const mqtt::Message& message, const mqtt::PublishForm& form) override {
    std::string line = "PUBLISH " + text_of(message) + qos_of(form.qos);
    if (form.qos != kQos0) line += " id=" + number(form.packet_id);
    if (form.dup == mqtt::Dup::kYes) line += " dup";
    if (form.retain == Retain::kYes) line += " retain";
    if (form.message_expiry_seconds) {
      line += " expiry=" + std::to_string(*form.message_expiry_seconds);
    }
    if (form.topic_alias) line += " alias=" + std::to_string(*form.topic_alias);
    if (form.topic == mqtt::PublishForm::Topic::kByAlias) line += " by-alias";
    const char* separator = " ids=";
    for (const uint32_t id : form.subscription_identifiers) {
      line += std::exchange(separator, ",") + std::to_string(id);
    }
    lines.push_back(std::move(line));
  }
  [[nodiscard]] Outlet outlet(const Session&) const override { return outlet_state; }
  void publish(Session& session, mqtt::MessageRef message, const Answer& answer) override {
    EXPECT_EQ(message->sender(), session.id());
    lines.push_back("ROUTE " + text_of(*message) + qos_of(message->qos()) +
                    (message->retain() == Retain::kYes ? " retain" : ""));
    routed = std::move(message);
    if (answer) {
      mqtt::AckPacket ack;
      ack.type = answer.type;
      ack.packet_id = answer.id;
      send(session, ack);
    }
  }
  void subscribe(Session&, std::span<const SubscriptionGrant> grants,
                 const mqtt::SubackPacket& suback) override {
    for (const SubscriptionGrant& grant : grants) {
      const bool existed = grant.existed == SubscriptionGrant::Existed::kYes;
      lines.push_back("GRANT " + std::string(grant.filter) + qos_of(grant.options.qos) +
                      (existed ? " existed" : ""));
    }
    std::string line = "SUBACK " + number(suback.packet_id);
    for (const ReasonCode reason : suback.reasons) line += ' ' + hex(reason);
    lines.push_back(std::move(line));
  }
  void unsubscribe(Session&, std::string_view filter) override {
    lines.push_back("UNGRANT " + std::string(filter));
  }
  void hand_back(Session&, const SharedOrigin& origin, mqtt::MessageRef message) override {
    lines.push_back("HANDBACK " + text_of(*message) + " to " + std::to_string(origin.slot));
  }
  void close(Session&, CloseStyle style, ReasonCode reason, std::string_view why) override {
    sentence = why;
    lines.push_back((style == CloseStyle::kSilently ? "BYE 0x" : "CLOSE 0x") + hex(reason));
  }
  void journal(Session&, JournalKind kind, std::string_view topic) override {
    static constexpr const char* kNames[] = {"forbidden", "over-rate", "refused",
                                             "overflow",  "too-large", "unstorable"};
    lines.push_back(std::string("JOURNAL ") + kNames[static_cast<int>(kind)] + ' ' +
                    std::string(topic));
  }
  Keeper& keeper() override { return kept_by != nullptr ? *kept_by : Effects::keeper(); }

 private:
  static std::string text_of(const mqtt::Message& message) {
    return std::string(message.topic()) + ' ' + std::string(as_text(message.payload()));
  }
  static std::string qos_of(Qos qos) { return " q" + std::to_string(static_cast<int>(qos)); }
};

inline ConnectPacket hello(ProtocolVersion version, CleanStart clean_start = CleanStart::kNo) {
  ConnectPacket connect;
  connect.version = version;
  connect.clean_start = clean_start;
  connect.keep_alive_seconds = 60;
  // A session that lives on, as in 3.x, unless the test says otherwise.
  if (version == ProtocolVersion::k5) connect.properties.session_expiry_seconds = 3600;
  return connect;
}

inline mqtt::Will testament(std::string_view topic = "will", Qos qos = kQos1) {
  mqtt::Will will;
  will.topic = topic;
  will.payload = as_bytes("gone");
  will.qos = qos;
  return will;
}

class Dialogue {
 public:
  explicit Dialogue(const ProtocolProfile& profile = kStandardProfile,
                    std::shared_ptr<const AccessPolicy> policy = AccessPolicy::for_anonymous())
      : owner{std::move(policy), &profile} {}

  SessionLimits limits;
  SessionOwner owner;
  Recorder recorder;
  Instant now{std::chrono::hours(1)};
  uint64_t queued_elsewhere = 0;
  QueueTotal total{uint64_t{1} << 30, [this] { return queued_elsewhere; }};
  Session session{77, "pk/dn", limits, total};

  // --- What the client and the world do ----------------------------------------------------------
  Dialogue& connect(const ConnectPacket& packet, const Session::ConnackExtras& extras = {}) {
    session.attach(packet, owner, extras, recorder, now);
    return *this;
  }
  Dialogue& detach(DetachCause cause = DetachCause::kConnectionLost) {
    session.on_detached(cause, recorder, now);
    return *this;
  }
  Dialogue& publish(std::string_view topic, Qos qos, uint16_t id = 0,
                    std::string_view payload = "x") {
    PublishPacket packet;
    packet.topic = topic;
    packet.payload = as_bytes(payload);
    packet.qos = qos;
    packet.packet_id = PacketId{id};
    return publish(packet);
  }
  Dialogue& publish(const PublishPacket& packet) {
    session.on_publish(packet, recorder, now);
    return *this;
  }
  Dialogue& ack(PacketType type, uint16_t id, ReasonCode reason = ReasonCode::kSuccess) {
    mqtt::AckPacket packet;
    packet.type = type;
    packet.packet_id = PacketId{id};
    packet.reason = reason;
    session.on_ack(packet, recorder, now);
    return *this;
  }
  Dialogue& puback(uint16_t id) { return ack(PacketType::kPuback, id); }
  Dialogue& pubrec(uint16_t id) { return ack(PacketType::kPubrec, id); }
  Dialogue& pubrel(uint16_t id) { return ack(PacketType::kPubrel, id); }
  Dialogue& pubcomp(uint16_t id) { return ack(PacketType::kPubcomp, id); }
  Dialogue& subscribe(std::vector<mqtt::SubscriptionRequest> requests, uint16_t id = 1,
                      std::optional<uint32_t> identifier = std::nullopt) {
    mqtt::SubscribePacket packet;
    packet.packet_id = PacketId{id};
    packet.requests = std::move(requests);
    packet.properties.subscription_identifier = identifier;
    session.on_subscribe(packet, recorder, now);
    return *this;
  }
  Dialogue& subscribe(std::string_view filter, Qos qos = kQos1) {
    return subscribe({mqtt::SubscriptionRequest{.filter = filter, .options = {.qos = qos}}});
  }
  Dialogue& unsubscribe(std::vector<std::string_view> filters, uint16_t id = 2) {
    mqtt::UnsubscribePacket packet;
    packet.packet_id = PacketId{id};
    packet.filters = std::move(filters);
    session.on_unsubscribe(packet, recorder);
    return *this;
  }
  Dialogue& disconnect(ReasonCode reason = ReasonCode::kSuccess,
                       std::optional<uint32_t> expiry = std::nullopt) {
    mqtt::DisconnectPacket packet;
    packet.reason = reason;
    packet.properties.session_expiry_seconds = expiry;
    session.on_disconnect(packet, recorder);
    return *this;
  }
  // Another client publishes; the session subscribed with QoS 2 unless `how` says otherwise.
  Dialogue& deliver(std::string_view topic, Qos qos, std::string_view payload = "x",
                    const Delivery& how = {.subscription_qos = kQos2, .identifiers = {}}) {
    last_result = session.deliver(message(topic, qos, payload), how, recorder, now);
    return *this;
  }
  DeliveryResult last_result = DeliveryResult::kTaken;
  std::optional<seconds> message_expiry;  // of the messages that are made
  Retain message_retain = Retain::kNo;

  [[nodiscard]] mqtt::MessageRef message(std::string_view topic, Qos qos,
                                         std::string_view payload = "x") const {
    mqtt::Message::Parts parts{.topic = topic, .payload = as_bytes(payload), .qos = qos};
    parts.retain = message_retain;
    if (message_expiry) parts.expires_at = now + *message_expiry;
    return mqtt::Message::make(parts);
  }
  Dialogue& congest() {
    recorder.outlet_state = Outlet::kCongested;
    return *this;
  }
  Dialogue& relieve() {
    recorder.outlet_state = Outlet::kReady;
    session.on_outlet_ready(recorder, now);
    return *this;
  }
  // Time passes; the timer rings when it is due.
  Dialogue& wait(milliseconds time) {
    now += time;
    if (session.deadline() && *session.deadline() <= now) session.on_deadline(recorder, now);
    return *this;
  }

  // --- What is expected --------------------------------------------------------------------------
  Dialogue& server(std::string_view line, int at = __builtin_LINE()) {
    if (recorder.lines.empty()) {
      ADD_FAILURE() << "line " << at << ": nothing, expected: " << line;
      return *this;
    }
    EXPECT_EQ(recorder.lines.front(), line) << "line " << at;
    recorder.lines.pop_front();
    return *this;
  }
  Dialogue& silence(int at = __builtin_LINE()) {
    EXPECT_TRUE(recorder.lines.empty()) << "line " << at << ": " << recorder.lines.front();
    return *this;
  }
  Dialogue& dropped(int at = __builtin_LINE()) {
    EXPECT_EQ(last_result, DeliveryResult::kDropped) << "line " << at;
    return silence(at);
  }
  // Connected, and nothing more to be said about it.
  Dialogue& connected(const ConnectPacket& packet, int at = __builtin_LINE()) {
    return connect(packet).server("CONNACK", at);
  }
};

}  // namespace fairlead::testing
