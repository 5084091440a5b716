#pragma once

#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/time.h"
#include "proto/mqtt/message.h"
#include "proto/mqtt/packet.h"

namespace fairlead {

// The will of a CONNECT, copied out of the receive buffer: becomes a message only when it is
// published, because its expiry runs from then (MQTT 5.0 section 3.1.3.2.4).
class StoredWill {
 public:
  explicit StoredWill(const mqtt::Will& will);
  StoredWill(const StoredWill&) = delete;
  StoredWill& operator=(const StoredWill&) = delete;

  [[nodiscard]] const mqtt::Will& will() const { return will_; }
  [[nodiscard]] std::string_view topic() const { return will_.topic; }
  [[nodiscard]] uint32_t delay_seconds() const {
    return will_.properties.will_delay_seconds.value_or(0);
  }
  [[nodiscard]] mqtt::MessageRef publish(mqtt::Message::SenderId sender, Instant now) const;

  // When it is published; nullopt while its connection lives.
  [[nodiscard]] std::optional<Instant> due() const { return due_; }
  void wait_until(Instant due) { due_ = due; }

 private:
  ByteBuffer storage_;
  mqtt::Will will_;  // views into storage_
  std::optional<Instant> due_;
};

}  // namespace fairlead
