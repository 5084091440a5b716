#include "conformance/fixture.h"

// MQTT over WebSocket: chapter 6 of MQTT 3.1.1 and of 5.0.

namespace fairlead::testing {
namespace {

class OverWebSocket : public ConformanceTest {};
FL_OVER_WEBSOCKET(OverWebSocket);

TEST_P(OverWebSocket, MQTT_6_0_0_1_TextFramesEndTheConnection) {
  const std::string topic = unique("will");
  TestClient watch = connected();
  watch.subscribe(topic, kQos0);
  TestClient client = this->client();
  mqtt::ConnectPacket hello = client.hello(unique("c"));
  hello.will = mqtt::Will{.topic = topic, .payload = as_bytes("gone"), .properties = {}};
  client.connect(hello);
  client.wire().send_frame(Opcode::kText, as_bytes(std::string_view("\xc0\x00", 2)));
  EXPECT_EQ(client.close_code(), 1003);
  watch.expect("PUBLISH " + topic + " gone q0");
}

// The client's end sees to it in every test; here the packets of every kind go through it.
TEST_P(OverWebSocket, MQTT_6_0_0_1_ServerSendsBinaryFramesOnly) {
  const std::string topic = unique("t");
  TestClient client = connected();
  client.subscribe(topic, kQos2);
  for (const Qos qos : {kQos0, kQos1, kQos2}) client.send_publish(topic, "x", qos);
  std::set<std::string> kinds;
  while (kinds.size() < 4) {
    const std::string line = client.next();
    kinds.insert(line.substr(0, line.find(' ')));
    if (line.starts_with("PUBREC ")) client.ack(PacketType::kPubrel, client.last_id());
  }
  client.unsubscribe(topic);
  client.ping();
  client.expect("PINGRESP");
  EXPECT_TRUE(client.wire().one_packet_per_message());
  EXPECT_EQ(kinds, (std::set<std::string>{"PUBLISH", "PUBACK", "PUBREC", "PUBCOMP"}));
}

TEST_P(OverWebSocket, MQTT_6_0_0_4_SubprotocolMqttIsSelected) {
  TestClient client(server(), transport(), version(), {.subprotocol = "mqtt"});
  EXPECT_EQ(client.wire().subprotocol(), "mqtt");
  client.connect(unique("c"));
}

}  // namespace
}  // namespace fairlead::testing
