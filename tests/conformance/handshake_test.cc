#include "conformance/fixture.h"
#include "proto/http/response.h"

// The opening handshake of WebSocket (RFC 6455 section 4) against a running server: what is a
// handshake, what is none, and that each refusal has a status and a sentence.

namespace fairlead::testing {
namespace {

constexpr std::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==";  // RFC 6455 section 1.3
constexpr std::string_view kAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

// A request head, put together line by line.
struct Request {
  std::string first = "GET /mqtt HTTP/1.1";
  std::vector<std::string> lines = {
      "Host: localhost",           "Upgrade: websocket",
      "Connection: Upgrade",       "Sec-WebSocket-Key: " + std::string(kKey),
      "Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: mqtt"};

  Request&& but_first(std::string_view line) && {
    first = line;
    return std::move(*this);
  }
  Request&& without(std::string_view name) && {
    std::erase_if(lines, [&](const std::string& line) { return line.starts_with(name); });
    return std::move(*this);
  }
  Request&& and_line(std::string_view line) && {
    lines.emplace_back(line);
    return std::move(*this);
  }
  // Instead of the line of that name.
  Request&& but(std::string_view line) && {
    return std::move(*this).without(line.substr(0, line.find(':') + 1)).and_line(line);
  }
  [[nodiscard]] std::string text() const {
    std::string all = first + "\r\n";
    for (const std::string& line : lines) all += line + "\r\n";
    return all + "\r\n";
  }
};

struct Answer {
  int status = 0;     // 0: closed without a word
  std::string head;   // with the empty line
  std::string body;   // or what came behind a 101
  std::string value;  // of the header that was asked for
};

class WsHandshake : public ::testing::TestWithParam<Transport> {
 protected:
  [[nodiscard]] Wire wire() const {
    return {shared_server().address(),
            GetParam() == Transport::kWs ? Transport::kTcp : Transport::kTls};
  }
  // Sends `bytes` and reads the answer: a refusal to the end of the stream.
  [[nodiscard]] Answer ask(std::string_view bytes, std::string_view header = "Upgrade") const {
    Wire made = wire();
    made.send_plain(as_bytes(bytes));
    return read(made, header);
  }
  [[nodiscard]] Answer ask(const Request& request, std::string_view header = "Upgrade") const {
    return ask(request.text(), header);
  }
  static Answer read(Wire& wire, std::string_view header = "Upgrade") {
    for (;;) {
      auto parsed = parse_response_head(wire.stream().view());
      if (const auto* head = std::get_if<ResponseHead>(&parsed)) {
        Answer answer;
        answer.status = head->status;
        for (std::string_view value : head->header_values(header)) {
          answer.value += (answer.value.empty() ? "" : ",") + std::string(value);
        }
        while (answer.status != 101 && wire.fill()) {
        }
        const std::string text(as_text(wire.stream().view()));
        const std::size_t end = text.find("\r\n\r\n") + 4;
        answer.head = text.substr(0, end);
        answer.body = text.substr(end);
        return answer;
      }
      if (std::holds_alternative<Reject>(parsed)) throw TestFailure("a malformed response");
      if (!wire.fill()) return {};
    }
  }
  // Refused with that status, and told why in a sentence.
  void expect_refused(int status, const Request& request, std::string_view sentence = "") const {
    const Answer answer = ask(request);
    EXPECT_EQ(answer.status, status) << request.text() << answer.head;
    EXPECT_TRUE(answer.body.ends_with(".\n") && answer.body.find(' ') != std::string::npos)
        << "no sentence: " << answer.body;
    EXPECT_NE(answer.body.find(sentence), std::string::npos) << answer.body;
  }
  void expect_accepted(const Request& request) const {
    const Answer answer = ask(request, "Sec-WebSocket-Accept");
    EXPECT_EQ(answer.status, 101) << request.text() << answer.head << answer.body;
    EXPECT_EQ(answer.value, kAccept) << request.text();
  }
};
INSTANTIATE_TEST_SUITE_P(All, WsHandshake, ::testing::Values(Transport::kWs, Transport::kWss),
                         [](const auto& param) {
                           return std::string(transport_name(param.param));
                         });

TEST_P(WsHandshake, RFC6455_4_2_2_TheResponseHasWhatTheSpecificationSays) {
  const Answer answer = ask(Request{});
  EXPECT_EQ(answer.head,
            "HTTP/1.1 101 Switching Protocols\r\n"
            "Upgrade: websocket\r\n"
            "Connection: Upgrade\r\n"
            "Sec-WebSocket-Accept: " +
                std::string(kAccept) + "\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n");
}

TEST_P(WsHandshake, RFC6455_4_2_1_NamesAndValuesInAnyCaseAndInLists) {
  expect_accepted(Request{}.but("UPGRADE: WebSocket").without("Upgrade:"));
  expect_accepted(Request{}.without("Upgrade:").and_line("upgrade: h2c, WEBSOCKET"));
  expect_accepted(Request{}.and_line("Upgrade: h2c"));
  expect_accepted(Request{}.without("Connection:").and_line("connection: keep-alive , uPGRADE"));
  expect_accepted(Request{}.and_line("Connection: keep-alive"));
  expect_accepted(Request{}.without("Host:").and_line("hOST:   a.example:443  "));
  expect_accepted(Request{}
                      .without("Sec-WebSocket-Key")
                      .and_line("sec-websocket-KEY:\t" + std::string(kKey) + "\t"));
  expect_accepted(Request{}.without("Sec-WebSocket-Version").and_line("SEC-WEBSOCKET-VERSION:13"));
}

TEST_P(WsHandshake, RFC6455_4_2_1_OptionalAndUnknownHeadersAreNoObstacle) {
  expect_accepted(Request{}
                      .and_line("Origin: https://elsewhere.example")
                      .and_line("Cookie: a=b; c=d")
                      .and_line("Authorization: Basic eDp5")
                      .and_line("Sec-WebSocket-Extensions: permessage-deflate, x-unheard-of; a=1")
                      .and_line("X-Unheard-Of:")
                      .and_line("Content-Length: 0"));
}

TEST_P(WsHandshake, RFC6455_4_2_1_EachRequiredHeaderIsRequired) {
  expect_refused(400, Request{}.without("Host:"), "There is no Host header");
  expect_refused(426, Request{}.without("Upgrade:"), "Upgrade");
  expect_refused(426, Request{}.without("Connection:"), "Connection");
  expect_refused(400, Request{}.without("Sec-WebSocket-Key"), "Sec-WebSocket-Key");
  expect_refused(426, Request{}.without("Sec-WebSocket-Version"), "Sec-WebSocket-Version: 13");
}

TEST_P(WsHandshake, RFC6455_4_2_1_UpgradeAndConnectionMustNameIt) {
  for (std::string_view upgrade : {"Upgrade: h2c", "Upgrade: websockets",
                                   "Upgrade:", "Upgrade: web socket", "Upgrade: \"websocket\""}) {
    expect_refused(426, Request{}.but(upgrade));
  }
  for (std::string_view connection : {"Connection: keep-alive", "Connection: close", "Connection:",
                                      "Connection: upgraded", "Connection: \"Upgrade\""}) {
    expect_refused(426, Request{}.but(connection), "Connection");
  }
}

TEST_P(WsHandshake, RFC6455_4_2_1_TheKeyIsSixteenBytesInBase64) {
  for (std::string_view key :
       {"", "AAAA", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQAA",
        "dGhlIHNhbXBsZSBub25jZQA=", "dGhlIHNhbXBsZSBub25jZQ==AAAA",
        "dGhlIHNhbXBsZSBub2*jZQ==", "dGhlIHNhbXBs ZSBub2jZQ==", "dGhlIHNhbXBsZSBub25jZQ==,",
        "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ=="}) {
    SCOPED_TRACE(key);
    expect_refused(400, Request{}.but("Sec-WebSocket-Key: " + std::string(key)), "16 random bytes");
  }
}

TEST_P(WsHandshake, RFC6455_11_3_HeadersThatMayNotBeRepeated) {
  const std::string key = "Sec-WebSocket-Key: " + std::string(kKey);
  expect_refused(400, Request{}.and_line(key), "one Sec-WebSocket-Key");
  expect_refused(400, Request{}.and_line("Sec-WebSocket-Key:"), "one Sec-WebSocket-Key");
  expect_refused(426, Request{}.and_line("Sec-WebSocket-Version: 13"), "version 13");
  expect_refused(426, Request{}.and_line("Sec-WebSocket-Version: 8"), "version 13");
  expect_refused(400, Request{}.and_line("Host: localhost"), "more than one Host");
  expect_refused(400, Request{}.and_line("host: other"), "more than one Host");
}

TEST_P(WsHandshake, RFC6455_4_4_AnotherVersionIsToldTheRightOne) {
  for (std::string_view version : {"8", "7", "0", "14", "25", "130", "013", "-13", "13.0", "13, 8",
                                   "", "thirteen", "99999999999999999999"}) {
    SCOPED_TRACE(version);
    const auto request = Request{}.but("Sec-WebSocket-Version: " + std::string(version));
    const Answer answer = ask(request, "Sec-WebSocket-Version");
    EXPECT_EQ(answer.status, 426);
    EXPECT_EQ(answer.value, "13");
    EXPECT_EQ(ask(request).value, "websocket");
  }
}

TEST_P(WsHandshake, RFC6455_4_2_1_GetOfHttp11) {
  for (std::string_view method :
       {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "Get", "MQTT"}) {
    SCOPED_TRACE(method);
    const auto request = Request{}.but_first(std::string(method) + " /mqtt HTTP/1.1");
    const Answer answer = ask(request, "Allow");
    EXPECT_EQ(answer.status, 405);
    EXPECT_EQ(answer.value, "GET");
    EXPECT_NE(answer.body, "");
  }
  const Answer head = ask(Request{}.but_first("HEAD /mqtt HTTP/1.1"), "Allow");
  EXPECT_EQ(head.status, 405);
  EXPECT_EQ(head.body, "") << "an answer to HEAD has no body";
  expect_refused(405, Request{}.but_first("CONNECT localhost:443 HTTP/1.1"));
  expect_refused(405, Request{}.but_first("OPTIONS * HTTP/1.1"));
  expect_refused(505, Request{}.but_first("GET /mqtt HTTP/1.0"), "HTTP/1.1");
  expect_refused(505, Request{}.but_first("GET /mqtt HTTP/2.0"), "HTTP/1.1");
  expect_refused(505, Request{}.but_first("GET /mqtt HTTP/0.9"), "HTTP/1.1");
  expect_accepted(Request{}.but_first("GET /mqtt HTTP/1.2"));
}

TEST_P(WsHandshake, TheHttp2PrefaceIsToldWhatIsSpokenHere) {
  const Answer answer = ask("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  EXPECT_EQ(answer.status, 505);
  EXPECT_EQ(answer.body, "This port speaks HTTP/1.1: no other version of HTTP.\n");
}

TEST_P(WsHandshake, RequestsWithABodyAreRefused) {
  expect_refused(400, Request{}.and_line("Content-Length: 5"), "no body");
  expect_refused(400, Request{}.and_line("Transfer-Encoding: chunked"), "no body");
  expect_refused(400, Request{}.and_line("Transfer-Encoding:"), "no body");
  expect_refused(400, Request{}.and_line("Content-Length: 0").and_line("Content-Length: 0"));
  expect_refused(400, Request{}.and_line("Content-Length: 0").and_line("Transfer-Encoding: x"));
  for (std::string_view length : {"-1", "+0", "0x0", "0, 0", "", "a"}) {
    expect_refused(400, Request{}.and_line("Content-Length: " + std::string(length)),
                   "not a number");
  }
}

TEST_P(WsHandshake, TargetsOfEveryFormAreUnderstood) {
  for (std::string_view target :
       {"/", "//", "/mqtt", "/a?b=c&d=%20", "/healthz", "http://localhost/mqtt", "ws://a:80",
        "wss://user@a.example/x?y"}) {
    expect_accepted(Request{}.but_first("GET " + std::string(target) + " HTTP/1.1"));
  }
  for (std::string_view target : {"mqtt", "*", "localhost:443", "/a b", "/a#b", "/\x01", "/\x7f",
                                  "/\xc3\xa9", "://x", "", " /", "/ "}) {
    SCOPED_TRACE(target);
    expect_refused(400, Request{}.but_first("GET " + std::string(target) + " HTTP/1.1"));
  }
}

TEST_P(WsHandshake, HealthzAnswersTheAbsoluteFormToo) {
  const Answer answer = ask("GET http://localhost/healthz?now HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "ok\n");
}

TEST_P(WsHandshake, LinesThatOthersReadDifferentlyAreRefused) {
  using namespace std::string_literals;
  const std::string good = Request{}.text();
  const std::string end = "\r\n\r\n";
  const std::string front = good.substr(0, good.size() - 2);
  const std::pair<std::string, std::string_view> cases[] = {
      {front + "X: a\r\n b" + end, "folded"},
      {front + "X: a\r\n\tb" + end, "folded"},
      {"GET /mqtt HTTP/1.1\r\n Host: a" + end, "folded"},
      {front + "X: a\0b"s + end, "control character"},
      {front + "X\0: a"s + end, "control character"},
      {"GET /\0 HTTP/1.1\r\nHost: a"s + end, "control character"},
      {front + "X: a\x1b[0m" + end, "control character"},
      {front + "X: a\nY: b" + end, "LF alone"},
      {front + "X: a\n\n", "LF alone"},
      {front + "X: a\rY: b" + end, "carriage return"},
      {front + "X : a" + end, "blank between"},
      {front + "X" + end, "no colon"},
      {front + ": a" + end, "header name"},
      {front + "X Y: a" + end, "header name"},
      {front + "X(y): a" + end, "header name"},
      {front + "\xc3\xa9: a" + end, "header name"},
      {"GET /mqtt" + end, "first line"},
      {"GET /mqtt http/1.1\r\nHost: a" + end, "HTTP version"},
      {"GET /mqtt HTTP/1.1 \r\nHost: a" + end, "HTTP version"},
      {"GET /mqtt HTTP/11\r\nHost: a" + end, "HTTP version"},
      {"GET /mqtt FTP/1.1\r\nHost: a" + end, "HTTP version"},
      {"G@T /mqtt HTTP/1.1\r\nHost: a" + end, "method"},
      {"GET /mqtt HTTP/1.1\r\nHost: a b" + end, "Host header"},
      {"GET /mqtt HTTP/1.1\r\nHost: a, b" + end, "Host header"},
      {"GET /mqtt HTTP/1.1\r\nHost: a/b" + end, "Host header"},
  };
  for (const auto& [bytes, sentence] : cases) {
    const Answer answer = ask(bytes);
    EXPECT_EQ(answer.status, 400) << bytes;
    EXPECT_NE(answer.body.find(sentence), std::string::npos) << bytes << answer.body;
  }
}

TEST_P(WsHandshake, HeadsAreBounded) {
  const std::string line = "X: " + std::string(1000, 'x');
  Request large;
  for (int i = 0; i < 17; ++i) large.lines.push_back(line);
  expect_refused(431, large, "16384 bytes");
  expect_refused(431, Request{}.and_line("Sec-WebSocket-Protocol: " + std::string(17'000, 'm')));
  expect_refused(414, Request{}.but_first("GET /" + std::string(17'000, 'x') + " HTTP/1.1"), "URL");
  Request many;
  for (int i = 0; i < 100; ++i) many.lines.emplace_back("X: y");
  expect_refused(431, many, "more than 100 headers");
  // To the last byte of what is allowed: and an end that never comes is refused, not waited for.
  const std::size_t room = 16'384 - Request{}.text().size() - std::string_view("X: \r\n").size();
  expect_accepted(Request{}.and_line("X: " + std::string(room, 'x')));
  expect_refused(431, Request{}.and_line("X: " + std::string(room + 1, 'x')));
}

TEST_P(WsHandshake, RFC6455_4_2_2_SubprotocolsOverSeveralHeaders) {
  auto chosen = [&](const Request& request) {
    const Answer answer = ask(request, "Sec-WebSocket-Protocol");
    return std::to_string(answer.status) + " " + answer.value;
  };
  const std::string name = "Sec-WebSocket-Protocol: ";
  EXPECT_EQ(chosen(Request{}.but(name + "wamp, mqtt")), "101 mqtt");
  EXPECT_EQ(chosen(Request{}.but(name + "wamp").and_line(name + "chat , mqttv3.1")),
            "101 mqttv3.1");
  EXPECT_EQ(chosen(Request{}.but(name + "mqttv3.1.1,mqtt")), "101 mqttv3.1.1");
  EXPECT_EQ(chosen(Request{}.but(name).and_line("sec-websocket-protocol: MQTT")), "101 MQTT");
  EXPECT_EQ(chosen(Request{}.without("Sec-WebSocket-Protocol")), "101 ");
  for (std::string_view unknown : {"wamp", "wamp, mqttv5", "mqt", "\"mqtt\"", "mqtt;q=1"}) {
    expect_refused(400, Request{}.but(name + std::string(unknown)), "subprotocols");
  }
}

TEST_P(WsHandshake, RFC6455_9_1_MalformedExtensionsEndTheHandshake) {
  for (std::string_view malformed :
       {"permessage-deflate;", "; a", "a; b=", "a; b=\"c d\"", "a b", "a; b=\"c", "a=1"}) {
    expect_refused(400, Request{}.and_line("Sec-WebSocket-Extensions: " + std::string(malformed)),
                   "Sec-WebSocket-Extensions");
  }
}

TEST_P(WsHandshake, RFC6455_4_2_2_NoExtensionIsAgreedToThatWasNotOffered) {
  EXPECT_EQ(ask(Request{}, "Sec-WebSocket-Extensions").value, "");
  EXPECT_EQ(ask(Request{}.and_line("Sec-WebSocket-Extensions: permessage-deflate, x-other"),
                "Sec-WebSocket-Extensions")
                .value,
            "");
}

// CONNECT and a PINGREQ, as frames behind the head.
std::string connect_frames() {
  mqtt::ConnectPacket hello;
  const std::string id = unique("c");
  hello.client_id = id;
  hello.keep_alive_seconds = 60;
  ByteBuffer packet;
  ByteBuffer frames;
  mqtt::write(packet, hello);
  append_frame(frames, Opcode::kBinary, packet.view(), MaskKey{std::byte{1}, std::byte{2}});
  packet.clear();
  mqtt::write(packet, mqtt::PingreqPacket{});
  append_frame(frames, Opcode::kBinary, packet.view(), MaskKey{std::byte{3}});
  return std::string(as_text(frames.view()));
}

TEST_P(WsHandshake, RFC6455_4_1_WhatIsPipelinedBehindTheHeadIsNotLost) {
  const std::string all = Request{}.text() + connect_frames();
  using namespace std::string_literals;
  const std::string answers = "\x82\x04\x20\x02\x00\x00\x82\x02\xd0\x00"s;
  // In one segment, and cut around the end of the head and within the frames.
  const std::size_t end = all.find("\r\n\r\n") + 4;
  for (std::size_t cut : {all.size(), end - 1, end, end + 1, end + 7, all.size() - 1}) {
    Wire made = wire();
    made.send_plain(as_bytes(all).first(cut));
    shared_server().settle(1);
    made.send_plain(as_bytes(all).subspan(cut));
    Answer answer = read(made);
    ASSERT_EQ(answer.status, 101);
    while (answer.body.size() < answers.size() && made.fill()) answer = read(made);
    EXPECT_EQ(answer.body, answers) << cut;
  }
}

TEST_P(WsHandshake, EveryByteOfTheHeadInAReadOfItsOwn) {
  const std::string all = Request{}.text();
  Wire made = wire();
  for (std::size_t i = 0; i < all.size(); ++i) {
    made.send_plain(as_bytes(all).subspan(i, 1));
    if (i % 16 == 0) shared_server().settle(1);
  }
  EXPECT_EQ(read(made).status, 101);
}

TEST(WsHandshakeLimits, HeadThatDoesNotComeInTimeIsAnswered408) {
  TestServer server({.shard_count = 1, .adjust = [](ServerOptions& options) {
                       options.suspect.http_head_max = milliseconds(50);
                     }});
  Wire wire(server.address(), Transport::kTcp);
  wire.send_plain(as_bytes("GET /mqtt HTTP/1.1\r\nHost: a\r\n"));
  while (wire.fill()) {
  }
  const std::string answer(as_text(wire.stream().view()));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 408 ")) << answer;
}

}  // namespace
}  // namespace fairlead::testing
