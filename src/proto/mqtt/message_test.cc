#include "proto/mqtt/message.h"

#include <gtest/gtest.h>

#include <string>

#include "proto/mqtt/reader.h"

namespace fairlead::mqtt {
namespace {

TEST(MqttMessage, OwnsWhatItWasMadeFrom) {
  std::string topic = "a/b";
  std::string payload = "hello";
  const MessageRef message = Message::make({.topic = topic,
                                            .payload = as_bytes(payload),
                                            .qos = Qos::kAtLeastOnce,
                                            .retain = Retain::kYes,
                                            .expires_at = Instant(milliseconds(5)),
                                            .sender = 9});
  topic = payload = "xxxxxxxx";
  EXPECT_EQ(message->topic(), "a/b");
  EXPECT_EQ(as_text(message->payload()), "hello");
  EXPECT_TRUE(message->properties().empty());
  EXPECT_EQ(message->qos(), Qos::kAtLeastOnce);
  EXPECT_EQ(message->retain(), Retain::kYes);
  EXPECT_EQ(message->sender(), 9u);
  EXPECT_EQ(message->expires_at(), Instant(milliseconds(5)));
}

TEST(MqttMessage, MayBeEmpty) {
  const MessageRef message = Message::make({});
  EXPECT_TRUE(message->topic().empty());
  EXPECT_TRUE(message->payload().empty());
  EXPECT_FALSE(message->expired(Instant(milliseconds(1) * (int64_t{1} << 60))));
}

TEST(MqttMessage, ExpiresAtItsInstant) {
  const MessageRef message = Message::make({.topic = "a", .expires_at = Instant(seconds(2))});
  EXPECT_FALSE(message->expired(Instant(milliseconds(1999))));
  EXPECT_TRUE(message->expired(Instant(seconds(2))));
}

TEST(MqttMessage, KeepsThePropertiesThatArePassedThroughAndNoOthers) {
  ByteBuffer block;
  append_subscription_identifier(block, 5);
  append_user_property(block, "k", "v");
  append_user_property(block, "k", "w");
  PublishProperties properties;
  properties.payload_format = uint8_t{1};
  properties.message_expiry_seconds = 60u;
  properties.topic_alias = uint16_t{3};
  properties.response_topic = "r";
  properties.correlation_data = as_bytes("c");
  properties.content_type = "t";
  properties.subscription_identifiers = SubscriptionIdentifiers(PropertyBlock(block.view()));
  properties.user_properties = UserProperties(PropertyBlock(block.view()));
  const MessageRef message =
      Message::make({.topic = "a", .payload = as_bytes("p"), .properties = &properties});

  const std::string expected(
      "\x01\x01\x08\0\x01r\x09\0\x01"
      "c\x03\0\x01t&\0\x01k\0\x01v&\0\x01k\0\x01w",
      28);
  EXPECT_EQ(as_text(message->properties()), expected);
  EXPECT_EQ(as_text(message->payload()), "p");
  EXPECT_EQ(message->footprint(), sizeof(Message) + 1 + 28 + 1);
}

TEST(MqttMessage, IsMadeAgainFromThePropertiesThatAStoreKept) {
  ByteBuffer block;
  append_user_property(block, "k", "v");
  PublishProperties properties;
  properties.payload_format = uint8_t{1};
  properties.content_type = "t";
  properties.user_properties = UserProperties(PropertyBlock(block.view()));
  const MessageRef message = Message::make({.topic = "a", .properties = &properties});
  const auto kept = read_message_properties(message->properties());
  ASSERT_TRUE(kept.ok()) << kept.error().sentence;
  const MessageRef again = Message::make({.topic = "a", .properties = &*kept});
  EXPECT_EQ(as_text(again->properties()), as_text(message->properties()));
  EXPECT_TRUE(read_message_properties({}).ok());
  EXPECT_FALSE(read_message_properties(message->properties().subspan(1)).ok());
}

TEST(MqttMessage, IsSharedByReference) {
  const MessageRef one = Message::make({.topic = "a"});
  const MessageRef two = one;  // NOLINT: the copy is the point
  EXPECT_EQ(one.get(), two.get());
}

}  // namespace
}  // namespace fairlead::mqtt
