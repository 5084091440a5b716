#include "proto/http/response.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace fairlead {
namespace {

std::string text_of(const ByteBuffer& buffer) { return std::string(as_text(buffer.view())); }

std::string complaint(std::string_view text) {
  const auto parsed = parse_response_head(as_bytes(text));
  if (std::holds_alternative<HeadNeedsMore>(parsed)) return "more";
  if (std::holds_alternative<ResponseHead>(parsed)) return "accepted";
  return std::get<Reject>(parsed).sentence;
}

TEST(Response, HasLengthAndClosesTheConnection) {
  ByteBuffer out;
  append_response(out, {.status = 200, .body = "ok\n"});
  EXPECT_EQ(text_of(out),
            "HTTP/1.1 200 OK\r\n"
            "Connection: close\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Length: 3\r\n\r\nok\n");
}

TEST(Response, ToHeadHasTheLengthWithoutTheBody) {
  ByteBuffer out;
  append_response(out, {.status = 200, .body = "ok\n"}, ResponseBody::kLeftOut);
  EXPECT_TRUE(text_of(out).ends_with("Content-Length: 3\r\n\r\n"));
}

TEST(Response, WithoutContentAnnouncesNone) {
  ByteBuffer out;
  append_response(out, {.status = 204, .body = "dropped"});
  EXPECT_EQ(text_of(out), "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
}

TEST(Response, RefusalSaysItsSentenceAndAnnouncesAnUpgrade) {
  ByteBuffer out;
  const HeaderField upgrade[] = {{"Upgrade", "websocket"}};
  append_refusal(out, 426, "Send Upgrade: websocket.", upgrade);
  EXPECT_EQ(text_of(out),
            "HTTP/1.1 426 Upgrade Required\r\n"
            "Upgrade: websocket\r\n"
            "Connection: Upgrade, close\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Length: 25\r\n\r\nSend Upgrade: websocket.\n");
}

TEST(Response, RefusalOfHeadHasTheLengthWithoutTheSentence) {
  ByteBuffer out;
  append_refusal(out, 405, "Use GET.", {}, ResponseBody::kLeftOut);
  EXPECT_TRUE(text_of(out).ends_with("Content-Length: 9\r\n\r\n"));
}

TEST(Response, EveryRefusalOfARequestHeadHasItsReasonPhrase) {
  for (int status : {400, 405, 408, 414, 426, 429, 431, 503, 505}) {
    EXPECT_NE(reason_phrase(static_cast<uint16_t>(status)), "Unknown") << status;
  }
  EXPECT_EQ(reason_phrase(299), "Unknown");
}

TEST(ResponseHead, ReadsWhatWasWritten) {
  ByteBuffer out;
  const HeaderField allow[] = {{"Allow", "GET"}};
  append_refusal(out, 405, "Use GET.", allow);
  const auto head = std::get<ResponseHead>(parse_response_head(out.view()));
  EXPECT_EQ(head.status, 405);
  EXPECT_EQ(head.minor_version, 1);
  EXPECT_EQ(head.reason, "Method Not Allowed");
  EXPECT_EQ(head.headers.first("allow"), "GET");
  EXPECT_EQ(as_text(out.view().subspan(head.head_size)), "Use GET.\n");
}

TEST(ResponseHead, ReasonMayBeEmptyOrMissing) {
  EXPECT_EQ(complaint("HTTP/1.1 101 \r\n\r\n"), "accepted");
  EXPECT_EQ(complaint("HTTP/1.1 101\r\n\r\n"), "accepted");
  EXPECT_EQ(complaint("HTTP/1.1 101 Switching"), "more");
}

TEST(ResponseHead, RefusesWhatIsNotHttp) {
  const std::string not_http =
      "HTTP response: the first line does not begin with HTTP/1.1: is this the right port?";
  EXPECT_EQ(complaint("SSH-2.0-x\r\n\r\n"), not_http);
  EXPECT_EQ(complaint("HTTP/2.0 200 OK\r\n\r\n"), not_http);
  EXPECT_EQ(complaint("\r\n\r\n"), not_http);
  for (std::string_view line :
       {"HTTP/1.1 20 OK", "HTTP/1.1 2000", "HTTP/1.1x200", "HTTP/1.1 099"}) {
    EXPECT_EQ(complaint(std::string(line) + "\r\n\r\n"),
              "HTTP response: the status is not a number of three digits");
  }
  EXPECT_EQ(complaint("HTTP/1.1 200 OK\r\nX : a\r\n\r\n"),
            "HTTP response: There is a blank between a header name and its colon.");
}

}  // namespace
}  // namespace fairlead
