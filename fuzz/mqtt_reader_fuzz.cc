// A stream of MQTT packets. The first byte selects the version; whatever parses is written again,
// and that must read back and be written equal. A header is never seen before it is complete, and
// what is written for a peer with a Maximum Packet Size keeps to it and can be read.

#include <algorithm>
#include <cstdint>

#include "proto/mqtt/test_rewrite.h"

namespace {

using namespace fairlead;
using namespace fairlead::mqtt;

// Walks the views that a packet consists of, so that the sanitizer sees where they lie.
void check_message(ProtocolVersion version, const FixedHeader& header, Bytes body) {
  if (header.type != PacketType::kPublish) return;
  const auto packet = read_publish(version, header.flags, body);
  if (!packet || packet->topic.empty()) return;
  const MessageRef message = Message::make({.topic = packet->topic,
                                            .payload = packet->payload,
                                            .qos = packet->qos,
                                            .retain = packet->retain,
                                            .properties = &packet->properties});
  PublishForm form;
  form.version = version;
  form.qos = packet->qos;
  form.packet_id = packet->packet_id;
  ByteBuffer out;
  write_publish(out, *message, form);
  FL_ASSERT(out.size() == publish_size(*message, form));
  const auto again = read_fixed_header(out.view(), kVarintMax);
  FL_ASSERT(again.ok() && *again && (*again)->packet_size() == out.size());
  const auto sent =
      read_publish(version, (*again)->flags, out.view().subspan((*again)->header_size));
  FL_ASSERT(sent.ok() && sent->topic == packet->topic);
  FL_ASSERT(std::ranges::equal(sent->payload, packet->payload));
}

// Of a header's bytes, one by one: nothing until it is complete, then always the same.
void check_header(ProtocolVersion version, Bytes stream, const FixedHeader& header) {
  for (std::size_t size = 0; size < header.header_size; ++size) {
    const auto early = read_fixed_header(stream.first(size), kVarintMax, version);
    FL_ASSERT(early.ok() && !*early);
  }
  const auto exact = read_fixed_header(stream.first(header.header_size), kVarintMax, version);
  FL_ASSERT(exact.ok() && *exact && (*exact)->packet_size() == header.packet_size());
  const std::size_t limit = header.packet_size();
  FL_ASSERT(read_fixed_header(stream, limit, version).ok());
  const auto refused = read_fixed_header(stream, limit - 1, version);
  FL_ASSERT(!refused && refused.error().code == ReasonCode::kPacketTooLarge);
}

template <class Packet>
void check_limits(ProtocolVersion version, const Result<Packet>& packet) {
  if (!packet) return;
  ByteBuffer whole;
  write(whole, version, *packet);
  const auto size = static_cast<uint32_t>(whole.size());
  for (const uint32_t limit : {size, size - 1, size / 2, uint32_t{4}}) {
    ByteBuffer out;
    write(out, version, *packet, limit);
    FL_ASSERT(out.size() <= limit && (limit < size || out.size() == size));
    if (out.empty()) continue;
    const auto again = testing::rewrite(version, out.view());
    FL_ASSERT(again.ok() && *again);
  }
}

// What a server may send to a client that has a Maximum Packet Size, which only 5.0 knows.
void check_limited(ProtocolVersion version, PacketType type, Bytes body) {
  if (version != ProtocolVersion::k5) return;
  switch (type) {
    case PacketType::kConnack:
      return check_limits(version, read_connack(version, body));
    case PacketType::kPuback:
    case PacketType::kPubrec:
    case PacketType::kPubrel:
    case PacketType::kPubcomp:
      return check_limits(version, read_ack(version, type, body));
    case PacketType::kSuback:
      return check_limits(version, read_suback(version, body));
    case PacketType::kUnsuback:
      return check_limits(version, read_unsuback(version, body));
    case PacketType::kDisconnect:
      return check_limits(version, read_disconnect(version, body));
    default:
      return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  constexpr ProtocolVersion kVersions[] = {ProtocolVersion::k31, ProtocolVersion::k311,
                                           ProtocolVersion::k5};
  const ProtocolVersion version = kVersions[data[0] % 3];
  Bytes stream(reinterpret_cast<const std::byte*>(data + 1), size - 1);
  while (!stream.empty()) {
    const auto header = read_fixed_header(stream, kVarintMax, version);
    if (!header || !*header || (*header)->packet_size() > stream.size()) return 0;
    const Bytes body = stream.subspan((*header)->header_size, (*header)->remaining_length);
    if ((*header)->type == PacketType::kConnect) static_cast<void>(peek_version(body));
    check_header(version, stream, **header);
    check_message(version, **header, body);
    check_limited(version, (*header)->type, body);
    const auto once = testing::rewrite(version, **header, body);
    if (!once) return 0;
    const auto twice = testing::rewrite(version, once->view());
    FL_ASSERT(twice.ok() && *twice);
    FL_ASSERT(std::ranges::equal(once->view(), (*twice)->view()));
    stream = stream.subspan((*header)->packet_size());
  }
  return 0;
}
