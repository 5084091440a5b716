#include "proto/mqtt/reader.h"

#include <array>

#include "proto/mqtt/field_reader.h"

namespace fairlead::mqtt {
namespace {

using detail::FieldReader;
using detail::read_reason;

// For each packet type, the set of fixed header flags that it may have (MQTT 5.0 section 2.1.3):
// bit n stands for flags n. PUBLISH: no QoS 3, and DUP with QoS 1 and 2 only.
constexpr uint16_t kNoFlags = 1u << 0;
constexpr uint16_t kFlagsTwo = 1u << 2;
constexpr uint16_t kPublishFlags = 0b0011'1100'0011'1111;
constexpr std::array<uint16_t, 16> kAllowedFlags = {
    0,         kNoFlags, kNoFlags,  kPublishFlags, kNoFlags, kNoFlags, kFlagsTwo, kNoFlags,
    kFlagsTwo, kNoFlags, kFlagsTwo, kNoFlags,      kNoFlags, kNoFlags, kNoFlags,  kNoFlags};

[[nodiscard]] bool flags_allowed(uint8_t type, uint8_t flags, ProtocolVersion version) {
  if (((kAllowedFlags[type] >> flags) & 1) != 0) [[likely]]
    return true;
  return version == ProtocolVersion::k31 && type != 0 &&
         type != static_cast<uint8_t>(PacketType::kPublish);
}

[[gnu::cold]] Reject bad_first_byte(uint8_t type) {
  if (type == 0) return {ReasonCode::kMalformedPacket, "fixed header: packet type 0 is reserved"};
  std::string sentence(packet_name(static_cast<PacketType>(type)));
  return {ReasonCode::kMalformedPacket, std::move(sentence += ": reserved flags are set")};
}

[[gnu::cold]] Reject refuse(PacketType type, ReasonCode code, std::string_view problem) {
  std::string sentence(packet_name(type));
  sentence += ": ";
  sentence += problem;
  return {code, std::move(sentence)};
}

[[nodiscard]] bool has_properties(ProtocolVersion version) {
  return version == ProtocolVersion::k5;
}

// The value when all went well and nothing follows, the Reject otherwise.
template <class Packet>
[[nodiscard]] Result<Packet> finish(FieldReader& fields, Packet& packet) {
  fields.end();
  if (!fields.ok()) [[unlikely]]
    return fields.reject();
  return std::move(packet);
}

// An empty packet, initialised member by member. A plain one has a constant value, which g++ 12
// clears as one block: that took longer than reading a small PUBLISH.
struct FreshPublish : PublishPacket {
  FreshPublish() {}
};

// An empty PUBLISH topic needs an alias that stands for it (MQTT 5.0 section 3.3.2.1).
void check_topic_present(FieldReader& fields, const PublishPacket& packet) {
  if (!packet.topic.empty() || packet.properties.topic_alias) return;
  fields.fail(ReasonCode::kProtocolError, "topic", " is empty");
}

[[nodiscard]] SubscriptionOptions read_options(FieldReader& fields, ProtocolVersion version) {
  const uint8_t byte = fields.u8("subscription options");
  const uint8_t qos = byte & 3;
  const uint8_t handling = (byte >> 4) & 3;
  const uint8_t reserved = has_properties(version)            ? byte & 0xc0
                           : version == ProtocolVersion::k311 ? byte & 0xfc
                                                              : 0;  // not checked in 3.1
  if (reserved != 0) {
    fields.fail(ReasonCode::kMalformedPacket, "subscription options", " have reserved bits set");
  }
  if (qos == 3) fields.fail(ReasonCode::kProtocolError, "subscription options", " have QoS 3");
  if (!has_properties(version)) return {.qos = static_cast<Qos>(qos)};
  if (handling == 3) {
    fields.fail(ReasonCode::kProtocolError, "subscription options", " have Retain Handling 3");
  }
  return {.qos = static_cast<Qos>(qos),
          .no_local = (byte & 4) != 0,
          .retain_as_published = (byte & 8) != 0,
          .retain_handling = static_cast<RetainHandling>(handling)};
}

}  // namespace

Result<std::optional<FixedHeader>> read_fixed_header(Bytes bytes, std::size_t packet_size_max,
                                                     ProtocolVersion version) {
  using Header = std::optional<FixedHeader>;
  if (bytes.empty()) return Header{};
  const auto first = std::to_integer<uint8_t>(bytes[0]);
  const uint8_t type = first >> 4;
  const uint8_t flags = first & 0x0f;
  if (!flags_allowed(type, flags, version)) [[unlikely]]
    return bad_first_byte(type);
  const Varint length = read_varint(bytes.subspan(1));
  if (length.state == Varint::State::kIncomplete) return Header{};
  if (length.state == Varint::State::kMalformed) [[unlikely]] {
    return refuse(static_cast<PacketType>(type), ReasonCode::kMalformedPacket,
                  "Remaining Length is over four bytes or not in its shortest form");
  }
  const FixedHeader header{static_cast<PacketType>(type), flags,
                           static_cast<uint8_t>(1 + length.size), length.value};
  if (header.packet_size() > packet_size_max) [[unlikely]] {
    return refuse(header.type, ReasonCode::kPacketTooLarge, "packet is too large");
  }
  return Header{header};
}

Result<PublishPacket> read_publish(ProtocolVersion version, uint8_t flags, Bytes body) {
  if (flags > 0x0f || !flags_allowed(static_cast<uint8_t>(PacketType::kPublish), flags, version))
      [[unlikely]] {
    return refuse(PacketType::kPublish, ReasonCode::kMalformedPacket,
                  "QoS is 3, or DUP is set with QoS 0");
  }
  FieldReader fields(PacketType::kPublish, body);
  FreshPublish packet;
  packet.dup = (flags & 8) != 0 ? Dup::kYes : Dup::kNo;
  packet.qos = static_cast<Qos>((flags >> 1) & 3);
  packet.retain = (flags & 1) != 0 ? Retain::kYes : Retain::kNo;
  packet.topic = fields.text("topic");
  if (packet.qos != Qos::kAtMostOnce) packet.packet_id = fields.packet_id();
  if (has_properties(version)) fields.properties(packet.properties);
  if (packet.topic.empty()) [[unlikely]]
    check_topic_present(fields, packet);
  packet.payload = fields.rest();
  if (!fields.ok()) [[unlikely]]
    return fields.reject();
  return packet;
}

Result<PublishProperties> read_message_properties(Bytes block) {
  FieldReader fields(PacketType::kPublish, {});
  PublishProperties properties;
  fields.property_block(block, properties);
  return finish(fields, properties);
}

Result<AckPacket> read_ack(ProtocolVersion version, PacketType type, Bytes body) {
  FieldReader fields(type, body);
  AckPacket packet;
  packet.type = type;
  packet.packet_id = fields.packet_id();
  if (has_properties(version) && !fields.empty()) {
    packet.reason = read_reason(fields);
    if (!fields.empty()) fields.properties(packet.properties);
  }
  return finish(fields, packet);
}

Result<SubscribePacket> read_subscribe(ProtocolVersion version, Bytes body) {
  FieldReader fields(PacketType::kSubscribe, body);
  SubscribePacket packet;
  packet.packet_id = fields.packet_id();
  if (has_properties(version)) fields.properties(packet.properties);
  if (fields.empty()) fields.fail(ReasonCode::kProtocolError, "", "there is no topic filter");
  while (!fields.empty()) {
    const std::string_view filter = fields.text("topic filter");
    packet.requests.push_back({filter, read_options(fields, version)});
  }
  return finish(fields, packet);
}

Result<SubackPacket> read_suback(ProtocolVersion version, Bytes body) {
  FieldReader fields(PacketType::kSuback, body);
  SubackPacket packet;
  packet.packet_id = fields.packet_id();
  if (has_properties(version)) fields.properties(packet.properties);
  if (fields.empty()) fields.fail(ReasonCode::kProtocolError, "", "there is no reason code");
  while (!fields.empty()) {
    const ReasonCode reason = read_reason(fields);
    if (!has_properties(version) && reason > ReasonCode::kUnspecifiedError) {
      fields.fail(ReasonCode::kMalformedPacket, "return code", " is reserved");
    }
    packet.reasons.push_back(reason);
  }
  return finish(fields, packet);
}

Result<UnsubscribePacket> read_unsubscribe(ProtocolVersion version, Bytes body) {
  FieldReader fields(PacketType::kUnsubscribe, body);
  UnsubscribePacket packet;
  packet.packet_id = fields.packet_id();
  if (has_properties(version)) fields.properties(packet.user_properties);
  if (fields.empty()) fields.fail(ReasonCode::kProtocolError, "", "there is no topic filter");
  while (!fields.empty()) packet.filters.push_back(fields.text("topic filter"));
  return finish(fields, packet);
}

Result<UnsubackPacket> read_unsuback(ProtocolVersion version, Bytes body) {
  FieldReader fields(PacketType::kUnsuback, body);
  UnsubackPacket packet;
  packet.packet_id = fields.packet_id();
  if (has_properties(version)) {
    fields.properties(packet.properties);
    if (fields.empty()) fields.fail(ReasonCode::kProtocolError, "", "there is no reason code");
    while (!fields.empty()) packet.reasons.push_back(read_reason(fields));
  }
  return finish(fields, packet);
}

Result<DisconnectPacket> read_disconnect(ProtocolVersion version, Bytes body) {
  FieldReader fields(PacketType::kDisconnect, body);
  DisconnectPacket packet;
  if (has_properties(version) && !fields.empty()) {
    packet.reason = read_reason(fields);
    if (!fields.empty()) fields.properties(packet.properties);
  }
  return finish(fields, packet);
}

Result<AuthPacket> read_auth(ProtocolVersion version, Bytes body) {
  FieldReader fields(PacketType::kAuth, body);
  AuthPacket packet;
  if (!has_properties(version)) {
    return refuse(PacketType::kAuth, ReasonCode::kMalformedPacket, "only MQTT 5.0 has it");
  }
  // An empty body says success without properties (section 3.15.2.1); any other names the method.
  if (fields.empty()) return packet;
  packet.reason = read_reason(fields);
  fields.properties(packet.properties);
  if (!packet.properties.authentication_method) {
    fields.fail(ReasonCode::kProtocolError, "Authentication Method", " is missing");
  }
  return finish(fields, packet);
}

Status read_empty(PacketType type, Bytes body) {
  if (!body.empty()) return refuse(type, ReasonCode::kMalformedPacket, "it has a body");
  return Done{};
}

}  // namespace fairlead::mqtt
