#include <algorithm>

#include "hostile/hostile.h"

// Texts and lists of shapes that nobody honest sends: each gets the right answer for its version.

namespace fairlead::testing {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;
using raw::text;

std::string repeated(std::string_view piece, std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += piece;
  return all;
}

class Shapes : public HostileTest {
 protected:
  TestClient device(const std::string& name) {
    TestClient made = client();
    made.connect(made.device_hello({.name = name}));
    return made;
  }
  [[nodiscard]] std::string none() const { return raw::properties(version()); }
  // A SUBSCRIBE of filters at QoS 0.
  [[nodiscard]] std::string subscribe(const std::vector<std::string>& filters) const {
    std::string body = raw::u16(1) + none();
    for (const std::string& filter : filters) body += text(filter) + "\0"s;
    return raw::packet(0x82, body);
  }
};
FL_EVERY_VERSION(Shapes);

// 65,535 slashes are 65,536 levels; thousands are less, and too many all the same.
TEST_P(Shapes, TopicsOfTooManyLevelsAreRefused) {
  for (const std::string& topic :
       {std::string(65'535, '/'), repeated("a/", 5'000), std::string(128, '/')}) {
    TestClient quiet = connected();
    quiet.send_publish(topic, "x");
    quiet.expect_disconnect(ReasonCode::kTopicNameInvalid);
    for (const Qos qos : {kQos1, kQos2}) {
      TestClient peer = connected();
      peer.send_publish(topic, "x", qos);
      if (is_v5()) {
        peer.expect(qos == kQos1 ? "PUBACK 1 0x90" : "PUBREC 1 0x90");
        peer.ping();
        peer.expect("PINGRESP");
      } else {
        peer.expect_closed();
      }
    }
  }
}

TEST_P(Shapes, FiltersOfTooManyLevelsAreRefused) {
  TestClient peer = connected();
  for (const std::string& filter :
       {std::string(65'535, '/'), repeated("a/", 5'000), repeated("+/", 5'000) + "#",
        "$share/g/" + std::string(60'000, '/'), std::string(128, '/')}) {
    EXPECT_EQ(peer.subscribe(filter, kQos0), is_v5() ? "8f" : "80");
    EXPECT_EQ(peer.unsubscribe(filter), is_v5() ? "8f" : "");
  }
  EXPECT_EQ(peer.subscribe(repeated("+/", 127) + "#", kQos0), "00");  // as many as there may be
}

TEST_P(Shapes, WillTopicOfTooManyLevelsIsRefused) {
  TestClient peer = client();
  mqtt::ConnectPacket hello = peer.hello(unique("c"));
  const std::string topic(10'000, '/');
  hello.will = mqtt::Will{.topic = topic, .payload = {}, .properties = {}};
  peer.send(hello);
  if (is_v5()) {
    peer.expect("CONNACK 0x90");
  } else {
    EXPECT_TRUE(peer.next().starts_with("CONNACK "));
  }
  peer.expect_closed();
}

TEST_P(Shapes, DeviceTopicsHaveTheirOwnLimits) {
  TestClient device = this->device("d1");
  EXPECT_EQ(device.subscribe("/pk/d1/user/" + std::string(1'000, '/'), kQos0),
            is_v5() ? "8f" : "80");
  device.send_publish("/pk/d1/user/" + std::string(65'000, 'x'), "x", kQos1);
  if (is_v5()) {
    device.expect("PUBACK 2 0x90");
  } else {
    device.expect_closed();
  }
}

// Each is answered, those over the limit of one packet with the code for it.
TEST_P(Shapes, SubscribeWithThousandsOfFilters) {
  std::vector<std::string> filters;
  const std::string root = unique("many");
  for (int i = 0; i < 5'000; ++i) filters.push_back(root + "/" + std::to_string(i));
  TestClient peer = connected();
  peer.send_bytes(subscribe(filters));
  const std::string line = peer.next();
  ASSERT_TRUE(line.starts_with("SUBACK 1 ")) << line.substr(0, 40);
  const std::string refused = is_v5() ? " 97" : " 80";
  EXPECT_EQ(line, "SUBACK 1" + repeated(" 00", 1'000) + repeated(refused, 4'000));
  peer.send_publish(filters[999], "x");
  peer.expect("PUBLISH " + filters[999] + " x q0");
  std::string body = raw::u16(2) + none();
  for (const std::string& filter : filters) body += text(filter);
  peer.send_bytes(raw::packet(0xa2, body));
  EXPECT_EQ(peer.next(), is_v5() ? "UNSUBACK 2" + repeated(" 00", 1'000) + repeated(" 11", 4'000)
                                 : "UNSUBACK 2");
}

TEST_P(Shapes, SubscribeOfADeviceWithHundredsOfFilters) {
  std::vector<std::string> filters;
  for (int i = 0; i < 500; ++i) filters.push_back("/pk/d2/user/" + std::to_string(i));
  TestClient device = this->device("d2");
  device.send_bytes(subscribe(filters));
  EXPECT_EQ(device.next(), is_v5() ? "SUBACK 1" + repeated(" 00", 8) + repeated(" 97", 492)
                                   : "SUBACK 1" + repeated(" 01", 8) + repeated(" 80", 492));
}

TEST_P(Shapes, SameFilterAThousandTimesIsOneSubscription) {
  const std::string topic = unique("same");
  TestClient peer = connected();
  peer.send_bytes(subscribe(std::vector<std::string>(1'000, topic)));
  EXPECT_EQ(peer.next(), "SUBACK 1" + repeated(" 00", 1'000));
  peer.send_publish(topic, "once");
  peer.expect("PUBLISH " + topic + " once q0");
  peer.expect_silence(server());
}

class WebSocketShapes : public Shapes {};
FL_OVER_WEBSOCKET(WebSocketShapes);

TEST_P(WebSocketShapes, ProtocolHeaderOf16KiB) {
  const std::string names = repeated("nonsense, ", 1'500) + "mqtt";
  const WireOptions fitting{.subprotocol = "", .headers = {{"Sec-WebSocket-Protocol", names}}};
  try {
    Wire(server().address(), transport(), fitting);
    ADD_FAILURE() << "the client has checked nothing";
  } catch (const TestFailure& chosen) {  // "mqtt", which this client says it did not offer
    EXPECT_NE(std::string(chosen.what()).find("subprotocol nobody offered"), std::string::npos)
        << chosen.what();
  }
  const std::string longer = repeated("nonsense, ", 1'700) + "mqtt";
  const WireOptions over{.subprotocol = "", .headers = {{"Sec-WebSocket-Protocol", longer}}};
  try {
    Wire(server().address(), transport(), over);
    ADD_FAILURE() << "a head of 17 KB was taken";
  } catch (const TestFailure& refused) {
    EXPECT_NE(std::string(refused.what()).find("431"), std::string::npos) << refused.what();
  }
}

// --- Texts ---------------------------------------------------------------------------------------

// What is not UTF-8 as MQTT has it, for each reason that there is.
constexpr std::string_view kBadTexts[] = {
    "a\0b"sv,              // U+0000
    "\xed\xa0\x80"sv,      // U+D800
    "a\xed\xbf\xbf"sv,     // U+DFFF
    "\xff"sv,              // no byte of UTF-8
    "\x80"sv,              // continues nothing
    "\xc0\xaf"sv,          // "/" in two bytes
    "\xe0\x80\xaf"sv,      // "/" in three
    "\xf4\x90\x80\x80"sv,  // above U+10FFFF
    "a\xe2\x82"sv,         // cut short
};

TEST_P(Shapes, BadTextsInConnect) {
  for (const std::string_view bad : kBadTexts) {
    const std::string will = raw::properties(version());
    const std::string id = text(unique("c"));
    for (const std::string& connect :
         {raw::connect(version(), raw::kClean, text(bad)),
          raw::connect(version(), raw::kClean | raw::kUserName, id + text(bad)),
          raw::connect(version(), raw::kClean | raw::kWill, id + will + text(bad) + text("x"))}) {
      TestClient peer = client();
      peer.send_bytes(connect);
      expect_connect_refused(peer, ReasonCode::kMalformedPacket);
    }
  }
}

TEST_P(Shapes, BadTextsInTopicsAndFilters) {
  for (const std::string_view bad : kBadTexts) {
    const std::string id = raw::u16(1);
    for (const std::string& packet :
         {raw::packet(0x30, text(bad) + none()), raw::packet(0x32, text(bad) + id + none()),
          raw::packet(0x34, text(bad) + id + none()), subscribe({std::string(bad)}),
          subscribe({"good", std::string(bad)}), raw::packet(0xa2, id + none() + text(bad))}) {
      TestClient peer = connected();
      peer.send_bytes(packet);
      peer.expect_disconnect(ReasonCode::kMalformedPacket);
    }
  }
}

// The specification leaves control characters and noncharacters to the server: here they pass.
TEST_P(Shapes, ControlCharactersPassUnharmed) {
  for (const std::string_view odd :
       {"\x01\x1f\x7f"sv, "\xc2\x9b"sv, "\xef\xbf\xbf"sv, "\xef\xbb\xbf"sv, "\r\n"sv}) {
    const std::string topic = unique("odd") + std::string(odd);
    TestClient peer = client();
    peer.connect(unique("c") + std::string(odd));
    EXPECT_EQ(peer.subscribe(topic, kQos0), "00");
    peer.send_publish(topic, "x");
    peer.expect("PUBLISH " + topic + " x q0");
  }
}

// --- Properties ----------------------------------------------------------------------------------

class Shapes5 : public Shapes {
 protected:
  static std::string user_property(std::string_view name, std::string_view value) {
    return "\x26" + text(name) + text(value);
  }
  // Every property of this version that is text, with `bad` in it.
  static std::vector<std::string> message_properties(std::string_view bad) {
    return {"\x03" + text(bad), "\x08" + text(bad), user_property(bad, "v"),
            user_property("n", bad), user_property("n", "v") + user_property(bad, bad)};
  }
};
FL_ONLY(Shapes5, ProtocolVersion::k5);

TEST_P(Shapes5, BadTextsInPropertiesOfConnect) {
  for (const std::string_view bad : kBadTexts) {
    const std::string id = text(unique("c"));
    std::vector<std::string> packets;
    for (const std::string& block :
         {"\x15" + text(bad), user_property(bad, "v"), user_property("n", bad)}) {
      packets.push_back(raw::connect(version(), raw::kClean, id, block));
    }
    for (const std::string& block : message_properties(bad)) {
      packets.push_back(
          raw::connect(version(), raw::kClean | raw::kWill,
                       id + raw::properties(version(), block) + text("will") + text("x")));
    }
    for (const std::string& packet : packets) {
      TestClient peer = client();
      peer.send_bytes(packet);
      expect_connect_refused(peer, ReasonCode::kMalformedPacket);
    }
  }
}

TEST_P(Shapes5, BadTextsInPropertiesOfOtherPackets) {
  for (const std::string_view bad : kBadTexts) {
    const std::string id = raw::u16(1);
    std::vector<std::string> packets;
    for (const std::string& block : message_properties(bad)) {
      packets.push_back(raw::packet(0x30, text("t") + raw::properties(version(), block)));
    }
    const std::string of_ack = raw::properties(version(), "\x1f" + text(bad));
    for (const unsigned type : {0x40u, 0x50u, 0x62u, 0x70u}) {
      packets.push_back(raw::packet(type, id + "\0"s + of_ack));
    }
    packets.push_back(raw::packet(0xe0, "\0"s + of_ack));
    const std::string named = raw::properties(version(), user_property("n", bad));
    packets.push_back(raw::packet(0x82, id + named + text("t") + "\0"s));
    packets.push_back(raw::packet(0xa2, id + named + text("t")));
    for (const std::string& packet : packets) {
      TestClient peer = connected();
      peer.send_bytes(packet);
      peer.expect_disconnect(ReasonCode::kMalformedPacket);
    }
  }
}

TEST_P(Shapes5, TenThousandUserPropertiesTravelAlong) {
  const std::string topic = unique("props");
  const std::string block = repeated(user_property("name", "value"), 10'000);
  TestClient peer = connected();
  peer.subscribe(topic, kQos1);
  peer.send_bytes(
      raw::packet(0x32, text(topic) + raw::u16(9) + raw::properties(version(), block) + "payload"));
  std::vector<std::string> lines{peer.next(), peer.next()};
  std::sort(lines.begin(), lines.end());
  EXPECT_EQ(lines[0], "PUBACK 9");
  EXPECT_EQ(lines[1], "PUBLISH " + topic + " payload q1");
  TestClient other = connected();
  other.subscribe(topic, kQos0);
  peer.send_publish(topic, "plain");
  other.expect("PUBLISH " + topic + " plain q0");
}

TEST_P(Shapes5, ThousandsOfUserPropertiesInEveryPacket) {
  const std::string many = repeated(user_property("n", "v"), 1'500);  // CONNECT has 16 KiB
  const std::string block = raw::properties(version(), many);
  TestClient peer = client();
  peer.send_bytes(raw::connect(version(), raw::kClean, text(unique("c")), many));
  peer.expect("CONNACK 0");
  const std::string topic = unique("t");
  peer.send_bytes(raw::packet(0x82, raw::u16(1) + block + text(topic) + "\2"s));
  peer.expect("SUBACK 1 02");
  peer.send_publish(topic, "x", kQos2);
  std::vector<std::string> lines{peer.next(), peer.next()};
  std::sort(lines.begin(), lines.end());
  EXPECT_EQ(lines[0], "PUBLISH " + topic + " x q2");
  EXPECT_EQ(lines[1], "PUBREC 1");
  peer.send_bytes(raw::packet(0x50, raw::u16(1) + "\0"s + block));
  peer.expect("PUBREL 1");
  peer.send_bytes(raw::packet(0x70, raw::u16(1) + "\0"s + block));
  peer.send_bytes(raw::packet(0x62, raw::u16(1) + "\0"s + block));
  peer.expect("PUBCOMP 1");
  peer.send_bytes(raw::packet(0xa2, raw::u16(2) + block + text(topic)));
  peer.expect("UNSUBACK 2 00");
  peer.send_bytes(raw::packet(0xe0, "\0"s + block));
  peer.expect_closed();
}

TEST_P(Shapes5, WillWithThousandsOfUserProperties) {
  const std::string topic = unique("will");
  TestClient watcher = connected();
  watcher.subscribe(topic, kQos0);
  const std::string block = raw::properties(version(), repeated(user_property("n", "v"), 2'000));
  TestClient peer = client();
  peer.send_bytes(raw::connect(version(), raw::kClean | raw::kWill,
                               text(unique("c")) + block + text(topic) + text("gone")));
  peer.expect("CONNACK 0");
  peer.wire().reset();
  watcher.expect("PUBLISH " + topic + " gone q0");
  std::size_t count = 0;
  watcher.last_publish().properties.user_properties.for_each([&](auto&&...) { ++count; });
  EXPECT_EQ(count, 2'000u);
}

TEST_P(Shapes5, PropertyTwiceAndUnknownProperties) {
  for (const auto& [block, code] :
       {std::pair{"\x03" + text("a") + "\x03" + text("b"), ReasonCode::kProtocolError},
        std::pair{"\x7f" + text("a"), ReasonCode::kMalformedPacket},
        std::pair{"\x80\x01" + text("a"), ReasonCode::kMalformedPacket},
        std::pair{"\x11\0\0\0\1"s, ReasonCode::kMalformedPacket}}) {  // Session Expiry: CONNECT's
    TestClient peer = connected();
    peer.send_bytes(raw::packet(0x30, text("t") + raw::properties(version(), block)));
    peer.expect_disconnect(code);
  }
}

}  // namespace
}  // namespace fairlead::testing
