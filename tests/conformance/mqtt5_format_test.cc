#include "conformance/fixture.h"
#include "support/raw_packet.h"

// The format of packets in MQTT 5.0: strings, integers, flags and identifiers, chapters 1 and 2.

namespace fairlead::testing {
namespace {

class Mqtt5Format : public ConformanceTest {
 protected:
  struct Field {
    std::string_view name;
    bool in_connect;
    std::string packet;
  };
  // A packet for each place where a text may stand, with that text in it.
  static std::vector<Field> everywhere(std::string_view text) {
    const Raw head = Raw().text("MQTT").u8(5);
    auto connect = [&](unsigned flags) { return Raw(head).u8(flags).u16(60).properties(); };
    return {
        {"client identifier", true, connect(0x02).text(text).packet(0x10)},
        {"will topic", true,
         connect(0x06).text("c").properties().text(text).text("x").packet(0x10)},
        {"user name", true, connect(0x82).text("c").text(text).packet(0x10)},
        {"topic name", false, Raw().text(text).properties().bytes("x").packet(0x30)},
        {"topic filter", false, Raw().u16(1).properties().text(text).u8(0).packet(0x82)},
        {"filter of UNSUBSCRIBE", false, Raw().u16(1).properties().text(text).packet(0xA2)},
    };
  }
  void expect_malformed_everywhere(std::string_view text) {
    for (const Field& field : everywhere(text)) {
      SCOPED_TRACE(field.name);
      TestClient client = field.in_connect ? this->client() : connected();
      client.send_bytes(field.packet);
      client.expect(field.in_connect ? "CONNACK 0x81" : "DISCONNECT 0x81");
      client.expect_closed();
    }
  }
};
FL_ONLY(Mqtt5Format, ProtocolVersion::k5);

TEST_P(Mqtt5Format, MQTT_1_5_4_1_IllFormedUtf8IsMalformedWhereverATextMayStand) {
  for (std::string_view bad : {"\xed\xa0\x80", "\xed\xbf\xbf",  // U+D800, U+DFFF
                               "\xc0\xaf", "\xe2\x82", "\xf5\x80\x80\x80", "\x80"}) {
    expect_malformed_everywhere("a" + std::string(bad));
  }
}

TEST_P(Mqtt5Format, MQTT_1_5_4_2_NulIsMalformedWhereverATextMayStand) {
  expect_malformed_everywhere(std::string_view("a\0b", 3));
  expect_malformed_everywhere(std::string_view("\0", 1));
}

TEST_P(Mqtt5Format, MQTT_1_5_4_3_ZeroWidthNoBreakSpaceIsKept) {
  const std::string plain = unique("t");
  const std::string marked = "\xef\xbb\xbf" + plain + "\xef\xbb\xbf";
  TestClient client = connected();
  client.subscribe(marked, kQos0);
  TestClient other = connected();
  other.subscribe(plain, kQos0);
  TestClient publisher = connected();
  publisher.publish(marked, "x", kQos1);
  client.expect_receive("PUBLISH " + marked + " x q0");
  other.expect_silence(server());
}

TEST_P(Mqtt5Format, MQTT_2_1_3_1_FlagsThatAreReservedAreMalformed) {
  struct Case {
    unsigned type, good;
    std::string body;
  };
  const Case cases[] = {
      {0x40, 0, Raw().u16(1).str()},
      {0x50, 0, Raw().u16(1).str()},
      {0x60, 2, Raw().u16(1).str()},
      {0x70, 0, Raw().u16(1).str()},
      {0x80, 2, Raw().u16(1).properties().text("t").u8(0).str()},
      {0xA0, 2, Raw().u16(1).properties().text("t").str()},
      {0xC0, 0, ""},
      {0xE0, 0, ""},
      {0xF0, 0, Raw().u8(0x19).properties(Raw().u8(0x15).text("m").str()).str()},
  };
  for (const Case& each : cases) {
    for (const unsigned flags : {0u, 1u, 2u, 4u, 8u, 15u}) {
      if (flags == each.good) continue;
      SCOPED_TRACE(each.type | flags);
      TestClient client = connected();
      client.send_bytes(Raw().bytes(each.body).packet(each.type | flags));
      client.expect_disconnect(ReasonCode::kMalformedPacket);
    }
  }
  TestClient connect = client();
  connect.send_bytes(
      Raw().text("MQTT").u8(5).u8(2).u16(60).properties().text(unique("c")).packet(0x11));
  connect.expect_closed();
}

TEST_P(Mqtt5Format, MQTT_2_2_1_2_PublishOfQos0HasNoIdentifier) {
  const std::string topic = unique("t");
  TestClient client = connected();
  client.subscribe(topic, kQos2);
  client.send_publish(topic, "x");
  client.expect("PUBLISH " + topic + " x q0");
  // Fixed header, topic, no properties, payload: nothing between.
  EXPECT_EQ(as_text(client.last_bytes()), Raw().text(topic).properties().bytes("x").packet(0x30));
}

TEST_P(Mqtt5Format, MQTT_2_2_1_4_IdentifiersOfTheServerAreUnusedAndNotZero) {
  const std::string topic = unique("t");
  TestClient subscriber = connected();
  subscriber.subscribe(topic, kQos2);
  TestClient publisher = connected();
  for (int i = 0; i < 60; ++i) publisher.publish(topic, std::to_string(i), i % 2 ? kQos1 : kQos2);
  std::set<uint16_t> in_flight;
  for (int i = 0; i < 60; ++i) {
    (void)subscriber.next();
    const uint16_t id = subscriber.last_id();
    EXPECT_NE(id, 0);
    EXPECT_TRUE(in_flight.insert(id).second) << id << " is in use";
    if (subscriber.last_publish().qos == kQos1) {
      subscriber.ack(PacketType::kPuback, id);
      in_flight.erase(id);
    }
  }
}

TEST_P(Mqtt5Format, MQTT_2_2_1_5_AcknowledgementsHaveTheIdentifierOfTheirPublish) {
  const std::string topic = unique("t");
  TestClient client = connected();
  for (const unsigned id : {1u, 255u, 256u, 32'768u, 65'535u}) {
    const std::string number = std::to_string(id);
    client.send_bytes(Raw().text(topic).u16(id).properties().packet(0x32));
    client.expect("PUBACK " + number);
    client.send_bytes(Raw().text(topic).u16(id).properties().packet(0x34));
    client.expect("PUBREC " + number);
    client.ack(PacketType::kPubrel, static_cast<uint16_t>(id));
    client.expect("PUBCOMP " + number);
  }
}

TEST_P(Mqtt5Format, MQTT_2_2_1_6_SubackAndUnsubackHaveTheirIdentifiers) {
  TestClient client = connected();
  for (const unsigned id : {1u, 255u, 256u, 65'535u}) {
    client.send_bytes(Raw().u16(id).properties().text("t").u8(0).packet(0x82));
    client.expect("SUBACK " + std::to_string(id) + " 00");
    client.send_bytes(Raw().u16(id).properties().text("t").packet(0xA2));
    client.expect("UNSUBACK " + std::to_string(id) + " 00");
  }
}

TEST_P(Mqtt5Format, MQTT_2_2_1_3_IdentifierZeroIsAProtocolError) {
  for (const std::string& packet :
       {Raw().u16(0).properties().text("t").u8(0).packet(0x82),
        Raw().u16(0).properties().text("t").packet(0xA2), Raw().u16(0).packet(0x40),
        Raw().u16(0).packet(0x50), Raw().u16(0).packet(0x62), Raw().u16(0).packet(0x70),
        Raw().text("t").u16(0).properties().packet(0x32),
        Raw().text("t").u16(0).properties().packet(0x34)}) {
    TestClient client = connected();
    client.send_bytes(packet);
    client.expect_disconnect(ReasonCode::kProtocolError);
  }
}

TEST_P(Mqtt5Format, MQTT_2_2_2_1_PacketsOfTheServerSayThatTheyHaveNoProperties) {
  TestClient client = connected();
  const std::string topic = unique("t");
  client.send_bytes(Raw().u16(7).properties().text(topic).u8(0).packet(0x82));
  client.expect("SUBACK 7 00");
  EXPECT_EQ(as_text(client.last_bytes()), Raw().u16(7).properties().u8(0).packet(0x90));
  client.send_bytes(Raw().u16(8).properties().text(topic).packet(0xA2));
  client.expect("UNSUBACK 8 00");
  EXPECT_EQ(as_text(client.last_bytes()), Raw().u16(8).properties().u8(0).packet(0xB0));
}

TEST_P(Mqtt5Format, MQTT_4_13_1_1_PacketsThatAreCutShortAreMalformed) {
  for (const std::string& packet :
       {Raw().u8(0).packet(0x30), Raw().u16(5).bytes("abc").packet(0x30),
        Raw().text("t").u8(0).packet(0x32), Raw().text("t").packet(0x30), Raw().u8(0).packet(0x40),
        Raw().packet(0x62), Raw().u16(1).properties().text("t").packet(0x82),
        Raw().u16(1).properties().u16(4).bytes("abc").packet(0xA2), Raw().u8(9).packet(0xC0)}) {
    TestClient client = connected();
    client.send_bytes(packet);
    client.expect_disconnect(ReasonCode::kMalformedPacket);
  }
}

TEST_P(Mqtt5Format, MQTT_4_13_1_1_BytesBehindAPacketsEndAreMalformed) {
  for (const std::string& packet : {Raw().u16(1).u8(0).properties().u8(0).packet(0x40),
                                    Raw().u8(0).properties().u8(0).packet(0xE0),
                                    Raw().u16(1).u8(0).properties().bytes("zz").packet(0x62)}) {
    TestClient client = connected();
    client.send_bytes(packet);
    client.expect_disconnect(ReasonCode::kMalformedPacket);
  }
}

}  // namespace
}  // namespace fairlead::testing
