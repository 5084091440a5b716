#include "shard/publish_encoder.h"

#include <gtest/gtest.h>

#include "proto/mqtt/reader.h"
#include "proto/ws/frame_reader.h"

namespace fairlead {
namespace {

using mqtt::PublishForm;
using mqtt::Qos;

mqtt::MessageRef message(std::string_view topic, std::string_view payload) {
  return mqtt::Message::make(
      {.topic = topic, .payload = as_bytes(payload), .qos = Qos::kAtLeastOnce});
}

std::string encoded(PublishEncoder& encoder, Framing framing, const mqtt::Message& m,
                    const PublishForm& form) {
  ByteBuffer out;
  encoder.append(out, framing, m, form);
  return std::string(as_text(out.view()));
}

// What one receiver alone would get.
std::string alone(Framing framing, const mqtt::Message& m, const PublishForm& form) {
  PublishEncoder encoder;
  encoder.begin(m, 1);
  return encoded(encoder, framing, m, form);
}

TEST(PublishEncoder, GivesSharersWhatEachWouldGetAlone) {
  auto m = message("/pk/dn/user/get", std::string(300, 'x'));
  PublishEncoder encoder;
  encoder.begin(*m, 1000);
  uint16_t id = 1;
  for (int round = 0; round < 3; ++round) {
    for (Framing framing : {Framing::kBare, Framing::kWebSocket, Framing::kDeflated}) {
      for (auto version : {mqtt::ProtocolVersion::k311, mqtt::ProtocolVersion::k5}) {
        for (Qos qos : {Qos::kAtMostOnce, Qos::kAtLeastOnce, Qos::kExactlyOnce}) {
          PublishForm form{.version = version, .qos = qos};
          if (qos != Qos::kAtMostOnce) form.packet_id = mqtt::PacketId{++id};
          EXPECT_EQ(encoded(encoder, framing, *m, form), alone(framing, *m, form));
        }
      }
    }
  }
}

TEST(PublishEncoder, DoesNotShareWhatIsOneReceiversOwn) {
  auto m = message("/a/long/topic", "payload");
  const uint32_t identifiers[] = {7};
  PublishEncoder encoder;
  encoder.begin(*m, 3);
  PublishForm plain{.version = mqtt::ProtocolVersion::k5};
  PublishForm aliased = plain;
  aliased.topic_alias = 3;
  aliased.topic = PublishForm::Topic::kByAlias;
  PublishForm identified = plain;
  identified.subscription_identifiers = identifiers;
  PublishForm expiring = plain;
  expiring.message_expiry_seconds = 9;
  for (const PublishForm& form : {plain, aliased, identified, expiring, plain}) {
    EXPECT_EQ(encoded(encoder, Framing::kWebSocket, *m, form),
              alone(Framing::kWebSocket, *m, form));
  }
}

TEST(PublishEncoder, ForgetsTheImagesOfTheLastMessage) {
  PublishEncoder encoder;
  const PublishForm form{.version = mqtt::ProtocolVersion::k311};
  for (std::string_view payload : {"first", "second"}) {
    auto m = message("t", payload);
    encoder.begin(*m, 2);
    EXPECT_EQ(encoded(encoder, Framing::kBare, *m, form), alone(Framing::kBare, *m, form));
  }
}

TEST(PublishEncoder, SharesNothingWithAnotherMessage) {
  PublishEncoder encoder;
  const PublishForm form{.version = mqtt::ProtocolVersion::k311};
  auto shared = message("t", "shared");
  auto waited = message("t", "waited");
  encoder.begin(*shared, 2);
  for (const auto& m : {shared, waited, shared}) {
    EXPECT_EQ(encoded(encoder, Framing::kBare, *m, form), alone(Framing::kBare, *m, form));
  }
  encoder.end();
  EXPECT_EQ(encoded(encoder, Framing::kBare, *waited, form), alone(Framing::kBare, *waited, form));
}

TEST(PublishEncoder, PutsOnePacketInEachWebSocketMessage) {
  auto m = message("t", "p");
  ByteBuffer out;
  PublishEncoder encoder;
  encoder.begin(*m, 2);
  encoder.append(out, Framing::kWebSocket, *m, {});
  encoder.append(out, Framing::kWebSocket, *m, {});
  struct Sink {
    int messages = 0;
    std::string packet;
    Flow on_data(MutableBytes piece) {
      packet += as_text(piece);
      return Flow::kContinue;
    }
    Flow on_message_end(Opcode) {
      auto header = mqtt::read_fixed_header(as_bytes(packet), 1000);
      EXPECT_TRUE(header.ok() && *header && (*header)->packet_size() == packet.size());
      packet.clear();
      ++messages;
      return Flow::kContinue;
    }
    Flow on_ping(Bytes) { return Flow::kContinue; }
    Flow on_pong(Bytes) { return Flow::kContinue; }
    Flow on_close(CloseCode, std::string_view) { return Flow::kContinue; }
  } sink;
  FrameReader reader(Role::kClient, {});
  EXPECT_FALSE(reader.feed(out.mutable_view(), sink));
  EXPECT_EQ(sink.messages, 2);
}

}  // namespace
}  // namespace fairlead
