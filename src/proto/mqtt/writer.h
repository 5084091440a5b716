#pragma once

#include <span>

#include "base/bytes.h"
#include "proto/mqtt/message.h"
#include "proto/mqtt/packet.h"

// Packets to bytes, appended to a buffer. Properties are written in MQTT 5.0 only; reason codes
// are translated for 3.1 and 3.1.1 (CONNACK return codes 0 to 5, SUBACK 0x80).

namespace fairlead::mqtt {

// The size beyond which the peer accepts no packet (Maximum Packet Size). A writer that takes it
// leaves out user properties, then the reason string, rather than exceed it, and writes nothing
// when that is not enough (MQTT 5.0 section 3.1.2.11.4). Texts are at most 65,535 bytes long.
inline constexpr uint32_t kNoPacketSizeLimit = 0xffffffff;

void write(ByteBuffer& out, const ConnectPacket& packet);
void write(ByteBuffer& out, ProtocolVersion version, const ConnackPacket& packet,
           uint32_t packet_size_max = kNoPacketSizeLimit);
// As a client publishes it.
void write(ByteBuffer& out, ProtocolVersion version, const PublishPacket& packet);
void write(ByteBuffer& out, ProtocolVersion version, const AckPacket& packet,
           uint32_t packet_size_max = kNoPacketSizeLimit);
void write(ByteBuffer& out, ProtocolVersion version, const SubscribePacket& packet);
void write(ByteBuffer& out, ProtocolVersion version, const SubackPacket& packet,
           uint32_t packet_size_max = kNoPacketSizeLimit);
void write(ByteBuffer& out, ProtocolVersion version, const UnsubscribePacket& packet);
void write(ByteBuffer& out, ProtocolVersion version, const UnsubackPacket& packet,
           uint32_t packet_size_max = kNoPacketSizeLimit);
void write(ByteBuffer& out, const PingreqPacket& packet);
void write(ByteBuffer& out, const PingrespPacket& packet);
void write(ByteBuffer& out, ProtocolVersion version, const DisconnectPacket& packet,
           uint32_t packet_size_max = kNoPacketSizeLimit);
void write(ByteBuffer& out, const AuthPacket& packet);

// How a message leaves for one receiver. All receivers with the same values but for the packet
// identifier share the bytes.
struct PublishForm {
  ProtocolVersion version = ProtocolVersion::k311;
  Qos qos = Qos::kAtMostOnce;
  Dup dup = Dup::kNo;
  Retain retain = Retain::kNo;
  PacketId packet_id{};                            // QoS 1 and 2
  std::optional<uint32_t> message_expiry_seconds;  // what is left of it; 5.0 only
  std::optional<uint16_t> topic_alias;             // 5.0 only
  enum class Topic : uint8_t { kWritten, kByAlias } topic = Topic::kWritten;
  std::span<const uint32_t> subscription_identifiers;  // 5.0 only
};

// The size of the whole packet: what a WebSocket header in front of it must say.
[[nodiscard]] std::size_t publish_size(const Message& message, const PublishForm& form);

// Appends exactly publish_size() bytes. Returns where, counted from the packet's first byte, the
// packet identifier stands, or 0 when there is none: to be patched for the next receiver.
std::size_t write_publish(ByteBuffer& out, const Message& message, const PublishForm& form);

}  // namespace fairlead::mqtt
