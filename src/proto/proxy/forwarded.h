#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "proto/proxy/endpoint.h"
#include "proto/proxy/trusted_networks.h"

// Who an HTTP request came from by the word of the proxies on its way: X-Forwarded-For and
// X-Real-IP, which no standard defines and every proxy writes. Only to be asked when the peer is a
// trusted proxy itself. Pure.

namespace fairlead {

// Which header the trusted proxies of a listener write. One, because a proxy that sets one of them
// often passes on the other as the client has sent it.
enum class ForwardedHeader : uint8_t { kNone, kXForwardedFor, kXRealIp };

// No proxy has said anything.
struct ForwardedNothing {};
// What stands in the place of an address is none: the sentence quotes it.
struct ForwardedGarbage {
  std::string sentence;
};
using Forwarded = std::variant<ForwardedNothing, ProxyEndpoint, ForwardedGarbage>;

// `hops` are the elements of all header lines in their order: each proxy appends who it was talked
// to by. Read from the right, the first address that is no trusted proxy is the client; what stands
// left of it is the client's own word and not looked at. When all are trusted, the leftmost.
// "192.0.2.1", "192.0.2.1:5000", "2001:db8::1", "[2001:db8::1]" and "[2001:db8::1]:5000" are
// understood; the port is 0 when there is none.
[[nodiscard]] Forwarded read_forwarded_for(std::span<const std::string_view> hops,
                                           const TrustedNetworks& trusted);

// `lines` are the values of X-Real-IP: one, or it is garbage.
[[nodiscard]] Forwarded read_real_ip(std::span<const std::string_view> lines);

}  // namespace fairlead
