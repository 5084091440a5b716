#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "proto/mqtt/message.h"
#include "proto/mqtt/writer.h"
#include "proto/ws/deflate.h"

namespace fairlead {

enum class Framing : uint8_t {
  kBare,
  kWebSocket,
  kDeflated,  // WebSocket, compressed where that makes it smaller
};

// Puts messages on the wire: one MQTT packet in each WebSocket message. What a fan-out sends alike
// (protocol version, framing, QoS, flags, expiry) is encoded once, kept as an image, and copied,
// with its packet identifier patched in: a compressed image has everything up to the identifier as
// it is, and the rest compressed. Shard thread only; keeps its buffers.
class PublishEncoder {
 public:
  // Until end(), `message` goes to so many receivers: images of it are kept if there are several.
  // Any other message is encoded by itself: one that waited in a session may go out at any time.
  void begin(const mqtt::Message& message, std::size_t receivers) {
    shared_ = receivers > 1 ? &message : nullptr;
    image_count_ = 0;
  }
  void end() { shared_ = nullptr; }

  void append(ByteBuffer& out, Framing framing, const mqtt::Message& message,
              const mqtt::PublishForm& form);

  // One for all connections of the shard.
  [[nodiscard]] Deflater& deflater() { return deflater_; }

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

  std::size_t encode(ByteBuffer& out, Framing framing, const mqtt::Message& message,
                     const mqtt::PublishForm& form);
  std::size_t encode_deflated(ByteBuffer& out, const mqtt::Message& message,
                              const mqtt::PublishForm& form);
  const Image* image_for(Framing framing, const mqtt::Message& message,
                         const mqtt::PublishForm& form);

  const mqtt::Message* shared_ = nullptr;  // whose images they are
  std::size_t image_count_ = 0;
  std::array<Image, 8> images_;
  ByteBuffer packet_;  // what is to be compressed
  Deflater deflater_;
};

}  // namespace fairlead
