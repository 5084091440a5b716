#pragma once

#include <bitset>
#include <cstdint>

#include "proto/mqtt/packet.h"

namespace fairlead::sdk {

// Packet identifiers of one client: shared by PUBLISH, SUBSCRIBE and UNSUBSCRIBE (MQTT 5.0 section
// 2.2.1). Given out in a circle, so that one comes again as late as possible.
class PacketIds {
 public:
  static constexpr std::size_t kCountMax = 65'535;

  [[nodiscard]] std::size_t taken_count() const { return taken_count_; }

  // Only while taken_count() < kCountMax.
  [[nodiscard]] mqtt::PacketId take() {
    FL_ASSERT(taken_count_ < kCountMax);
    do {
      last_ = last_ == kCountMax ? 1 : last_ + 1;
    } while (taken_[last_]);
    taken_[last_] = true;
    ++taken_count_;
    return mqtt::PacketId{static_cast<uint16_t>(last_)};
  }
  void give_back(mqtt::PacketId id) {
    const auto index = static_cast<std::size_t>(id);
    FL_ASSERT(taken_[index]);
    taken_[index] = false;
    --taken_count_;
  }

 private:
  std::bitset<kCountMax + 1> taken_;
  std::size_t last_ = 0;
  std::size_t taken_count_ = 0;
};

}  // namespace fairlead::sdk
