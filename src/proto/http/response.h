#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <variant>

#include "base/bytes.h"
#include "base/result.h"
#include "proto/http/header_fields.h"
#include "proto/http/request_head.h"

// HTTP/1.1 responses: written by the server, read by the client side of the WebSocket handshake.

namespace fairlead {

// "Not Found" for 404; "Unknown" for a status that we never send.
[[nodiscard]] std::string_view reason_phrase(uint16_t status);

enum class ResponseBody : uint8_t { kSent, kLeftOut /* to HEAD: the length without the body */ };

struct HttpResponse {
  uint16_t status = 200;
  std::string_view content_type = "text/plain; charset=utf-8";
  std::string_view body = {};
  std::span<const HeaderField> headers = {};  // further ones; our own data, never a peer's
};

// Appends status line, headers with Content-Length and `Connection: close`, and the body: one
// response per connection is all that the device port gives. An Upgrade header among the further
// ones is announced in Connection as RFC 9110 section 7.8 demands.
void append_response(ByteBuffer& out, const HttpResponse& response,
                     ResponseBody body = ResponseBody::kSent);

// The same for a refusal: the sentence and a line end are the body.
void append_refusal(ByteBuffer& out, uint16_t status, std::string_view sentence,
                    std::span<const HeaderField> headers = {},
                    ResponseBody body = ResponseBody::kSent);
inline void append_refusal(ByteBuffer& out, const HttpRefusal& refusal) {
  append_refusal(out, refusal.status, refusal.sentence);
}

// Views into the bytes that were parsed.
struct ResponseHead {
  uint16_t status = 0;
  uint8_t minor_version = 1;
  std::string_view reason;
  HeaderFields headers;
  std::size_t head_size = 0;

  [[nodiscard]] HeaderValues header_values(std::string_view name) const {
    return headers.values(name);
  }
};

using ResponseHeadParse = std::variant<HeadNeedsMore, ResponseHead, Reject>;

// As parse_request_head, for the client.
[[nodiscard]] ResponseHeadParse parse_response_head(Bytes in, const HeadLimits& limits = {},
                                                    std::size_t searched = 0);

}  // namespace fairlead
