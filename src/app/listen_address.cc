#include "app/listen_address.h"

#include <algorithm>
#include <fstream>
#include <optional>

#include "base/number.h"

namespace fairlead {
namespace {

Reject wrong(std::string sentence) {
  return Reject{ReasonCode::kImplementationSpecificError, std::move(sentence)};
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t at = text.find(separator);
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

// The kernel lists here the IPv6 addresses of the machine; where IPv6 is off there are none.
bool has_ipv6() {
  std::ifstream list("/proc/net/if_inet6");
  return list && list.peek() != std::ifstream::traits_type::eof();
}

}  // namespace

Result<HostPort> parse_host_port(std::string_view text) {
  const auto refuse = [text](std::string_view why) {
    return wrong("\"" + std::string(text) + "\" is no address: " + std::string(why) +
                 "; write ADDRESS:PORT, as in 127.0.0.1:8443, [::1]:8443 or :8443");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || text.ends_with(']')) return refuse("the port is missing");
  std::string_view host = text.substr(0, colon);
  const std::optional<uint16_t> port = parse_number<uint16_t>(text.substr(colon + 1));
  if (!port) return refuse("the port must be a number from 0 to 65535");
  if (host.starts_with('[') && host.ends_with(']') && host.size() > 2) {
    host = host.substr(1, host.size() - 2);
    if (host.find(':') == std::string_view::npos) return refuse("brackets are for IPv6 addresses");
  } else if (host.find_first_of(":[]") != std::string_view::npos) {
    return refuse("an IPv6 address stands in brackets");
  }
  return HostPort{std::string(host), *port};
}

Result<ListenerProtocols> parse_protocols(std::span<const std::string> names) {
  ListenerProtocols protocols{.mqtt = false, .mqtts = false, .ws = false, .wss = false};
  if (names.empty()) return wrong("no protocol is named; choose from mqtt, mqtts, ws, wss");
  for (const std::string& name : names) {
    if (name == "mqtt") {
      protocols.mqtt = true;
    } else if (name == "mqtts") {
      protocols.mqtts = true;
    } else if (name == "ws") {
      protocols.ws = true;
    } else if (name == "wss") {
      protocols.wss = true;
    } else {
      return wrong("\"" + name + "\" is no protocol; choose from mqtt, mqtts, ws, wss");
    }
  }
  return protocols;
}

Result<std::vector<SocketAddress>> resolve_for_listening(const HostPort& where) {
  std::vector<SocketAddress> addresses;
  if (where.host.empty() || where.host == "*") {
    for (const char* any : {"0.0.0.0", "::"}) {
      auto address = SocketAddress::parse(any, where.port);
      if (address) addresses.push_back(*address);
    }
  } else if (auto literal = SocketAddress::parse(where.host, where.port)) {
    return std::vector{*literal};
  } else {
    auto resolved = resolve(where.host, where.port);
    if (!resolved) return resolved.error();
    for (const SocketAddress& address : *resolved) {
      if (std::ranges::find(addresses, address) == addresses.end()) addresses.push_back(address);
    }
  }
  if (!has_ipv6()) {
    std::erase_if(addresses, [](const SocketAddress& address) {
      return address.family() == SocketAddress::Family::kIpv6;
    });
  }
  if (addresses.empty()) return wrong("\"" + where.host + "\" has no address on this machine");
  return addresses;
}

namespace {

struct ListenText {
  HostPort where;
  ListenerProtocols protocols;
};

Result<ListenText> split_listen(std::string_view text) {
  const std::size_t slash = text.find('/');
  ListenText parts;
  if (slash != std::string_view::npos) {
    auto protocols = parse_protocols(split(text.substr(slash + 1), ','));
    if (!protocols) return protocols.error();
    parts.protocols = *protocols;
  }
  auto where = parse_host_port(text.substr(0, slash));
  if (!where) return where.error();
  parts.where = std::move(*where);
  return parts;
}

}  // namespace

Status check_listen(std::string_view text) {
  auto parts = split_listen(text);
  if (!parts) return parts.error();
  return Done{};
}

Result<std::vector<ListenerOptions>> parse_listen(std::string_view text) {
  auto parts = split_listen(text);
  if (!parts) return parts.error();
  auto addresses = resolve_for_listening(parts->where);
  if (!addresses) return addresses.error();
  std::vector<ListenerOptions> listeners;
  for (const SocketAddress& address : *addresses) {
    ListenerOptions& listener = listeners.emplace_back();
    listener.address = address;
    listener.protocols = parts->protocols;
  }
  return listeners;
}

}  // namespace fairlead
