#pragma once

#include <cstdint>
#include <variant>

#include "base/bytes.h"
#include "base/result.h"
#include "proto/proxy/endpoint.h"

// The header that a load balancer puts before the first byte of a connection: the PROXY protocol,
// version 1 (a line of text) and version 2 (binary), as haproxy's doc/proxy-protocol.txt defines
// it. Only to be asked for on listeners that expect it, from addresses that are trusted.

namespace fairlead {

struct ProxyHeader {
  enum class Kind : uint8_t {
    kProxied,  // source and destination are those of the client's connection
    kLocal,    // the balancer itself is talking (a health check): use the socket's addresses
    kUnknown,  // the balancer does not say, or the addresses are of no family of ours
  };

  Kind kind = Kind::kUnknown;
  ProxyEndpoint source;
  ProxyEndpoint destination;
  std::size_t size = 0;  // bytes of the header, to be consumed
};

struct ProxyNeedsMore {};

using ProxyParse = std::variant<ProxyNeedsMore, ProxyHeader, Reject>;

inline constexpr std::size_t kProxyV1SizeMax = 107;
inline constexpr std::size_t kProxyV2SizeMax = 536 + 4096;  // addresses, and up to 4 KiB of TLVs

// `in` is everything received so far. Any split gives the same answer; a header that cannot become
// valid is refused as soon as that is known. TLVs are walked, lengths and checksum verified.
[[nodiscard]] ProxyParse parse_proxy_header(Bytes in);

}  // namespace fairlead
