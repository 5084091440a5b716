// A stream of MQTT packets. The first byte selects the version; whatever parses is written again,
// and that must read back and be written equal.

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
    check_message(version, **header, body);
    const auto once = testing::rewrite(version, **header, body);
    if (!once) return 0;
    const auto twice = testing::rewrite(version, once->view());
    FL_ASSERT(twice.ok() && *twice);
    FL_ASSERT(std::ranges::equal(once->view(), (*twice)->view()));
    stream = stream.subspan((*header)->packet_size());
  }
  return 0;
}
