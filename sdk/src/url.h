#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fairlead::sdk {

enum class Scheme : uint8_t { kMqtt, kMqtts, kWs, kWss };

// Where a server is, from a URL as client.h describes it.
struct Url {
  Scheme scheme = Scheme::kMqtt;
  std::string host;  // a name, or an address without brackets; not empty
  uint16_t port = 0;
  std::string path;  // with the query; "/mqtt" if there was none

  [[nodiscard]] bool tls() const { return scheme == Scheme::kMqtts || scheme == Scheme::kWss; }
  [[nodiscard]] bool web_socket() const { return scheme == Scheme::kWs || scheme == Scheme::kWss; }
  // For the Host header: brackets around an IPv6 address, the port unless it is the scheme's own.
  [[nodiscard]] std::string authority() const;
};

// The sentence of an error quotes the text and says how it should look.
[[nodiscard]] Result<Url> parse_url(std::string_view text);

}  // namespace fairlead::sdk
