#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "proto/mqtt/packet.h"

// Bytes to packets (MQTT 3.1, 3.1.1 and 5.0, chapters 2 and 3), for servers and for clients. The
// caller keeps an incomplete packet; every function looks at whole packets only, keeps nothing,
// and allocates nothing but the lists of SUBSCRIBE, SUBACK and UNSUBSCRIBE.
// A Reject carries kMalformedPacket, kProtocolError, kPacketTooLarge, kUnsupportedProtocolVersion
// or the closer code that the specification names, and a sentence that begins with the packet's
// name and says what was wrong.

namespace fairlead::mqtt {

struct FixedHeader {
  PacketType type{};
  uint8_t flags = 0;              // low nibble, checked against the type
  uint8_t header_size = 0;        // 2 to 5
  uint32_t remaining_length = 0;  // bytes after the header
  [[nodiscard]] std::size_t packet_size() const { return header_size + remaining_length; }
};

// The header at the front of `bytes`; nullopt when it is not complete yet. Refuses reserved types
// and flags, and lengths of five bytes, or over packet_size_max, as soon as that can be seen.
// `version` is what CONNECT agreed on, if it is known: 3.1 has no reserved flags (its SUBSCRIBE may
// be a duplicate), and AUTH is refused by read_auth.
[[nodiscard]] Result<std::optional<FixedHeader>> read_fixed_header(
    Bytes bytes, std::size_t packet_size_max, ProtocolVersion version = ProtocolVersion::k5);

// `body` holds exactly remaining_length bytes.
[[nodiscard]] Result<ConnectPacket> read_connect(Bytes body);
[[nodiscard]] Result<ConnackPacket> read_connack(ProtocolVersion version, Bytes body);
[[nodiscard]] Result<PublishPacket> read_publish(ProtocolVersion version, uint8_t flags,
                                                 Bytes body);
[[nodiscard]] Result<AckPacket> read_ack(ProtocolVersion version, PacketType type, Bytes body);
[[nodiscard]] Result<SubscribePacket> read_subscribe(ProtocolVersion version, Bytes body);
[[nodiscard]] Result<SubackPacket> read_suback(ProtocolVersion version, Bytes body);
[[nodiscard]] Result<UnsubscribePacket> read_unsubscribe(ProtocolVersion version, Bytes body);
[[nodiscard]] Result<UnsubackPacket> read_unsuback(ProtocolVersion version, Bytes body);
[[nodiscard]] Result<DisconnectPacket> read_disconnect(ProtocolVersion version, Bytes body);
[[nodiscard]] Result<AuthPacket> read_auth(ProtocolVersion version, Bytes body);
// PINGREQ and PINGRESP, which have no body.
[[nodiscard]] Status read_empty(PacketType type, Bytes body);

// What Message::properties() says, read back: for a store that kept those bytes. The views lie in
// `block`. Rejects a block that is damaged.
[[nodiscard]] Result<PublishProperties> read_message_properties(Bytes block);

// The version that a CONNECT asks for, judged from its first bytes, so that a refusal can be
// written in it; nullopt when it cannot be told (the peer then gets 3.1.1's form or nothing).
[[nodiscard]] std::optional<ProtocolVersion> peek_version(Bytes body);

}  // namespace fairlead::mqtt
