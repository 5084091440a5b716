#include "proto/proxy/endpoint.h"

#include <arpa/inet.h>

#include <algorithm>

namespace fairlead {
namespace {

constexpr std::size_t kIpv4Size = 4;
constexpr std::size_t kIpv6Size = 16;
constexpr std::array<uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

std::optional<ProxyEndpoint> ProxyEndpoint::from_ip(Bytes ip, uint16_t port) {
  if (ip.size() != kIpv4Size && ip.size() != kIpv6Size) return std::nullopt;
  std::array<uint8_t, kIpv6Size> raw{};
  std::transform(ip.begin(), ip.end(), raw.begin(), std::to_integer<uint8_t>);
  ProxyEndpoint made;
  made.port = port;
  made.family = ip.size() == kIpv4Size ? Family::kIpv4 : Family::kIpv6;
  if (made.family == Family::kIpv6 && std::equal(kMapped.begin(), kMapped.end(), raw.begin())) {
    made.family = Family::kIpv4;
    std::copy(raw.begin() + kMapped.size(), raw.end(), made.address.begin());
  } else {
    made.address = raw;
  }
  return made;
}

std::optional<ProxyEndpoint> ProxyEndpoint::parse_ip(std::string_view ip, uint16_t port) {
  const std::string text(ip);
  if (text.find('\0') != std::string::npos) return std::nullopt;
  std::array<std::byte, kIpv6Size> raw{};
  if (inet_pton(AF_INET, text.c_str(), raw.data()) == 1) {
    return from_ip(Bytes(raw).first(kIpv4Size), port);
  }
  if (inet_pton(AF_INET6, text.c_str(), raw.data()) == 1) return from_ip(raw, port);
  return std::nullopt;
}

Bytes ProxyEndpoint::ip() const {
  const std::size_t size = family == Family::kNone   ? 0
                           : family == Family::kIpv4 ? kIpv4Size
                                                     : kIpv6Size;
  return std::as_bytes(std::span(address)).first(size);
}

std::string ProxyEndpoint::ip_text() const {
  if (family == Family::kNone) return "unknown";
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(family == Family::kIpv4 ? AF_INET : AF_INET6, address.data(), text, sizeof text);
  return text;
}

std::string ProxyEndpoint::text() const {
  if (family == Family::kNone) return "unknown";
  const std::string ip = ip_text();
  return (family == Family::kIpv4 ? ip : "[" + ip + "]") + ":" + std::to_string(port);
}

}  // namespace fairlead
