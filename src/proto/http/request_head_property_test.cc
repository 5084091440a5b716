#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>

#include "proto/http/request_head.h"

namespace fairlead {
namespace {

// A head as one text, to compare two of them.
std::string describe(const RequestHeadParse& parsed) {
  if (std::holds_alternative<HeadNeedsMore>(parsed)) return "more";
  if (const auto* refusal = std::get_if<HttpRefusal>(&parsed)) {
    return std::to_string(refusal->status) + refusal->sentence;
  }
  const auto& head = std::get<RequestHead>(parsed);
  std::string text = std::string(head.method) + "|" + std::string(head.target) + "|" +
                     std::to_string(head.minor_version) + "|" + std::to_string(head.head_size);
  for (const auto& [name, value] : head.headers) {
    text.append("|").append(name).append("=").append(value);
  }
  return text;
}

std::string random_head(std::mt19937_64& random) {
  static constexpr std::string_view kPieces[] = {"GET",
                                                 " ",
                                                 "/",
                                                 "HTTP/1.1",
                                                 "\r\n",
                                                 "\r\n",
                                                 "\r\n",
                                                 "Host: a",
                                                 "X:",
                                                 "Upgrade",
                                                 ":",
                                                 "\n",
                                                 "\r",
                                                 " ",
                                                 "\t",
                                                 "a,b",
                                                 "\r\n\r\n",
                                                 "\x01",
                                                 "\xff",
                                                 "Host",
                                                 "POST / HTTP/1.1\r\n",
                                                 "GET / HTTP/1.1\r\nHost: a\r\n",
                                                 "Content-Length: 1\r\n"};
  std::string text;
  if (random() % 2 == 0) text = "GET / HTTP/1.1\r\nHost: h\r\n";
  const size_t count = random() % 12;
  for (size_t i = 0; i < count; ++i) text += kPieces[random() % std::size(kPieces)];
  if (random() % 2 == 0) text += "\r\n\r\n";
  return text;
}

TEST(RequestHeadProperty, AnySplitGivesTheSameAnswer) {
  constexpr uint64_t kSeed = 20260214;
  SCOPED_TRACE(kSeed);
  std::mt19937_64 random(kSeed);
  const HeadLimits limits{.head_bytes_max = 90, .header_count_max = 4};
  for (int round = 0; round < 5000; ++round) {
    const std::string text = random_head(random);
    const std::string whole = describe(parse_request_head(as_bytes(text), limits));
    size_t searched = 0;
    std::string dripped = "more";
    for (size_t size = random() % 3; size <= text.size() && dripped == "more";) {
      const auto parsed = parse_request_head(as_bytes(text).first(size), limits, searched);
      if (const auto* more = std::get_if<HeadNeedsMore>(&parsed)) searched = more->searched;
      dripped = describe(parsed);
      if (size == text.size()) break;
      size = std::min(text.size(), size + 1 + random() % 5);
    }
    ASSERT_EQ(dripped, whole) << text;
  }
}

}  // namespace
}  // namespace fairlead
