#include "proto/mqtt/writer.h"

#include <gtest/gtest.h>

#include "proto/mqtt/test_bytes.h"

namespace fairlead::mqtt {
namespace {

using testing::hex;
using testing::str;
using testing::text_of;
using enum ReasonCode;
using Version = ProtocolVersion;

template <class... Arguments>
std::string wire(const Arguments&... arguments) {
  ByteBuffer out;
  write(out, arguments...);
  return text_of(out);
}

TEST(MqttWriter, ConnectOfEachVersion) {
  ConnectPacket packet;
  packet.keep_alive_seconds = 60;
  packet.client_id = "c";
  EXPECT_EQ(wire(packet), hex(0x10, 13) + str("MQTT") + hex(4, 2, 0, 60) + str("c"));
  packet.version = Version::k31;
  EXPECT_EQ(wire(packet), hex(0x10, 15) + str("MQIsdp") + hex(3, 2, 0, 60) + str("c"));
  packet.version = Version::k5;
  packet.clean_start = CleanStart::kNo;
  packet.properties.receive_maximum = uint16_t{5};
  packet.user_name = "u";
  packet.password = as_bytes("p");
  packet.will = Will{"w", as_bytes("x"), Qos::kAtLeastOnce, Retain::kYes, {}};
  packet.will->properties.will_delay_seconds = 1u;
  EXPECT_EQ(wire(packet), hex(0x10, 35) + str("MQTT") + hex(5, 0xec, 0, 60, 3, 0x21, 0, 5) +
                              str("c") + hex(5, 0x18, 0, 0, 0, 1) + str("w") + str("x") + str("u") +
                              str("p"));
}

TEST(MqttWriter, ConnackTranslatesReasonsFor3) {
  struct Case {
    ReasonCode reason;
    int code;
  };
  for (const auto& [reason, code] :
       {Case{kSuccess, 0}, Case{kUnsupportedProtocolVersion, 1}, Case{kClientIdentifierNotValid, 2},
        Case{kServerUnavailable, 3}, Case{kServerBusy, 3}, Case{kConnectionRateExceeded, 3},
        Case{kQuotaExceeded, 3}, Case{kUseAnotherServer, 3}, Case{kServerMoved, 3},
        Case{kProtocolError, 3}, Case{kBadUserNameOrPassword, 4}, Case{kBadAuthenticationMethod, 4},
        Case{kNotAuthorized, 5}, Case{kBanned, 5}}) {
    ConnackPacket packet;
    packet.reason = reason;
    packet.properties.reason_string = "not in 3.x";
    EXPECT_EQ(wire(Version::k311, packet), hex(0x20, 2, 0, code));
    EXPECT_EQ(wire(Version::k31, packet), hex(0x20, 2, 0, code));
  }
}

TEST(MqttWriter, ConnackSaysSessionPresentFrom311On) {
  ConnackPacket packet;
  packet.session_present = ConnackPacket::SessionPresent::kYes;
  EXPECT_EQ(wire(Version::k31, packet), hex(0x20, 2, 0, 0));
  EXPECT_EQ(wire(Version::k311, packet), hex(0x20, 2, 1, 0));
  EXPECT_EQ(wire(Version::k5, packet), hex(0x20, 3, 1, 0, 0));
}

TEST(MqttWriter, AcksAreAsShortAsTheyMay) {
  AckPacket packet{PacketType::kPuback, PacketId{9}, kSuccess, {}};
  EXPECT_EQ(wire(Version::k311, packet), hex(0x40, 2, 0, 9));
  EXPECT_EQ(wire(Version::k5, packet), hex(0x40, 2, 0, 9));
  packet.type = PacketType::kPubrel;
  packet.reason = kPacketIdentifierNotFound;
  EXPECT_EQ(wire(Version::k311, packet), hex(0x62, 2, 0, 9));
  EXPECT_EQ(wire(Version::k5, packet), hex(0x62, 3, 0, 9, 0x92));
  packet.reason = kSuccess;
  packet.properties.reason_string = "x";
  EXPECT_EQ(wire(Version::k5, packet), hex(0x62, 8, 0, 9, 0, 4, 0x1f) + str("x"));
}

TEST(MqttWriter, SubscribeAndUnsubscribe) {
  SubscribePacket packet;
  packet.packet_id = PacketId{5};
  packet.properties.subscription_identifier = 200u;
  packet.requests = {{"a", {Qos::kAtLeastOnce, true, true, RetainHandling::kDoNotSend}}};
  EXPECT_EQ(wire(Version::k311, packet), hex(0x82, 6, 0, 5) + str("a") + hex(1));
  EXPECT_EQ(wire(Version::k5, packet),
            hex(0x82, 10, 0, 5, 3, 0x0b, 0xc8, 0x01) + str("a") + hex(0x2d));
  const UnsubscribePacket unsubscribe{PacketId{5}, {"a"}, {}};
  EXPECT_EQ(wire(Version::k311, unsubscribe), hex(0xa2, 5, 0, 5) + str("a"));
  EXPECT_EQ(wire(Version::k5, unsubscribe), hex(0xa2, 6, 0, 5, 0) + str("a"));
}

TEST(MqttWriter, SubackSaysOnlyThatItFailedIn3) {
  const SubackPacket packet{PacketId{5}, {kSuccess, kGrantedQos1, kNotAuthorized}, {}};
  EXPECT_EQ(wire(Version::k311, packet), hex(0x90, 5, 0, 5, 0, 1, 0x80));
  EXPECT_EQ(wire(Version::k5, packet), hex(0x90, 6, 0, 5, 0, 0, 1, 0x87));
}

TEST(MqttWriter, UnsubackHasNoPayloadIn3) {
  const UnsubackPacket packet{PacketId{5}, {kSuccess, kNoSubscriptionExisted}, {}};
  EXPECT_EQ(wire(Version::k311, packet), hex(0xb0, 2, 0, 5));
  EXPECT_EQ(wire(Version::k5, packet), hex(0xb0, 5, 0, 5, 0, 0, 0x11));
}

TEST(MqttWriter, PingsDisconnectAndAuth) {
  EXPECT_EQ(wire(PingreqPacket{}), hex(0xc0, 0));
  EXPECT_EQ(wire(PingrespPacket{}), hex(0xd0, 0));
  DisconnectPacket packet;
  EXPECT_EQ(wire(Version::k5, packet), hex(0xe0, 0));
  packet.reason = kSessionTakenOver;
  EXPECT_EQ(wire(Version::k311, packet), hex(0xe0, 0));
  EXPECT_EQ(wire(Version::k5, packet), hex(0xe0, 1, 0x8e));
  packet.properties.server_reference = "s";
  EXPECT_EQ(wire(Version::k5, packet), hex(0xe0, 6, 0x8e, 4, 0x1c) + str("s"));
  EXPECT_EQ(wire(AuthPacket{}), hex(0xf0, 0));
  AuthPacket auth;
  auth.reason = kContinueAuthentication;
  auth.properties.authentication_method = "m";
  EXPECT_EQ(wire(auth), hex(0xf0, 6, 0x18, 4, 0x15) + str("m"));
}

TEST(MqttWriter, LeavesOutUserPropertiesThenTheReasonStringToFit) {
  ByteBuffer block;
  append_user_property(block, "k", "v");
  AckPacket packet{PacketType::kPuback, PacketId{9}, kQuotaExceeded, {}};
  packet.properties.reason_string = "x";
  packet.properties.user_properties = UserProperties(PropertyBlock(block.view()));
  const std::string user = hex(0x26) + str("k") + str("v");
  const std::string reason = hex(0x1f) + str("x");
  const std::string whole = hex(0x40, 15, 0, 9, 0x97, 11) + reason + user;
  EXPECT_EQ(wire(Version::k5, packet), whole);
  EXPECT_EQ(wire(Version::k5, packet, 17u), whole);
  EXPECT_EQ(wire(Version::k5, packet, 16u), hex(0x40, 8, 0, 9, 0x97, 4) + reason);
  EXPECT_EQ(wire(Version::k5, packet, 10u), hex(0x40, 8, 0, 9, 0x97, 4) + reason);
  EXPECT_EQ(wire(Version::k5, packet, 9u), hex(0x40, 3, 0, 9, 0x97));
  EXPECT_EQ(wire(Version::k5, packet, 4u), "");
}

TEST(MqttWriter, LeavesOutOfOtherPacketsToo) {
  ConnackPacket connack;
  connack.properties.reason_string = "x";
  connack.properties.server_keep_alive_seconds = uint16_t{30};
  EXPECT_EQ(wire(Version::k5, connack, 8u), hex(0x20, 6, 0, 0, 3, 0x13, 0, 30));
  SubackPacket suback{PacketId{5}, {kSuccess}, {}};
  suback.properties.reason_string = "x";
  EXPECT_EQ(wire(Version::k5, suback, 6u), hex(0x90, 4, 0, 5, 0, 0));
  DisconnectPacket disconnect;
  disconnect.properties.reason_string = "x";
  EXPECT_EQ(wire(Version::k5, disconnect, 2u), hex(0xe0, 0));
}

TEST(MqttWriter, PublishAsAClient) {
  PublishPacket packet;
  packet.topic = "a";
  packet.payload = as_bytes("hi");
  EXPECT_EQ(wire(Version::k311, packet), hex(0x30, 5) + str("a") + "hi");
  packet.qos = Qos::kExactlyOnce;
  packet.dup = Dup::kYes;
  packet.retain = Retain::kYes;
  packet.packet_id = PacketId{9};
  packet.properties.topic_alias = uint16_t{2};
  EXPECT_EQ(wire(Version::k311, packet), hex(0x3d, 7) + str("a") + hex(0, 9) + "hi");
  EXPECT_EQ(wire(Version::k5, packet), hex(0x3d, 11) + str("a") + hex(0, 9, 3, 0x23, 0, 2) + "hi");
}

TEST(MqttWriter, DupIsNeverSetAtQos0) {
  PublishPacket packet;
  packet.topic = "a";
  packet.dup = Dup::kYes;
  EXPECT_EQ(wire(Version::k311, packet), hex(0x30, 3) + str("a"));
}

TEST(MqttWriter, PublishOfAMessage) {
  const MessageRef message = Message::make({.topic = "a", .payload = as_bytes("hi")});
  ByteBuffer out;
  EXPECT_EQ(write_publish(out, *message, {}), 0u);
  EXPECT_EQ(text_of(out), hex(0x30, 5) + str("a") + "hi");

  out.clear();
  const uint32_t identifiers[] = {7};
  const PublishForm form{.version = Version::k5,
                         .qos = Qos::kAtLeastOnce,
                         .retain = Retain::kYes,
                         .packet_id = PacketId{9},
                         .message_expiry_seconds = 2u,
                         .topic_alias = uint16_t{3},
                         .topic = PublishForm::Topic::kByAlias,
                         .subscription_identifiers = identifiers};
  EXPECT_EQ(write_publish(out, *message, form), 4u);
  EXPECT_EQ(text_of(out),
            hex(0x33, 17, 0, 0, 0, 9, 10, 0x02, 0, 0, 0, 2, 0x23, 0, 3, 0x0b, 7) + "hi");
  EXPECT_EQ(publish_size(*message, form), out.size());
}

}  // namespace
}  // namespace fairlead::mqtt
