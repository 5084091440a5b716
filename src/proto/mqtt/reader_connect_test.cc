#include <gtest/gtest.h>

#include "proto/mqtt/reader.h"
#include "proto/mqtt/test_bytes.h"

namespace fairlead::mqtt {
namespace {

using testing::hex;
using testing::refusal;
using testing::str;
using enum ReasonCode;
using Version = ProtocolVersion;

auto connect(const std::string& body) { return read_connect(as_bytes(body)); }

// Protocol name and level, flags, keep alive of 60 s and, in 5.0, no properties.
std::string start(Version version, unsigned flags) {
  std::string name = str(version == Version::k31 ? "MQIsdp" : "MQTT");
  name += hex(static_cast<int>(version), flags, 0, 60);
  return version == Version::k5 ? name + hex(0) : name;
}
// 5.0 with these properties.
std::string with_properties(const std::string& properties) {
  return str("MQTT") + hex(5, 2, 0, 60, properties.size()) + properties + str("c");
}

TEST(MqttConnect, ReadsAMinimalOneOfEachVersion) {
  for (const Version version : {Version::k31, Version::k311, Version::k5}) {
    const std::string body = start(version, 0x02) + str("c");
    const auto packet = connect(body);
    ASSERT_TRUE(packet.ok()) << packet.error().sentence;
    EXPECT_EQ(packet->version, version);
    EXPECT_EQ(packet->clean_start, CleanStart::kYes);
    EXPECT_EQ(packet->keep_alive_seconds, 60);
    EXPECT_EQ(packet->client_id, "c");
    EXPECT_FALSE(packet->user_name || packet->password || packet->will);
    EXPECT_EQ(peek_version(as_bytes(body)), version);
  }
}

TEST(MqttConnect, ReadsWillAndCredentials) {
  const std::string body = start(Version::k311, 0b1111'0100) + str("c") + str("w/t") + str("bye") +
                           str("user") + str("pass");
  const auto packet = connect(body);
  ASSERT_TRUE(packet.ok()) << packet.error().sentence;
  EXPECT_EQ(packet->clean_start, CleanStart::kNo);
  ASSERT_TRUE(packet->will.has_value());
  EXPECT_EQ(packet->will->topic, "w/t");
  EXPECT_EQ(as_text(packet->will->payload), "bye");
  EXPECT_EQ(packet->will->qos, Qos::kExactlyOnce);
  EXPECT_EQ(packet->will->retain, Retain::kYes);
  EXPECT_EQ(packet->user_name, "user");
  EXPECT_EQ(as_text(packet->password.value()), "pass");
}

TEST(MqttConnect, ReadsThePropertiesOf5) {
  const std::string properties = hex(0x11, 0, 0, 0, 9, 0x21, 0, 10, 0x27, 0, 0, 1, 0, 0x22, 0, 3) +
                                 hex(0x19, 1, 0x17, 0, 0x15) + str("m") + hex(0x16) + str("d");
  const auto packet = connect(with_properties(properties));
  ASSERT_TRUE(packet.ok()) << packet.error().sentence;
  const ConnectProperties& p = packet->properties;
  EXPECT_EQ(p.session_expiry_seconds, 9u);
  EXPECT_EQ(p.receive_maximum, 10);
  EXPECT_EQ(p.maximum_packet_size, 256u);
  EXPECT_EQ(p.topic_alias_maximum, 3);
  EXPECT_EQ(p.request_response_information, true);
  EXPECT_EQ(p.request_problem_information, false);
  EXPECT_TRUE(p.authentication_method && p.authentication_data);
}

TEST(MqttConnect, ReadsWillPropertiesOf5) {
  const std::string body =
      start(Version::k5, 0x06) + str("c") + hex(7, 0x18, 0, 0, 0, 5, 0x01, 1) + str("w") + str("x");
  const auto packet = connect(body);
  ASSERT_TRUE(packet.ok()) << packet.error().sentence;
  EXPECT_EQ(packet->will->properties.will_delay_seconds, 5u);
  EXPECT_EQ(packet->will->properties.payload_format, 1);
}

TEST(MqttConnect, RefusesOtherNamesAndLevels) {
  const std::string rest = hex(2, 0, 60) + str("c");
  EXPECT_EQ(refusal(connect(str("HTTP") + hex(4) + rest)), kProtocolError);
  EXPECT_EQ(refusal(connect(str("mqtt") + hex(4) + rest)), kProtocolError);
  EXPECT_EQ(refusal(connect(str("") + hex(4) + rest)), kProtocolError);
  for (const std::string& version :
       {str("MQTT") + hex(3), str("MQTT") + hex(6), str("MQTT") + hex(0x84), str("MQIsdp") + hex(4),
        str("MQIsdp") + hex(0x83)}) {
    EXPECT_EQ(refusal(connect(version + rest)), kUnsupportedProtocolVersion);
    EXPECT_EQ(peek_version(as_bytes(version)), std::nullopt);
  }
}

TEST(MqttConnect, VersionIsPeekedFromItsFirstBytes) {
  EXPECT_EQ(peek_version(as_bytes(str("MQTT") + hex(5))), Version::k5);
  EXPECT_EQ(peek_version(as_bytes(str("MQTT"))), std::nullopt);
  EXPECT_EQ(peek_version(as_bytes(hex(0, 9, 'M'))), std::nullopt);
  EXPECT_EQ(peek_version({}), std::nullopt);
}

TEST(MqttConnect, RefusesTheReservedFlag) {
  for (const Version version : {Version::k311, Version::k5}) {
    EXPECT_EQ(refusal(connect(start(version, 0x03) + str("c"))), kMalformedPacket);
  }
  EXPECT_TRUE(connect(start(Version::k31, 0x03) + str("c")).ok());
}

TEST(MqttConnect, RefusesWillFlagsWithoutAWillAndWillQos3) {
  for (const Version version : {Version::k311, Version::k5}) {
    for (const unsigned flags : {0x08u, 0x10u, 0x20u}) {
      EXPECT_EQ(refusal(connect(start(version, flags) + str("c"))), kMalformedPacket);
    }
  }
  const std::string will = str("c") + str("w") + str("x");
  EXPECT_EQ(refusal(connect(start(Version::k311, 0x1c) + will)), kMalformedPacket);
  EXPECT_EQ(refusal(connect(start(Version::k31, 0x1c) + will)), kMalformedPacket);
}

TEST(MqttConnect, PasswordAloneIsFor5Only) {
  const std::string body = str("c") + str("p");
  EXPECT_EQ(refusal(connect(start(Version::k31, 0x40) + body)), kMalformedPacket);
  EXPECT_EQ(refusal(connect(start(Version::k311, 0x40) + body)), kMalformedPacket);
  const auto packet = connect(start(Version::k5, 0x40) + body);
  ASSERT_TRUE(packet.ok());
  EXPECT_FALSE(packet->user_name.has_value());
  EXPECT_TRUE(packet->password.has_value());
}

TEST(MqttConnect, Of31MayEndBeforeTheCredentialsItAnnounces) {
  EXPECT_TRUE(connect(start(Version::k31, 0xc2) + str("c")).ok());
  const auto packet = connect(start(Version::k31, 0xc2) + str("c") + str("u"));
  ASSERT_TRUE(packet.ok());
  EXPECT_FALSE(packet->password.has_value());
  EXPECT_EQ(refusal(connect(start(Version::k311, 0xc2) + str("c"))), kMalformedPacket);
  EXPECT_EQ(refusal(connect(start(Version::k31, 0xc2) + str("c") + hex(0))), kMalformedPacket);
}

TEST(MqttConnect, RefusesBytesAfterItsEndAndFieldsCutShort) {
  EXPECT_EQ(refusal(connect(start(Version::k311, 2) + str("c") + "x")), kMalformedPacket);
  const std::string whole =
      start(Version::k5, 0xc6) + str("c") + hex(0) + str("w") + str("x") + str("u") + str("p");
  ASSERT_TRUE(connect(whole).ok());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(connect(whole.substr(0, size)).ok()) << size;
  }
}

TEST(MqttConnect, TextsAreUtf8WithoutNul) {
  const std::string bad = str(std::string_view("a\0", 2));
  EXPECT_EQ(refusal(connect(start(Version::k311, 0x02) + bad)), kMalformedPacket);
  EXPECT_EQ(refusal(connect(start(Version::k311, 0x82) + str("c") + bad)), kMalformedPacket);
  EXPECT_EQ(refusal(connect(start(Version::k311, 0x06) + str("c") + bad + str("x"))),
            kMalformedPacket);
  EXPECT_TRUE(connect(start(Version::k311, 0xc2) + str("c") + str("u") + bad).ok());  // bytes
}

TEST(MqttConnect, RefusesAnEmptyWillTopic) {
  EXPECT_EQ(refusal(connect(start(Version::k311, 0x06) + str("c") + str("") + str("x"))),
            kProtocolError);
}

TEST(MqttConnect, RefusesBadProperties) {
  EXPECT_EQ(refusal(connect(with_properties(hex(0x21, 0, 0)))), kProtocolError);
  EXPECT_EQ(refusal(connect(with_properties(hex(0x27, 0, 0, 0, 0)))), kProtocolError);
  EXPECT_EQ(refusal(connect(with_properties(hex(0x19, 2)))), kProtocolError);
  EXPECT_EQ(refusal(connect(with_properties(hex(0x17, 2)))), kProtocolError);
  EXPECT_EQ(refusal(connect(with_properties(hex(0x21, 0, 1, 0x21, 0, 1)))), kProtocolError);
  EXPECT_EQ(refusal(connect(with_properties(hex(0x16) + str("d")))), kProtocolError);
  EXPECT_EQ(refusal(connect(with_properties(hex(0x23, 0, 1)))), kMalformedPacket);
  EXPECT_EQ(refusal(connect(with_properties(hex(0x24, 1)))), kMalformedPacket);
}

TEST(MqttConnect, SentenceNamesTheField) {
  EXPECT_EQ(connect(start(Version::k311, 0x82) + str("c")).error().sentence,
            "CONNECT: user name is cut short");
}

auto connack(Version version, const std::string& body) {
  return read_connack(version, as_bytes(body));
}

TEST(MqttConnack, ReturnCodesOf3BecomeReasonCodes) {
  const ReasonCode reasons[] = {
      kSuccess,           kUnsupportedProtocolVersion, kClientIdentifierNotValid,
      kServerUnavailable, kBadUserNameOrPassword,      kNotAuthorized};
  for (unsigned code = 0; code < 6; ++code) {
    EXPECT_EQ(connack(Version::k311, hex(0, code))->reason, reasons[code]);
    EXPECT_EQ(connack(Version::k31, hex(0, code))->reason, reasons[code]);
  }
  EXPECT_EQ(refusal(connack(Version::k311, hex(0, 6))), kMalformedPacket);
}

TEST(MqttConnack, SessionPresentComesWithSuccessOnly) {
  using enum ConnackPacket::SessionPresent;
  EXPECT_EQ(connack(Version::k311, hex(1, 0))->session_present, kYes);
  EXPECT_EQ(connack(Version::k31, hex(1, 0))->session_present, kNo);
  EXPECT_EQ(connack(Version::k5, hex(1, 0, 0))->session_present, kYes);
  EXPECT_EQ(refusal(connack(Version::k311, hex(1, 5))), kProtocolError);
  EXPECT_EQ(refusal(connack(Version::k5, hex(1, 0x87, 0))), kProtocolError);
  EXPECT_EQ(refusal(connack(Version::k5, hex(2, 0, 0))), kMalformedPacket);
}

TEST(MqttConnack, ReadsThePropertiesOf5) {
  const std::string properties = hex(0x24, 1, 0x25, 0, 0x28, 0, 0x29, 1, 0x2a, 0, 0x13, 0, 30) +
                                 hex(0x12) + str("id") + hex(0x1c) + str("s") + hex(0x1a) +
                                 str("i");
  const std::string body = hex(0, 0, properties.size()) + properties;
  const auto packet = connack(Version::k5, body);
  ASSERT_TRUE(packet.ok()) << packet.error().sentence;
  const ConnackProperties& p = packet->properties;
  EXPECT_EQ(p.maximum_qos, 1);
  EXPECT_EQ(p.retain_available, false);
  EXPECT_EQ(p.wildcard_subscription_available, false);
  EXPECT_EQ(p.subscription_identifier_available, true);
  EXPECT_EQ(p.shared_subscription_available, false);
  EXPECT_EQ(p.server_keep_alive_seconds, 30);
  EXPECT_EQ(p.assigned_client_id, "id");
  EXPECT_EQ(p.server_reference, "s");
  EXPECT_EQ(p.response_information, "i");
}

TEST(MqttConnack, RefusesBadValues) {
  EXPECT_EQ(refusal(connack(Version::k5, hex(0, 0x8d, 0))), kProtocolError);
  EXPECT_EQ(refusal(connack(Version::k5, hex(0, 0, 2, 0x24, 2))), kProtocolError);
  EXPECT_EQ(refusal(connack(Version::k5, hex(0, 0))), kMalformedPacket);
  EXPECT_EQ(refusal(connack(Version::k311, hex(0, 0, 0))), kMalformedPacket);
}

}  // namespace
}  // namespace fairlead::mqtt
