#include "session/records.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>

#include "base/test_seeds.h"
#include "proto/mqtt/reader.h"
#include "proto/mqtt/test_packets.h"

namespace fairlead {
namespace {

using mqtt::PacketId;
using mqtt::Qos;
using mqtt::testing::PacketMaker;

constexpr Instant kNow{milliseconds{5'000}};
const WallTime kTime(kNow, milliseconds{1'700'000'000'000});
// The same moment in another process.
constexpr Instant kLater{milliseconds{77}};
const WallTime kOtherTime(kLater, milliseconds{1'700'000'000'000});

std::string text_of(const ByteBuffer& buffer) { return std::string(as_text(buffer.view())); }

// An allocation of exactly this size: a read past its end is seen by the sanitizer.
class Exact {
 public:
  explicit Exact(std::string_view text) : size_(text.size()), data_(new std::byte[text.size()]) {
    if (!text.empty()) std::memcpy(data_.get(), text.data(), text.size());
  }
  [[nodiscard]] Bytes view() const { return {data_.get(), size_}; }

 private:
  std::size_t size_;
  std::unique_ptr<std::byte[]> data_;
};

// --- Each kind of record: a random one, and what is written of what was read -----------------

struct Session {
  static std::string make(PacketMaker& maker) {
    const ByteBuffer wire = maker.make(mqtt::ProtocolVersion::k5, mqtt::PacketType::kConnect);
    const auto header = mqtt::read_fixed_header(wire.view(), wire.size());
    const auto connect = mqtt::read_connect(wire.view().subspan((*header)->header_size));
    EXPECT_TRUE(connect.ok());
    const std::string key(1 + maker.below(60), 'k');
    const std::string host(maker.below(20), '\0');
    SessionRecord record;
    record.key = key;
    record.version = static_cast<mqtt::ProtocolVersion>(3 + maker.below(3));
    record.expiry_seconds = static_cast<uint32_t>(maker.below(UINT32_MAX));
    if (maker.below(2) == 0) record.left_at = kNow - milliseconds(maker.below(1'000'000));
    if (maker.below(2) == 0) record.will_due = kNow + milliseconds(maker.below(1'000'000));
    if (connect->will) record.will = &*connect->will;
    record.host = as_bytes(host);
    ByteBuffer out;
    encode(out, record, kTime);
    return text_of(out);
  }
  static std::optional<std::string> rewrite(Bytes bytes) {
    auto record = decode_session(bytes, kTime);
    if (!record) return std::nullopt;
    const auto will = read_will(*record);
    if (!will) return std::nullopt;
    if (*will) record->will = &**will;
    ByteBuffer out;
    encode(out, *record, kTime);
    return text_of(out);
  }
};

struct Subscription {
  static std::string make(PacketMaker& maker) {
    static constexpr std::string_view kFilters[] = {"a", "+/b/#", "$share/g/a/+", "#",
                                                    "\xe4\xb8\xad"};
    SubscriptionRecord record;
    record.session = static_cast<RecordId>(1 + maker.below(1u << 31) * 977);
    record.filter = kFilters[maker.below(std::size(kFilters))];
    record.identifier = static_cast<uint32_t>(maker.below(1000));
    record.options.qos = static_cast<Qos>(maker.below(3));
    record.options.no_local = maker.below(2) == 0;
    record.options.retain_as_published = maker.below(2) == 0;
    record.options.retain_handling = static_cast<mqtt::RetainHandling>(maker.below(3));
    ByteBuffer out;
    encode(out, record);
    return text_of(out);
  }
  static std::optional<std::string> rewrite(Bytes bytes) {
    const auto record = decode_subscription(bytes);
    if (!record) return std::nullopt;
    ByteBuffer out;
    encode(out, *record);
    return text_of(out);
  }
};

struct Message {
  static mqtt::MessageRef random(PacketMaker& maker) {
    const ByteBuffer wire = maker.make(mqtt::ProtocolVersion::k5, mqtt::PacketType::kPublish);
    const auto header = mqtt::read_fixed_header(wire.view(), wire.size());
    const auto flags = static_cast<uint8_t>(std::to_integer<uint8_t>(wire.view()[0]) & 15);
    const auto publish = mqtt::read_publish(mqtt::ProtocolVersion::k5, flags,
                                            wire.view().subspan((*header)->header_size));
    EXPECT_TRUE(publish.ok());
    mqtt::Message::Parts parts;
    parts.topic = publish->topic.empty() ? "t" : publish->topic;
    parts.payload = publish->payload;
    parts.qos = publish->qos;
    parts.retain = publish->retain;
    if (maker.below(2) == 0) parts.expires_at = kNow + milliseconds(maker.below(1'000'000));
    parts.properties = &publish->properties;
    return mqtt::Message::make(parts);
  }
  static std::string make(PacketMaker& maker) {
    ByteBuffer out;
    encode(out, *random(maker), kTime);
    return text_of(out);
  }
  static std::optional<std::string> rewrite(Bytes bytes) {
    const auto message = decode_message(bytes, kTime);
    if (!message) return std::nullopt;
    ByteBuffer out;
    encode(out, **message, kTime);
    return text_of(out);
  }
};

struct Entry {
  static std::string make(PacketMaker& maker) {
    EntryRecord record;
    record.session = static_cast<RecordId>(1 + maker.below(1u << 31));
    record.packet_id = static_cast<PacketId>(maker.below(65'536));
    record.qos = static_cast<Qos>(1 + maker.below(2));
    record.retain = static_cast<mqtt::Retain>(maker.below(2));
    for (std::size_t i = maker.below(4); i > 0; --i) {
      record.identifiers.push_back(static_cast<uint32_t>(maker.below(UINT32_MAX)));
    }
    if (maker.below(2) == 0) record.body = static_cast<RecordId>(1 + maker.below(1u << 31));
    ByteBuffer out;
    encode(out, record);
    if (record.body == RecordId::kNone) out.append(Message::make(maker));
    return text_of(out);
  }
  static std::optional<std::string> rewrite(Bytes bytes) {
    const auto record = decode_entry(bytes);
    if (!record) return std::nullopt;
    ByteBuffer out;
    encode(out, *record);
    if (record->body != RecordId::kNone) return text_of(out);
    const auto message = Message::rewrite(record->message);
    if (!message) return std::nullopt;
    out.append(*message);
    return text_of(out);
  }
};

struct InFlight {
  static std::string make(PacketMaker& maker) {
    InflightRecord record;
    record.session = static_cast<RecordId>(1 + maker.below(1u << 31));
    record.packet_id = static_cast<PacketId>(1 + maker.below(65'535));
    record.step = static_cast<InflightRecord::Step>(maker.below(2));
    ByteBuffer out;
    encode(out, record);
    return text_of(out);
  }
  static std::optional<std::string> rewrite(Bytes bytes) {
    const auto record = decode_inflight(bytes);
    if (!record) return std::nullopt;
    ByteBuffer out;
    encode(out, *record);
    return text_of(out);
  }
};

struct Received {
  static std::string make(PacketMaker& maker) {
    ByteBuffer out;
    encode(out, ReceivedRecord{static_cast<RecordId>(1 + maker.below(1u << 31)),
                               static_cast<PacketId>(1 + maker.below(65'535))});
    return text_of(out);
  }
  static std::optional<std::string> rewrite(Bytes bytes) {
    const auto record = decode_received(bytes);
    if (!record) return std::nullopt;
    ByteBuffer out;
    encode(out, *record);
    return text_of(out);
  }
};

template <class Kind>
class RecordsProperty : public ::testing::Test {};

using Kinds = ::testing::Types<Session, Subscription, Message, Entry, InFlight, Received>;
TYPED_TEST_SUITE(RecordsProperty, Kinds, );

// What is read of any bytes is written in a form that does not change any more.
template <class Kind>
void expect_settles(std::string_view bytes) {
  const auto once = Kind::rewrite(Exact(bytes).view());
  if (!once) return;
  const auto twice = Kind::rewrite(Exact(*once).view());
  ASSERT_TRUE(twice.has_value());
  ASSERT_EQ(*once, *twice);
}

TYPED_TEST(RecordsProperty, WhatIsWrittenReadsBackEqual) {
  testing::for_each_seed(300, [](uint64_t seed) {
    PacketMaker maker(seed);
    const std::string bytes = TypeParam::make(maker);
    EXPECT_EQ(TypeParam::rewrite(Exact(bytes).view()), bytes);
  });
}

// A record that ends in a text or payload cannot know what is missing of that; the store's checksum
// does.
TYPED_TEST(RecordsProperty, CutShortIsRefusedOrARecordOfItsOwn) {
  testing::for_each_seed(100, [](uint64_t seed) {
    PacketMaker maker(seed);
    const std::string bytes = TypeParam::make(maker);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const auto cut = TypeParam::rewrite(Exact(std::string_view(bytes).substr(0, size)).view());
      if (!cut) continue;
      ASSERT_LE(cut->size(), size) << "more was read than was there";
      expect_settles<TypeParam>(*cut);
    }
    constexpr bool has_open_end =
        !std::is_same_v<TypeParam, InFlight> && !std::is_same_v<TypeParam, Received>;
    if (!has_open_end) {
      EXPECT_FALSE(TypeParam::rewrite(Exact(bytes + 'x').view()));
      EXPECT_FALSE(TypeParam::rewrite(Exact(bytes.substr(0, bytes.size() - 1)).view()));
    }
  });
}

TYPED_TEST(RecordsProperty, DamagedIsRefusedOrSettles) {
  testing::for_each_seed(2000, [](uint64_t seed) {
    PacketMaker maker(seed);
    std::string bytes = TypeParam::make(maker);
    for (std::size_t hits = 1 + maker.below(3); hits > 0; --hits) {
      bytes[maker.below(bytes.size())] = static_cast<char>(maker.below(256));
    }
    expect_settles<TypeParam>(bytes);
  });
}

TYPED_TEST(RecordsProperty, AnyBytesAreRefusedOrSettle) {
  testing::for_each_seed(2000, [](uint64_t seed) {
    PacketMaker maker(seed);
    std::string bytes(maker.below(60), '\0');
    for (char& byte : bytes) byte = static_cast<char>(maker.below(maker.below(2) ? 256 : 4));
    expect_settles<TypeParam>(bytes);
  });
}

// --- What decoders promise -----------------------------------------------------------------------

TEST(Records, SessionKeepsEveryFieldAndItsWill) {
  mqtt::Will will;
  will.topic = "last/words";
  will.payload = as_bytes("gone");
  will.qos = Qos::kExactlyOnce;
  will.retain = mqtt::Retain::kYes;
  will.properties.will_delay_seconds = 30;
  will.properties.message_expiry_seconds = 90;
  will.properties.payload_format = uint8_t{1};
  will.properties.content_type = "text";
  will.properties.response_topic = "answers";
  will.properties.correlation_data = as_bytes("\x01\x02");
  SessionRecord record;
  record.key = std::string_view("d\0pk\0dn", 7);
  record.version = mqtt::ProtocolVersion::k31;
  record.expiry_seconds = 3600;
  record.left_at = kNow - seconds(10);
  record.will_due = kNow + seconds(20);
  record.will = &will;
  record.host = as_bytes("host");
  ByteBuffer out;
  encode(out, record, kTime);

  const auto read = decode_session(out.view(), kOtherTime);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->key, record.key);
  EXPECT_EQ(read->version, mqtt::ProtocolVersion::k31);
  EXPECT_EQ(read->expiry_seconds, 3600u);
  EXPECT_EQ(read->left_at, kLater - seconds(10));  // by the calendar
  EXPECT_EQ(read->will_due, kLater + seconds(20));
  EXPECT_EQ(as_text(read->host), "host");
  const auto again = read_will(*read);
  ASSERT_TRUE(again.ok() && again->has_value());
  EXPECT_EQ((*again)->topic, will.topic);
  EXPECT_EQ(as_text((*again)->payload), "gone");
  EXPECT_EQ((*again)->qos, Qos::kExactlyOnce);
  EXPECT_EQ((*again)->retain, mqtt::Retain::kYes);
  const mqtt::WillProperties& properties = (*again)->properties;
  EXPECT_EQ(properties.will_delay_seconds, 30u);
  EXPECT_EQ(properties.message_expiry_seconds, 90u);
  EXPECT_EQ(properties.payload_format, uint8_t{1});
  EXPECT_EQ(properties.content_type, "text");
  EXPECT_EQ(properties.response_topic, "answers");
  EXPECT_EQ(as_text(*properties.correlation_data), "\x01\x02");
}

TEST(Records, NeverStaysNeverInAnotherProcess) {
  SessionRecord record;
  record.key = "k";
  ByteBuffer out;
  encode(out, record, kTime);
  const auto read = decode_session(out.view(), kOtherTime);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->left_at, Instant::max());
  EXPECT_EQ(read->will_due, Instant::max());
  const auto will = read_will(*read);
  ASSERT_TRUE(will.ok());
  EXPECT_FALSE(will->has_value());

  mqtt::Message::Parts parts{.topic = "t", .payload = as_bytes("p")};
  out.clear();
  encode(out, *mqtt::Message::make(parts), kTime);
  const auto message = decode_message(out.view(), kOtherTime);
  ASSERT_TRUE(message.ok());
  EXPECT_EQ((*message)->expires_at(), mqtt::Message::kNever);
}

TEST(Records, TimesBeforeTheCalendarBeginsAreNotTakenForNever) {
  const WallTime unset(kNow, milliseconds{1'000});  // a machine whose clock was never set
  EXPECT_EQ(unset.of(kNow - seconds(10)), 0u);
  EXPECT_EQ(unset.of(kNow), 1'000u);
  EXPECT_EQ(unset.instant(unset.of(kNow)), kNow);
}

TEST(Records, MessageKeepsWhatIsPassedThrough) {
  mqtt::PublishProperties properties;
  properties.payload_format = uint8_t{1};
  properties.content_type = "c";
  properties.response_topic = "r";
  properties.correlation_data = as_bytes("id");
  const auto message = mqtt::Message::make({.topic = "a/b",
                                            .payload = as_bytes("p"),
                                            .qos = Qos::kAtLeastOnce,
                                            .retain = mqtt::Retain::kYes,
                                            .expires_at = kNow + seconds(5),
                                            .properties = &properties});
  ByteBuffer out;
  encode(out, *message, kTime);
  const auto read = decode_message(out.view(), kOtherTime);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ((*read)->topic(), "a/b");
  EXPECT_EQ(as_text((*read)->payload()), "p");
  EXPECT_EQ((*read)->qos(), Qos::kAtLeastOnce);
  EXPECT_EQ((*read)->retain(), mqtt::Retain::kYes);
  EXPECT_EQ((*read)->expires_at(), kLater + seconds(5));
  EXPECT_EQ(as_text((*read)->properties()), as_text(message->properties()));
}

// One byte of an encoded record, changed to what no encoder writes.
template <class Kind>
void expect_refused(std::string bytes, std::size_t at, char value) {
  ASSERT_TRUE(Kind::rewrite(Exact(bytes).view())) << "the sound one";
  bytes[at] = value;
  EXPECT_FALSE(Kind::rewrite(Exact(bytes).view())) << "byte " << at;
}

TEST(Records, FlagsThatNobodyKnowsAreRefused) {
  ByteBuffer out;
  encode(out, EntryRecord{.session = RecordId{1}, .body = RecordId{3}});
  expect_refused<Entry>(text_of(out), 10, '\x19');
  expect_refused<Entry>(text_of(out), 10, '\x0b');  // QoS 3
  expect_refused<Entry>(text_of(out), 10, '\x08');  // QoS 0 does not wait
  out.clear();
  encode(out, *mqtt::Message::make({.topic = "t"}), kTime);
  expect_refused<Message>(text_of(out), 8, '\x08');
  expect_refused<Message>(text_of(out), 8, '\x03');
  out.clear();
  encode(out, SubscriptionRecord{.session = RecordId{1}, .filter = "a", .options = {}});
  expect_refused<Subscription>(text_of(out), 12, '\x03');
  expect_refused<Subscription>(text_of(out), 12, '\x30');
  out.clear();
  encode(out, InflightRecord{RecordId{1}, PacketId{1}, InflightRecord::Step::kSent});
  expect_refused<InFlight>(text_of(out), 10, '\x02');
}

TEST(Records, TimesThatNobodyWritesAreRefused) {
  ByteBuffer out;
  encode(out, *mqtt::Message::make({.topic = "t"}), kTime);
  expect_refused<Message>(text_of(out), 0, '\x41');
  out.clear();
  SessionRecord record;
  record.key = "k";
  encode(out, record, kTime);
  expect_refused<Session>(text_of(out), 5, '\x7f');
  expect_refused<Session>(text_of(out), 13, '\xff');
}

TEST(Records, TopicsThatNobodyPublishesAreRefused) {
  ByteBuffer out;
  encode(out, *mqtt::Message::make({.topic = "ab"}), kTime);
  const std::size_t topic_at = 8 + 1 + 2 + 4;
  expect_refused<Message>(text_of(out), topic_at, '#');
  expect_refused<Message>(text_of(out), topic_at, '\0');
  out.clear();
  encode(out, SubscriptionRecord{.session = RecordId{1}, .filter = "a/b", .options = {}});
  expect_refused<Subscription>(text_of(out), 14, '#');
}

}  // namespace
}  // namespace fairlead
