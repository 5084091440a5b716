#pragma once

#include "proto/mqtt/reader.h"
#include "proto/mqtt/writer.h"

// For tests and fuzzing: one packet read and written again. What is read and written twice must
// not change any more.

namespace fairlead::mqtt::testing {

template <class Packet, class... Version>
[[nodiscard]] Result<ByteBuffer> written(const Result<Packet>& packet, Version... version) {
  if (!packet) return packet.error();
  ByteBuffer out;
  write(out, version..., *packet);
  return out;
}

[[nodiscard]] inline Result<ByteBuffer> rewrite(ProtocolVersion version, const FixedHeader& header,
                                                Bytes body) {
  switch (header.type) {
    case PacketType::kConnect:
      return written(read_connect(body));
    case PacketType::kConnack:
      return written(read_connack(version, body), version);
    case PacketType::kPublish:
      return written(read_publish(version, header.flags, body), version);
    case PacketType::kPuback:
    case PacketType::kPubrec:
    case PacketType::kPubrel:
    case PacketType::kPubcomp:
      return written(read_ack(version, header.type, body), version);
    case PacketType::kSubscribe:
      return written(read_subscribe(version, body), version);
    case PacketType::kSuback:
      return written(read_suback(version, body), version);
    case PacketType::kUnsubscribe:
      return written(read_unsubscribe(version, body), version);
    case PacketType::kUnsuback:
      return written(read_unsuback(version, body), version);
    case PacketType::kPingreq:
    case PacketType::kPingresp: {
      const Status empty = read_empty(header.type, body);
      if (!empty) return empty.error();
      ByteBuffer out;
      if (header.type == PacketType::kPingreq) write(out, PingreqPacket{});
      if (header.type == PacketType::kPingresp) write(out, PingrespPacket{});
      return out;
    }
    case PacketType::kDisconnect:
      return written(read_disconnect(version, body), version);
    case PacketType::kAuth:
      return written(read_auth(version, body));
  }
  unreachable();
}

// The packet at the front of `wire`, written again; nullopt while it is not complete.
[[nodiscard]] inline Result<std::optional<ByteBuffer>> rewrite(ProtocolVersion version,
                                                               Bytes wire) {
  using Wire = std::optional<ByteBuffer>;
  const auto header = read_fixed_header(wire, kVarintMax, version);
  if (!header) return header.error();
  if (!*header || (*header)->packet_size() > wire.size()) return Wire{};
  auto again =
      rewrite(version, **header, wire.subspan((*header)->header_size, (*header)->remaining_length));
  if (!again) return again.error();
  return Wire{std::move(*again)};
}

}  // namespace fairlead::mqtt::testing
