#include "proto/mqtt/writer.h"

#include "proto/mqtt/packet_store.h"

namespace fairlead::mqtt {
namespace {

using detail::has_properties;
using detail::packet_size;
using detail::PacketStore;
using detail::PropertyPlan;

constexpr uint8_t kReservedTwo = 2;  // the fixed header flags of PUBREL, SUBSCRIBE, UNSUBSCRIBE

[[nodiscard]] uint8_t publish_flags(Qos qos, Dup dup, Retain retain) {
  const bool again = dup == Dup::kYes && qos != Qos::kAtMostOnce;
  return static_cast<uint8_t>((again ? 8 : 0) | (static_cast<uint8_t>(qos) << 1) |
                              (retain == Retain::kYes ? 1 : 0));
}

// What SUBACK says of a reason in 3.1 and 3.1.1.
[[nodiscard]] uint8_t suback_code(ProtocolVersion version, ReasonCode reason) {
  const bool translated = !has_properties(version) && is_error(reason);
  return static_cast<uint8_t>(translated ? ReasonCode::kUnspecifiedError : reason);
}

[[nodiscard]] uint8_t options_byte(ProtocolVersion version, const SubscriptionOptions& options) {
  const auto qos = static_cast<uint8_t>(options.qos);
  if (!has_properties(version)) return qos;
  return static_cast<uint8_t>(qos | (options.no_local ? 4 : 0) |
                              (options.retain_as_published ? 8 : 0) |
                              (static_cast<uint8_t>(options.retain_handling) << 4));
}

// Reason code and properties at the end of a packet, which may both be left out: `before` bytes
// stand in front of them.
template <class Properties>
void write_reason(ByteBuffer& out, PacketType type, uint8_t flags, std::optional<PacketId> id,
                  ReasonCode reason, const Properties& properties, uint32_t packet_size_max) {
  const std::size_t before = id ? 2 : 0;
  auto body_size = [&](std::size_t properties_size) {
    if (properties_size > 0) return before + 1 + varint_size(properties_size) + properties_size;
    return before + (reason == ReasonCode::kSuccess ? 0 : 1);
  };
  const auto plan = detail::plan_properties(properties, packet_size_max, body_size);
  if (!plan) return;
  const std::size_t size = body_size(plan->size);
  PacketStore store(out, type, flags, size);
  if (id) store.u16(static_cast<uint16_t>(*id));
  if (size > before) store.u8(static_cast<uint8_t>(reason));
  if (size > before + 1) store.properties(properties, *plan);
}

// SUBACK and UNSUBACK in MQTT 5.0.
void write_reasons(ByteBuffer& out, PacketType type, PacketId id,
                   const std::vector<ReasonCode>& reasons, const ReasonProperties& properties,
                   uint32_t packet_size_max) {
  auto body_size = [&](std::size_t properties_size) {
    return 2 + varint_size(properties_size) + properties_size + reasons.size();
  };
  const auto plan = detail::plan_properties(properties, packet_size_max, body_size);
  if (!plan) return;
  PacketStore store(out, type, 0, body_size(plan->size));
  store.u16(static_cast<uint16_t>(id));
  store.properties(properties, *plan);
  for (const ReasonCode reason : reasons) store.u8(static_cast<uint8_t>(reason));
}

// The properties of a Message as one receiver gets them.
[[nodiscard]] std::size_t form_properties_size(const Message& message, const PublishForm& form) {
  std::size_t size = message.properties().size();
  if (form.message_expiry_seconds) size += 5;
  if (form.topic_alias) size += 3;
  for (const uint32_t identifier : form.subscription_identifiers) {
    size += 1 + varint_size(identifier);
  }
  return size;
}

void store_form_properties(PacketStore& store, const Message& message, const PublishForm& form) {
  if (form.message_expiry_seconds) {
    store.u8(static_cast<uint8_t>(PropertyId::kMessageExpiryInterval));
    store.u32(*form.message_expiry_seconds);
  }
  if (form.topic_alias) {
    store.u8(static_cast<uint8_t>(PropertyId::kTopicAlias));
    store.u16(*form.topic_alias);
  }
  for (const uint32_t identifier : form.subscription_identifiers) {
    store.u8(static_cast<uint8_t>(PropertyId::kSubscriptionIdentifier));
    store.varint(identifier);
  }
  store.raw(message.properties());
}

[[nodiscard]] std::string_view form_topic(const Message& message, const PublishForm& form) {
  return form.topic == PublishForm::Topic::kWritten ? message.topic() : std::string_view{};
}

struct PublishSizes {
  std::size_t properties = 0;  // without their length
  std::size_t body = 0;
};

[[nodiscard]] PublishSizes sizes_of(const Message& message, const PublishForm& form) {
  PublishSizes sizes;
  sizes.body = 2 + form_topic(message, form).size() + message.payload().size();
  if (form.qos != Qos::kAtMostOnce) sizes.body += 2;
  if (has_properties(form.version)) {
    sizes.properties = form_properties_size(message, form);
    sizes.body += varint_size(sizes.properties) + sizes.properties;
  }
  return sizes;
}

}  // namespace

std::size_t publish_size(const Message& message, const PublishForm& form) {
  return packet_size(sizes_of(message, form).body);
}

std::size_t write_publish(ByteBuffer& out, const Message& message, const PublishForm& form) {
  const std::size_t start = out.size();
  const PublishSizes sizes = sizes_of(message, form);
  PacketStore store(out, PacketType::kPublish, publish_flags(form.qos, form.dup, form.retain),
                    sizes.body);
  store.prefixed(form_topic(message, form));
  std::size_t id_at = 0;
  if (form.qos != Qos::kAtMostOnce) {
    id_at = static_cast<std::size_t>(store.at() - out.data()) - start;
    store.u16(static_cast<uint16_t>(form.packet_id));
  }
  if (has_properties(form.version)) {
    store.varint(sizes.properties);
    store_form_properties(store, message, form);
  }
  store.raw(message.payload());
  return id_at;
}

void write(ByteBuffer& out, ProtocolVersion version, const PublishPacket& packet) {
  const bool has_id = packet.qos != Qos::kAtMostOnce;
  const auto plan = PropertyPlan::of(version, packet.properties);
  const std::size_t size =
      2 + packet.topic.size() + (has_id ? 2 : 0) + plan.size_with_length() + packet.payload.size();
  PacketStore store(out, PacketType::kPublish, publish_flags(packet.qos, packet.dup, packet.retain),
                    size);
  store.prefixed(packet.topic);
  if (has_id) store.u16(static_cast<uint16_t>(packet.packet_id));
  store.properties(packet.properties, plan);
  store.raw(packet.payload);
}

void write(ByteBuffer& out, ProtocolVersion version, const AckPacket& packet,
           uint32_t packet_size_max) {
  const uint8_t flags = packet.type == PacketType::kPubrel ? kReservedTwo : 0;
  if (has_properties(version)) {
    write_reason(out, packet.type, flags, packet.packet_id, packet.reason, packet.properties,
                 packet_size_max);
  } else {
    PacketStore(out, packet.type, flags, 2).u16(static_cast<uint16_t>(packet.packet_id));
  }
}

void write(ByteBuffer& out, ProtocolVersion version, const SubscribePacket& packet) {
  const auto plan = PropertyPlan::of(version, packet.properties);
  std::size_t size = 2 + plan.size_with_length();
  for (const SubscriptionRequest& request : packet.requests) size += 3 + request.filter.size();
  PacketStore store(out, PacketType::kSubscribe, kReservedTwo, size);
  store.u16(static_cast<uint16_t>(packet.packet_id));
  store.properties(packet.properties, plan);
  for (const SubscriptionRequest& request : packet.requests) {
    store.prefixed(request.filter);
    store.u8(options_byte(version, request.options));
  }
}

void write(ByteBuffer& out, ProtocolVersion version, const SubackPacket& packet,
           uint32_t packet_size_max) {
  if (has_properties(version)) {
    write_reasons(out, PacketType::kSuback, packet.packet_id, packet.reasons, packet.properties,
                  packet_size_max);
    return;
  }
  PacketStore store(out, PacketType::kSuback, 0, 2 + packet.reasons.size());
  store.u16(static_cast<uint16_t>(packet.packet_id));
  for (const ReasonCode reason : packet.reasons) store.u8(suback_code(version, reason));
}

void write(ByteBuffer& out, ProtocolVersion version, const UnsubscribePacket& packet) {
  const auto plan = PropertyPlan::of(version, packet.user_properties);
  std::size_t size = 2 + plan.size_with_length();
  for (const std::string_view filter : packet.filters) size += 2 + filter.size();
  PacketStore store(out, PacketType::kUnsubscribe, kReservedTwo, size);
  store.u16(static_cast<uint16_t>(packet.packet_id));
  store.properties(packet.user_properties, plan);
  for (const std::string_view filter : packet.filters) store.prefixed(filter);
}

void write(ByteBuffer& out, ProtocolVersion version, const UnsubackPacket& packet,
           uint32_t packet_size_max) {
  if (has_properties(version)) {
    write_reasons(out, PacketType::kUnsuback, packet.packet_id, packet.reasons, packet.properties,
                  packet_size_max);
  } else {
    PacketStore(out, PacketType::kUnsuback, 0, 2).u16(static_cast<uint16_t>(packet.packet_id));
  }
}

void write(ByteBuffer& out, const PingreqPacket&) {
  static_cast<void>(PacketStore(out, PacketType::kPingreq, 0, 0));
}

void write(ByteBuffer& out, const PingrespPacket&) {
  static_cast<void>(PacketStore(out, PacketType::kPingresp, 0, 0));
}

void write(ByteBuffer& out, ProtocolVersion version, const DisconnectPacket& packet,
           uint32_t packet_size_max) {
  if (has_properties(version)) {
    write_reason(out, PacketType::kDisconnect, 0, std::nullopt, packet.reason, packet.properties,
                 packet_size_max);
  } else {
    static_cast<void>(PacketStore(out, PacketType::kDisconnect, 0, 0));
  }
}

// Unlike its relatives it has its properties whenever it has its reason (section 3.15.2.1).
void write(ByteBuffer& out, const AuthPacket& packet) {
  const auto plan = PropertyPlan::of(ProtocolVersion::k5, packet.properties);
  const bool empty = packet.reason == ReasonCode::kSuccess && plan.size == 0;
  PacketStore store(out, PacketType::kAuth, 0, empty ? 0 : 1 + plan.size_with_length());
  if (empty) return;
  store.u8(static_cast<uint8_t>(packet.reason));
  store.properties(packet.properties, plan);
}

}  // namespace fairlead::mqtt
