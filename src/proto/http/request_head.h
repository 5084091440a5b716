#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "proto/http/header_fields.h"

// The head of an HTTP/1.x request, strictly by RFC 9112: what other parsers may read differently
// (bare CR or LF, folded lines, blanks before a colon, two Host lines, a body framed twice) is
// refused, so that nothing can be smuggled past a proxy in front of us. Pure.

namespace fairlead {

struct HeadLimits {
  std::size_t head_bytes_max = 16 * 1024;
  std::size_t header_count_max = 100;
};

// The head has not ended yet. `searched` saves the next call from looking again for its end.
struct HeadNeedsMore {
  std::size_t searched = 0;
};

// What to answer instead: a status of RFC 9110 and, as the body, what was wrong and what to do.
struct HttpRefusal {
  uint16_t status = 400;
  std::string sentence;
};

// Views into the bytes that were parsed. Invariant: method, target and names are not empty; an
// HTTP/1.1 head has exactly one Host line.
struct RequestHead {
  std::string_view method;
  std::string_view target;    // "/mqtt?x=1", as sent; "http://host/path" and "*" are possible too
  uint8_t minor_version = 1;  // of HTTP/1.x: 0, or 1 for all higher ones
  HeaderFields headers;
  std::size_t head_size = 0;  // to be consumed, with the empty line; a body begins behind it

  [[nodiscard]] HeaderValues header_values(std::string_view name) const {
    return headers.values(name);
  }
  [[nodiscard]] std::vector<std::string_view> header_lines(std::string_view name) const {
    return headers.lines(name);
  }
  // The path of the target without its query: "/mqtt" of "/mqtt?x=1" and of "http://host/mqtt".
  [[nodiscard]] std::string_view path() const;
};

using RequestHeadParse = std::variant<HeadNeedsMore, RequestHead, HttpRefusal>;

// `in` is everything received so far, `searched` what the last HeadNeedsMore said. Any split gives
// the same answer. Cost: over all calls linear in the bytes, one allocation for a complete head.
[[nodiscard]] RequestHeadParse parse_request_head(Bytes in, const HeadLimits& limits = {},
                                                  std::size_t searched = 0);

}  // namespace fairlead
