#include "conformance/fixture.h"

// permessage-deflate (RFC 7692) under MQTT: off by default, agreed on where it is configured and
// offered, bounded before and after CONNECT.

namespace fairlead::testing {
namespace {

using namespace std::string_literals;

constexpr std::size_t kMessageBytesMax = (256u << 10) + 16;  // by default

// Two shards, so that half of the connections move after their CONNECT.
TestServer& deflating_server() {
  static TestServer server(
      {.shard_count = 2, .adjust = [](ServerOptions& o) { o.websocket.deflate = true; }});
  return server;
}

template <class Packet>
void add(ByteBuffer& out, const Packet& packet) {
  if constexpr (requires { mqtt::write(out, ProtocolVersion::k5, packet); }) {
    mqtt::write(out, ProtocolVersion::k5, packet);
  } else {
    mqtt::write(out, packet);
  }
}

std::string pingreqs(std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += "\xc0\x00"s;
  return text;
}

class WsDeflate : public ::testing::TestWithParam<Transport> {
 protected:
  [[nodiscard]] TestClient client(std::string extensions = "permessage-deflate",
                                  std::optional<uint64_t> chop = {}) const {
    return {deflating_server(),
            GetParam(),
            ProtocolVersion::k5,
            {.chop_seed = chop, .extensions = std::move(extensions)}};
  }
  [[nodiscard]] TestClient connected(std::string extensions = "permessage-deflate") const {
    TestClient made = client(std::move(extensions));
    made.connect(unique("c"));
    return made;
  }
  [[nodiscard]] static ByteBuffer compress(std::string_view message) {
    Deflater deflater;
    ByteBuffer out;
    const auto small = deflater.deflate(as_bytes(message));
    if (!small) throw TestFailure("cannot be compressed");
    out.append(*small);
    return out;
  }
};
INSTANTIATE_TEST_SUITE_P(All, WsDeflate, ::testing::Values(Transport::kWs, Transport::kWss),
                         [](const auto& param) {
                           return std::string(transport_name(param.param));
                         });

TEST_P(WsDeflate, IsOffUnlessConfigured) {
  TestClient client(shared_server(), GetParam(), ProtocolVersion::k311,
                    {.extensions = "permessage-deflate"});
  EXPECT_FALSE(client.wire().deflates());
  client.connect(unique("c"));
  client.wire().send_compressed(compress(pingreqs(100)).view());
  EXPECT_EQ(client.close_code(), 1002);
}

TEST_P(WsDeflate, IsAgreedToWhereItIsOfferedAndOnlyThere) {
  EXPECT_TRUE(client().wire().deflates());
  EXPECT_TRUE(client("x-other, permessage-deflate; client_max_window_bits").wire().deflates());
  EXPECT_FALSE(client("permessage-deflate; server_max_window_bits=7").wire().deflates());
  TestClient plain = connected("");
  EXPECT_FALSE(plain.wire().deflates());
  plain.wire().send_compressed(compress(pingreqs(100)).view());
  EXPECT_EQ(plain.close_code(), 1002);
}

// The same dialogue with everything compressed that can be, whole and in fragments.
TEST_P(WsDeflate, DialogueOverADeflatedConnection) {
  for (std::optional<uint64_t> chop : {std::optional<uint64_t>(), std::optional<uint64_t>(7)}) {
    const std::string topic = unique("a/rather/long/topic");
    TestClient client = this->client("permessage-deflate", chop);
    mqtt::ConnectPacket hello = client.hello(unique("c"));
    const std::string will(1000, 'w');
    hello.will = mqtt::Will{.topic = topic, .payload = as_bytes(will), .properties = {}};
    client.connect(hello);
    EXPECT_EQ(client.wire().compressed_count(), 0u) << "CONNACK is small";
    client.subscribe(topic, kQos2);
    for (std::size_t size : {1u, 127u, 2'000u, 200'000u}) {
      const std::string payload(size, 'p');
      for (Qos qos : {kQos0, kQos1, kQos2}) {
        client.send_publish(topic, payload, qos);
        bool received = false;
        for (int answers = qos == kQos0 ? 0 : 1; answers > 0 || !received;) {
          const std::string line = client.next();
          if (line.starts_with("PUBLISH")) {
            received = true;
            EXPECT_EQ(client.last_publish().payload.size(), size);
            if (qos == kQos1) client.ack(PacketType::kPuback, client.last_id());
            if (qos == kQos2) client.ack(PacketType::kPubrec, client.last_id());
          } else if (line.starts_with("PUBREC")) {
            client.ack(PacketType::kPubrel, client.last_id());
          } else if (line.starts_with("PUBREL")) {
            client.ack(PacketType::kPubcomp, client.last_id());
          } else {
            --answers;  // PUBACK or PUBCOMP
          }
        }
      }
    }
    EXPECT_GE(client.wire().compressed_count(), 6u);
  }
}

// What is encoded once and shared has its packet identifier patched in, compressed or not.
TEST_P(WsDeflate, FanOutToAllKindsOfReceivers) {
  const std::string topic = unique("t");
  std::vector<std::unique_ptr<TestClient>> receivers;
  for (std::string_view extensions :
       {"permessage-deflate", "permessage-deflate", "", "permessage-deflate",
        "permessage-deflate; server_max_window_bits=9", ""}) {
    receivers.push_back(std::make_unique<TestClient>(connected(std::string(extensions))));
    receivers.back()->subscribe(topic, kQos1);
  }
  TestClient publisher = connected();
  for (std::size_t size : {10u, 300u, 1'000u, 100'000u}) {
    const std::string payload(size, 'z');
    for (Qos qos : {kQos0, kQos1, kQos1}) {
      publisher.publish(topic, payload, qos);
      for (auto& receiver : receivers) {
        receiver->expect_receive("PUBLISH " + topic + " " + payload +
                                 (qos == kQos0 ? " q0" : " q1"));
      }
    }
  }
  EXPECT_EQ(receivers[0]->wire().compressed_count(), 9u);
  EXPECT_EQ(receivers[2]->wire().compressed_count(), 0u);
  EXPECT_EQ(receivers[4]->wire().compressed_count(), 3u) << "what its window holds";
}

// Whether the connection moves or not, and however much comes out of what was pipelined.
TEST_P(WsDeflate, WhatIsPipelinedBehindConnectIsNeitherLostNorRefused) {
  for (int i = 0; i < 12; ++i) {
    const std::string topic = unique("t");
    TestClient client = this->client();
    mqtt::ConnectPacket hello = client.hello(unique("c"));
    const std::string will(500, 'w');
    hello.will = mqtt::Will{.topic = "gone", .payload = as_bytes(will), .properties = {}};
    client.send(hello);
    const std::string payload(4'000, 'p');
    for (int n = 0; n < 20; ++n) client.send_publish(topic, payload, kQos1);
    client.expect("CONNACK 0");
    for (int n = 1; n <= 20; ++n) client.expect("PUBACK " + std::to_string(n));
  }
}

TEST_P(WsDeflate, BeforeConnectTheLimitForSuspectsHoldsForWhatComesOut) {
  TestClient fits = client();  // no CONNECT, and so the end: but no bomb
  fits.wire().send_compressed(compress(pingreqs(16'384)).view());
  EXPECT_EQ(fits.close_code(), 1002);
  for (std::size_t fragment : {SIZE_MAX, std::size_t{10}}) {
    TestClient bomb = client();
    bomb.wire().send_compressed(compress(pingreqs(16'386)).view(), fragment);
    EXPECT_EQ(bomb.close_code(), 1009);
    TestClient large = client();
    large.wire().send_compressed(compress(std::string(10'000'000, 'a')).view(), fragment);
    EXPECT_EQ(large.close_code(), 1009);
  }
  // Over several messages: a CONNECT that goes on and on.
  TestClient slow = client();
  slow.wire().send_frame(Opcode::kBinary, as_bytes("\x10\xff\x7f\x00\x04MQTT"s));
  slow.wire().send_compressed(compress(std::string(10'000, 'a')).view());
  slow.wire().send_compressed(compress(std::string(10'000, 'a')).view());
  EXPECT_EQ(slow.close_code(), 1009);
}

TEST_P(WsDeflate, BeforeConnectTheLimitForSuspectsHoldsForWhatIsGathered) {
  ByteBuffer message;  // stored blocks: nothing comes out before the end
  while (message.size() < 17'000) {
    message.append(std::string_view("\x00\x64\x00\x9b\xff", 5));
    message.append(std::string(100, 'x'));
  }
  message.u8(0);
  TestClient client = this->client();
  client.wire().send_compressed(message.view(), 1'000);
  EXPECT_EQ(client.close_code(), 1009);
}

TEST_P(WsDeflate, AfterConnectTheLimitOfAMessageHoldsForWhatComesOut) {
  TestClient client = connected();
  const std::string most = pingreqs(kMessageBytesMax);
  client.wire().send_compressed(compress(most).view());
  for (std::size_t i = 0; i < most.size() / 2; ++i) ASSERT_EQ(client.next(), "PINGRESP");
  client.wire().send_compressed(compress(most + "\xc0\x00"s).view());
  EXPECT_EQ(client.close_code(), 1009);
  TestClient bomb = connected();
  bomb.wire().send_compressed(compress(std::string(20'000'000, '\0')).view(), 1'000);
  EXPECT_EQ(bomb.close_code(), 1009);
}

TEST_P(WsDeflate, CorruptDataIsRefusedWith1007) {
  for (std::string_view corrupt : {"\xff\xff\xff\xff", "\x06", "\x72\x48\x2d\x2a\x02"}) {
    TestClient made = connected();
    made.wire().send_compressed(as_bytes(corrupt));
    EXPECT_EQ(made.close_code(), 1007);
    TestClient suspect = client();
    suspect.wire().send_compressed(as_bytes(corrupt), 1);
    EXPECT_EQ(suspect.close_code(), 1007);
  }
}

TEST_P(WsDeflate, TheBitElsewhereThanOnAFirstFrameIsRefused) {
  const std::string_view key("\0\0\0\0", 4);
  for (std::string_view frames : {"\xc9\x80", "\xca\x80", "\xc8\x80", "\xe2\x80", "\xd2\x80"}) {
    TestClient made = connected();
    made.send_bytes("");
    made.wire().send_plain(as_bytes(std::string(frames) + std::string(key)));
    EXPECT_EQ(made.close_code(), 1002);
  }
  TestClient made = connected();
  made.wire().send_plain(as_bytes("\x42\x80\0\0\0\0\xc0\x80\0\0\0\0"s));
  EXPECT_EQ(made.close_code(), 1002) << "on a continuation";
  TestClient text = connected();
  text.wire().send_plain(as_bytes("\xc1\x80\0\0\0\0"s));
  EXPECT_EQ(text.close_code(), 1003);
}

// A packet may be spread over compressed and plain messages, and several may share one.
TEST_P(WsDeflate, PacketsAndMessagesHaveNothingToDoWithEachOther) {
  TestClient client = connected();
  ByteBuffer packets;
  const std::string topic = unique("t");
  client.subscribe(topic, kQos0);
  const std::string payload(1'000, 'q');
  for (int i = 0; i < 3; ++i) {
    add(packets,
        mqtt::PublishPacket{.topic = topic, .payload = as_bytes(payload), .properties = {}});
  }
  const std::string all(as_text(packets.view()));
  client.wire().send_compressed(compress(all.substr(0, 1'500)).view(), 7);
  client.wire().send_frame(Opcode::kBinary, as_bytes(all).subspan(1'500, 100));
  client.wire().send_compressed(compress(all.substr(1'600)).view());
  for (int i = 0; i < 3; ++i) client.expect("PUBLISH " + topic + " " + payload + " q0");
}

}  // namespace
}  // namespace fairlead::testing
