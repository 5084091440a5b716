#include "proto/http/response.h"

#include <charconv>
#include <string>

#include "proto/http/characters.h"
#include "proto/http/head_reader.h"

namespace fairlead {
namespace {

// RFC 9110 section 15, as far as we send it.
struct Phrase {
  uint16_t status;
  std::string_view text;
};

constexpr Phrase kPhrases[] = {
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {304, "Not Modified"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
};

void append_header(ByteBuffer& out, std::string_view name, std::string_view value) {
  out.append(name);
  out.append(": ");
  out.append(value);
  out.append("\r\n");
}

Reject broken(std::string_view sentence) {
  return {ReasonCode::kProtocolError, "HTTP response: " + std::string(sentence)};
}

// "HTTP/1.1 101 Switching Protocols"; the reason may be empty (RFC 9112 section 4).
std::optional<Reject> read_status_line(std::string_view line, ResponseHead& head) {
  const auto version = http::read_version(line.substr(0, 8));
  if (!std::holds_alternative<uint8_t>(version)) {
    return broken("the first line does not begin with HTTP/1.1: is this the right port?");
  }
  head.minor_version = std::get<uint8_t>(version);
  const std::string_view rest = line.substr(8);
  const bool well_formed = rest.size() >= 4 && rest[0] == ' ' && http::is_digit(rest[1]) &&
                           http::is_digit(rest[2]) && http::is_digit(rest[3]) &&
                           (rest.size() == 4 || rest[4] == ' ');
  if (!well_formed || rest[1] == '0') return broken("the status is not a number of three digits");
  std::from_chars(rest.data() + 1, rest.data() + 4, head.status);
  if (rest.size() > 5) head.reason = rest.substr(5);
  return std::nullopt;
}

}  // namespace

std::string_view reason_phrase(uint16_t status) {
  for (const Phrase& phrase : kPhrases) {
    if (phrase.status == status) return phrase.text;
  }
  return "Unknown";
}

void append_response(ByteBuffer& out, const HttpResponse& response, ResponseBody body) {
  out.append("HTTP/1.1 ");
  out.append(std::to_string(response.status));
  out.append(" ");
  out.append(reason_phrase(response.status));
  out.append("\r\n");
  bool upgrade = false;
  for (const auto& [name, value] : response.headers) {
    append_header(out, name, value);
    upgrade = upgrade || equals_ignoring_case(name, "Upgrade");
  }
  append_header(out, "Connection", upgrade ? "Upgrade, close" : "close");
  // RFC 9110 section 8.6: a 204 or 304 has no body and announces none.
  const bool bodiless = response.status == 204 || response.status == 304;
  if (!bodiless) {
    append_header(out, "Content-Type", response.content_type);
    append_header(out, "Content-Length", std::to_string(response.body.size()));
  }
  out.append("\r\n");
  if (body == ResponseBody::kSent && !bodiless) out.append(response.body);
}

void append_refusal(ByteBuffer& out, uint16_t status, std::string_view sentence,
                    std::span<const HeaderField> headers, ResponseBody body) {
  HttpResponse response;
  const std::string text = std::string(sentence) + "\n";
  response.status = status;
  response.body = text;
  response.headers = headers;
  append_response(out, response, body);
}

ResponseHeadParse parse_response_head(Bytes in, const HeadLimits& limits, std::size_t searched) {
  auto found = http::find_head(in, limits, searched);
  if (auto* more = std::get_if<HeadNeedsMore>(&found)) return *more;
  if (auto* refusal = std::get_if<HttpRefusal>(&found)) return broken(refusal->sentence);
  const auto& text = std::get<http::HeadText>(found);
  ResponseHead head;
  head.head_size = text.size;
  if (auto complaint = read_status_line(text.first_line, head)) return *complaint;
  if (auto refusal = http::read_fields(text.header_lines, limits, head.headers)) {
    return broken(refusal->sentence);
  }
  return head;
}

}  // namespace fairlead
