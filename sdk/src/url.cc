#include "url.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace fairlead::sdk {
namespace {

struct SchemeName {
  std::string_view name;
  Scheme scheme;
};
constexpr std::array<SchemeName, 7> kSchemes{{{"mqtt", Scheme::kMqtt},
                                              {"tcp", Scheme::kMqtt},
                                              {"mqtts", Scheme::kMqtts},
                                              {"ssl", Scheme::kMqtts},
                                              {"tls", Scheme::kMqtts},
                                              {"ws", Scheme::kWs},
                                              {"wss", Scheme::kWss}}};

uint16_t default_port(Scheme scheme) {
  switch (scheme) {
    case Scheme::kMqtt:
      return 1883;
    case Scheme::kMqtts:
      return 8883;
    case Scheme::kWs:
      return 80;
    case Scheme::kWss:
      return 443;
  }
  unreachable();
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return result;
}

Reject wrong(std::string_view text, std::string_view problem) {
  return Reject{ReasonCode::kImplementationSpecificError,
                "\"" + std::string(text) + "\" " + std::string(problem)};
}

std::optional<uint16_t> parse_port(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

bool is_visible_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f'; });
}

}  // namespace

std::string Url::authority() const {
  std::string result = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != default_port(scheme)) result += ":" + std::to_string(port);
  return result;
}

Result<Url> parse_url(std::string_view text) {
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos) {
    return wrong(text, "is no URL; it begins with mqtt://, mqtts://, ws:// or wss://");
  }
  const auto* known = std::ranges::find(kSchemes, lower(text.substr(0, colon)), &SchemeName::name);
  if (known == kSchemes.end()) {
    return wrong(text, "has an unknown scheme; choose from mqtt, mqtts, ws and wss");
  }
  Url url{
      .scheme = known->scheme, .host = {}, .port = default_port(known->scheme), .path = "/mqtt"};
  std::string_view rest = text.substr(colon + 3);
  const std::size_t path = rest.find_first_of("/?");
  if (path != std::string_view::npos) {
    url.path = (rest[path] == '?' ? "/" : "") + std::string(rest.substr(path));
    rest = rest.substr(0, path);
  }
  if (!is_visible_ascii(text)) return wrong(text, "has a blank or a special character");
  if (rest.find('@') != std::string_view::npos) {
    return wrong(text.substr(0, colon + 3),
                 "has a user before the host; pass user name and "
                 "password apart, so that no log shows them");
  }
  std::string_view port;
  if (rest.starts_with('[')) {
    const std::size_t end = rest.find(']');
    if (end == std::string_view::npos) return wrong(text, "has no ] after the address");
    url.host = rest.substr(1, end - 1);
    port = rest.substr(end + 1);
  } else {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    url.host = rest.substr(0, end);
    port = rest.substr(end);
  }
  if (url.host.empty()) return wrong(text, "names no host");
  if (port.empty()) return url;
  const auto number = port.front() == ':' ? parse_port(port.substr(1)) : std::nullopt;
  if (!number) return wrong(text, "has no valid port; it is a number from 1 to 65535");
  url.port = *number;
  return url;
}

}  // namespace fairlead::sdk
