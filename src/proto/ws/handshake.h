#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "proto/ws/deflate.h"

// The opening handshake of WebSocket (RFC 6455 section 4), both sides. The functions that read a
// head are templates over it, for proto/http has the rank of this folder and is not included: a
// request head has `method`, `minor_version`, `header_values(name)`, a range of list elements, and
// `header_lines(name)`, a range of values as they stand, for headers that are no lists; a response
// head has `status` instead of `method`.

namespace fairlead {

using HeaderLine = std::pair<std::string_view, std::string_view>;

// The names under which MQTT is offered (MQTT 5.0 section 6; mqttv3.1 is what real clients send).
inline constexpr std::array<std::string_view, 3> kMqttSubprotocols{"mqtt", "mqttv3.1",
                                                                   "mqttv3.1.1"};

enum class DeflateUse : uint8_t { kDeclined, kAgreed /* where a client offers it */ };

struct UpgradeRules {
  // Those that are spoken; empty: what is offered is not looked at.
  std::span<const std::string_view> subprotocols = kMqttSubprotocols;
  DeflateUse deflate = DeflateUse::kDeclined;
};

struct UpgradeAccepted {
  std::string accept_key;        // for Sec-WebSocket-Accept
  std::string_view subprotocol;  // view into the head, as offered; empty: none was offered
  std::optional<DeflateAgreement> deflate = std::nullopt;
};

// What to answer instead: the sentence is the body. Views of static data.
struct UpgradeRefusal {
  uint16_t status = 400;
  std::string_view sentence;
  std::span<const HeaderLine> headers = {};  // Upgrade, Sec-WebSocket-Version or Allow
};

using UpgradeVerdict = std::variant<UpgradeAccepted, UpgradeRefusal>;

// What section 4.2.1 looks at in a request; views into the head.
struct UpgradeRequest {
  std::string_view method;
  uint8_t minor_version = 0;
  bool upgrade_to_websocket = false;
  bool connection_upgrade = false;
  bool has_body = false;
  std::vector<std::string_view> keys;             // a line each
  std::vector<std::string_view> versions;         // a line each
  std::vector<std::string_view> subprotocols;     // over all lines
  std::vector<std::string_view> extension_lines;  // a line each

  void add_upgrade(std::string_view token);
  void add_connection(std::string_view token);
};

// Any path and any Origin; extensions are declined by not being mentioned. Of the offered
// subprotocols the first that is spoken is chosen, without regard to case; a request that offers
// none is accepted too.
[[nodiscard]] UpgradeVerdict evaluate_upgrade(const UpgradeRequest& request,
                                              const UpgradeRules& rules = {});

template <class Head>
[[nodiscard]] UpgradeRequest upgrade_request_of(const Head& head) {
  UpgradeRequest request;
  request.method = head.method;
  request.minor_version = head.minor_version;
  for (std::string_view token : head.header_values("Upgrade")) request.add_upgrade(token);
  for (std::string_view token : head.header_values("Connection")) request.add_connection(token);
  for (std::string_view length : head.header_lines("Content-Length")) {
    request.has_body = request.has_body || length.find_first_not_of('0') != length.npos;
  }
  request.has_body = request.has_body || !head.header_lines("Transfer-Encoding").empty();
  for (std::string_view v : head.header_lines("Sec-WebSocket-Key")) request.keys.push_back(v);
  for (std::string_view v : head.header_lines("Sec-WebSocket-Version")) {
    request.versions.push_back(v);
  }
  for (std::string_view v : head.header_lines("Sec-WebSocket-Extensions")) {
    request.extension_lines.push_back(v);
  }
  for (std::string_view v : head.header_values("Sec-WebSocket-Protocol")) {
    request.subprotocols.push_back(v);
  }
  return request;
}

template <class Head>
[[nodiscard]] UpgradeVerdict evaluate_upgrade(const Head& head, const UpgradeRules& rules = {}) {
  return evaluate_upgrade(upgrade_request_of(head), rules);
}

// The 101 response.
void write_upgrade_response(ByteBuffer& out, const UpgradeAccepted& accepted);

// Client side.

// The text of Sec-WebSocket-Key from sixteen random bytes.
[[nodiscard]] std::string upgrade_key(std::span<const std::byte, 16> nonce);

// Sec-WebSocket-Accept for a key (section 4.2.2).
[[nodiscard]] std::string accept_key_of(std::string_view key);

struct UpgradeOffer {
  std::string_view host = {};                // with the port unless it is the scheme's own
  std::string_view path = "/";               // with the query
  std::string_view key = {};                 // of upgrade_key
  std::string_view subprotocol = "mqtt";     // empty: offers none
  std::string_view extensions = {};          // empty: offers none
  std::span<const HeaderLine> headers = {};  // further ones
};

// Refuses an offer that would not make a well-formed head (a line end in the path, say).
[[nodiscard]] Status write_upgrade_request(ByteBuffer& out, const UpgradeOffer& offer);

// What section 4.1 looks at in a response; views into the head.
struct UpgradeResponse {
  uint16_t status = 0;
  bool upgrade_to_websocket = false;
  bool connection_upgrade = false;
  std::vector<std::string_view> accept_keys;
  std::vector<std::string_view> subprotocols;
  std::vector<std::string_view> extensions;

  void add_upgrade(std::string_view token);
  void add_connection(std::string_view token);
};

// Whether the server agreed to what `offer` said; the error says what it did instead.
[[nodiscard]] Status check_upgrade_response(const UpgradeResponse& response,
                                            const UpgradeOffer& offer);

template <class Head>
[[nodiscard]] Status check_upgrade_response(const Head& head, const UpgradeOffer& offer) {
  UpgradeResponse response;
  response.status = head.status;
  for (std::string_view token : head.header_values("Upgrade")) response.add_upgrade(token);
  for (std::string_view token : head.header_values("Connection")) response.add_connection(token);
  for (std::string_view v : head.header_values("Sec-WebSocket-Accept")) {
    response.accept_keys.push_back(v);
  }
  for (std::string_view v : head.header_values("Sec-WebSocket-Protocol")) {
    response.subprotocols.push_back(v);
  }
  for (std::string_view v : head.header_values("Sec-WebSocket-Extensions")) {
    response.extensions.push_back(v);
  }
  return check_upgrade_response(response, offer);
}

}  // namespace fairlead
