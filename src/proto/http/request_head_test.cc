#include "proto/http/request_head.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace fairlead {
namespace {

using namespace std::string_literals;

RequestHeadParse parse(std::string_view text, const HeadLimits& limits = {}) {
  return parse_request_head(as_bytes(text), limits);
}

// "200", "more", or "400 sentence".
std::string verdict(std::string_view text, const HeadLimits& limits = {}) {
  const RequestHeadParse parsed = parse(text, limits);
  if (std::holds_alternative<HeadNeedsMore>(parsed)) return "more";
  if (std::holds_alternative<RequestHead>(parsed)) return "200";
  const auto& refusal = std::get<HttpRefusal>(parsed);
  return std::to_string(refusal.status) + " " + refusal.sentence;
}

std::string with_header(std::string_view line) {
  return "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(line) + "\r\n\r\n";
}

const std::string kPlain =
    "GET /mqtt?x=1 HTTP/1.1\r\nHost: localhost:8443\r\nX-A:  one , two\t\r\nx-a: three\r\n\r\n";

TEST(RequestHead, GivesViewsOfAllParts) {
  const std::string wire = kPlain + "\x82\x80";
  const auto head = std::get<RequestHead>(parse(wire));
  EXPECT_EQ(head.method, "GET");
  EXPECT_EQ(head.target, "/mqtt?x=1");
  EXPECT_EQ(head.path(), "/mqtt");
  EXPECT_EQ(head.minor_version, 1);
  EXPECT_EQ(head.head_size, kPlain.size());
  ASSERT_EQ(head.headers.size(), 3u);
  EXPECT_EQ(head.headers.first("HOST"), "localhost:8443");
  EXPECT_EQ(head.headers.first("x-A"), "one , two");
  EXPECT_EQ(head.headers.first("absent"), std::nullopt);
}

TEST(RequestHead, PathIsThatOfAnAbsoluteTargetToo) {
  auto path_of = [](std::string_view target) {
    const std::string text = "GET " + std::string(target) + " HTTP/1.1\r\nHost: a\r\n\r\n";
    return std::string(std::get<RequestHead>(parse(text)).path());
  };
  EXPECT_EQ(path_of("http://a:80/healthz?x=/y"), "/healthz");
  EXPECT_EQ(path_of("wss://a/b/c"), "/b/c");
  EXPECT_EQ(path_of("http://a"), "/");
  EXPECT_EQ(path_of("http://a?x=/y"), "/");
  EXPECT_EQ(path_of("/x?y=http://a/b"), "/x");
  EXPECT_EQ(path_of("//a/b"), "//a/b");
}

TEST(RequestHead, RepeatedHeadersAndCommaListsReadAsOneList) {
  auto values_of = [](std::string_view line) {
    const std::string text = with_header(line);
    const auto head = std::get<RequestHead>(parse(text));
    std::vector<std::string> all;
    for (std::string_view value : head.header_values("P")) all.emplace_back(value);
    return all;
  };
  using List = std::vector<std::string>;
  EXPECT_EQ(values_of("P: a, b\r\nQ: x\r\np:c ,\td"), (List{"a", "b", "c", "d"}));
  EXPECT_EQ(values_of("P: ,, a ,,\r\nP:\r\nP: ,\r\nP: b"), (List{"a", "b"}));
  EXPECT_EQ(values_of("Pp: a"), List{});
  EXPECT_EQ(values_of("P:"), List{});
}

TEST(RequestHead, TokensAreFoundWithoutRegardToCase) {
  const std::string text = with_header("Connection: keep-alive, UPGRADE");
  const auto head = std::get<RequestHead>(parse(text));
  EXPECT_TRUE(head.headers.has_token("connection", "upgrade"));
  EXPECT_FALSE(head.headers.has_token("connection", "up"));
}

TEST(RequestHead, EveryPrefixNeedsMore) {
  for (size_t size = 0; size < kPlain.size(); ++size) {
    EXPECT_EQ(verdict(kPlain.substr(0, size)), "more") << size;
  }
}

TEST(RequestHead, DripGivesTheSameHeadAndLooksAtEachByteOnce) {
  size_t searched = 0;
  for (size_t size = 1; size < kPlain.size(); ++size) {
    const auto parsed = parse_request_head(as_bytes(kPlain).first(size), {}, searched);
    searched = std::get<HeadNeedsMore>(parsed).searched;
    EXPECT_GE(searched + 2, size);
  }
  const auto head = std::get<RequestHead>(parse_request_head(as_bytes(kPlain), {}, searched));
  EXPECT_EQ(head.head_size, kPlain.size());
}

TEST(RequestHead, AcceptsWhatRealClientsSend) {
  EXPECT_EQ(verdict("GET / HTTP/1.0\r\n\r\n"), "200");
  EXPECT_EQ(verdict("GET / HTTP/1.9\r\nHost: [::1]:443\r\n\r\n"), "200");
  EXPECT_EQ(verdict("GET http://a/b HTTP/1.1\r\nHost:\r\n\r\n"), "200");
  EXPECT_EQ(verdict("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), "200");
  EXPECT_EQ(verdict("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"), "200");
  EXPECT_EQ(verdict(with_header("Origin: null\r\nX: caf\xc3\xa9\r\nEmpty:\r\nTab: a\tb")), "200");
  EXPECT_EQ(verdict(with_header("Content-Length: 0")), "200");
}

TEST(RequestHead, RefusesABrokenFirstLine) {
  const std::string no_line =
      "400 The first line is not that of a request: METHOD target HTTP/1.1.";
  EXPECT_EQ(verdict("\r\n\r\n"), no_line);
  EXPECT_EQ(verdict("GET\r\nHost: a\r\n\r\n"), no_line);
  EXPECT_EQ(verdict("GET /\r\nHost: a\r\n\r\n"), no_line);
  EXPECT_EQ(verdict("G(T / HTTP/1.1\r\nHost: a\r\n\r\n"), "400 The method is not a word.");
  EXPECT_EQ(verdict(" / HTTP/1.1\r\nHost: a\r\n\r\n"), "400 The method is not a word.");
  const std::string no_version =
      "400 The first line does not end in an HTTP version: METHOD target HTTP/1.1.";
  EXPECT_EQ(verdict("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\nHost: a\r\n\r\n"), no_version);
  EXPECT_EQ(verdict("GET / http/1.1\r\nHost: a\r\n\r\n"), no_version);
  EXPECT_EQ(verdict("GET / HTTP/1.1 \r\nHost: a\r\n\r\n"), no_version);
  const std::string other = "505 This port speaks HTTP/1.1: no other version of HTTP.";
  EXPECT_EQ(verdict("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), other);
  EXPECT_EQ(verdict("GET / HTTP/0.9\r\n\r\n"), other);
  const std::string no_target =
      "400 The request target is not a path or has a character that must be escaped.";
  EXPECT_EQ(verdict("GET mqtt HTTP/1.1\r\nHost: a\r\n\r\n"), no_target);
  EXPECT_EQ(verdict("GET  HTTP/1.1\r\nHost: a\r\n\r\n"), no_target);
  EXPECT_EQ(verdict("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"), no_target);
  EXPECT_EQ(verdict("GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n"), no_target);
  EXPECT_EQ(verdict("GET /mqtt#part HTTP/1.1\r\nHost: a\r\n\r\n"), no_target);
  EXPECT_EQ(verdict("GET * HTTP/1.1\r\nHost: a\r\n\r\n"), no_target);
  EXPECT_EQ(verdict("GET ://a/ HTTP/1.1\r\nHost: a\r\n\r\n"), no_target);
  EXPECT_EQ(verdict("GET 1+://a/ HTTP/1.1\r\nHost: a\r\n\r\n"), no_target);
}

TEST(RequestHead, RefusesLinesThatOtherParsersReadDifferently) {
  const std::string bare_lf = "400 A line ends in LF alone: lines end in CR LF.";
  EXPECT_EQ(verdict("GET / HTTP/1.1\nHost: a\n\n"), bare_lf);
  EXPECT_EQ(verdict("GET / HTTP/1.1\r\nHost: a\n\r\n"), bare_lf);
  EXPECT_EQ(verdict("GET / HTTP/1.1\nHost: a\r\n\r\n"), bare_lf);
  EXPECT_EQ(verdict("GET / HTTP/1.1\r\nHost: a\r\n\n"), bare_lf);
  EXPECT_EQ(verdict(with_header("X: a\nY: b")), bare_lf);
  const std::string bare_cr = "400 A carriage return stands alone: lines end in CR LF.";
  EXPECT_EQ(verdict(with_header("X: a\rY: b")), bare_cr);
  EXPECT_EQ(verdict(with_header("X: a\r")), bare_cr);
  EXPECT_EQ(verdict("GET /\r HTTP/1.1\r\nHost: a\r\n\r\n"), bare_cr);
  const std::string folded =
      "400 A header line begins with a blank: folded headers are not accepted.";
  EXPECT_EQ(verdict(with_header("X: a\r\n b")), folded);
  EXPECT_EQ(verdict(with_header("X: a\r\n\tb")), folded);
  EXPECT_EQ(verdict("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), folded);
  EXPECT_EQ(verdict(with_header("X : a")),
            "400 There is a blank between a header name and its colon.");
  EXPECT_EQ(verdict(with_header("X\t: a")),
            "400 There is a blank between a header name and its colon.");
  EXPECT_EQ(verdict(with_header("X")), "400 A header line has no colon.");
  const std::string bad_name =
      "400 A header name is empty or has a character that it may not have.";
  for (std::string_view line : {": a", "X Y: a", "X(: a", "X\xc3: a", "\"X\": a"}) {
    EXPECT_EQ(verdict(with_header(line)), bad_name) << line;
  }
  for (std::string line : {"X: a\0b"s, "X: \x1b[0m"s, "X: \x7f"s, "X\0: a"s}) {
    EXPECT_EQ(verdict(with_header(line)), "400 The head has a control character in it.") << line;
  }
}

TEST(RequestHead, WhatIsNoTextIsRefusedBeforeItEnds) {
  const std::string refused = "400 The head has a control character in it.";
  EXPECT_EQ(verdict("P\x02"), refused);  // PUBREC of MQTT
  EXPECT_EQ(verdict("GET / HTTP/1.1\r\nHost: a\x7f"), refused);
  EXPECT_EQ(verdict("GET / HTTP/1.1\r\nHost: a\r"), "more");
  EXPECT_EQ(verdict("GET / HTTP/1.1\r\nHost: \xc3\xa9\t"), "more");
  EXPECT_EQ(verdict("GET / HTTP/1.1\r\nHost: a\r\n\r\n\x02"), "200");  // behind the head
}

TEST(RequestHead, WantsExactlyOneHost) {
  EXPECT_EQ(verdict("GET / HTTP/1.1\r\n\r\n"),
            "400 There is no Host header: HTTP/1.1 demands one.");
  EXPECT_EQ(verdict(with_header("HOST: b")), "400 There is more than one Host header.");
  for (std::string_view host : {"a b", "a,b", "a/b", "user@a", "\xc3\xa9"}) {
    EXPECT_EQ(verdict("GET / HTTP/1.0\r\nHost: " + std::string(host) + "\r\n\r\n"),
              "400 The Host header is not a host name or address.");
  }
}

TEST(RequestHead, RefusesABodyThatIsFramedAmbiguously) {
  EXPECT_EQ(verdict(with_header("Content-Length: 1\r\nContent-Length: 1")),
            "400 There is more than one Content-Length header.");
  EXPECT_EQ(verdict(with_header("Content-Length: 1\r\nTransfer-Encoding: chunked")),
            "400 There are both Content-Length and Transfer-Encoding.");
  for (std::string_view length : {"+1", "0x1", "1, 1", "", "1 1"}) {
    EXPECT_EQ(verdict(with_header("Content-Length: " + std::string(length))),
              "400 The Content-Length header is not a number.");
  }
}

TEST(RequestHead, SizeIsLimited) {
  const HeadLimits limits{.head_bytes_max = 100, .header_count_max = 3};
  const std::string start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
  const std::string fits = start + std::string(100 - start.size() - 4, 'x') + "\r\n\r\n";
  const std::string large = start + std::string(100 - start.size() - 3, 'x') + "\r\n\r\n";
  const std::string too_large =
      "431 The head is larger than 100 bytes: send fewer or shorter headers.";
  EXPECT_EQ(verdict(fits, limits), "200");
  EXPECT_EQ(verdict(large, limits), too_large);
  EXPECT_EQ(verdict(large.substr(0, 100), limits), too_large);
  EXPECT_EQ(verdict(large.substr(0, 99), limits), "more");
  EXPECT_EQ(verdict("GET /" + std::string(200, 'x'), limits),
            "414 The first line is longer than 100 bytes: shorten the URL.");
}

TEST(RequestHead, NumberOfHeadersIsLimited) {
  const HeadLimits limits{.header_count_max = 3};
  EXPECT_EQ(verdict(with_header("A: 1\r\nB: 2"), limits), "200");
  EXPECT_EQ(verdict(with_header("A: 1\r\nB: 2\r\nC: 3"), limits),
            "431 The head has more than 3 headers: send fewer.");
}

}  // namespace
}  // namespace fairlead
