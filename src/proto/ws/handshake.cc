#include "proto/ws/handshake.h"

#include <openssl/evp.h>

#include <algorithm>
#include <iterator>
#include <optional>

#include "base/digest.h"
#include "proto/ws/extension.h"

namespace fairlead {
namespace {

constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // section 1.3
constexpr std::string_view kVersion = "13";
constexpr std::size_t kKeySize = 24;  // base64 of 16 bytes

constexpr HeaderLine kWantUpgrade[] = {{"Upgrade", "websocket"}};
constexpr HeaderLine kWantVersion[] = {{"Upgrade", "websocket"},
                                       {"Sec-WebSocket-Version", kVersion}};
constexpr HeaderLine kWantGet[] = {{"Allow", "GET"}};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool same_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

// "websocket", or "websocket/13" as section 7.8 of RFC 9110 lets a protocol name its version.
bool names_websocket(std::string_view token) {
  return same_ignoring_case(token.substr(0, token.find('/')), "websocket");
}

std::string base64(Bytes bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3), '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                  reinterpret_cast<const unsigned char*>(bytes.data()),
                  static_cast<int>(bytes.size()));
  return text;
}

// Base64 of exactly 16 bytes: 22 characters and two signs of padding. What the last character has
// beyond 128 bits is not looked at, for decoders do not either.
bool is_upgrade_key(std::string_view key) {
  if (key.size() != kKeySize || !key.ends_with("==")) return false;
  const std::string_view digits = key.substr(0, kKeySize - 2);
  return std::all_of(digits.begin(), digits.end(), [](char c) {
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
  });
}

// Something that cannot break out of the line it is written into.
bool is_line_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte != 0x7f;
  });
}

bool is_word(std::string_view text) {
  return !text.empty() && is_line_text(text) && text.find(' ') == std::string_view::npos;
}

void append_line(ByteBuffer& out, std::string_view name, std::string_view value) {
  out.append(name);
  out.append(": ");
  out.append(value);
  out.append("\r\n");
}

// What is wrong with the request, without its subprotocols.
std::optional<UpgradeRefusal> check_request(const UpgradeRequest& request) {
  if (request.method != "GET") {
    return UpgradeRefusal{405, "A WebSocket begins with a GET request: use GET.", kWantGet};
  }
  const bool any_upgrade = request.upgrade_to_websocket || !request.keys.empty();
  if (!any_upgrade) {
    return UpgradeRefusal{426,
                          "This port speaks MQTT over WebSocket: send Upgrade: websocket, or MQTT "
                          "without HTTP.",
                          kWantUpgrade};
  }
  if (request.minor_version == 0) {
    return UpgradeRefusal{505,
                          "A WebSocket needs HTTP/1.1: a proxy before this port may be sending "
                          "HTTP/1.0.",
                          {}};
  }
  if (!request.upgrade_to_websocket || !request.connection_upgrade) {
    return UpgradeRefusal{
        426,
        "The Upgrade or Connection header is missing: send Upgrade: websocket and "
        "Connection: Upgrade. A proxy before this port must pass both on.",
        kWantUpgrade};
  }
  if (request.versions.size() != 1 || request.versions[0] != kVersion) {
    return UpgradeRefusal{426,
                          "Only version 13 of WebSocket is spoken here: send "
                          "Sec-WebSocket-Version: 13.",
                          kWantVersion};
  }
  if (request.keys.size() != 1 || !is_upgrade_key(request.keys[0])) {
    return UpgradeRefusal{400, "Send one Sec-WebSocket-Key: 16 random bytes in base64.", {}};
  }
  if (request.has_body) {
    return UpgradeRefusal{400,
                          "A WebSocket request has no body: send no Content-Length and no "
                          "Transfer-Encoding.",
                          {}};
  }
  return std::nullopt;
}

constexpr UpgradeRefusal kMalformedExtensions{
    400,
    "The Sec-WebSocket-Extensions header is malformed: send names with parameters (a; b=1, c), or "
    "leave it out.",
    {}};

Reject refused(std::string_view sentence) {
  return {ReasonCode::kProtocolError, "WebSocket handshake: " + std::string(sentence)};
}

// Whether the first word of `chosen` is the name of an offered extension.
bool names_offered(std::string_view chosen, std::string_view offered) {
  const auto offers = parse_extensions(offered);
  const auto answer = parse_extensions(chosen);
  return offers && answer && answer->size() == 1 &&
         std::any_of(offers->begin(), offers->end(),
                     [&](const Extension& offer) { return offer.name == answer->front().name; });
}

}  // namespace

void UpgradeRequest::add_upgrade(std::string_view token) {
  upgrade_to_websocket = upgrade_to_websocket || names_websocket(token);
}
void UpgradeRequest::add_connection(std::string_view token) {
  connection_upgrade = connection_upgrade || same_ignoring_case(token, "upgrade");
}
void UpgradeResponse::add_upgrade(std::string_view token) {
  upgrade_to_websocket = upgrade_to_websocket || names_websocket(token);
}
void UpgradeResponse::add_connection(std::string_view token) {
  connection_upgrade = connection_upgrade || same_ignoring_case(token, "upgrade");
}

UpgradeVerdict evaluate_upgrade(const UpgradeRequest& request, const UpgradeRules& rules) {
  if (auto refusal = check_request(request)) return *refusal;
  std::vector<Extension> extensions;
  for (std::string_view line : request.extension_lines) {
    auto parsed = parse_extensions(line);
    if (!parsed) return kMalformedExtensions;
    std::move(parsed->begin(), parsed->end(), std::back_inserter(extensions));
  }
  UpgradeAccepted accepted{.accept_key = accept_key_of(request.keys[0]), .subprotocol = {}};
  if (rules.deflate == DeflateUse::kAgreed) accepted.deflate = choose_deflate(extensions);
  if (rules.subprotocols.empty()) return accepted;
  const auto& offered = request.subprotocols;
  const auto chosen = std::find_if(offered.begin(), offered.end(), [&](std::string_view name) {
    return std::any_of(rules.subprotocols.begin(), rules.subprotocols.end(),
                       [&](std::string_view known) { return same_ignoring_case(name, known); });
  });
  if (!offered.empty() && chosen == offered.end()) {
    return UpgradeRefusal{400,
                          "None of the offered subprotocols is spoken here: offer mqtt in "
                          "Sec-WebSocket-Protocol (mqttv3.1 and mqttv3.1.1 will do), or leave "
                          "the header out.",
                          {}};
  }
  if (!offered.empty()) accepted.subprotocol = *chosen;
  return accepted;
}

void write_upgrade_response(ByteBuffer& out, const UpgradeAccepted& accepted) {
  out.append("HTTP/1.1 101 Switching Protocols\r\n");
  append_line(out, "Upgrade", "websocket");
  append_line(out, "Connection", "Upgrade");
  append_line(out, "Sec-WebSocket-Accept", accepted.accept_key);
  if (!accepted.subprotocol.empty()) {
    append_line(out, "Sec-WebSocket-Protocol", accepted.subprotocol);
  }
  if (accepted.deflate) {
    out.append("Sec-WebSocket-Extensions: ");
    append_deflate_answer(out, *accepted.deflate);
    out.append("\r\n");
  }
  out.append("\r\n");
}

std::string upgrade_key(std::span<const std::byte, 16> nonce) { return base64(nonce); }

std::string accept_key_of(std::string_view key) {
  const auto digest = digest_of(DigestKind::kSha1, {as_bytes(key), as_bytes(kGuid)});
  FL_ASSERT(digest);
  return base64(digest->view());
}

Status write_upgrade_request(ByteBuffer& out, const UpgradeOffer& offer) {
  if (!is_word(offer.host)) return refused("the host is empty or has a blank in it");
  if (!is_word(offer.path) || offer.path[0] != '/') {
    return refused("the path does not begin with / or has a blank in it");
  }
  if (!is_upgrade_key(offer.key)) return refused("the key is not 16 bytes in base64");
  if (!offer.subprotocol.empty() && !is_word(offer.subprotocol)) {
    return refused("the subprotocol has a blank in it");
  }
  if (!is_line_text(offer.extensions)) return refused("the extensions have a line end in them");
  for (const auto& [name, value] : offer.headers) {
    if (!is_word(name) || name.find(':') != std::string_view::npos || !is_line_text(value)) {
      return refused("a further header is malformed");
    }
  }
  out.append("GET ");
  out.append(offer.path);
  out.append(" HTTP/1.1\r\n");
  append_line(out, "Host", offer.host);
  append_line(out, "Upgrade", "websocket");
  append_line(out, "Connection", "Upgrade");
  append_line(out, "Sec-WebSocket-Key", offer.key);
  append_line(out, "Sec-WebSocket-Version", kVersion);
  if (!offer.subprotocol.empty()) append_line(out, "Sec-WebSocket-Protocol", offer.subprotocol);
  if (!offer.extensions.empty()) append_line(out, "Sec-WebSocket-Extensions", offer.extensions);
  for (const auto& [name, value] : offer.headers) append_line(out, name, value);
  out.append("\r\n");
  return Done{};
}

Status check_upgrade_response(const UpgradeResponse& response, const UpgradeOffer& offer) {
  if (response.status != 101) {
    return refused("the server answered with status " + std::to_string(response.status) +
                   " instead of 101");
  }
  if (!response.upgrade_to_websocket || !response.connection_upgrade) {
    return refused("the server did not confirm the upgrade to websocket");
  }
  if (response.accept_keys.size() != 1 || response.accept_keys[0] != accept_key_of(offer.key)) {
    return refused("Sec-WebSocket-Accept does not belong to the key that was sent");
  }
  for (std::string_view extension : response.extensions) {
    if (names_offered(extension, offer.extensions)) continue;
    return refused("the server chose an extension nobody offered");
  }
  const auto& chosen = response.subprotocols;
  if (chosen.size() > 1) return refused("the server chose more than one subprotocol");
  if (!chosen.empty() && (offer.subprotocol.empty() || chosen[0] != offer.subprotocol)) {
    return refused("the server chose a subprotocol nobody offered");
  }
  if (chosen.empty() && !offer.subprotocol.empty()) {
    return refused("the server does not speak the subprotocol " + std::string(offer.subprotocol));
  }
  return Done{};
}

}  // namespace fairlead
