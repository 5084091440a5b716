#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/tcp.h"
#include "net/tls_context.h"
#include "proto/proxy/forwarded.h"
#include "proto/proxy/trusted_networks.h"
#include "router/retained.h"
#include "session/session.h"
#include "shard/admission_budget.h"
#include "store/committer.h"

// What the engine is told at start: plain data, filled from the table of configuration keys.

namespace fairlead {

// Which protocols a listener takes; what is not allowed is refused after the first bytes.
struct ListenerProtocols {
  bool mqtt = true;
  bool mqtts = true;
  bool ws = true;
  bool wss = true;
  [[nodiscard]] bool any_tls() const { return mqtts || wss; }
};

// Whether connections begin with a PROXY protocol header (DESIGN section 2). kOptional: those of
// trusted proxies may.
enum class ProxyUse : uint8_t { kNone, kOptional, kRequired };

struct ListenerOptions {
  SocketAddress address;  // port 0: the kernel chooses
  ListenerProtocols protocols;
  ProxyUse proxy_header = ProxyUse::kNone;
  // Who is believed about a client's address: in a PROXY header and in `forwarded_header`. With
  // kRequired all others are closed.
  TrustedNetworks trusted_proxies;
  ForwardedHeader forwarded_header = ForwardedHeader::kXForwardedFor;
};

// Before CONNECT is accepted a connection is a suspect (DESIGN section 2 and 11).
struct SuspectLimits {
  std::chrono::milliseconds detect_max{5'000};
  std::chrono::milliseconds tls_handshake_max{10'000};
  std::chrono::milliseconds http_head_max{5'000};
  std::chrono::milliseconds connect_max{5'000};
  uint32_t bytes_max = 16u << 10;  // buffered before CONNECT is accepted
  uint32_t http_head_bytes_max = 16u << 10;
  uint32_t count_max = 10'000;             // of the process; then the oldest of them gives way,
  std::chrono::milliseconds grace{1'000};  // once it has had so long: honest ones need less
  AdmissionLimits admission;
};

struct ConnectionLimits {
  uint32_t count_max = 1'000'000;                 // connections of the process
  uint32_t packet_bytes_max = 256u << 10;         // one MQTT packet; a profile may say less
  uint32_t output_bytes_max = 1u << 20;           // unsent bytes of one connection
  uint32_t congested_bytes = 256u << 10;          // from here on messages wait in the session
  std::chrono::milliseconds stalled_max{30'000};  // no progress of unsent output: closed
  std::chrono::milliseconds linger_max{2'000};    // for the last bytes of a closing connection
};

struct WebSocketOptions {
  // A connection to which nothing was sent for so long is sent a ping, so that proxies with a
  // time-out for idle connections keep it. Whether it is answered does not matter; 0: none.
  std::chrono::seconds ping_interval{45};
  bool deflate = false;  // permessage-deflate (RFC 7692) is agreed to where a client offers it
};

struct ServerOptions {
  std::vector<ListenerOptions> listeners;
  std::shared_ptr<const TlsContext> tls;  // null: no TLS on any listener
  unsigned shard_count = 1;               // 1 to 64
  SuspectLimits suspect;
  ConnectionLimits connection;
  WebSocketOptions websocket;
  SessionLimits session;
  uint32_t session_count_max = 1'000'000;  // of the process, with and without a connection
  uint64_t total_queue_bytes_max = uint64_t{4} << 30;  // waiting in all sessions of the process
  // Of one session, from a client that is still connected; 0: no limit.
  uint32_t takeovers_per_minute_max = 30;
  RetainedLimits retained{.count_max = 1'000'000, .bytes_max = std::size_t{1} << 30};
  Committer::Options commit;                  // where there is a store
  std::chrono::milliseconds stop_max{5'000};  // graceful stop: for last bytes and wills
  std::chrono::seconds sys_interval{10};      // of the $SYS topics; 0: none
};

}  // namespace fairlead
