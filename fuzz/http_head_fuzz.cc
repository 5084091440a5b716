// Request and response heads: any split gives the same answer, views lie in the input, what was
// accepted has no character that could mislead the next reader.

#include <algorithm>
#include <string>

#include "base/assert.h"
#include "proto/http/request_head.h"
#include "proto/http/response.h"

namespace {

using namespace fairlead;

constexpr HeadLimits kLimits{.head_bytes_max = 2048, .header_count_max = 20};

std::string describe(const HeaderFields& fields) {
  std::string text;
  for (const auto& [name, value] : fields) {
    text.append("|").append(name).append("=").append(value);
    FL_ASSERT(!name.empty());
    FL_ASSERT(std::none_of(value.begin(), value.end(),
                           [](char c) { return c == '\r' || c == '\n' || c == '\0'; }));
    for (std::string_view element : fields.values(name)) {
      FL_ASSERT(!element.empty() && element.find(',') == std::string_view::npos);
      FL_ASSERT(fields.has_token(name, element));
    }
  }
  return text;
}

std::string describe(const RequestHeadParse& parsed) {
  if (std::holds_alternative<HeadNeedsMore>(parsed)) return "more";
  if (const auto* refusal = std::get_if<HttpRefusal>(&parsed)) {
    FL_ASSERT(refusal->status >= 400 && !refusal->sentence.empty());
    return std::to_string(refusal->status) + refusal->sentence;
  }
  const auto& head = std::get<RequestHead>(parsed);
  FL_ASSERT(!head.method.empty() && !head.target.empty());
  FL_ASSERT(head.head_size <= kLimits.head_bytes_max);
  FL_ASSERT(head.headers.size() <= kLimits.header_count_max);
  FL_ASSERT(head.headers.count("host") == 1 || head.minor_version == 0);
  return std::string(head.method) + "|" + std::string(head.target) +
         std::to_string(head.head_size) + describe(head.headers);
}

std::string describe(const ResponseHeadParse& parsed) {
  if (std::holds_alternative<HeadNeedsMore>(parsed)) return "more";
  if (const auto* reject = std::get_if<Reject>(&parsed)) return reject->sentence;
  const auto& head = std::get<ResponseHead>(parsed);
  FL_ASSERT(head.status >= 100 && head.status <= 999);
  return std::to_string(head.status) + std::string(head.reason) + std::to_string(head.head_size) +
         describe(head.headers);
}

template <class Parse>
void check_splits(Bytes wire, size_t step, Parse&& parse) {
  const std::string whole = describe(parse(wire, kLimits, 0));
  size_t searched = 0;
  for (size_t size = 0;; size = std::min(wire.size(), size + step)) {
    const auto parsed = parse(wire.first(size), kLimits, searched);
    if (const auto* more = std::get_if<HeadNeedsMore>(&parsed)) {
      FL_ASSERT(more->searched <= size);
      searched = more->searched;
      if (size < wire.size()) continue;
    }
    FL_ASSERT(describe(parsed) == whole);
    return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes wire = std::as_bytes(std::span(data, size));
  for (size_t step : {size_t{1}, size_t{7}}) {
    check_splits(wire, step, parse_request_head);
    check_splits(wire, step, parse_response_head);
  }
  return 0;
}
