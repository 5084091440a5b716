#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace fairlead {

// Views into the line that was parsed. `value` is without its quotes.
struct ExtensionParameter {
  std::string_view name;
  std::optional<std::string_view> value;
};

// One element of Sec-WebSocket-Extensions: "permessage-deflate; client_max_window_bits=10".
struct Extension {
  std::string_view name;
  std::vector<ExtensionParameter> parameters;
};

// The elements of one line, in the order in which the peer prefers them; nullopt when the line does
// not have the form that RFC 6455 section 9.1 gives it, which ends the handshake. Empty elements
// are skipped, as in any list of HTTP. The line is to be bounded by the size of the head.
[[nodiscard]] std::optional<std::vector<Extension>> parse_extensions(std::string_view line);

}  // namespace fairlead
