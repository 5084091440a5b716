#include "auth/device_address.h"

namespace fairlead {
namespace {

// Takes the level in front of `rest`, which begins after a slash; empty when there is none.
std::string_view take_level(std::string_view& rest) {
  const auto slash = rest.find('/');
  std::string_view level = rest.substr(0, slash);
  rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  return level;
}

std::optional<DeviceAddress> take_names(std::string_view rest) {
  DeviceAddress address;
  address.product_key = take_level(rest);
  address.device_name = take_level(rest);
  if (address.product_key.empty() || address.device_name.empty()) return std::nullopt;
  return address;
}

// Behind /ext/.
std::optional<DeviceAddress> ext_address(std::string_view rest) {
  if (take_level(rest) != "rrpc") return take_names(rest);
  (void)take_level(rest);                            // message id
  if (rest.starts_with('/')) rest.remove_prefix(1);  // some libraries double the slash
  if (rest.starts_with("sys/")) rest.remove_prefix(4);
  return take_names(rest);
}

}  // namespace

std::optional<DeviceAddress> addressed_device(std::string_view topic) {
  if (topic.starts_with("/sys/")) return take_names(topic.substr(5));
  if (topic.starts_with("/ext/")) return ext_address(topic.substr(5));
  if (topic.starts_with("/shadow/get/")) return take_names(topic.substr(12));
  if (topic.starts_with("/ota/device/")) {
    std::string_view rest = topic.substr(12);
    (void)take_level(rest);
    return take_names(rest);
  }
  return std::nullopt;
}

}  // namespace fairlead
