#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "proto/proxy/endpoint.h"

namespace fairlead {

// The networks whose proxies are believed when they say who a client is. Immutable once parsed,
// so any thread may ask. Empty: nobody is believed.
class TrustedNetworks {
 public:
  TrustedNetworks() = default;
  // Each entry is an address or a range in CIDR form: "192.0.2.1", "10.0.0.0/8", "2001:db8::/32".
  // A range begins at its first address: "10.0.0.1/8" is refused, because it is not clear which of
  // the two was meant. The sentence of an error quotes the entry.
  [[nodiscard]] static Result<TrustedNetworks> parse(std::span<const std::string> entries);

  // `ip` has 4 or 16 bytes; an IPv4-mapped IPv6 address counts as the IPv4 one, and ranges of IPv6
  // never hold IPv4. Cost: one comparison for each entry.
  [[nodiscard]] bool contains(Bytes ip) const;
  [[nodiscard]] bool empty() const { return ranges_.empty(); }

 private:
  struct Range {
    ProxyEndpoint first;
    unsigned bits = 0;  // of the address, from its front, that are the network's
  };
  static Result<Range> parse_range(const std::string& entry);

  std::vector<Range> ranges_;
};

}  // namespace fairlead
