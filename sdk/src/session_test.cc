#include "session.h"

#include <gtest/gtest.h>

#include "packet_stream.h"
#include "proto/mqtt/writer.h"

namespace fairlead::sdk {
namespace {

using mqtt::AckPacket;
using mqtt::ConnackPacket;
using mqtt::PacketId;
using mqtt::PacketType;

// A session and the server's end of it: what was sent is a list of lines that one can read.
class Talk {
 public:
  explicit Talk(Options options = {}) : options_(std::move(options)) {
    handlers_.on_message = [this](const Message& message) {
      received.emplace_back(std::string(message.topic) + "=" + std::string(message.payload));
    };
    handlers_.on_connected = [this](const Connected& connected) {
      client_id = std::string(connected.client_id);
      session_present = connected.session_present;
    };
    handlers_.on_subscription_lost = [this](const std::string& filter, const Outcome&) {
      lost.push_back(filter);
    };
    session.emplace(options_, ConnectFields{options_.client_id, {}, {}}, handlers_);
  }

  // Gives what the client has sent since the last call.
  std::vector<std::string> sent() { return std::exchange(sent_, {}); }

  void begin() {
    session->begin([this](Bytes packet) { record(packet); });
  }
  Outcome connack(bool present = false, mqtt::ConnackProperties properties = {}) {
    ConnackPacket packet;
    packet.session_present = static_cast<ConnackPacket::SessionPresent>(present);
    packet.properties = properties;
    return server(packet);
  }
  void connect(bool present = false, mqtt::ConnackProperties properties = {}) {
    begin();
    ASSERT_TRUE(connack(present, properties).ok());
    sent();
  }
  void reconnect(bool present) {
    session->end();
    begin();
    sent();  // CONNECT
    ASSERT_TRUE(connack(present).ok());
  }
  template <class Packet>
  Outcome server(const Packet& packet) {
    ByteBuffer wire;
    mqtt::write(wire, session->version(), packet);
    return take(wire.view());
  }
  Outcome ack(PacketType type, uint16_t id, ReasonCode reason = ReasonCode::kSuccess) {
    return server(AckPacket{type, PacketId{id}, reason, {}});
  }
  Outcome take(Bytes wire) {
    Outcome outcome;
    PacketStream stream(session->version(), 1 << 20);
    const Status status = stream.feed(wire, [&](const mqtt::FixedHeader& header, Bytes body) {
      outcome = session->take(header, body);
      return outcome.ok();
    });
    EXPECT_TRUE(status);
    return outcome;
  }

  Client::Completion note(std::string name) {
    return [this, name](const Outcome& outcome) {
      settled.push_back(name + (outcome.ok() ? "" : " failed"));
    };
  }
  void publish(Qos qos, std::string_view payload) {
    const Outcome outcome = session->publish({.topic = "t", .payload = payload, .qos = qos},
                                             note(std::string(payload)));
    ASSERT_TRUE(outcome.ok()) << outcome.sentence;
  }

  std::optional<Session> session;
  std::vector<std::string> received;
  std::vector<std::string> settled;
  std::vector<std::string> lost;
  std::string client_id;
  bool session_present = false;

 private:
  void record(Bytes packet) {
    const auto header = mqtt::read_fixed_header(packet, SIZE_MAX, session->version());
    ASSERT_TRUE(header && *header);
    const Bytes body = packet.subspan((*header)->header_size);
    std::string line(mqtt::packet_name((*header)->type));
    switch ((*header)->type) {
      case PacketType::kPublish: {
        const auto publish = mqtt::read_publish(session->version(), (*header)->flags, body);
        ASSERT_TRUE(publish);
        line += " " + std::to_string(static_cast<int>(publish->packet_id)) + " " +
                std::string(as_text(publish->payload));
        if (publish->dup == mqtt::Dup::kYes) line += " DUP";
        break;
      }
      case PacketType::kSubscribe: {
        const auto subscribe = mqtt::read_subscribe(session->version(), body);
        ASSERT_TRUE(subscribe);
        line += " " + std::to_string(static_cast<int>(subscribe->packet_id));
        for (const auto& request : subscribe->requests) line += " " + std::string(request.filter);
        break;
      }
      case PacketType::kPuback:
      case PacketType::kPubrec:
      case PacketType::kPubrel:
      case PacketType::kPubcomp:
      case PacketType::kUnsubscribe:
        line += " " + std::to_string(load_be<uint16_t>(body.data()));
        break;
      default:
        break;
    }
    sent_.push_back(line);
  }

  Options options_;
  Handlers handlers_;
  std::vector<std::string> sent_;
};

using Lines = std::vector<std::string>;

Options persistent(Version version = Version::k311) {
  Options options;
  options.client_id = "c";
  options.session = SessionMode::kPersistent;
  options.version = version;
  return options;
}

TEST(SdkSession, SaysConnectFirstAndTakesNothingBeforeConnack) {
  Talk talk;
  talk.begin();
  EXPECT_EQ(talk.sent(), Lines{"CONNECT"});
  EXPECT_EQ(talk.server(mqtt::SubackPacket{PacketId{1}, {ReasonCode::kSuccess}, {}}).kind,
            OutcomeKind::kProtocolError);
}

TEST(SdkSession, NamesTheReturnCodeOfARefusal) {
  Talk talk;
  talk.begin();
  const Outcome outcome = talk.server(ConnackPacket{{}, ReasonCode::kBadUserNameOrPassword, {}});
  EXPECT_EQ(outcome.kind, OutcomeKind::kConnectRefused);
  EXPECT_EQ(outcome.code, 4);
  EXPECT_NE(outcome.sentence.find("return code 4"), std::string::npos);
  EXPECT_NE(outcome.advice.find("device secret"), std::string::npos);
}

TEST(SdkSession, RefusesASessionThatIsPresentAfterACleanStart) {
  Talk talk;
  talk.begin();
  EXPECT_EQ(talk.connack(true).kind, OutcomeKind::kProtocolError);
}

TEST(SdkSession, SettlesQos1WithItsPubackAndQos2WithItsPubcomp) {
  Talk talk;
  talk.connect();
  talk.publish(Qos::kAtLeastOnce, "a");
  talk.publish(Qos::kExactlyOnce, "b");
  EXPECT_EQ(talk.sent(), (Lines{"PUBLISH 1 a", "PUBLISH 2 b"}));
  EXPECT_TRUE(talk.ack(PacketType::kPubrec, 2).ok());
  EXPECT_EQ(talk.sent(), Lines{"PUBREL 2"});
  EXPECT_TRUE(talk.settled.empty());
  EXPECT_TRUE(talk.ack(PacketType::kPubcomp, 2).ok());
  EXPECT_TRUE(talk.ack(PacketType::kPuback, 1).ok());
  EXPECT_EQ(talk.settled, (Lines{"b", "a"}));
  EXPECT_EQ(talk.session->unsettled_count(), 0u);
}

TEST(SdkSession, SettlesQos0WhenTheOutputIsSent) {
  Talk talk;
  talk.connect();
  talk.publish(Qos::kAtMostOnce, "a");
  EXPECT_TRUE(talk.settled.empty());
  talk.session->on_output_sent();
  EXPECT_EQ(talk.settled, Lines{"a"});
  talk.publish(Qos::kAtMostOnce, "b");
  talk.session->end();
  EXPECT_EQ(talk.settled, (Lines{"a", "b failed"}));
  EXPECT_EQ(talk.session->publish({.topic = "t"}, {}).kind, OutcomeKind::kNotConnected);
}

TEST(SdkSession, KeepsToTheReceiveMaximumOfTheServer) {
  Talk talk(persistent(Version::k5));
  mqtt::ConnackProperties properties;
  properties.receive_maximum = uint16_t{2};
  talk.connect(false, properties);
  for (const char* payload : {"a", "b", "c"}) talk.publish(Qos::kAtLeastOnce, payload);
  EXPECT_EQ(talk.sent(), (Lines{"PUBLISH 1 a", "PUBLISH 2 b"}));
  EXPECT_TRUE(talk.ack(PacketType::kPuback, 1).ok());
  EXPECT_EQ(talk.sent(), Lines{"PUBLISH 3 c"});
}

TEST(SdkSession, ResendsInOrderWithDupWhenTheSessionIsPresent) {
  Talk talk(persistent());
  talk.connect();
  talk.publish(Qos::kAtLeastOnce, "a");
  talk.publish(Qos::kExactlyOnce, "b");
  talk.publish(Qos::kExactlyOnce, "c");
  EXPECT_TRUE(talk.ack(PacketType::kPubrec, 2).ok());
  talk.sent();
  talk.reconnect(true);
  EXPECT_EQ(talk.sent(), (Lines{"PUBLISH 1 a DUP", "PUBREL 2", "PUBLISH 3 c DUP"}));
}

TEST(SdkSession, StartsOverWhenTheServerLostTheSession) {
  Talk talk(persistent());
  talk.connect();
  talk.publish(Qos::kAtLeastOnce, "a");
  talk.publish(Qos::kExactlyOnce, "b");
  EXPECT_TRUE(talk.ack(PacketType::kPubrec, 2).ok());
  talk.sent();
  talk.reconnect(false);
  EXPECT_EQ(talk.sent(), Lines{"PUBLISH 1 a"});
  EXPECT_EQ(talk.settled, Lines{"b"});  // the server had taken it over
}

TEST(SdkSession, SendsWhatWasPublishedWhileThereWasNoConnection) {
  Talk talk(persistent());
  talk.publish(Qos::kAtLeastOnce, "a");
  talk.begin();
  EXPECT_EQ(talk.sent(), Lines{"CONNECT"});
  EXPECT_TRUE(talk.connack().ok());
  EXPECT_EQ(talk.sent(), Lines{"PUBLISH 1 a"});
}

TEST(SdkSession, DeliversQos2Once) {
  Talk talk;
  talk.connect();
  mqtt::PublishPacket packet;
  packet.topic = "t";
  packet.payload = as_bytes("x");
  packet.qos = mqtt::Qos::kExactlyOnce;
  packet.packet_id = PacketId{7};
  EXPECT_TRUE(talk.server(packet).ok());
  packet.dup = mqtt::Dup::kYes;
  EXPECT_TRUE(talk.server(packet).ok());
  EXPECT_EQ(talk.received, Lines{"t=x"});
  EXPECT_TRUE(talk.ack(PacketType::kPubrel, 7).ok());
  EXPECT_EQ(talk.sent(), (Lines{"PUBREC 7", "PUBREC 7", "PUBCOMP 7"}));
}

TEST(SdkSession, SubscribesAgainOnlyWhenTheSessionIsNew) {
  Talk talk(persistent());
  talk.connect();
  ASSERT_TRUE(talk.session->subscribe({{.filter = "a"}, {.filter = "b"}}, {}).ok());
  EXPECT_EQ(talk.sent(), Lines{"SUBSCRIBE 1 a b"});
  EXPECT_TRUE(
      talk.server(mqtt::SubackPacket{
                      PacketId{1}, {ReasonCode::kSuccess, ReasonCode::kUnspecifiedError}, {}})
          .ok());
  talk.reconnect(true);
  EXPECT_EQ(talk.sent(), Lines{});
  talk.reconnect(false);
  EXPECT_EQ(talk.sent(), Lines{"SUBSCRIBE 2 a"});
  EXPECT_TRUE(
      talk.server(mqtt::SubackPacket{PacketId{2}, {ReasonCode::kUnspecifiedError}, {}}).ok());
  EXPECT_EQ(talk.lost, Lines{"a"});
  talk.reconnect(false);
  EXPECT_EQ(talk.sent(), Lines{});
}

TEST(SdkSession, ForgetsWhatWasUnsubscribed) {
  Talk talk(persistent());
  talk.connect();
  ASSERT_TRUE(talk.session->subscribe({{.filter = "a"}}, {}).ok());
  ASSERT_TRUE(talk.session->unsubscribe({"a"}, talk.note("gone")).ok());
  EXPECT_EQ(talk.sent(), (Lines{"SUBSCRIBE 1 a", "UNSUBSCRIBE 2"}));
  EXPECT_TRUE(talk.server(mqtt::SubackPacket{PacketId{1}, {ReasonCode::kSuccess}, {}}).ok());
  EXPECT_TRUE(talk.server(mqtt::UnsubackPacket{PacketId{2}, {}, {}}).ok());
  EXPECT_EQ(talk.settled, Lines{"gone"});
  talk.reconnect(false);
  EXPECT_EQ(talk.sent(), Lines{});
}

TEST(SdkSession, SendsAnUnansweredSubscribeAgain) {
  Talk talk(persistent());
  talk.connect();
  std::vector<uint8_t> granted;
  ASSERT_TRUE(talk.session
                  ->subscribe({{.filter = "a", .qos = Qos::kAtLeastOnce}},
                              [&](const Outcome&, const auto& codes) { granted = codes; })
                  .ok());
  talk.sent();
  talk.reconnect(false);
  EXPECT_EQ(talk.sent(), Lines{"SUBSCRIBE 2 a"});
  EXPECT_TRUE(talk.server(mqtt::SubackPacket{PacketId{2}, {ReasonCode::kGrantedQos1}, {}}).ok());
  EXPECT_EQ(granted, std::vector<uint8_t>{1});
}

TEST(SdkSession, GivesUpWithTheCause) {
  Talk talk(persistent());
  talk.publish(Qos::kAtLeastOnce, "a");
  ASSERT_TRUE(talk.session
                  ->subscribe({{.filter = "f"}},
                              [&](const Outcome& o, const auto&) { talk.note("sub")(o); })
                  .ok());
  talk.session->give_up({OutcomeKind::kUnreachable, 0, "nobody there", {}});
  EXPECT_EQ(talk.settled, (Lines{"a failed", "sub failed"}));
}

TEST(SdkSession, RefusesWhatTheServerWouldNotTake) {
  Talk talk(persistent(Version::k5));
  talk.publish(Qos::kExactlyOnce, "early");
  mqtt::ConnackProperties properties;
  properties.maximum_qos = uint8_t{1};
  properties.maximum_packet_size = 30u;
  properties.retain_available = false;
  talk.begin();
  ASSERT_TRUE(talk.connack(false, properties).ok());
  EXPECT_EQ(talk.settled, Lines{"early failed"});
  const std::string large(64, 'x');
  EXPECT_EQ(talk.session->publish({.topic = "t", .payload = large}, {}).code, 0x95);
  EXPECT_EQ(talk.session->publish({.topic = "t", .qos = Qos::kExactlyOnce}, {}).code, 0x9B);
  EXPECT_EQ(talk.session->publish({.topic = "t", .retain = Retain::kYes}, {}).code, 0x9A);
}

TEST(SdkSession, AdoptsWhatTheServerAssigns) {
  Options options;
  options.version = Version::k5;
  Talk talk(options);
  mqtt::ConnackProperties properties;
  properties.assigned_client_id = "given";
  properties.server_keep_alive_seconds = uint16_t{30};
  talk.connect(false, properties);
  EXPECT_EQ(talk.client_id, "given");
  EXPECT_EQ(talk.session->keep_alive().count(), 30);
}

TEST(SdkSession, RefusesBadTopicsAndFullQueues) {
  Options options = persistent();
  options.limits.queue_count_max = 1;
  Talk talk(options);
  EXPECT_EQ(talk.session->publish({.topic = "a/#", .qos = Qos::kAtLeastOnce}, {}).kind,
            OutcomeKind::kBadOptions);
  EXPECT_EQ(talk.session->subscribe({{.filter = "a/#/b"}}, {}).kind, OutcomeKind::kBadOptions);
  EXPECT_EQ(talk.session->subscribe({}, {}).kind, OutcomeKind::kBadOptions);
  talk.publish(Qos::kAtLeastOnce, "a");
  EXPECT_EQ(talk.session->publish({.topic = "t", .qos = Qos::kAtLeastOnce}, {}).kind,
            OutcomeKind::kQueueFull);
}

TEST(SdkSession, EndsWithTheReasonOfTheServersDisconnect) {
  Talk talk(persistent(Version::k5));
  talk.connect();
  const Outcome outcome = talk.server(mqtt::DisconnectPacket{ReasonCode::kSessionTakenOver, {}});
  EXPECT_EQ(outcome.kind, OutcomeKind::kServerDisconnect);
  EXPECT_EQ(outcome.code, 0x8E);
}

TEST(PacketStream, GivesTheSamePacketsForAnySplit) {
  ByteBuffer wire;
  mqtt::write(wire, mqtt::PingrespPacket{});
  mqtt::PublishPacket publish;
  publish.topic = "t";
  publish.payload = as_bytes("payload");
  mqtt::write(wire, mqtt::ProtocolVersion::k311, publish);
  mqtt::write(wire, mqtt::PingrespPacket{});
  for (std::size_t cut = 0; cut <= wire.size(); ++cut) {
    PacketStream stream(mqtt::ProtocolVersion::k311, 1000);
    std::string seen;
    const auto note = [&seen](const mqtt::FixedHeader& header, Bytes body) {
      seen += std::string(mqtt::packet_name(header.type)) + std::to_string(body.size()) + " ";
      return true;
    };
    ASSERT_TRUE(stream.feed(wire.view().first(cut), note));
    ASSERT_TRUE(stream.feed(wire.view().subspan(cut), note));
    EXPECT_EQ(seen, "PINGRESP0 PUBLISH10 PINGRESP0 ") << cut;
  }
}

}  // namespace
}  // namespace fairlead::sdk
