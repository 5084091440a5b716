#include "proto/mqtt/reader.h"

#include <gtest/gtest.h>

#include "proto/mqtt/test_bytes.h"
#include "proto/mqtt/varint.h"

namespace fairlead::mqtt {
namespace {

using testing::hex;
using testing::refusal;
using testing::str;
using enum ReasonCode;
using Version = ProtocolVersion;

auto header(const std::string& bytes, std::size_t size_max = 1 << 20,
            Version version = Version::k5) {
  return read_fixed_header(as_bytes(bytes), size_max, version);
}
auto publish(Version version, uint8_t flags, const std::string& body) {
  return read_publish(version, flags, as_bytes(body));
}
ReasonCode publish_refusal(const std::string& body, uint8_t flags = 0) {
  return refusal(publish(Version::k5, flags, body));
}

TEST(MqttFixedHeader, WaitsUntilItIsComplete) {
  for (const auto& part : {hex(), hex(0x30), hex(0x30, 0x80), hex(0x30, 0xff, 0xff, 0xff)}) {
    const auto read = header(part);
    ASSERT_TRUE(read.ok());
    EXPECT_FALSE(read->has_value());
  }
}

TEST(MqttFixedHeader, ReadsLengthsOfOneToFourBytes) {
  struct Case {
    std::string bytes;
    uint32_t length;
  };
  for (const auto& [bytes, length] :
       {Case{hex(0x30, 0x00), 0}, Case{hex(0x30, 0x7f), 127}, Case{hex(0x30, 0x80, 0x01), 128},
        Case{hex(0x30, 0xff, 0x7f), 16383}, Case{hex(0x30, 0x80, 0x80, 0x01), 16384},
        Case{hex(0x30, 0xff, 0xff, 0xff, 0x7f), kVarintMax}}) {
    const auto read = header(bytes, std::size_t{1} << 32);
    ASSERT_TRUE(read.ok() && read->has_value());
    EXPECT_EQ((*read)->remaining_length, length);
    EXPECT_EQ((*read)->header_size, bytes.size());
    EXPECT_EQ((*read)->packet_size(), bytes.size() + length);
    EXPECT_EQ((*read)->type, PacketType::kPublish);
  }
}

TEST(MqttFixedHeader, RefusesALengthOfFiveBytesBeforeTheFifth) {
  EXPECT_EQ(refusal(header(hex(0x30, 0x80, 0x80, 0x80, 0x80))), kMalformedPacket);
}

TEST(MqttFixedHeader, RefusesALengthThatIsNotTheShortest) {
  EXPECT_EQ(refusal(header(hex(0x30, 0x80, 0x00))), kMalformedPacket);
  EXPECT_EQ(refusal(header(hex(0x30, 0x81, 0x80, 0x00))), kMalformedPacket);
}

TEST(MqttFixedHeader, RefusesAPacketOverTheLimit) {
  EXPECT_TRUE(header(hex(0x30, 0x08), 10).ok());
  EXPECT_EQ(refusal(header(hex(0x30, 0x09), 10)), kPacketTooLarge);
}

TEST(MqttFixedHeader, AllowsTheFlagsOfEachTypeOnly) {
  for (unsigned type = 0; type < 16; ++type) {
    for (unsigned flags = 0; flags < 16; ++flags) {
      const bool two = type == 6 || type == 8 || type == 10;
      const unsigned qos = (flags >> 1) & 3;
      const bool allowed = type == 0   ? false
                           : type == 3 ? qos != 3 && (flags < 8 || qos != 0)
                                       : flags == (two ? 2 : 0);
      EXPECT_EQ(header(hex(type << 4 | flags)).ok(), allowed) << type << ' ' << flags;
    }
  }
}

TEST(MqttFixedHeader, Of31MayHaveADuplicateSubscribe) {
  EXPECT_TRUE(header(hex(0x8a, 0x05), 100, Version::k31).ok());
  EXPECT_EQ(refusal(header(hex(0x8a, 0x05), 100, Version::k311)), kMalformedPacket);
  EXPECT_EQ(refusal(header(hex(0x36, 0x05), 100, Version::k31)), kMalformedPacket);
  EXPECT_EQ(refusal(header(hex(0x00, 0x05), 100, Version::k31)), kMalformedPacket);
}

TEST(MqttPublish, ReadsTopicIdentifierAndPayload) {
  for (const Version version : {Version::k31, Version::k311}) {
    const std::string body = str("a/b") + hex(0x01, 0x02) + "hello";
    const auto packet = publish(version, 0b1101, body);
    ASSERT_TRUE(packet.ok());
    EXPECT_EQ(packet->topic, "a/b");
    EXPECT_EQ(packet->packet_id, PacketId{0x0102});
    EXPECT_EQ(as_text(packet->payload), "hello");
    EXPECT_EQ(packet->qos, Qos::kExactlyOnce);
    EXPECT_EQ(packet->dup, Dup::kYes);
    EXPECT_EQ(packet->retain, Retain::kYes);
  }
}

TEST(MqttPublish, AtQos0HasNoIdentifier) {
  const std::string body = str("a") + "xy";
  const auto packet = publish(Version::k311, 0, body);
  ASSERT_TRUE(packet.ok());
  EXPECT_EQ(packet->packet_id, PacketId{});
  EXPECT_EQ(as_text(packet->payload), "xy");
  EXPECT_EQ(packet->dup, Dup::kNo);
  EXPECT_EQ(packet->retain, Retain::kNo);
}

TEST(MqttPublish, ReadsItsProperties) {
  const std::string properties = hex(0x01, 1, 0x02, 0, 0, 1, 0, 0x23, 0, 7) + hex(0x08) + str("r") +
                                 hex(0x09) + str("c") + hex(0x26) + str("k") + str("v") +
                                 hex(0x0b, 5, 0x03) + str("t") + hex(0x0b, 0x80, 0x01) + hex(0x26) +
                                 str("k") + str("w");
  const std::string body = str("a") + hex(properties.size()) + properties + "p";
  const auto packet = publish(Version::k5, 0, body);
  ASSERT_TRUE(packet.ok()) << packet.error().sentence;
  const PublishProperties& p = packet->properties;
  EXPECT_EQ(p.payload_format, 1);
  EXPECT_EQ(p.message_expiry_seconds, 256u);
  EXPECT_EQ(p.topic_alias, 7);
  EXPECT_EQ(p.response_topic, "r");
  EXPECT_EQ(as_text(p.correlation_data.value()), "c");
  EXPECT_EQ(p.content_type, "t");
  std::string users;
  p.user_properties.for_each([&](std::string_view name, std::string_view value) {
    users.append(name).append("=").append(value).append(";");
  });
  EXPECT_EQ(users, "k=v;k=w;");
  std::vector<uint32_t> identifiers;
  p.subscription_identifiers.for_each([&](uint32_t id) { identifiers.push_back(id); });
  EXPECT_EQ(identifiers, (std::vector<uint32_t>{5, 128}));
  EXPECT_EQ(as_text(packet->payload), "p");
}

TEST(MqttPublish, RefusesWhatIsCutShort) {
  for (const std::string& body : {hex(), hex(0), hex(0, 2, 'a')}) {
    EXPECT_EQ(refusal(publish(Version::k311, 0, body)), kMalformedPacket);
  }
  EXPECT_EQ(refusal(publish(Version::k311, 2, str("a") + hex(1))), kMalformedPacket);
  EXPECT_EQ(publish_refusal(str("a")), kMalformedPacket);                 // no property length
  EXPECT_EQ(publish_refusal(str("a") + hex(2, 0x01)), kMalformedPacket);  // longer than the packet
  EXPECT_EQ(publish_refusal(str("a") + hex(1, 0x01)), kMalformedPacket);  // a property cut short
  EXPECT_EQ(publish_refusal(str("a") + hex(0x80, 0x00)), kMalformedPacket);
}

TEST(MqttPublish, RefusesQos3AndDupWithQos0AndIdentifierZero) {
  EXPECT_EQ(publish_refusal(str("a") + hex(0, 1, 0), 0b0110), kMalformedPacket);
  EXPECT_EQ(publish_refusal(str("a") + hex(0), 0b1000), kMalformedPacket);
  EXPECT_EQ(publish_refusal(str("a") + hex(0, 0, 0), 0b0010), kProtocolError);
}

TEST(MqttPublish, TopicIsUtf8WithoutNul) {
  using namespace std::string_literals;
  for (const std::string& topic : {"a\0b"s, "\xff"s, "\xc0\x80"s, "\xed\xa0\x80"s,
                                   "\xf4\x90\x80\x80"s, "twelve bytes\0"s, "eight by\xe4\xb8"s}) {
    for (const Version version : {Version::k31, Version::k311, Version::k5}) {
      EXPECT_EQ(refusal(publish(version, 0, str(topic) + hex(0))), kMalformedPacket) << topic;
    }
  }
  EXPECT_TRUE(publish(Version::k311, 0, str("\xe4\xb8\xad\xe6\x96\x87/\xf0\x9f\x98\x80")).ok());
}

TEST(MqttPublish, EmptyTopicNeedsAnAlias) {
  EXPECT_EQ(refusal(publish(Version::k311, 0, str(""))), kProtocolError);
  EXPECT_EQ(publish_refusal(str("") + hex(0)), kProtocolError);
  EXPECT_TRUE(publish(Version::k5, 0, str("") + hex(3, 0x23, 0, 1)).ok());
}

TEST(MqttProperties, RefusesBadValues) {
  EXPECT_EQ(publish_refusal(str("a") + hex(3, 0x23, 0, 0)), kTopicAliasInvalid);
  EXPECT_EQ(publish_refusal(str("a") + hex(2, 0x01, 2)), kProtocolError);
  EXPECT_EQ(publish_refusal(str("a") + hex(2, 0x0b, 0)), kProtocolError);
  EXPECT_EQ(publish_refusal(str("a") + hex(3, 0x0b, 0x80, 0x00)), kMalformedPacket);
  EXPECT_EQ(publish_refusal(str("a") + hex(6, 0x08) + str("a/+")), kProtocolError);
  EXPECT_EQ(publish_refusal(str("a") + hex(4, 0x03) + str("\xff")), kMalformedPacket);
  EXPECT_EQ(publish_refusal(str("a") + hex(7, 0x26) + str("\xff") + str("a")), kMalformedPacket);
  EXPECT_EQ(publish_refusal(str("a") + hex(7, 0x26) + str("a") + str("\xff")), kMalformedPacket);
}

TEST(MqttProperties, RefusesThoseOfOtherPacketsAndUnknownOnes) {
  EXPECT_EQ(publish_refusal(str("a") + hex(3, 0x21, 0, 1)), kMalformedPacket);
  EXPECT_EQ(publish_refusal(str("a") + hex(2, 0x7f, 0)), kMalformedPacket);
  EXPECT_EQ(publish_refusal(str("a") + hex(3, 0x81, 0x00, 0)), kMalformedPacket);
  EXPECT_EQ(publish_refusal(str("a") + hex(1, 0x00)), kMalformedPacket);
}

TEST(MqttProperties, RefusesThoseThatOccurTwice) {
  EXPECT_EQ(publish_refusal(str("a") + hex(4, 0x01, 1, 0x01, 1)), kProtocolError);
  EXPECT_EQ(publish_refusal(str("a") + hex(6, 0x23, 0, 1, 0x23, 0, 1)), kProtocolError);
}

TEST(MqttProperties, SentenceNamesThePacketAndTheProperty) {
  const auto packet = publish(Version::k5, 0, str("a") + hex(3, 0x23, 0, 0));
  ASSERT_FALSE(packet.ok());
  EXPECT_EQ(packet.error().sentence, "PUBLISH: Topic Alias is zero");
}

auto ack(Version version, PacketType type, const std::string& body) {
  return read_ack(version, type, as_bytes(body));
}

TEST(MqttAck, IsAnIdentifierBefore5) {
  for (const Version version : {Version::k31, Version::k311}) {
    const auto packet = ack(version, PacketType::kPuback, hex(0, 9));
    ASSERT_TRUE(packet.ok());
    EXPECT_EQ(packet->packet_id, PacketId{9});
    EXPECT_EQ(refusal(ack(version, PacketType::kPuback, hex(0, 9, 0))), kMalformedPacket);
    EXPECT_EQ(refusal(ack(version, PacketType::kPuback, hex(9))), kMalformedPacket);
    EXPECT_EQ(refusal(ack(version, PacketType::kPuback, hex(0, 0))), kProtocolError);
  }
}

TEST(MqttAck, MayLeaveOutReasonAndPropertiesIn5) {
  EXPECT_EQ(ack(Version::k5, PacketType::kPuback, hex(0, 9))->reason, kSuccess);
  const auto reason_only = ack(Version::k5, PacketType::kPubrec, hex(0, 9, 0x97));
  ASSERT_TRUE(reason_only.ok());
  EXPECT_EQ(reason_only->reason, kQuotaExceeded);
  EXPECT_EQ(reason_only->type, PacketType::kPubrec);
  EXPECT_TRUE(ack(Version::k5, PacketType::kPubrel, hex(0, 9, 0x92, 0)).ok());
  const std::string whole = hex(0, 9, 0, 4, 0x1f) + str("x");
  const auto with_string = ack(Version::k5, PacketType::kPubcomp, whole);
  ASSERT_TRUE(with_string.ok());
  EXPECT_EQ(with_string->properties.reason_string, "x");
  EXPECT_EQ(refusal(ack(Version::k5, PacketType::kPuback, hex(0, 9, 0, 0, 0))), kMalformedPacket);
  EXPECT_EQ(refusal(ack(Version::k5, PacketType::kPuback, hex(0, 9, 0, 1))), kMalformedPacket);
}

TEST(MqttAck, RefusesReasonCodesOfOtherPackets) {
  EXPECT_EQ(refusal(ack(Version::k5, PacketType::kPuback, hex(0, 9, 0x92))), kProtocolError);
  EXPECT_EQ(refusal(ack(Version::k5, PacketType::kPubrel, hex(0, 9, 0x10))), kProtocolError);
  EXPECT_EQ(refusal(ack(Version::k5, PacketType::kPubcomp, hex(0, 9, 0x80))), kProtocolError);
}

auto subscribe(Version version, const std::string& body) {
  return read_subscribe(version, as_bytes(body));
}

TEST(MqttSubscribe, ReadsFiltersAndOptions) {
  const std::string body_3 = hex(0, 5) + str("a/+") + hex(1) + str("b") + hex(2);
  const auto packet_3 = subscribe(Version::k311, body_3);
  ASSERT_TRUE(packet_3.ok());
  ASSERT_EQ(packet_3->requests.size(), 2u);
  EXPECT_EQ(packet_3->requests[0].filter, "a/+");
  EXPECT_EQ(packet_3->requests[0].options.qos, Qos::kAtLeastOnce);
  EXPECT_EQ(packet_3->requests[1].options.qos, Qos::kExactlyOnce);

  const std::string body_5 = hex(0, 5, 2, 0x0b, 7) + str("a") + hex(0b0010'1101);
  const auto packet_5 = subscribe(Version::k5, body_5);
  ASSERT_TRUE(packet_5.ok());
  EXPECT_EQ(packet_5->packet_id, PacketId{5});
  EXPECT_EQ(packet_5->properties.subscription_identifier, 7u);
  EXPECT_EQ(packet_5->requests[0].options,
            (SubscriptionOptions{Qos::kAtLeastOnce, true, true, RetainHandling::kDoNotSend}));
}

TEST(MqttSubscribe, NeedsAFilter) {
  EXPECT_EQ(refusal(subscribe(Version::k311, hex(0, 5))), kProtocolError);
  EXPECT_EQ(refusal(subscribe(Version::k5, hex(0, 5, 0))), kProtocolError);
  EXPECT_EQ(refusal(subscribe(Version::k5, hex(0, 5))), kMalformedPacket);
  EXPECT_EQ(refusal(subscribe(Version::k311, hex(0, 0) + str("a") + hex(0))), kProtocolError);
  EXPECT_EQ(refusal(subscribe(Version::k311, hex(0, 5) + str("a"))), kMalformedPacket);
}

TEST(MqttSubscribe, RefusesReservedOptions) {
  const std::string v3 = hex(0, 5) + str("a");
  const std::string v5 = hex(0, 5, 0) + str("a");
  EXPECT_EQ(refusal(subscribe(Version::k311, v3 + hex(3))), kProtocolError);
  EXPECT_EQ(refusal(subscribe(Version::k311, v3 + hex(4))), kMalformedPacket);
  EXPECT_TRUE(subscribe(Version::k31, v3 + hex(0x81)).ok());
  EXPECT_EQ(refusal(subscribe(Version::k5, v5 + hex(3))), kProtocolError);
  EXPECT_EQ(refusal(subscribe(Version::k5, v5 + hex(0x40))), kMalformedPacket);
  EXPECT_EQ(refusal(subscribe(Version::k5, v5 + hex(0x80))), kMalformedPacket);
  EXPECT_EQ(refusal(subscribe(Version::k5, v5 + hex(0x30))), kProtocolError);
  EXPECT_EQ(refusal(subscribe(Version::k5, hex(0, 5, 2, 0x0b, 0) + str("a") + hex(0))),
            kProtocolError);
  EXPECT_EQ(refusal(subscribe(Version::k5, hex(0, 5, 4, 0x0b, 1, 0x0b, 2) + str("a") + hex(0))),
            kProtocolError);
}

TEST(MqttSuback, ReadsReasonsOfItsVersion) {
  auto read = [](Version version, const std::string& body) {
    return read_suback(version, as_bytes(body));
  };
  EXPECT_EQ(read(Version::k311, hex(0, 5, 1, 0x80))->reasons,
            (std::vector{kGrantedQos1, kUnspecifiedError}));
  EXPECT_EQ(read(Version::k5, hex(0, 5, 0, 0x8f))->reasons, std::vector{kTopicFilterInvalid});
  EXPECT_EQ(refusal(read(Version::k311, hex(0, 5, 0x87))), kMalformedPacket);
  EXPECT_EQ(refusal(read(Version::k5, hex(0, 5, 0, 0x92))), kProtocolError);
  EXPECT_EQ(refusal(read(Version::k311, hex(0, 5))), kProtocolError);
  EXPECT_EQ(refusal(read(Version::k5, hex(0, 5, 0))), kProtocolError);
}

TEST(MqttUnsubscribe, ReadsFilters) {
  auto read = [](Version version, const std::string& body) {
    return read_unsubscribe(version, as_bytes(body));
  };
  const std::string body = hex(0, 5) + str("a") + str("b/#");
  EXPECT_EQ(read(Version::k311, body)->filters, (std::vector<std::string_view>{"a", "b/#"}));
  EXPECT_TRUE(read(Version::k5, hex(0, 5, 0) + str("a")).ok());
  EXPECT_EQ(refusal(read(Version::k311, hex(0, 5))), kProtocolError);
  EXPECT_EQ(refusal(read(Version::k5, hex(0, 5, 0))), kProtocolError);
  EXPECT_EQ(refusal(read(Version::k5, hex(0, 5, 4, 0x1f) + str("x") + str("a"))), kMalformedPacket);
}

TEST(MqttUnsuback, HasReasonsIn5Only) {
  auto read = [](Version version, const std::string& body) {
    return read_unsuback(version, as_bytes(body));
  };
  EXPECT_TRUE(read(Version::k311, hex(0, 5)).ok());
  EXPECT_EQ(refusal(read(Version::k311, hex(0, 5, 0))), kMalformedPacket);
  EXPECT_EQ(read(Version::k5, hex(0, 5, 0, 0x11))->reasons, std::vector{kNoSubscriptionExisted});
  EXPECT_EQ(refusal(read(Version::k5, hex(0, 5, 0, 0x02))), kProtocolError);
  EXPECT_EQ(refusal(read(Version::k5, hex(0, 5, 0))), kProtocolError);
}

TEST(MqttPing, HasNoBody) {
  EXPECT_TRUE(read_empty(PacketType::kPingreq, {}).ok());
  EXPECT_EQ(refusal(read_empty(PacketType::kPingreq, as_bytes("x"))), kMalformedPacket);
}

TEST(MqttDisconnect, HasABodyIn5Only) {
  auto read = [](Version version, const std::string& body) {
    return read_disconnect(version, as_bytes(body));
  };
  EXPECT_TRUE(read(Version::k311, "").ok());
  EXPECT_EQ(refusal(read(Version::k311, hex(0))), kMalformedPacket);
  EXPECT_EQ(read(Version::k5, "")->reason, kSuccess);
  EXPECT_EQ(read(Version::k5, hex(0x04))->reason, kDisconnectWithWill);
  EXPECT_EQ(read(Version::k5, hex(0, 5, 0x11, 0, 0, 0, 9))->properties.session_expiry_seconds, 9u);
  EXPECT_EQ(refusal(read(Version::k5, hex(0x01))), kProtocolError);
  EXPECT_EQ(refusal(read(Version::k5, hex(0, 0, 0))), kMalformedPacket);
  EXPECT_EQ(refusal(read(Version::k5, hex(0, 3, 0x21, 0, 1))), kMalformedPacket);
}

TEST(MqttAuth, NamesItsMethodUnlessItIsEmpty) {
  auto read = [](const std::string& body) { return read_auth(Version::k5, as_bytes(body)); };
  EXPECT_TRUE(read("").ok());
  const std::string body = hex(0x18, 8, 0x15) + str("m") + hex(0x16) + str("d");
  const auto packet = read(body);
  ASSERT_TRUE(packet.ok()) << packet.error().sentence;
  EXPECT_EQ(packet->reason, kContinueAuthentication);
  EXPECT_EQ(packet->properties.authentication_method, "m");
  EXPECT_EQ(as_text(packet->properties.authentication_data.value()), "d");
  EXPECT_EQ(refusal(read(hex(0x18, 0))), kProtocolError);
  EXPECT_EQ(refusal(read(hex(0x18))), kMalformedPacket);
  EXPECT_EQ(refusal(read(hex(0x80, 4, 0x15) + str("m"))), kProtocolError);
  EXPECT_EQ(refusal(read_auth(Version::k311, {})), kMalformedPacket);
}

}  // namespace
}  // namespace fairlead::mqtt
