#include "proto/http/head_reader.h"

#include <algorithm>

#include "proto/http/characters.h"

namespace fairlead::http {
namespace {

HttpRefusal bad(std::string_view sentence) { return {400, std::string(sentence)}; }

HttpRefusal too_large(bool in_first_line, std::size_t limit) {
  const std::string bytes = std::to_string(limit) + " bytes";
  if (in_first_line) return {414, "The first line is longer than " + bytes + ": shorten the URL."};
  return {431, "The head is larger than " + bytes + ": send fewer or shorter headers."};
}

std::optional<HttpRefusal> check_controls(std::string_view lines) {
  const bool good =
      std::ranges::all_of(lines, [](char c) { return is_field_char(c) || c == '\r' || c == '\n'; });
  if (good) return std::nullopt;
  return bad("The head has a control character in it.");
}

// Of a line without its end, whose characters are good otherwise.
std::optional<HttpRefusal> check_carriage_returns(std::string_view line) {
  if (line.find('\r') == std::string_view::npos) return std::nullopt;
  return bad("A carriage return stands alone: lines end in CR LF.");
}

std::optional<HttpRefusal> read_field(std::string_view line, HeaderFields& headers) {
  if (is_blank(line.front())) {
    return bad("A header line begins with a blank: folded headers are not accepted.");
  }
  if (auto complaint = check_carriage_returns(line)) return complaint;
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return bad("A header line has no colon.");
  const std::string_view name = line.substr(0, colon);
  if (!name.empty() && is_blank(name.back())) {
    return bad("There is a blank between a header name and its colon.");
  }
  if (!is_token(name))
    return bad("A header name is empty or has a character that it may not have.");
  headers.add({name, trim_blanks(line.substr(colon + 1))});
  return std::nullopt;
}

}  // namespace

std::variant<HeadNeedsMore, HeadText, HttpRefusal> find_head(Bytes in, const HeadLimits& limits,
                                                             std::size_t searched) {
  const std::string_view text = as_text(in).substr(0, limits.head_bytes_max);
  const std::size_t known = std::min(searched, text.size());
  std::size_t at = known;
  for (;;) {
    at = std::min(text.find('\n', at), text.size());
    const std::string_view behind = text.substr(std::min(at + 1, text.size()));
    if (behind.empty() || behind == "\r") break;  // `at` is the line end to look behind next time
    if (behind[0] != '\n' && !behind.starts_with("\r\n")) {
      ++at;
      continue;
    }
    HeadText head;
    head.size = at + (behind[0] == '\n' ? 2 : 3);
    head.first_line = text.substr(0, text.find('\n') + 1);
    head.header_lines = text.substr(head.first_line.size(), at + 1 - head.first_line.size());
    if (auto complaint = check_controls(text.substr(known, head.size - known))) return *complaint;
    if (behind[0] == '\n' || !head.first_line.ends_with("\r\n")) {
      return bad("A line ends in LF alone: lines end in CR LF.");
    }
    head.first_line.remove_suffix(2);
    if (auto complaint = check_carriage_returns(head.first_line)) return *complaint;
    return head;
  }
  if (auto complaint = check_controls(text.substr(known))) return *complaint;
  if (text.size() < limits.head_bytes_max) return HeadNeedsMore{at};
  return too_large(text.find('\n') == std::string_view::npos, limits.head_bytes_max);
}

std::optional<HttpRefusal> read_fields(std::string_view lines, const HeadLimits& limits,
                                       HeaderFields& headers) {
  const auto count = static_cast<std::size_t>(std::count(lines.begin(), lines.end(), '\n'));
  if (count > limits.header_count_max) {
    return HttpRefusal{431, "The head has more than " + std::to_string(limits.header_count_max) +
                                " headers: send fewer."};
  }
  headers.reserve(count);
  while (!lines.empty()) {
    const std::size_t end = lines.find('\n');
    std::string_view line = lines.substr(0, end);
    lines.remove_prefix(end + 1);
    if (!line.ends_with('\r')) return bad("A line ends in LF alone: lines end in CR LF.");
    line.remove_suffix(1);
    if (auto complaint = read_field(line, headers)) return complaint;
  }
  return std::nullopt;
}

std::variant<uint8_t, VersionError> read_version(std::string_view text) {
  const bool well_formed = text.size() == 8 && text.starts_with("HTTP/") && is_digit(text[5]) &&
                           text[6] == '.' && is_digit(text[7]);
  if (!well_formed) return VersionError::kMalformed;
  if (text[5] != '1') return VersionError::kNotHttp1;
  return static_cast<uint8_t>(text[7] == '0' ? 0 : 1);
}

}  // namespace fairlead::http
