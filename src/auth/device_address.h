#pragma once

#include <optional>
#include <string_view>

namespace fairlead {

// Whom a topic of the platform is addressed to. Views into the topic.
struct DeviceAddress {
  std::string_view product_key;
  std::string_view device_name;
};

// The device that a system topic names (reference: device protocol section 5.2):
//   /sys/pk/dn/...   /ota/device/KIND/pk/dn   /shadow/get/pk/dn   /ext/KIND/pk/dn[/...]
//   /ext/rrpc/ID/sys/pk/dn/...   /ext/rrpc/ID/pk/dn/...
// So a message finds a device that subscribes nothing itself (`_ss=1`) without a filter kept for
// each. nullopt for all other topics, judged by the first bytes. Allocates nothing.
[[nodiscard]] std::optional<DeviceAddress> addressed_device(std::string_view topic);

}  // namespace fairlead
