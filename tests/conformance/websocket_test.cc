#include "conformance/fixture.h"

// Frames and the closing handshake of RFC 6455 against a running server, as MQTT uses them. What a
// client sends wrongly is put together byte by byte; the unit tests beside src/proto/ws go through
// the same for every split.

namespace fairlead::testing {
namespace {

using namespace std::string_literals;

constexpr uint8_t kFinal = 0x80;
constexpr std::string_view kMaskText = "\x37\xfa\x21\x3d";
constexpr uint64_t kMessageBytesMax = (256u << 10) + 16;  // by default
const std::string kPingreq = "\xc0\x00"s;

enum class LengthForm : uint8_t { kSeven, kSixteen, kSixtyFour };

// Header up to the length, with the mask bit.
std::string header(int first, uint64_t length, LengthForm form, bool masked = true) {
  const auto bit = static_cast<char>(masked ? 0x80 : 0);
  std::string text(1, static_cast<char>(first));
  if (form == LengthForm::kSeven) return text + static_cast<char>(bit | static_cast<char>(length));
  const int bytes = form == LengthForm::kSixteen ? 2 : 8;
  text += static_cast<char>(bit | static_cast<char>(bytes == 2 ? 126 : 127));
  for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>(length >> (8 * i));
  return text;
}

LengthForm shortest(std::size_t length) {
  return length < 126       ? LengthForm::kSeven
         : length <= 0xffff ? LengthForm::kSixteen
                            : LengthForm::kSixtyFour;
}

std::string masked(std::string payload) {
  for (std::size_t i = 0; i < payload.size(); ++i) {
    payload[i] = static_cast<char>(payload[i] ^ kMaskText[i % 4]);
  }
  return std::string(kMaskText) + payload;
}

std::string frame(int first, const std::string& payload) {
  return header(first, payload.size(), shortest(payload.size())) + masked(payload);
}

std::string code_bytes(int code) {
  return {static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
}
std::string close_frame(int code, const std::string& reason = "") {
  return frame(0x88, code_bytes(code) + reason);
}

template <class Packet>
std::string bytes_of(const Packet& packet) {
  ByteBuffer out;
  if constexpr (requires { mqtt::write(out, ProtocolVersion::k311, packet); }) {
    mqtt::write(out, ProtocolVersion::k311, packet);
  } else {
    mqtt::write(out, packet);
  }
  return std::string(as_text(out.view()));
}

std::string publish_bytes(std::string_view topic, const std::string& payload) {
  return bytes_of(
      mqtt::PublishPacket{.topic = topic, .payload = as_bytes(payload), .properties = {}});
}

class WebSocket : public ::testing::TestWithParam<Transport> {
 protected:
  [[nodiscard]] TestClient client() const { return {server_, GetParam()}; }
  [[nodiscard]] TestClient connected() const {
    TestClient made = client();
    made.connect(unique("c"));
    return made;
  }
  // The close code with which `bytes` are answered, after CONNECT and before it; 0: none came.
  [[nodiscard]] int verdict(const std::string& bytes) const {
    TestClient suspect = client();
    suspect.wire().send_plain(as_bytes(bytes));
    const int before = suspect.close_code();
    TestClient made = connected();
    made.wire().send_plain(as_bytes(bytes));
    const int code = made.close_code();
    EXPECT_TRUE(made.wire().stream().empty());
    EXPECT_EQ(before, code) << "before CONNECT it is another one";
    return code;
  }
  // Nothing is wrong with `bytes`: they say one PINGREQ in the end.
  static void expect_pingresp(TestClient& client, const std::string& bytes) {
    client.wire().send_plain(as_bytes(bytes));
    client.expect("PINGRESP");
  }

  TestServer& server_ = shared_server();
};
INSTANTIATE_TEST_SUITE_P(All, WebSocket, ::testing::Values(Transport::kWs, Transport::kWss),
                         [](const auto& param) {
                           return std::string(transport_name(param.param));
                         });

// --- Section 5.2: the bits of a frame ------------------------------------------------------------

TEST_P(WebSocket, RFC6455_5_2_EveryLengthEncodingInItsShortestForm) {
  const std::string topic = unique("t");
  TestClient client = connected();
  client.subscribe(topic, kQos0);
  const std::size_t rest = publish_bytes(topic, "").size();
  for (std::size_t size : {125u, 126u, 127u, 128u, 65'535u, 65'536u, 65'537u, 200'000u}) {
    // The remaining length of a large packet takes two or three bytes instead of one.
    const std::size_t varint = size < 130 ? 0 : size < 16'388 ? 1 : 2;
    std::string packet = publish_bytes(topic, std::string(size - rest - varint, 'p'));
    if (packet.size() != size) packet = publish_bytes(topic, std::string(size - rest - 1, 'p'));
    ASSERT_EQ(packet.size(), size);
    client.wire().send_plain(as_bytes(frame(0x82, packet)));
    EXPECT_EQ(client.next().substr(0, 7), "PUBLISH");
    EXPECT_EQ(client.last_bytes().size(), size);
  }
}

TEST_P(WebSocket, RFC6455_5_2_LongerEncodingsThanNeededAreRefused) {
  for (std::size_t size : {0u, 2u, 125u}) {
    EXPECT_EQ(verdict(header(0x82, size, LengthForm::kSixteen)), 1002) << size;
    EXPECT_EQ(verdict(header(0x82, size, LengthForm::kSixtyFour)), 1002) << size;
  }
  for (std::size_t size : {126u, 65'535u}) {
    EXPECT_EQ(verdict(header(0x82, size, LengthForm::kSixtyFour)), 1002) << size;
  }
}

TEST_P(WebSocket, RFC6455_5_2_SixtyFourBitLengthsWithTheTopBitAreRefused) {
  for (uint64_t length : {uint64_t{1} << 63, (uint64_t{1} << 63) + 5, UINT64_MAX}) {
    EXPECT_EQ(verdict(header(0x82, length, LengthForm::kSixtyFour)), 1002) << length;
  }
}

TEST_P(WebSocket, RFC6455_5_2_ReservedBitsAreRefusedOnEveryFrame) {
  for (int opcode : {0x1, 0x2, 0x8, 0x9, 0xa}) {
    for (int bits : {0x40, 0x20, 0x10, 0x70}) {
      EXPECT_EQ(verdict(frame(kFinal | bits | opcode, "")), 1002) << opcode << ' ' << bits;
    }
  }
  EXPECT_EQ(verdict(frame(0x02, "\xc0"s) + frame(0x40, "\x00"s)), 1002);
}

TEST_P(WebSocket, RFC6455_5_2_UnknownOpcodesAreRefused) {
  for (int opcode : {0x3, 0x4, 0x5, 0x6, 0x7, 0xb, 0xc, 0xd, 0xe, 0xf}) {
    EXPECT_EQ(verdict(frame(kFinal | opcode, "x")), 1002) << opcode;
    EXPECT_EQ(verdict(frame(opcode, "")), 1002) << opcode << " fragmented";
  }
}

TEST_P(WebSocket, RFC6455_5_1_UnmaskedFramesAreRefused) {
  for (int first : {0x82, 0x02, 0x88, 0x89, 0x8a}) {
    EXPECT_EQ(verdict(header(first, 2, LengthForm::kSeven, false) + "\xc0\x00"s), 1002) << first;
    EXPECT_EQ(verdict(header(first, 0, LengthForm::kSeven, false)), 1002) << first;
  }
  EXPECT_EQ(verdict(frame(0x02, "\xc0"s) + header(0x80, 1, LengthForm::kSeven, false)), 1002)
      << "of a fragment";
}

TEST_P(WebSocket, RFC6455_5_3_EachFrameHasAMaskOfItsOwn) {
  TestClient client = connected();
  ByteBuffer frames;
  const MaskKey none{};
  append_frame(frames, Opcode::kBinary, as_bytes(kPingreq).first(1), none, Fragment::kMoreFollow);
  append_frame(frames, Opcode::kContinuation, as_bytes(kPingreq).subspan(1),
               MaskKey{std::byte{0xff}, std::byte{0x00}, std::byte{0x13}, std::byte{0x37}});
  expect_pingresp(client, std::string(as_text(frames.view())));
}

// --- Section 5.4: fragments ----------------------------------------------------------------------

TEST_P(WebSocket, RFC6455_5_4_FragmentsWithControlFramesBetweenThem) {
  TestClient client = connected();
  expect_pingresp(client, frame(0x02, "\xc0") + frame(0x89, "one") + frame(0x00, "") +
                              frame(0x8a, "nobody asked") + frame(0x89, "") + frame(0x80, "\x00"s));
  EXPECT_EQ(client.wire().pongs(), (std::vector<std::string>{"one", ""}));
}

TEST_P(WebSocket, RFC6455_5_4_PingWithinAMessageIsAnsweredBeforeItsEnd) {
  TestClient client = connected();
  client.wire().send_plain(as_bytes(frame(0x02, "\xc0") + frame(0x89, "now")));
  while (client.wire().pongs().empty()) ASSERT_TRUE(client.wire().fill());
  EXPECT_EQ(client.wire().pongs(), std::vector<std::string>{"now"});
  expect_pingresp(client, frame(0x80, "\x00"s));
}

TEST_P(WebSocket, RFC6455_5_4_FragmentsMayBeEmptyAndMany) {
  TestClient client = connected();
  expect_pingresp(client, frame(0x02, "") + frame(0x00, "") + frame(0x00, kPingreq) +
                              frame(0x00, "") + frame(0x80, ""));
  expect_pingresp(client,
                  frame(0x82, "") + frame(0x02, "") + frame(0x80, "") + frame(0x82, kPingreq));
  std::string many = frame(0x02, "\xc0");
  for (int i = 0; i < 1000; ++i) many += frame(0x00, "");
  expect_pingresp(client, many + frame(0x80, "\x00"s));
}

TEST_P(WebSocket, RFC6455_5_4_ContinuationOfNothingIsRefused) {
  EXPECT_EQ(verdict(frame(0x80, "x")), 1002);
  EXPECT_EQ(verdict(frame(0x00, "x")), 1002);
  EXPECT_EQ(verdict(frame(0x82, "") + frame(0x80, "x")), 1002) << "the message has ended";
  EXPECT_EQ(verdict(frame(0x02, "") + frame(0x80, "") + frame(0x80, "x")), 1002);
}

TEST_P(WebSocket, RFC6455_5_4_AMessageWithinAMessageIsRefused) {
  EXPECT_EQ(verdict(frame(0x02, "\xc0") + frame(0x82, "\x00"s)), 1002);
  EXPECT_EQ(verdict(frame(0x02, "\xc0") + frame(0x02, "\x00"s)), 1002);
  EXPECT_EQ(verdict(frame(0x02, "\xc0") + frame(0x81, "x")), 1002);
}

// --- Section 5.5: control frames -----------------------------------------------------------------

TEST_P(WebSocket, RFC6455_5_5_ControlFramesOverTheirSizeOrInFragmentsAreRefused) {
  for (int opcode : {0x8, 0x9, 0xa}) {
    EXPECT_EQ(verdict(header(kFinal | opcode, 126, LengthForm::kSixteen)), 1002) << opcode;
    EXPECT_EQ(verdict(header(kFinal | opcode, 65'536, LengthForm::kSixtyFour)), 1002) << opcode;
    EXPECT_EQ(verdict(header(kFinal | opcode, 5, LengthForm::kSixteen)), 1002) << opcode;
    EXPECT_EQ(verdict(frame(opcode, "")), 1002) << opcode << " fragmented";
  }
}

TEST_P(WebSocket, RFC6455_5_5_3_PongHasThePayloadOfItsPing) {
  TestClient client = connected();
  const std::string binary("\x00\xff\xfe\r\n", 5);
  const std::string largest(125, 'p');
  expect_pingresp(
      client, frame(0x89, "") + frame(0x89, binary) + frame(0x89, largest) + frame(0x82, kPingreq));
  EXPECT_EQ(client.wire().pongs(), (std::vector<std::string>{"", binary, largest}));
}

TEST_P(WebSocket, RFC6455_5_5_3_PongUnaskedIsNotAnswered) {
  TestClient client = connected();
  expect_pingresp(client,
                  frame(0x8a, "") + frame(0x8a, std::string(125, 'x')) + frame(0x82, kPingreq));
  EXPECT_TRUE(client.wire().pongs().empty());
}

TEST_P(WebSocket, RFC6455_5_5_2_FloodOfPingsIsAnsweredAndBounded) {
  constexpr std::size_t kPings = 20'000;
  TestClient client = connected();
  std::string flood;
  for (std::size_t i = 0; i < kPings; ++i) flood += frame(0x89, "ping " + std::to_string(i));
  expect_pingresp(client, flood + frame(0x82, kPingreq));
  ASSERT_EQ(client.wire().pongs().size(), kPings);
  EXPECT_EQ(client.wire().pongs().back(), "ping " + std::to_string(kPings - 1));
}

TEST_P(WebSocket, RFC6455_5_5_2_PingBeforeConnectIsAnsweredToo) {
  TestClient client = this->client();
  client.wire().send_plain(as_bytes(frame(0x89, "early")));
  client.connect(unique("c"));
  EXPECT_EQ(client.wire().pongs(), std::vector<std::string>{"early"});
}

// --- Sections 5.5.1 and 7: the closing handshake -------------------------------------------------

TEST_P(WebSocket, RFC6455_5_5_1_EveryCodeThatMayBeSentIsAnsweredWithIt) {
  for (int code : {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000,
                   3999, 4000, 4999}) {
    EXPECT_EQ(verdict(close_frame(code)), code);
    EXPECT_EQ(verdict(close_frame(code, "with a reason \xe2\x82\xac")), code);
  }
}

TEST_P(WebSocket, RFC6455_7_4_CodesThatMayNotBeSentAreRefused) {
  for (int code :
       {0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 5001, 9999, 65'535}) {
    EXPECT_EQ(verdict(close_frame(code)), 1002) << code;
    EXPECT_EQ(verdict(close_frame(code, "why")), 1002) << code;
  }
}

TEST_P(WebSocket, RFC6455_5_5_1_EmptyCloseIsAnsweredByAnEmptyOne) {
  EXPECT_EQ(verdict(frame(0x88, "")), static_cast<int>(CloseCode::kNoStatus));
}

TEST_P(WebSocket, RFC6455_5_5_1_CloseOfOneByteIsRefused) {
  EXPECT_EQ(verdict(frame(0x88, "\x03")), 1002);
}

TEST_P(WebSocket, RFC6455_5_5_1_ReasonMustBeUtf8) {
  const std::string longest = std::string(120, 'r') + "\xe2\x82\xac";  // 123 bytes
  EXPECT_EQ(verdict(close_frame(1000, longest)), 1000);
  for (const std::string& reason :
       {"\x80"s, "\xff"s, "\xc3"s, "ok \xc0\xaf"s, "\xed\xa0\x80"s, "\xf4\x90\x80\x80"s,
        "\xe2\x82"s, std::string(121, 'r') + "\xe2\x82"}) {
    EXPECT_EQ(verdict(close_frame(1000, reason)), 1007) << reason;
  }
}

TEST_P(WebSocket, RFC6455_5_5_1_WhatFollowsACloseIsIgnored) {
  const std::string topic = unique("t");
  TestClient witness = connected();
  witness.subscribe(topic, kQos0);
  TestClient client = connected();
  client.wire().send_plain(as_bytes(close_frame(1000) + frame(0x82, publish_bytes(topic, "late")) +
                                    frame(0x89, "late") + close_frame(1001)));
  EXPECT_EQ(client.close_code(), 1000);
  EXPECT_TRUE(client.wire().pongs().empty());
  witness.expect_silence(server_);
}

TEST_P(WebSocket, RFC6455_5_5_1_CloseWithinAMessageIsAnswered) {
  EXPECT_EQ(verdict(frame(0x02, "\xc0") + close_frame(1000)), 1000);
}

TEST_P(WebSocket, RFC6455_7_1_1_TheServerEndsTheStreamAfterItsClose) {
  TestClient client = connected();
  client.wire().send_plain(as_bytes(close_frame(1000)));
  EXPECT_EQ(client.next(), "CLOSED");
  EXPECT_EQ(client.wire().close_code(), CloseCode::kNormal);
}

TEST_P(WebSocket, RFC6455_7_1_7_AFailedConnectionSaysNothingMore) {
  const std::string topic = unique("t");
  TestClient witness = connected();
  witness.subscribe(topic, kQos0);
  TestClient client = connected();
  client.wire().send_plain(as_bytes(frame(0x83, "bad") + frame(0x82, kPingreq) +
                                    frame(0x82, publish_bytes(topic, "late"))));
  EXPECT_EQ(client.next(), "CLOSED");
  EXPECT_EQ(client.wire().close_code(), CloseCode::kProtocolError);
  witness.expect_silence(server_);
}

// What was right in front of a broken frame has taken effect.
TEST_P(WebSocket, RFC6455_7_1_7_FramesBeforeABrokenOneCount) {
  TestClient client = connected();
  client.wire().send_plain(as_bytes(frame(0x82, kPingreq) + frame(0x83, "bad")));
  client.expect("PINGRESP");
  EXPECT_EQ(client.close_code(), 1002);
}

TEST_P(WebSocket, RFC6455_7_2_3_ClosesOfTheServerHaveACode) {
  TestClient before = client();  // refused before CONNECT, by MQTT's rules
  before.wire().send_plain(as_bytes(frame(0x82, kPingreq)));
  EXPECT_EQ(before.close_code(), 1002);
  TestClient malformed = client();
  malformed.wire().send_plain(as_bytes(frame(0x82, "\x10\x04\x00\x04MQ"s)));
  EXPECT_EQ(malformed.close_code(), 1002);
  TestClient large = client();
  large.wire().send_plain(as_bytes(frame(0x82, "\x10\xff\xff\x03"s)));
  EXPECT_EQ(large.close_code(), 1009);
  TestClient gone = connected();
  gone.disconnect();
  EXPECT_EQ(gone.close_code(), 1000);
}

TEST(WebSocketLimits, NoConnectInTimeIsClosedWith1008) {
  TestServer server({.shard_count = 1, .adjust = [](ServerOptions& options) {
                       options.suspect.connect_max = milliseconds(50);
                     }});
  TestClient client(server, Transport::kWs);
  EXPECT_EQ(client.close_code(), 1008);
}

// The will of one who was told to go was sent to the next, who had been told already.
TEST(WebSocketLimits, RFC6455_5_5_1_NothingFollowsTheCloseOfAServerThatStops) {
  for (Transport transport : kAllTransports) {
    SCOPED_TRACE(transport_name(transport));
    TestServer server({.shard_count = 1});
    TestClient first(server, transport, ProtocolVersion::k5);
    mqtt::ConnectPacket hello = first.hello("first");
    hello.will = mqtt::Will{.topic = "gone", .payload = as_bytes("first"), .properties = {}};
    first.connect(hello);
    TestClient second(server, transport, ProtocolVersion::k5);
    second.connect("second");
    second.subscribe("gone", kQos1);
    server.stop();
    second.expect_disconnect(ReasonCode::kServerShuttingDown);
  }
}

// --- Pings of the server -------------------------------------------------------------------------

// Without a keep alive, and without an answer; a client without WebSocket beside it gets none.
TEST(WebSocketPings, IdleConnectionsArePingedAgainAndAgain) {
  TestServer server({.shard_count = 2, .adjust = [](ServerOptions& options) {
                       options.websocket.ping_interval = seconds(1);
                     }});
  std::vector<std::unique_ptr<TestClient>> clients;
  for (Transport transport : kAllTransports) {
    clients.push_back(std::make_unique<TestClient>(server, transport));
    mqtt::ConnectPacket hello = clients.back()->hello(unique("c"));
    hello.keep_alive_seconds = 0;
    clients.back()->connect(hello);
  }
  for (std::size_t i = 0; i < clients.size(); ++i) {
    if (!is_ws(kAllTransports[i])) continue;
    while (clients[i]->wire().ping_count() < 2) ASSERT_TRUE(clients[i]->wire().fill());
  }
  for (auto& client : clients) client->expect_silence(server);
}

TEST(WebSocketPings, ComeBesideTheKeepAliveWhichStillCloses) {
  TestServer server({.shard_count = 1, .adjust = [](ServerOptions& options) {
                       options.websocket.ping_interval = seconds(1);
                     }});
  TestClient client(server, Transport::kWs);
  mqtt::ConnectPacket hello = client.hello(unique("c"));
  hello.keep_alive_seconds = 2;
  client.connect(hello);
  client.expect_closed();  // a pong would not be a packet of MQTT either
  EXPECT_GE(client.wire().ping_count(), 1u);
}

// --- MQTT over it --------------------------------------------------------------------------------

TEST_P(WebSocket, MQTT_6_0_0_1_TextFramesAreRefusedWith1003) {
  EXPECT_EQ(verdict(frame(0x81, "text")), 1003);
  EXPECT_EQ(verdict(frame(0x81, "")), 1003);
  EXPECT_EQ(verdict(frame(0x01, "te") + frame(0x80, "xt")), 1003);
}

TEST_P(WebSocket, RFC6455_10_4_MessagesOverTheLimitAreRefusedWith1009) {
  const uint64_t limit = kMessageBytesMax;
  EXPECT_EQ(verdict(header(0x82, limit + 1, LengthForm::kSixtyFour)), 1009)
      << "by what is announced";
  EXPECT_EQ(verdict(header(0x82, uint64_t{1} << 62, LengthForm::kSixtyFour)), 1009);
  EXPECT_EQ(verdict(header(0x82, (uint64_t{1} << 63) - 1, LengthForm::kSixtyFour)), 1009);
}

TEST_P(WebSocket, RFC6455_10_4_FragmentsThatReachTheLimitAreRefusedWith1009) {
  std::string piece;
  while (piece.size() < 4096) piece += kPingreq;
  std::string fragments = frame(0x02, piece);
  std::size_t sum = piece.size();
  for (; sum + piece.size() <= kMessageBytesMax; sum += piece.size()) {
    fragments += frame(0x00, piece);
  }
  TestClient client = connected();
  client.wire().send_plain(as_bytes(fragments));
  for (std::size_t i = 0; i < sum / 2; ++i) ASSERT_EQ(client.next(), "PINGRESP") << i;
  client.wire().send_plain(as_bytes(frame(0x00, piece)));
  EXPECT_EQ(client.close_code(), 1009);
}

TEST_P(WebSocket, RFC6455_10_4_AMessageOfExactlyTheLimitIsTaken) {
  // Many packets in one message: the limit is on the message here, not on the packet.
  std::string packets;
  while (packets.size() < kMessageBytesMax) packets += kPingreq;
  const std::size_t count = packets.size() / 2;
  TestClient client = connected();
  client.wire().send_plain(as_bytes(frame(0x82, packets)));
  for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(client.next(), "PINGRESP") << i;
  client.wire().send_plain(as_bytes(frame(0x82, packets + kPingreq)));
  EXPECT_EQ(client.close_code(), 1009);
}

TEST_P(WebSocket, MQTT_6_0_0_2_PacketsAndFramesHaveNothingToDoWithEachOther) {
  TestClient client = this->client();
  const std::string hello = bytes_of(client.hello(unique("c")));
  std::string frames = frame(0x82, "");
  for (char byte : hello) frames += frame(0x82, std::string(1, byte));
  client.wire().send_plain(as_bytes(frames));
  client.expect("CONNACK 0");
  client.wire().send_plain(as_bytes(frame(0x82, kPingreq + kPingreq + "\xc0") +
                                    frame(0x82, "\x00\xc0"s) + frame(0x82, "\x00"s)));
  for (int i = 0; i < 4; ++i) client.expect("PINGRESP");
}

}  // namespace
}  // namespace fairlead::testing
