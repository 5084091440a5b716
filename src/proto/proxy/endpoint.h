#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace fairlead {

// An address and a port as a proxy tells them. A value. IPv4-mapped IPv6 addresses (RFC 4291
// section 2.5.5.2) are IPv4 here: a proxy with one socket for both families writes either, and
// limits must count them as one.
struct ProxyEndpoint {
  enum class Family : uint8_t { kNone, kIpv4, kIpv6 };

  std::array<uint8_t, 16> address{};  // network order; the first 4 for IPv4
  Family family = Family::kNone;
  uint16_t port = 0;

  // From 4 or 16 bytes in network order; nullopt for any other count.
  static std::optional<ProxyEndpoint> from_ip(Bytes ip, uint16_t port = 0);
  // "192.0.2.1" or "2001:db8::1": no brackets, no port, no zone, nothing around it.
  static std::optional<ProxyEndpoint> parse_ip(std::string_view ip, uint16_t port = 0);

  // 4 or 16 bytes, network order; none without a family.
  [[nodiscard]] Bytes ip() const;
  // "192.0.2.1:443", "[2001:db8::1]:443", or "unknown".
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::string ip_text() const;  // without the port
  friend bool operator==(const ProxyEndpoint&, const ProxyEndpoint&) = default;
};

}  // namespace fairlead
