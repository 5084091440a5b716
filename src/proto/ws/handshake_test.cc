#include "proto/ws/handshake.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace fairlead {
namespace {

constexpr std::string_view kSampleKey = "dGhlIHNhbXBsZSBub25jZQ==";  // RFC 6455 section 1.3
constexpr std::string_view kSampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

// A head as proto/http gives it, put together by hand. Values are single elements.
struct Head {
  std::string_view method = "GET";
  uint8_t minor_version = 1;
  uint16_t status = 101;
  std::vector<HeaderLine> lines;

  [[nodiscard]] std::vector<std::string_view> header_values(std::string_view name) const {
    std::vector<std::string_view> values;
    for (const auto& [line_name, value] : lines) {
      if (line_name == name) values.push_back(value);
    }
    return values;
  }
  [[nodiscard]] std::vector<std::string_view> header_lines(std::string_view name) const {
    return header_values(name);
  }
  void remove(std::string_view name) {
    std::erase_if(lines, [&](const HeaderLine& line) { return line.first == name; });
  }
  void set(std::string_view name, std::string_view value) {
    remove(name);
    lines.emplace_back(name, value);
  }
};

Head good_request() {
  return {.lines = {{"Upgrade", "websocket"},
                    {"Connection", "Upgrade"},
                    {"Sec-WebSocket-Key", kSampleKey},
                    {"Sec-WebSocket-Version", "13"},
                    {"Sec-WebSocket-Protocol", "mqtt"}}};
}

std::string verdict(const Head& head) {
  const UpgradeVerdict judged = evaluate_upgrade(head);
  if (const auto* accepted = std::get_if<UpgradeAccepted>(&judged)) {
    EXPECT_EQ(accepted->accept_key, kSampleAccept);
    return "101 " + std::string(accepted->subprotocol);
  }
  const auto& refusal = std::get<UpgradeRefusal>(judged);
  std::string text = std::to_string(refusal.status) + " " + std::string(refusal.sentence);
  for (const auto& [name, value] : refusal.headers) {
    text.append(" [").append(name).append(": ").append(value).append("]");
  }
  return text;
}

TEST(Handshake, AnswersTheSampleKeyOfTheSpecification) {
  EXPECT_EQ(accept_key_of(kSampleKey), kSampleAccept);
  const std::string_view nonce = "the sample nonce";
  EXPECT_EQ(upgrade_key(as_bytes(nonce).first<16>()), kSampleKey);
}

TEST(Handshake, AcceptsAndWritesTheResponse) {
  ByteBuffer out;
  const Head head = good_request();
  write_upgrade_response(out, std::get<UpgradeAccepted>(evaluate_upgrade(head)));
  EXPECT_EQ(as_text(out.view()),
            "HTTP/1.1 101 Switching Protocols\r\n"
            "Upgrade: websocket\r\n"
            "Connection: Upgrade\r\n"
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
            "Sec-WebSocket-Protocol: mqtt\r\n\r\n");
}

TEST(Handshake, EchoesTheFirstAcceptableSubprotocolAsItWasOffered) {
  const std::vector<std::pair<std::vector<std::string_view>, std::string>> cases = {
      {{}, "101 "},
      {{"mqtt"}, "101 mqtt"},
      {{"mqttv3.1"}, "101 mqttv3.1"},
      {{"mqttv3.1.1"}, "101 mqttv3.1.1"},
      {{"MQTT"}, "101 MQTT"},
      {{"wamp", "MqttV3.1", "mqtt"}, "101 MqttV3.1"},
  };
  for (const auto& [offered, expected] : cases) {
    Head head = good_request();
    head.remove("Sec-WebSocket-Protocol");
    for (std::string_view name : offered) head.lines.emplace_back("Sec-WebSocket-Protocol", name);
    EXPECT_EQ(verdict(head), expected);
  }
}

TEST(Handshake, WithoutSubprotocolTheResponseNamesNone) {
  ByteBuffer out;
  Head head = good_request();
  head.remove("Sec-WebSocket-Protocol");
  write_upgrade_response(out, std::get<UpgradeAccepted>(evaluate_upgrade(head)));
  EXPECT_EQ(as_text(out.view()).find("Sec-WebSocket-Protocol"), std::string_view::npos);
}

TEST(Handshake, RefusesSubprotocolsThatAreNotSpoken) {
  for (std::string_view name : {"wamp", "mqttv5", "mqt", "mqtt2"}) {
    Head head = good_request();
    head.set("Sec-WebSocket-Protocol", name);
    EXPECT_EQ(verdict(head),
              "400 None of the offered subprotocols is spoken here: offer mqtt in "
              "Sec-WebSocket-Protocol (mqttv3.1 and mqttv3.1.1 will do), or leave the header out.");
  }
}

TEST(Handshake, OtherSubprotocolsCanBeAsked) {
  static constexpr std::string_view kChat[] = {"chat"};
  Head head = good_request();
  head.set("Sec-WebSocket-Protocol", "Chat");
  EXPECT_EQ(std::get<UpgradeAccepted>(evaluate_upgrade(head, {.subprotocols = kChat})).subprotocol,
            "Chat");
}

TEST(Handshake, TokensAreReadWithoutRegardToCase) {
  Head head = good_request();
  head.set("Upgrade", "WebSocket");
  head.set("Connection", "keep-alive");
  head.lines.emplace_back("Connection", "upgrade");
  EXPECT_EQ(verdict(head), "101 mqtt");
}

TEST(Handshake, PlainHttpIsToldWhatThisPortSpeaks) {
  Head head;
  EXPECT_EQ(verdict(head),
            "426 This port speaks MQTT over WebSocket: send Upgrade: websocket, or MQTT without "
            "HTTP. [Upgrade: websocket]");
  head.set("Upgrade", "h2c");
  head.set("Connection", "Upgrade");
  EXPECT_TRUE(verdict(head).starts_with("426 This port speaks MQTT over WebSocket"));
}

TEST(Handshake, RefusesOtherMethods) {
  for (std::string_view method : {"POST", "HEAD", "get"}) {
    Head head = good_request();
    head.method = method;
    EXPECT_EQ(verdict(head), "405 A WebSocket begins with a GET request: use GET. [Allow: GET]");
    head.lines.clear();
    EXPECT_EQ(verdict(head), "405 A WebSocket begins with a GET request: use GET. [Allow: GET]");
  }
}

TEST(Handshake, RefusesMalformedExtensionsAndDeclinesOthers) {
  Head head = good_request();
  head.set("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits, x-foo");
  EXPECT_EQ(verdict(head), "101 mqtt");
  head.lines.emplace_back("Sec-WebSocket-Extensions", "a; =b");
  EXPECT_EQ(verdict(head),
            "400 The Sec-WebSocket-Extensions header is malformed: send names with parameters "
            "(a; b=1, c), or leave it out.");
}

TEST(Handshake, RefusesHttp10) {
  Head head = good_request();
  head.minor_version = 0;
  EXPECT_EQ(verdict(head),
            "505 A WebSocket needs HTTP/1.1: a proxy before this port may be sending HTTP/1.0.");
}

TEST(Handshake, RefusesHalfAnUpgrade) {
  for (std::string_view name : {"Upgrade", "Connection"}) {
    Head head = good_request();
    head.remove(name);
    EXPECT_EQ(verdict(head),
              "426 The Upgrade or Connection header is missing: send Upgrade: websocket and "
              "Connection: Upgrade. A proxy before this port must pass both on. "
              "[Upgrade: websocket]");
  }
}

TEST(Handshake, RefusesOtherVersionsAndNamesItsOwn) {
  for (std::string_view version : {"8", "14", "013", "", "x"}) {
    Head head = good_request();
    head.set("Sec-WebSocket-Version", version);
    EXPECT_EQ(verdict(head),
              "426 Only version 13 of WebSocket is spoken here: send Sec-WebSocket-Version: 13. "
              "[Upgrade: websocket] [Sec-WebSocket-Version: 13]");
  }
  Head head = good_request();
  head.lines.emplace_back("Sec-WebSocket-Version", "13");
  EXPECT_TRUE(verdict(head).starts_with("426 Only version 13"));
}

TEST(Handshake, RefusesKeysThatAreNotSixteenBytesInBase64) {
  const std::string expected = "400 Send one Sec-WebSocket-Key: 16 random bytes in base64.";
  for (std::string_view key :
       {"", "AAAA",
        "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQA=", "dGhlIHNhbXBsZSBub25jZQAA",
        "dGhlIHNhbXBsZSBub25*ZQ==", "dGhlIHNhbXBsZSBub25=ZQ==", "dGhlIHNhbXBsZSBub25jZQ==AAAA"}) {
    Head head = good_request();
    head.set("Sec-WebSocket-Key", key);
    EXPECT_EQ(verdict(head), expected) << key;
  }
  Head head = good_request();
  head.remove("Sec-WebSocket-Key");
  EXPECT_EQ(verdict(head), expected);
  head = good_request();
  head.lines.emplace_back("Sec-WebSocket-Key", kSampleKey);
  EXPECT_EQ(verdict(head), expected);
}

TEST(Handshake, RefusesABody) {
  const std::string expected =
      "400 A WebSocket request has no body: send no Content-Length and no Transfer-Encoding.";
  Head head = good_request();
  for (std::string_view none : {"0", "000"}) {
    head.set("Content-Length", none);
    EXPECT_EQ(verdict(head), "101 mqtt");
  }
  head.set("Content-Length", "5");
  EXPECT_EQ(verdict(head), expected);
  head.remove("Content-Length");
  head.set("Transfer-Encoding", "chunked");
  EXPECT_EQ(verdict(head), expected);
}

UpgradeOffer offer(std::string_view subprotocol = "mqtt") {
  return {.host = "localhost:8443", .path = "/mqtt", .key = kSampleKey, .subprotocol = subprotocol};
}

TEST(ClientHandshake, WritesTheRequest) {
  ByteBuffer out;
  const HeaderLine further[] = {{"User-Agent", "fairlead"}};
  UpgradeOffer full = offer();
  full.headers = further;
  ASSERT_TRUE(write_upgrade_request(out, full).ok());
  EXPECT_EQ(as_text(out.view()),
            "GET /mqtt HTTP/1.1\r\n"
            "Host: localhost:8443\r\n"
            "Upgrade: websocket\r\n"
            "Connection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: mqtt\r\n"
            "User-Agent: fairlead\r\n\r\n");
}

TEST(ClientHandshake, WritesNothingThatWouldBreakTheHead) {
  const HeaderLine broken[] = {{"A", "b\r\nC: d"}};
  std::vector<UpgradeOffer> offers(6, offer());
  offers[0].path = "/ HTTP/1.1\r\nX: y";
  offers[1].path = "mqtt";
  offers[2].host = "";
  offers[3].key = "short";
  offers[4].subprotocol = "a b";
  offers[5].headers = broken;
  for (const UpgradeOffer& bad : offers) {
    ByteBuffer out;
    EXPECT_FALSE(write_upgrade_request(out, bad).ok());
    EXPECT_TRUE(out.empty());
  }
}

Head good_response() {
  return {.lines = {{"Upgrade", "websocket"},
                    {"Connection", "Upgrade"},
                    {"Sec-WebSocket-Accept", kSampleAccept},
                    {"Sec-WebSocket-Protocol", "mqtt"}}};
}

std::string complaint(const Head& head, const UpgradeOffer& sent = offer()) {
  const Status status = check_upgrade_response(head, sent);
  return status.ok() ? "accepted" : status.error().sentence;
}

TEST(ClientHandshake, AcceptsTheServersConsent) {
  EXPECT_EQ(complaint(good_response()), "accepted");
  Head head = good_response();
  head.remove("Sec-WebSocket-Protocol");
  EXPECT_EQ(complaint(head, offer("")), "accepted");
}

TEST(ClientHandshake, SaysWhatTheServerDidInstead) {
  const std::string start = "WebSocket handshake: ";
  Head head = good_response();
  head.status = 403;
  EXPECT_EQ(complaint(head), start + "the server answered with status 403 instead of 101");
  for (std::string_view name : {"Upgrade", "Connection"}) {
    head = good_response();
    head.remove(name);
    EXPECT_EQ(complaint(head), start + "the server did not confirm the upgrade to websocket");
  }
  head = good_response();
  head.set("Sec-WebSocket-Accept", "AAAA");
  EXPECT_EQ(complaint(head),
            start + "Sec-WebSocket-Accept does not belong to the key that was sent");
  head = good_response();
  head.set("Sec-WebSocket-Extensions", "permessage-deflate");
  EXPECT_EQ(complaint(head), start + "the server chose an extension nobody offered");
  head = good_response();
  head.set("Sec-WebSocket-Protocol", "chat");
  EXPECT_EQ(complaint(head), start + "the server chose a subprotocol nobody offered");
  EXPECT_EQ(complaint(good_response(), offer("")),
            start + "the server chose a subprotocol nobody offered");
  head.lines.emplace_back("Sec-WebSocket-Protocol", "mqtt");
  EXPECT_EQ(complaint(head), start + "the server chose more than one subprotocol");
  head.remove("Sec-WebSocket-Protocol");
  EXPECT_EQ(complaint(head), start + "the server does not speak the subprotocol mqtt");
}

}  // namespace
}  // namespace fairlead
