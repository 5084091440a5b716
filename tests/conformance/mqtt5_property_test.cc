#include "conformance/fixture.h"
#include "support/raw_packet.h"

// Properties of MQTT 5.0, section 2.2.2: each in each packet that a client sends, once and twice,
// with good values and bad ones.

namespace fairlead::testing {
namespace {

enum class Place {
  kConnect,
  kWill,
  kPublish,
  kPuback,
  kPubrec,
  kPubrel,
  kPubcomp,
  kSubscribe,
  kUnsubscribe,
  kDisconnect,
};
constexpr Place kPlaces[] = {
    Place::kConnect, Place::kWill,    Place::kPublish,   Place::kPuback,      Place::kPubrec,
    Place::kPubrel,  Place::kPubcomp, Place::kSubscribe, Place::kUnsubscribe, Place::kDisconnect};

struct Property {
  unsigned id;
  std::string bytes;          // identifier and a good value
  std::vector<Place> places;  // where a client may put it
};

Raw property(unsigned id) { return Raw().u8(id); }

const std::vector<Property>& all_properties() {
  using enum Place;
  static const std::vector<Property> kAll = {
      {0x01, property(0x01).u8(1).str(), {kWill, kPublish}},
      {0x02, property(0x02).u32(60).str(), {kWill, kPublish}},
      {0x03, property(0x03).text("text/plain").str(), {kWill, kPublish}},
      {0x08, property(0x08).text("answers").str(), {kWill, kPublish}},
      {0x09, property(0x09).text("42").str(), {kWill, kPublish}},
      {0x0B, property(0x0B).varint(7).str(), {kSubscribe}},
      {0x11, property(0x11).u32(0).str(), {kConnect, kDisconnect}},
      {0x12, property(0x12).text("id").str(), {}},
      {0x13, property(0x13).u16(60).str(), {}},
      {0x15, property(0x15).text("method").str(), {kConnect}},
      {0x16, property(0x16).text("data").str(), {kConnect}},
      {0x17, property(0x17).u8(1).str(), {kConnect}},
      {0x18, property(0x18).u32(5).str(), {kWill}},
      {0x19, property(0x19).u8(1).str(), {kConnect}},
      {0x1A, property(0x1A).text("info").str(), {}},
      {0x1C, property(0x1C).text("elsewhere").str(), {kDisconnect}},
      {0x1F, property(0x1F).text("why").str(), {kPuback, kPubrec, kPubrel, kPubcomp, kDisconnect}},
      {0x21, property(0x21).u16(10).str(), {kConnect}},
      {0x22, property(0x22).u16(10).str(), {kConnect}},
      {0x23, property(0x23).u16(1).str(), {kPublish}},
      {0x24, property(0x24).u8(1).str(), {}},
      {0x25, property(0x25).u8(1).str(), {}},
      {0x26, property(0x26).text("a").text("b").str(), {std::begin(kPlaces), std::end(kPlaces)}},
      {0x27, property(0x27).u32(1000).str(), {kConnect}},
      {0x28, property(0x28).u8(1).str(), {}},
      {0x29, property(0x29).u8(1).str(), {}},
      {0x2A, property(0x2A).u8(1).str(), {}},
  };
  return kAll;
}

bool allowed(const Property& which, Place place) {
  return std::find(which.places.begin(), which.places.end(), place) != which.places.end();
}

// A packet that is good but for its properties.
std::string packet_with(Place place, std::string_view properties) {
  switch (place) {
    case Place::kConnect:
      return Raw()
          .text("MQTT")
          .u8(5)
          .u8(2)
          .u16(300)
          .properties(properties)
          .text(unique("c"))
          .packet(0x10);
    case Place::kWill:
      return Raw()
          .text("MQTT")
          .u8(5)
          .u8(6)
          .u16(300)
          .properties()
          .text(unique("c"))
          .properties(properties)
          .text(unique("will"))
          .text("gone")
          .packet(0x10);
    case Place::kPublish:
      return Raw().text(unique("t")).u16(9).properties(properties).bytes("x").packet(0x32);
    case Place::kPuback:
      return Raw().u16(77).u8(0).properties(properties).packet(0x40);
    case Place::kPubrec:
      return Raw().u16(77).u8(0).properties(properties).packet(0x50);
    case Place::kPubrel:
      return Raw().u16(77).u8(0).properties(properties).packet(0x62);
    case Place::kPubcomp:
      return Raw().u16(77).u8(0).properties(properties).packet(0x70);
    case Place::kSubscribe:
      return Raw().u16(9).properties(properties).text(unique("t")).u8(0).packet(0x82);
    case Place::kUnsubscribe:
      return Raw().u16(9).properties(properties).text(unique("t")).packet(0xA2);
    case Place::kDisconnect:
      return Raw().u8(0).properties(properties).packet(0xE0);
  }
  unreachable();
}

bool is_connect(Place place) { return place == Place::kConnect || place == Place::kWill; }

class Mqtt5Property : public ConformanceTest {
 protected:
  // Sends the packet on a connection of its own; what the server says to it first.
  std::string answer(Place place, std::string_view properties) {
    TestClient client = is_connect(place) ? this->client() : connected();
    client.send_bytes(packet_with(place, properties));
    // These are not answered; the ping is, if the connection lives.
    if (place == Place::kPuback || place == Place::kPubcomp) client.ping();
    std::string line = client.next();
    if (line.starts_with("DISCONNECT") || line.starts_with("CONNACK 0x")) client.expect_closed();
    return line;
  }
  static std::string refusal(Place place, std::string_view code) {
    return (is_connect(place) ? "CONNACK " : "DISCONNECT ") + std::string(code);
  }
  static std::string acceptance(Place place) {
    switch (place) {
      case Place::kConnect:
      case Place::kWill:
        return "CONNACK 0";
      case Place::kPublish:
        return "PUBACK 9";
      case Place::kPuback:
      case Place::kPubcomp:
        return "PINGRESP";
      case Place::kPubrec:
        return "PUBREL 77 0x92";
      case Place::kPubrel:
        return "PUBCOMP 77 0x92";
      case Place::kSubscribe:
        return "SUBACK 9 00";
      case Place::kUnsubscribe:
        return "UNSUBACK 9 11";
      case Place::kDisconnect:
        return "CLOSED";
    }
    unreachable();
  }
};
FL_ONLY(Mqtt5Property, ProtocolVersion::k5);

TEST_P(Mqtt5Property, MQTT_2_2_2_1_PropertyLengthZeroIsNoProperties) {
  for (const Place place : kPlaces) EXPECT_EQ(answer(place, {}), acceptance(place));
}

TEST_P(Mqtt5Property, EachIsTakenWhereItMayStand) {
  for (const Property& each : all_properties()) {
    if (each.id == 0x15 || each.id == 0x16) continue;  // see Mqtt5Auth
    for (const Place place : each.places) {
      EXPECT_EQ(answer(place, each.bytes), acceptance(place)) << "property " << each.id;
    }
  }
}

TEST_P(Mqtt5Property, MQTT_4_13_1_1_OneThatMayNotStandThereIsMalformed) {
  for (const Property& each : all_properties()) {
    for (const Place place : kPlaces) {
      if (allowed(each, place)) continue;
      if (each.id == 0x0B && place == Place::kPublish) continue;  // a protocol error: Publish5
      EXPECT_EQ(answer(place, each.bytes), refusal(place, "0x81")) << "property " << each.id;
    }
  }
}

TEST_P(Mqtt5Property, MQTT_4_13_1_1_OneThatOccursTwiceIsAProtocolError) {
  for (const Property& each : all_properties()) {
    const std::string twice = each.bytes + each.bytes;
    for (const Place place : each.places) {
      const bool repeats = each.id == 0x26;  // User Property
      EXPECT_EQ(answer(place, twice), repeats ? acceptance(place) : refusal(place, "0x82"))
          << "property " << each.id;
    }
  }
}

TEST_P(Mqtt5Property, MQTT_4_13_1_1_ValueOutOfItsRangeIsAProtocolError) {
  struct Case {
    Place place;
    std::string bytes;
    std::string_view code;
  };
  const Case cases[] = {
      {Place::kConnect, property(0x21).u16(0).str(), "0x82"},        // Receive Maximum
      {Place::kConnect, property(0x27).u32(0).str(), "0x82"},        // Maximum Packet Size
      {Place::kConnect, property(0x17).u8(2).str(), "0x82"},         // Request Problem Information
      {Place::kConnect, property(0x19).u8(2).str(), "0x82"},         // Request Response Information
      {Place::kConnect, property(0x16).text("data").str(), "0x82"},  // without a method
      {Place::kWill, property(0x01).u8(2).str(), "0x82"},            // Payload Format Indicator
      {Place::kWill, property(0x08).text("a/+").str(), "0x82"},      // Response Topic
      {Place::kWill, property(0x08).text("#").str(), "0x82"},
      {Place::kPublish, property(0x01).u8(2).str(), "0x82"},
      {Place::kPublish, property(0x01).u8(255).str(), "0x82"},
      {Place::kPublish, property(0x08).text("a/#").str(), "0x82"},
      {Place::kPublish, property(0x08).text("+").str(), "0x82"},
      {Place::kPublish, property(0x23).u16(0).str(), "0x94"},    // Topic Alias
      {Place::kPublish, property(0x23).u16(101).str(), "0x94"},  // over the server's maximum
      {Place::kPublish, property(0x23).u16(65535).str(), "0x94"},
      {Place::kPublish, property(0x0B).varint(5).str(), "0x82"},  // Subscription Identifier
      {Place::kSubscribe, property(0x0B).varint(0).str(), "0x82"},
      {Place::kSubscribe, property(0x0B).bytes("\xff\xff\xff\xff\x01").str(), "0x81"},
      {Place::kDisconnect, property(0x11).u32(1).str(), "0x82"},  // expiry, after CONNECT said 0
  };
  for (const Case& each : cases) {
    EXPECT_EQ(answer(each.place, each.bytes), refusal(each.place, each.code))
        << "property " << static_cast<unsigned>(static_cast<unsigned char>(each.bytes[0]));
  }
}

TEST_P(Mqtt5Property, UnknownIdentifiersAreMalformed) {
  for (const unsigned id : {0x00u, 0x04u, 0x0Au, 0x14u, 0x1Bu, 0x2Bu, 0x7Fu}) {
    const std::string bytes = property(id).u8(0).str();
    for (const Place place : {Place::kConnect, Place::kPublish, Place::kSubscribe}) {
      EXPECT_EQ(answer(place, bytes), refusal(place, "0x81")) << id;
    }
  }
  // An identifier of two bytes, and one in more bytes than it takes.
  EXPECT_EQ(answer(Place::kPublish, "\x81\x01"), refusal(Place::kPublish, "0x81"));
  EXPECT_EQ(answer(Place::kPublish, std::string("\x81\x00\x01", 3)),
            refusal(Place::kPublish, "0x81"));
}

TEST_P(Mqtt5Property, MQTT_2_2_2_1_PropertyLengthThatDoesNotFitIsMalformed) {
  for (const Place place : kPlaces) {
    std::string cut = property(0x26).text("name").text("value").str();
    cut.resize(cut.size() - 1);  // the last property goes beyond the length
    EXPECT_EQ(answer(place, cut), refusal(place, "0x81"));
  }
  TestClient client = connected();
  client.send_bytes(Raw().u16(9).varint(100).text("t").u8(0).packet(0x82));  // beyond the packet
  client.expect_disconnect(ReasonCode::kMalformedPacket);
  TestClient without = connected();
  without.send_bytes(Raw().u16(9).packet(0x82));  // no length at all
  without.expect_disconnect(ReasonCode::kMalformedPacket);
}

TEST_P(Mqtt5Property, MQTT_1_5_5_1_VariableByteIntegersAreInTheirShortestForm) {
  TestClient property_length = connected();
  property_length.send_bytes(
      Raw().text(unique("t")).bytes(std::string("\x80\x00", 2)).bytes("x").packet(0x30));
  property_length.expect_disconnect(ReasonCode::kMalformedPacket);
  TestClient remaining_length = connected();
  remaining_length.send_bytes(std::string("\xc0\x80\x00", 3));
  remaining_length.expect_disconnect(ReasonCode::kMalformedPacket);
  EXPECT_EQ(answer(Place::kSubscribe, property(0x0B).bytes(std::string("\x87\x00", 2)).str()),
            refusal(Place::kSubscribe, "0x81"));
  // What the server sends is: the test client's reader refuses anything else.
  const std::string topic = unique("t");
  TestClient client = connected();
  client.subscribe({{.filter = topic, .options = {.qos = kQos0}}}, 128);
  client.send_publish(topic, std::string(200, 'x'));
  client.receive();
}

TEST_P(Mqtt5Property, MQTT_1_5_7_1_StringsInPropertiesAreUtf8WithoutNul) {
  const std::string bad[] = {std::string("a\0b", 3), "\xc3\x28", "\xed\xa0\x80", "\xff",
                             "\xf4\x90\x80\x80"};
  for (const std::string& text : bad) {
    for (const Place place : kPlaces) {
      EXPECT_EQ(answer(place, property(0x26).text(text).text("b").str()), refusal(place, "0x81"));
    }
    EXPECT_EQ(answer(Place::kPublish, property(0x26).text("a").text(text).str()),
              refusal(Place::kPublish, "0x81"));
    EXPECT_EQ(answer(Place::kConnect, property(0x15).text(text).str()),
              refusal(Place::kConnect, "0x81"));
    EXPECT_EQ(answer(Place::kPuback, property(0x1F).text(text).str()),
              refusal(Place::kPuback, "0x81"));
  }
}

TEST_P(Mqtt5Property, MQTT_3_3_2_13_ResponseTopicAndContentTypeAreUtf8) {
  for (const unsigned id : {0x08u, 0x03u}) {
    for (const Place place : {Place::kPublish, Place::kWill}) {
      EXPECT_EQ(answer(place, property(id).text("\xed\xbf\xbf").str()), refusal(place, "0x81"));
      EXPECT_EQ(answer(place, property(id).text(std::string("\0", 1)).str()),
                refusal(place, "0x81"));
    }
  }
  // Binary data may hold anything.
  EXPECT_EQ(answer(Place::kPublish, property(0x09).text(std::string("\0\xff", 2)).str()),
            acceptance(Place::kPublish));
}

TEST_P(Mqtt5Property, OrderOfDifferentOnesDoesNotMatter) {
  std::string forth;
  std::string back;
  for (const Property& each : all_properties()) {
    if (!allowed(each, Place::kPublish)) continue;
    forth += each.bytes;
    back = each.bytes + back;
  }
  EXPECT_EQ(answer(Place::kPublish, forth), acceptance(Place::kPublish));
  EXPECT_EQ(answer(Place::kPublish, back), acceptance(Place::kPublish));
}

}  // namespace
}  // namespace fairlead::testing
