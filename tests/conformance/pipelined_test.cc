#include "conformance/fixture.h"
#include "support/raw_packet.h"

// Many packets at once, with and without the end of the connection behind them: answers have the
// order of what they answer, and nothing is overtaken by what came later.

namespace fairlead::testing {
namespace {

class Pipelined : public ConformanceTest {
 protected:
  // Four shards: a SUBSCRIBE waits for the others.
  [[nodiscard]] TestServer& server() override { return shared_server(4); }
  // As bytes, to be sent in one piece.
  template <class Packet>
  static void add(ByteBuffer& bytes, ProtocolVersion version, const Packet& packet) {
    if constexpr (requires { mqtt::write(bytes, version, packet); }) {
      mqtt::write(bytes, version, packet);
    } else {
      mqtt::write(bytes, packet);
    }
  }
  void add_subscribe(ByteBuffer& bytes, uint16_t id, std::string_view filter) const {
    add(bytes, version(),
        mqtt::SubscribePacket{.packet_id = PacketId{id},
                              .requests = {{.filter = filter, .options = {.qos = kQos0}}},
                              .properties = {}});
  }
  void add_publish(ByteBuffer& bytes, std::string_view topic, Qos qos, uint16_t id) const {
    add(bytes, version(),
        mqtt::PublishPacket{.topic = topic,
                            .payload = as_bytes("x"),
                            .packet_id = PacketId{id},
                            .qos = qos,
                            .properties = {}});
  }
  // All that a client ever says; it has a will.
  [[nodiscard]] ByteBuffer short_life(TestClient& client, std::string_view topic) const {
    mqtt::ConnectPacket hello = client.hello(unique("c"));
    hello.will = mqtt::Will{.topic = topic, .payload = as_bytes("gone"), .properties = {}};
    ByteBuffer bytes;
    add(bytes, version(), hello);
    add_subscribe(bytes, 1, unique("t"));
    add(bytes, version(),
        mqtt::PublishPacket{.topic = topic, .payload = as_bytes("said"), .properties = {}});
    add(bytes, version(), mqtt::DisconnectPacket{});
    return bytes;
  }
};
FL_EVERY_VERSION(Pipelined);

TEST_P(Pipelined, AnswersHaveTheOrderOfWhatTheyAnswer) {
  for (int i = 0; i < 5; ++i) {
    const std::string topic = unique("t");
    const std::string hash = topic + "/#";
    TestClient client = this->client();
    ByteBuffer bytes;
    add(bytes, version(), client.hello(unique("c")));
    add_subscribe(bytes, 1, topic);
    add(bytes, version(), mqtt::PingreqPacket{});
    add_subscribe(bytes, 2, hash);
    add_publish(bytes, topic, kQos1, 3);
    add(bytes, version(),
        mqtt::UnsubscribePacket{
            .packet_id = PacketId{4}, .filters = {hash}, .user_properties = {}});
    add_publish(bytes, topic, kQos2, 5);
    add(bytes, version(), mqtt::PingreqPacket{});
    client.wire().send(bytes.view());
    client.expect("CONNACK 0");
    client.expect("SUBACK 1 00");
    client.expect("PINGRESP");
    client.expect("SUBACK 2 00");
    client.expect_ack("PUBACK 3");
    client.expect("PUBLISH " + topic + " x q0");
    client.expect(is_v5() ? "UNSUBACK 4 00" : "UNSUBACK 4");
    client.expect_ack("PUBREC 5");
    client.expect("PUBLISH " + topic + " x q0");
    client.expect("PINGRESP");
  }
}

TEST_P(Pipelined, ChoppedPacketsBehindASubscribeWaitToo) {
  const std::string topic = unique("t");
  TestClient client(server(), transport(), version(), {.chop_seed = 7});
  client.connect(unique("c"));
  const std::string large(20'000, 'x');
  for (int i = 0; i < 10; ++i) {
    const std::string filter = topic + "/" + std::to_string(i);
    client.send_subscribe({{.filter = filter, .options = {.qos = kQos0}}});
    client.send_publish(filter, large);
  }
  for (int i = 0; i < 10; ++i) {
    client.expect("SUBACK " + std::to_string(i + 1) + " 00");
    client.expect("PUBLISH " + topic + "/" + std::to_string(i) + " " + large + " q0");
  }
}

// More than one packet may have: reading pauses, and goes on.
TEST_P(Pipelined, MuchBehindASubscribeIsAllProcessed) {
  const std::string topic = unique("t");
  TestClient watch = connected();
  watch.subscribe(topic, kQos0);
  TestClient client = connected();
  const std::string large(100'000, 'x');
  client.send_subscribe({{.filter = unique("t"), .options = {.qos = kQos0}}});
  for (int i = 0; i < 8; ++i) client.send_publish(topic, large);
  client.ping();
  client.expect("SUBACK 1 00");
  client.expect("PINGRESP");
  for (int i = 0; i < 8; ++i) watch.expect("PUBLISH " + topic + " " + large + " q0");
}

// CONNECT, SUBSCRIBE, PUBLISH and DISCONNECT in one piece, of a client with a will.
TEST_P(Pipelined, DisconnectIsNotOvertakenByTheEndBehindIt) {
  const std::string topic = unique("will");
  TestClient watch = connected();
  watch.subscribe(topic + "/#", kQos0);
  for (int i = 0; i < 8; ++i) {
    TestClient client = this->client();
    client.wire().send(short_life(client, topic).view());
    if (is_ws(transport())) client.wire().send_frame(Opcode::kClose, as_bytes("\x03\xe8"));
    if (TlsStream* tls = client.wire().tls()) {
      ByteBuffer bye;
      tls->shutdown(bye);
      client.wire().send_socket(bye.view());
    }
    client.wire().finish_sending();
    watch.expect("PUBLISH " + topic + " said q0");
  }
  watch.expect_silence(server());  // no will
}

TEST_P(Pipelined, DisconnectIsNotOvertakenByAReset) {
  const std::string topic = unique("will");
  TestClient watch = connected();
  watch.subscribe(topic + "/#", kQos0);
  for (int i = 0; i < 8; ++i) {
    TestClient client = this->client();
    client.wire().send(short_life(client, topic).view());
    client.wire().reset();
    watch.expect("PUBLISH " + topic + " said q0");
  }
  watch.expect_silence(server());
}

// The end of TLS and what is no TLS at all, in the very read that brought the rest.
TEST_P(Pipelined, DisconnectIsNotOvertakenByGarbageBehindIt) {
  const std::string topic = unique("will");
  TestClient watch = connected();
  watch.subscribe(topic + "/#", kQos0);
  for (int i = 0; i < 8; ++i) {
    TestClient client = this->client();
    ByteBuffer life = short_life(client, topic);
    if (is_tls(transport())) {
      ByteBuffer frame;
      if (is_ws(transport())) append_frame(frame, Opcode::kBinary, life.view(), MaskKey{});
      ByteBuffer cipher;
      ASSERT_TRUE(client.wire().tls()->seal(frame.empty() ? life.view() : frame.view(), cipher));
      cipher.append("garbage that is no record");
      client.wire().send_socket(cipher.view());
    } else {
      life.append("\xff\xff\xff\xff\xff\xff");
      client.wire().send(life.view());
    }
    watch.expect("PUBLISH " + topic + " said q0");
    client.wire().reset();
  }
  watch.expect_silence(server());
}

}  // namespace
}  // namespace fairlead::testing
