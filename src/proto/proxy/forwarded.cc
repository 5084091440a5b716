#include "proto/proxy/forwarded.h"

#include <optional>

#include "base/number.h"

namespace fairlead {
namespace {

constexpr std::size_t kQuotedMax = 64;

ForwardedGarbage garbage(std::string_view header, std::string_view text) {
  return {std::string(header) + ": \"" + std::string(text.substr(0, kQuotedMax)) +
          "\" is no address"};
}

std::optional<ProxyEndpoint> parse_hop(std::string_view hop) {
  if (auto bare = ProxyEndpoint::parse_ip(hop)) return bare;
  std::string_view ip = hop;
  std::string_view port;
  bool has_port = false;
  if (hop.starts_with('[')) {
    const std::size_t close = hop.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    ip = hop.substr(1, close - 1);
    if (ip.find(':') == std::string_view::npos) return std::nullopt;  // brackets are for IPv6
    const std::string_view behind = hop.substr(close + 1);
    if (!behind.empty() && behind[0] != ':') return std::nullopt;
    has_port = !behind.empty();
    port = has_port ? behind.substr(1) : behind;
  } else {
    const std::size_t colon = hop.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    ip = hop.substr(0, colon);
    port = hop.substr(colon + 1);
    has_port = true;
  }
  const auto number = has_port ? parse_plain_number<uint16_t>(port) : std::optional<uint16_t>{0};
  return number ? ProxyEndpoint::parse_ip(ip, *number) : std::nullopt;
}

}  // namespace

Forwarded read_forwarded_for(std::span<const std::string_view> hops,
                             const TrustedNetworks& trusted) {
  if (hops.empty()) return ForwardedNothing{};
  ProxyEndpoint client;
  for (std::size_t left = hops.size(); left > 0; --left) {
    const auto hop = parse_hop(hops[left - 1]);
    if (!hop) return garbage("X-Forwarded-For", hops[left - 1]);
    client = *hop;
    if (!trusted.contains(hop->ip())) break;
  }
  return client;
}

Forwarded read_real_ip(std::span<const std::string_view> lines) {
  if (lines.empty()) return ForwardedNothing{};
  if (lines.size() > 1) return ForwardedGarbage{"X-Real-IP: more than one address"};
  const auto address = parse_hop(lines[0]);
  if (!address) return garbage("X-Real-IP", lines[0]);
  return *address;
}

}  // namespace fairlead
