#include "proto/mqtt/packet_store.h"
#include "proto/mqtt/writer.h"

// CONNECT and CONNACK (MQTT 3.1 and 3.1.1, 5.0: sections 3.1 and 3.2).

namespace fairlead::mqtt {
namespace {

using detail::has_properties;
using detail::PacketStore;
using detail::PropertyPlan;

[[nodiscard]] std::string_view protocol_name(ProtocolVersion version) {
  return version == ProtocolVersion::k31 ? "MQIsdp" : "MQTT";
}

[[nodiscard]] uint8_t connect_flags(const ConnectPacket& packet) {
  unsigned flags = packet.clean_start == CleanStart::kYes ? 0x02 : 0;
  if (packet.will) {
    flags |= 0x04 | (static_cast<unsigned>(packet.will->qos) << 3);
    if (packet.will->retain == Retain::kYes) flags |= 0x20;
  }
  if (packet.password) flags |= 0x40;
  if (packet.user_name) flags |= 0x80;
  return static_cast<uint8_t>(flags);
}

// The return codes of MQTT 3.1.1 section 3.2.2.3: the nearest that says what the client can do.
[[nodiscard]] uint8_t return_code(ReasonCode reason) {
  switch (reason) {
    case ReasonCode::kSuccess:
      return 0;
    case ReasonCode::kUnsupportedProtocolVersion:
      return 1;
    case ReasonCode::kClientIdentifierNotValid:
      return 2;
    case ReasonCode::kBadUserNameOrPassword:
    case ReasonCode::kBadAuthenticationMethod:
      return 4;
    case ReasonCode::kNotAuthorized:
    case ReasonCode::kBanned:
      return 5;
    default:
      return 3;  // server unavailable: of all others the peer can know no more
  }
}

}  // namespace

void write(ByteBuffer& out, const ConnectPacket& packet) {
  const std::string_view name = protocol_name(packet.version);
  const auto plan = PropertyPlan::of(packet.version, packet.properties);
  PropertyPlan will_plan;
  std::size_t size = 2 + name.size() + 4 + plan.size_with_length() + 2 + packet.client_id.size();
  if (packet.will) {
    will_plan = PropertyPlan::of(packet.version, packet.will->properties);
    size += will_plan.size_with_length() + 4;
    size += packet.will->topic.size() + packet.will->payload.size();
  }
  if (packet.user_name) size += 2 + packet.user_name->size();
  if (packet.password) size += 2 + packet.password->size();

  PacketStore store(out, PacketType::kConnect, 0, size);
  store.prefixed(name);
  store.u8(static_cast<uint8_t>(packet.version));
  store.u8(connect_flags(packet));
  store.u16(packet.keep_alive_seconds);
  store.properties(packet.properties, plan);
  store.prefixed(packet.client_id);
  if (packet.will) {
    store.properties(packet.will->properties, will_plan);
    store.prefixed(packet.will->topic);
    store.prefixed(packet.will->payload);
  }
  if (packet.user_name) store.prefixed(*packet.user_name);
  if (packet.password) store.prefixed(*packet.password);
}

void write(ByteBuffer& out, ProtocolVersion version, const ConnackPacket& packet,
           uint32_t packet_size_max) {
  const bool present = packet.session_present == ConnackPacket::SessionPresent::kYes;
  if (!has_properties(version)) {
    PacketStore store(out, PacketType::kConnack, 0, 2);
    store.u8(present && version != ProtocolVersion::k31 ? 1 : 0);  // 3.1 does not know it
    store.u8(return_code(packet.reason));
    return;
  }
  auto body_size = [](std::size_t properties_size) {
    return 2 + varint_size(properties_size) + properties_size;
  };
  const auto plan = detail::plan_properties(packet.properties, packet_size_max, body_size);
  if (!plan) return;
  PacketStore store(out, PacketType::kConnack, 0, body_size(plan->size));
  store.u8(present ? 1 : 0);
  store.u8(static_cast<uint8_t>(packet.reason));
  store.properties(packet.properties, *plan);
}

}  // namespace fairlead::mqtt
