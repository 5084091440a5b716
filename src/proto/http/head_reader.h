#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/bytes.h"
#include "proto/http/request_head.h"

// What request and response heads have in common; for this folder only.

namespace fairlead::http {

// A head that is all there, cut into its first line and its header lines.
struct HeadText {
  std::string_view first_line;
  std::string_view header_lines;  // with their line ends, without the empty line
  std::size_t size = 0;
};

// Looks for the empty line. Sees bare line feeds as ends too, and control characters where they
// stand, only to have them refused at once instead of waiting for an end that never comes: what is
// no HTTP, such as MQTT that begins with a letter, has none.
std::variant<HeadNeedsMore, HeadText, HttpRefusal> find_head(Bytes in, const HeadLimits& limits,
                                                             std::size_t searched);

// Reads the header lines into `headers`; the answer is what was wrong with them.
std::optional<HttpRefusal> read_fields(std::string_view lines, const HeadLimits& limits,
                                       HeaderFields& headers);

// "HTTP/1.0" is 0, "HTTP/1.1" and what is above 1; nullopt for another version.
enum class VersionError : uint8_t { kMalformed, kNotHttp1 };
std::variant<uint8_t, VersionError> read_version(std::string_view text);

}  // namespace fairlead::http
