#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "proto/mqtt/message.h"
#include "proto/mqtt/writer.h"

namespace fairlead {

enum class Framing : uint8_t { kBare, kWebSocket };

// Puts messages on the wire: one MQTT packet in each WebSocket message. What a fan-out sends alike
// (protocol version, framing, QoS, flags, expiry) is encoded once, kept as an image, and copied,
// with its packet identifier patched in. Shard thread only; keeps its buffers.
class PublishEncoder {
 public:
  // A new message, for so many receivers: a single one gets no image.
  void begin(std::size_t receivers) {
    receivers_ = receivers;
    image_count_ = 0;
  }

  void append(ByteBuffer& out, Framing framing, const mqtt::Message& message,
              const mqtt::PublishForm& form);

 private:
  struct Image {
    mqtt::ProtocolVersion version{};
    Framing framing{};
    mqtt::Qos qos{};
    mqtt::Dup dup{};
    mqtt::Retain retain{};
    std::optional<uint32_t> expiry;
    std::size_t packet_id_at = 0;  // 0: none
    ByteBuffer bytes;
    [[nodiscard]] bool fits(Framing f, const mqtt::PublishForm& form) const;
  };

  static std::size_t encode(ByteBuffer& out, Framing framing, const mqtt::Message& message,
                            const mqtt::PublishForm& form);
  const Image* image_for(Framing framing, const mqtt::Message& message,
                         const mqtt::PublishForm& form);

  std::size_t receivers_ = 1;
  std::size_t image_count_ = 0;
  std::array<Image, 8> images_;
};

}  // namespace fairlead
