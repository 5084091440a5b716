#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/tcp.h"
#include "shard/options.h"

// Addresses as people write them: `127.0.0.1:8443`, `[::1]:8443`, `localhost:8443`, `:8443`.
// Sentences of errors quote the text and show how it should look.

namespace fairlead {

struct HostPort {
  std::string host;  // empty: every address of this machine
  uint16_t port = 0;
};

[[nodiscard]] Result<HostPort> parse_host_port(std::string_view text);

// Some of mqtt, mqtts, ws, wss; at least one.
[[nodiscard]] Result<ListenerProtocols> parse_protocols(std::span<const std::string> names);

// The addresses that a host means for listening; IPv6 ones only where the machine has IPv6.
// Blocks for a name.
[[nodiscard]] Result<std::vector<SocketAddress>> resolve_for_listening(const HostPort& where);

// Whether parse_listen() could read it; asks for no name.
[[nodiscard]] Status check_listen(std::string_view text);

// An argument of --listen: a host and port, and maybe `/` and the protocols allowed there:
// `127.0.0.1:1883/mqtt,mqtts`. One listener for each address of the host. Blocks for a name.
[[nodiscard]] Result<std::vector<ListenerOptions>> parse_listen(std::string_view text);

}  // namespace fairlead
