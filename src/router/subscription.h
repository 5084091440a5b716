#pragma once

#include <cstdint>

#include "proto/mqtt/packet.h"

namespace fairlead {

// The slot of a session in its shard. Slots are small numbers, reused after a session has gone.
enum class SubscriberId : uint32_t {};

// One subscription, as an index keeps it; the filter is the index's key. Twelve bytes, by value.
struct Subscription {
  SubscriberId subscriber{};
  uint32_t identifier = 0;  // Subscription Identifier of MQTT 5.0 section 3.8.2.1.2; 0: none
  mqtt::SubscriptionOptions options;
  friend bool operator==(const Subscription&, const Subscription&) = default;
};
static_assert(sizeof(Subscription) == 12, "times the subscriptions of all devices");

// What adding to an index did.
enum class Added : uint8_t { kNew, kReplaced };

}  // namespace fairlead
