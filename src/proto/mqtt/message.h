#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/ref.h"
#include "base/time.h"
#include "proto/mqtt/packet.h"

namespace fairlead::mqtt {

// An application message on its way, made once from a PUBLISH (or a will, or by a service) and
// shared by all who wait for it, on every shard. Immutable. One allocation holds it whole: topic,
// the properties that are passed through (MQTT 5.0 section 3.3.2.3: payload format, response
// topic, correlation data, content type, user properties, encoded), and payload.
class Message final : public RefCounted<Message> {
 public:
  // Where it came from, for No Local; 0 for a message of the server's own.
  using SenderId = uint64_t;
  static constexpr Instant kNever = Instant::max();

  struct Parts {
    std::string_view topic = {};
    Bytes payload = {};
    Qos qos = Qos::kAtMostOnce;   // the publisher's
    Retain retain = Retain::kNo;  // as published
    Instant expires_at = kNever;  // message expiry, from when it was received
    SenderId sender = 0;
    const PublishProperties* properties = nullptr;  // what is passed through is copied
  };
  [[nodiscard]] static Ref<const Message> make(const Parts& parts);

  [[nodiscard]] std::string_view topic() const;
  [[nodiscard]] Bytes properties() const;  // encoded, without a length in front
  [[nodiscard]] Bytes payload() const;
  [[nodiscard]] Qos qos() const { return qos_; }
  [[nodiscard]] Retain retain() const { return retain_; }
  [[nodiscard]] SenderId sender() const { return sender_; }
  [[nodiscard]] Instant expires_at() const { return expires_at_; }
  [[nodiscard]] bool expired(Instant now) const { return now >= expires_at_; }
  // What it costs in memory, for limits in bytes.
  [[nodiscard]] std::size_t footprint() const;

  static void destroy(const Message* message);

 private:
  Message() = default;
  [[nodiscard]] const std::byte* tail() const {
    return reinterpret_cast<const std::byte*>(this + 1);
  }

  SenderId sender_ = 0;
  Instant expires_at_ = kNever;
  uint32_t payload_size_ = 0;
  uint32_t properties_size_ = 0;
  uint16_t topic_size_ = 0;
  Qos qos_ = Qos::kAtMostOnce;
  Retain retain_ = Retain::kNo;
};

using MessageRef = Ref<const Message>;

}  // namespace fairlead::mqtt
