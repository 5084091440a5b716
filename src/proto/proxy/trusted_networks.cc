#include "proto/proxy/trusted_networks.h"

#include <algorithm>
#include <optional>

#include "base/number.h"

namespace fairlead {
namespace {

constexpr unsigned kIpv4Bits = 32;
constexpr unsigned kIpv6Bits = 128;
constexpr unsigned kMappedBits = 96;  // in front of the IPv4 address in a mapped one

Reject wrong(const std::string& entry, const std::string& why) {
  return {ReasonCode::kImplementationSpecificError, "\"" + entry + "\" " + why};
}

unsigned bits_of(const ProxyEndpoint& endpoint) {
  return endpoint.family == ProxyEndpoint::Family::kIpv4 ? kIpv4Bits : kIpv6Bits;
}

// The address with everything behind its first `bits` set to zero.
ProxyEndpoint masked(ProxyEndpoint endpoint, unsigned bits) {
  for (unsigned i = 0; i < endpoint.address.size(); ++i) {
    const unsigned kept = std::clamp(bits, 8 * i, 8 * i + 8) - 8 * i;
    endpoint.address[i] = static_cast<uint8_t>(endpoint.address[i] & (0xff00u >> kept));
  }
  return endpoint;
}

}  // namespace

Result<TrustedNetworks::Range> TrustedNetworks::parse_range(const std::string& entry) {
  const std::size_t slash = entry.find('/');
  const std::string ip = entry.substr(0, slash);
  const auto address = ProxyEndpoint::parse_ip(ip);
  if (!address) {
    return wrong(entry,
                 "is no IPv4 or IPv6 address and no range of them, as 10.0.0.1, 10.0.0.0/8 or "
                 "2001:db8::/32");
  }
  if (slash == std::string::npos) return Range{*address, bits_of(*address)};
  const bool mapped =
      address->family == ProxyEndpoint::Family::kIpv4 && ip.find(':') != std::string::npos;
  const unsigned most = mapped ? kIpv6Bits : bits_of(*address);
  const unsigned least = mapped ? kMappedBits : 0;
  const auto bits = parse_plain_number<unsigned>(std::string_view(entry).substr(slash + 1));
  if (!bits || *bits < least || *bits > most) {
    return wrong(entry, "must have a number from " + std::to_string(least) + " to " +
                            std::to_string(most) + " behind the slash");
  }
  const Range range{*address, *bits - least};
  if (const ProxyEndpoint first = masked(*address, range.bits); first != *address) {
    return wrong(entry, "does not begin its range; write " + first.ip_text() + "/" +
                            std::to_string(range.bits) + " for the range, or " +
                            address->ip_text() + " for the address");
  }
  return range;
}

Result<TrustedNetworks> TrustedNetworks::parse(std::span<const std::string> entries) {
  TrustedNetworks networks;
  for (const std::string& entry : entries) {
    auto range = parse_range(entry);
    if (!range) return range.error();
    networks.ranges_.push_back(*range);
  }
  return networks;
}

bool TrustedNetworks::contains(Bytes ip) const {
  const auto asked = ProxyEndpoint::from_ip(ip);
  return asked && std::ranges::any_of(ranges_, [&](const Range& range) {
           return range.first.family == asked->family &&
                  masked(*asked, range.bits).address == range.first.address;
         });
}

}  // namespace fairlead
