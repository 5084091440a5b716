#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "proto/mqtt/test_packets.h"
#include "proto/mqtt/test_rewrite.h"

namespace fairlead::mqtt {
namespace {

using testing::kVersions;
using testing::PacketMaker;
using testing::rewrite;

// An allocation of exactly this size: a read past its end is seen by the sanitizer.
class Exact {
 public:
  explicit Exact(Bytes bytes) : size_(bytes.size()), data_(new std::byte[bytes.size()]) {
    if (!bytes.empty()) std::memcpy(data_.get(), bytes.data(), bytes.size());
  }
  [[nodiscard]] Bytes view() const { return {data_.get(), size_}; }
  [[nodiscard]] MutableBytes bytes() { return {data_.get(), size_}; }

 private:
  std::size_t size_;
  std::unique_ptr<std::byte[]> data_;
};

std::string text_of(const ByteBuffer& buffer) { return std::string(as_text(buffer.view())); }

template <class Visit>
void for_each_kind(Visit&& visit) {
  for (const ProtocolVersion version : kVersions) {
    for (uint8_t type = 1; type <= 15; ++type) {
      if (type == 15 && version != ProtocolVersion::k5) continue;
      visit(version, static_cast<PacketType>(type));
    }
  }
}

std::string kind_name(ProtocolVersion version, PacketType type) {
  return "version " + std::to_string(static_cast<int>(version)) + ' ' +
         std::string(packet_name(type));
}

// What parses is written in a form that does not change any more.
void expect_settles(ProtocolVersion version, Bytes wire) {
  const auto once = rewrite(version, wire);
  if (!once || !*once) return;
  const auto twice = rewrite(version, (*once)->view());
  ASSERT_TRUE(twice.ok()) << twice.error().sentence;
  ASSERT_TRUE(twice->has_value());
  ASSERT_EQ(text_of(**once), text_of(**twice));
}

constexpr uint64_t kSeed = 20240611;
constexpr int kRounds = 150;

TEST(MqttCodecProperty, WhatIsWrittenReadsBackEqual) {
  PacketMaker maker(kSeed);
  for_each_kind([&](ProtocolVersion version, PacketType type) {
    for (int round = 0; round < kRounds; ++round) {
      SCOPED_TRACE(kind_name(version, type) + " seed " + std::to_string(kSeed) + " round " +
                   std::to_string(round));
      const ByteBuffer wire = maker.make(version, type);
      const auto again = rewrite(version, Exact(wire.view()).view());
      ASSERT_TRUE(again.ok()) << again.error().sentence;
      ASSERT_TRUE(again->has_value());
      ASSERT_EQ(text_of(wire), text_of(**again));
    }
  });
}

TEST(MqttCodecProperty, PartOfAPacketIsNeverTakenForIt) {
  PacketMaker maker(kSeed + 1);
  for_each_kind([&](ProtocolVersion version, PacketType type) {
    for (int round = 0; round < 20; ++round) {
      SCOPED_TRACE(kind_name(version, type) + " seed " + std::to_string(kSeed + 1));
      const ByteBuffer wire = maker.make(version, type);
      for (std::size_t size = 0; size < wire.size(); ++size) {
        const auto part = rewrite(version, Exact(wire.view().first(size)).view());
        ASSERT_TRUE(part.ok()) << part.error().sentence;
        ASSERT_FALSE(part->has_value());
      }
    }
  });
}

// Where a shorter body is a packet of its own: the payload, a list, or fields that may be absent.
bool may_end_early(ProtocolVersion version, PacketType type) {
  switch (type) {
    case PacketType::kConnect:
      return version == ProtocolVersion::k31;  // user name, password
    case PacketType::kConnack:
    case PacketType::kPingreq:
    case PacketType::kPingresp:
      return false;
    case PacketType::kPuback:
    case PacketType::kPubrec:
    case PacketType::kPubrel:
    case PacketType::kPubcomp:
    case PacketType::kUnsuback:
      return version == ProtocolVersion::k5;
    default:
      return true;
  }
}

TEST(MqttCodecProperty, ABodyCutShortIsRefusedOrAnotherPacket) {
  PacketMaker maker(kSeed + 2);
  for_each_kind([&](ProtocolVersion version, PacketType type) {
    for (int round = 0; round < 20; ++round) {
      SCOPED_TRACE(kind_name(version, type) + " seed " + std::to_string(kSeed + 2));
      const ByteBuffer wire = maker.make(version, type);
      const auto header = read_fixed_header(wire.view(), kVarintMax, version);
      ASSERT_TRUE(header.ok() && *header);
      const Bytes body = wire.view().subspan((*header)->header_size);
      for (std::size_t size = 0; size < body.size(); ++size) {
        const auto cut = rewrite(version, **header, Exact(body.first(size)).view());
        if (!cut) continue;
        ASSERT_TRUE(may_end_early(version, type)) << "cut to " << size;
        ASSERT_NE(text_of(*cut), text_of(wire));
        expect_settles(version, cut->view());
      }
    }
  });
}

TEST(MqttCodecProperty, DamagedPacketsAreRefusedOrSettle) {
  PacketMaker maker(kSeed + 3);
  for_each_kind([&](ProtocolVersion version, PacketType type) {
    for (int round = 0; round < kRounds; ++round) {
      SCOPED_TRACE(kind_name(version, type) + " seed " + std::to_string(kSeed + 3));
      Exact wire(maker.make(version, type).view());
      for (std::size_t hits = 1 + maker.below(3); hits > 0; --hits) {
        wire.bytes()[maker.below(wire.view().size())] = static_cast<std::byte>(maker.below(256));
      }
      expect_settles(version, wire.view());
    }
  });
}

TEST(MqttCodecProperty, RandomBodiesAreRefusedOrSettle) {
  PacketMaker maker(kSeed + 4);
  for_each_kind([&](ProtocolVersion version, PacketType type) {
    for (int round = 0; round < kRounds; ++round) {
      SCOPED_TRACE(kind_name(version, type) + " seed " + std::to_string(kSeed + 4));
      ByteBuffer bytes;
      for (std::size_t i = maker.below(40); i > 0; --i) {
        bytes.u8(static_cast<uint8_t>(maker.below(maker.below(2) == 0 ? 6 : 256)));
      }
      const auto flags = static_cast<uint8_t>(maker.below(16));
      const FixedHeader header{type, flags, 2, static_cast<uint32_t>(bytes.size())};
      const auto once = rewrite(version, header, Exact(bytes.view()).view());
      if (once) expect_settles(version, once->view());
    }
  });
}

TEST(MqttCodecProperty, AMessageReadsBackAsItsFormSays) {
  std::mt19937_64 random(kSeed + 5);
  for (int round = 0; round < kRounds; ++round) {
    const std::string payload(random() % 300, 'x');
    const uint32_t identifiers[] = {1, 200, kVarintMax};
    PublishForm form;
    form.version = kVersions[random() % 3];
    form.qos = static_cast<Qos>(random() % 3);
    form.retain = static_cast<Retain>(random() % 2);
    if (form.qos != Qos::kAtMostOnce) form.packet_id = PacketId{static_cast<uint16_t>(1 + round)};
    if (random() % 2 == 0) form.message_expiry_seconds = 77;
    if (random() % 2 == 0) form.topic_alias = 3;
    if (form.topic_alias && form.version == ProtocolVersion::k5 && random() % 2 == 0) {
      form.topic = PublishForm::Topic::kByAlias;
    }
    form.subscription_identifiers = std::span(identifiers).first(random() % 4);
    PublishProperties properties;
    if (random() % 2 == 0) properties.content_type = "text/plain";
    const MessageRef message =
        Message::make({.topic = "a/b", .payload = as_bytes(payload), .properties = &properties});

    ByteBuffer out;
    out.append("before");
    const std::size_t id_at = write_publish(out, *message, form);
    const Bytes wire = out.view().subspan(6);
    ASSERT_EQ(wire.size(), publish_size(*message, form));
    const auto header = read_fixed_header(wire, kVarintMax);
    ASSERT_TRUE(header.ok() && *header);
    ASSERT_EQ((*header)->packet_size(), wire.size());
    const auto packet =
        read_publish(form.version, (*header)->flags, wire.subspan((*header)->header_size));
    ASSERT_TRUE(packet.ok()) << packet.error().sentence;
    EXPECT_EQ(packet->topic, form.topic == PublishForm::Topic::kWritten ? "a/b" : "");
    EXPECT_EQ(as_text(packet->payload), payload);
    EXPECT_EQ(packet->qos, form.qos);
    EXPECT_EQ(packet->packet_id, form.packet_id);
    if (id_at != 0) {
      EXPECT_EQ(PacketId{load_be<uint16_t>(wire.data() + id_at)}, form.packet_id);
    }
    EXPECT_EQ(id_at != 0, form.qos != Qos::kAtMostOnce);
    if (form.version != ProtocolVersion::k5) continue;
    EXPECT_EQ(packet->properties.message_expiry_seconds, form.message_expiry_seconds);
    EXPECT_EQ(packet->properties.topic_alias, form.topic_alias);
    EXPECT_EQ(packet->properties.content_type, properties.content_type);
    std::vector<uint32_t> seen;
    packet->properties.subscription_identifiers.for_each(
        [&](uint32_t identifier) { seen.push_back(identifier); });
    EXPECT_TRUE(std::ranges::equal(seen, form.subscription_identifiers));
  }
}

}  // namespace
}  // namespace fairlead::mqtt
