#include "proto/http/request_head.h"

#include <algorithm>

#include "proto/http/characters.h"
#include "proto/http/head_reader.h"

namespace fairlead {
namespace {

HttpRefusal bad(std::string_view sentence) { return {400, std::string(sentence)}; }

// "http", "wss": RFC 3986 section 3.1.
bool is_scheme(std::string_view text) {
  return !text.empty() && http::is_alpha(text[0]) &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return http::is_alpha(c) || http::is_digit(c) || c == '+' || c == '-' || c == '.';
         });
}

// RFC 9112 section 3.2, read loosely in form (any path is good here) and strictly in characters. A
// fragment is never sent (RFC 6455 section 3).
bool is_target(std::string_view target, std::string_view method) {
  const bool good_characters = std::all_of(target.begin(), target.end(),
                                           [](char c) { return http::is_visible(c) && c != '#'; });
  if (target.empty() || !good_characters) return false;
  if (method == "CONNECT") return true;
  if (target[0] == '/') return true;
  if (target == "*") return method == "OPTIONS";
  const std::size_t authority = target.find("://");
  return authority != std::string_view::npos && is_scheme(target.substr(0, authority));
}

std::optional<HttpRefusal> read_request_line(std::string_view line, RequestHead& head) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) {
    return bad("The first line is not that of a request: METHOD target HTTP/1.1.");
  }
  head.method = line.substr(0, first);
  head.target = line.substr(first + 1, last - first - 1);
  if (!http::is_token(head.method)) return bad("The method is not a word.");
  const auto version = http::read_version(line.substr(last + 1));
  if (const auto* error = std::get_if<http::VersionError>(&version)) {
    if (*error == http::VersionError::kMalformed) {
      return bad("The first line does not end in an HTTP version: METHOD target HTTP/1.1.");
    }
    return HttpRefusal{505, "This port speaks HTTP/1.1: no other version of HTTP."};
  }
  if (!is_target(head.target, head.method)) {
    return bad("The request target is not a path or has a character that must be escaped.");
  }
  head.minor_version = std::get<uint8_t>(version);
  return std::nullopt;
}

bool is_host_char(char c) {
  return http::is_alpha(c) || http::is_digit(c) ||
         std::string_view("-._~%!$&'()*+;=:[]").find(c) != std::string_view::npos;
}

std::optional<HttpRefusal> check_host(const RequestHead& head) {
  const std::size_t count = head.headers.count("Host");
  if (count > 1) return bad("There is more than one Host header.");
  if (count == 0) {
    if (head.minor_version == 0) return std::nullopt;
    return bad("There is no Host header: HTTP/1.1 demands one.");
  }
  const std::string_view host = *head.headers.first("Host");
  if (!std::all_of(host.begin(), host.end(), is_host_char)) {
    return bad("The Host header is not a host name or address.");
  }
  return std::nullopt;
}

// RFC 9112 section 6: a head that two readers could take for different bodies is an attack.
std::optional<HttpRefusal> check_body_framing(const HeaderFields& headers) {
  const std::size_t lengths = headers.count("Content-Length");
  if (lengths > 1) return bad("There is more than one Content-Length header.");
  if (lengths == 0) return std::nullopt;
  if (headers.count("Transfer-Encoding") > 0) {
    return bad("There are both Content-Length and Transfer-Encoding.");
  }
  const std::string_view length = *headers.first("Content-Length");
  if (length.empty() || !std::all_of(length.begin(), length.end(), http::is_digit)) {
    return bad("The Content-Length header is not a number.");
  }
  return std::nullopt;
}

}  // namespace

std::string_view RequestHead::path() const {
  std::string_view path = target.substr(0, target.find('?'));
  if (path.starts_with('/')) return path;
  const std::size_t authority = path.find("://");
  if (authority == std::string_view::npos) return path;
  path.remove_prefix(authority + 3);
  return path.find('/') == std::string_view::npos ? "/" : path.substr(path.find('/'));
}

RequestHeadParse parse_request_head(Bytes in, const HeadLimits& limits, std::size_t searched) {
  auto found = http::find_head(in, limits, searched);
  if (auto* more = std::get_if<HeadNeedsMore>(&found)) return *more;
  if (auto* refusal = std::get_if<HttpRefusal>(&found)) return std::move(*refusal);
  const auto& text = std::get<http::HeadText>(found);
  RequestHead head;
  head.head_size = text.size;
  if (auto refusal = read_request_line(text.first_line, head)) return *std::move(refusal);
  if (auto refusal = http::read_fields(text.header_lines, limits, head.headers)) {
    return *std::move(refusal);
  }
  if (auto refusal = check_host(head)) return *std::move(refusal);
  if (auto refusal = check_body_framing(head.headers)) return *std::move(refusal);
  return head;
}

}  // namespace fairlead
