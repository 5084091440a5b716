#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <deque>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/test_seeds.h"
#include "session/session.h"

// A session against a client that does all the specification allows, over a connection that may be
// lost at any moment with everything on its way. What must hold whatever happens: no message of
// QoS 1 or 2 that the session took is lost, none of QoS 2 arrives twice, each topic keeps its order
// per QoS, and no more are in flight than the client allows; and the same for what it publishes.

namespace fairlead {
namespace {

using mqtt::PacketId;
using mqtt::PacketType;
using mqtt::Qos;

constexpr const char* kTopics[] = {"a", "topic/b", "topic/c/long"};

uint32_t number_in(Bytes payload) {
  uint32_t value = 0;
  const std::string_view text = as_text(payload);
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

struct Packet {  // from the session, on its way to the client
  enum class Kind : uint8_t { kPublish, kAck, kOther } kind = Kind::kOther;
  PacketType ack{};
  PacketId id{};
  Qos qos{};
  mqtt::Dup dup{};
  std::string topic;
  uint32_t number = 0;
};

// The wire from the session to the client, and what the session routes.
class Wire final : public Effects {
 public:
  std::deque<Packet> to_client;
  std::map<uint16_t, std::string> aliases;
  std::map<uint32_t, int> routed;  // number -> times
  Outlet outlet_state = Outlet::kReady;
  // Of QoS 1 and 2, sent on this connection and not settled by the client.
  std::set<PacketId> open;
  std::size_t receive_maximum = 1;
  uint32_t overflows = 0;
  bool closed = false;
  bool present = false;

  void send(Session&, const mqtt::ConnackPacket& packet) override {
    present = packet.session_present == mqtt::ConnackPacket::SessionPresent::kYes;
  }
  void send(Session&, const mqtt::AckPacket& packet) override {
    Packet& sent = to_client.emplace_back();
    sent.kind = Packet::Kind::kAck;
    sent.ack = packet.type;
    sent.id = packet.packet_id;
  }
  void send(Session&, const mqtt::UnsubackPacket&) override {}
  void send(Session&, const mqtt::PingrespPacket&) override {}
  void send(Session&, const mqtt::Message& message, const mqtt::PublishForm& form) override {
    Packet& sent = to_client.emplace_back();
    sent.kind = Packet::Kind::kPublish;
    sent.id = form.packet_id;
    sent.qos = form.qos;
    sent.dup = form.dup;
    sent.number = number_in(message.payload());
    if (form.qos != Qos::kAtMostOnce) {
      EXPECT_TRUE(open.insert(form.packet_id).second) << "identifier used twice";
      EXPECT_LE(open.size(), receive_maximum);
    }
    const bool by_alias = form.topic == mqtt::PublishForm::Topic::kByAlias;
    if (by_alias) {
      ASSERT_TRUE(form.topic_alias && aliases.contains(*form.topic_alias));
      sent.topic = aliases[*form.topic_alias];
    } else {
      sent.topic = message.topic();
      if (form.topic_alias) aliases[*form.topic_alias] = sent.topic;
    }
    EXPECT_EQ(sent.topic, message.topic());
  }
  [[nodiscard]] Outlet outlet(const Session&) const override { return outlet_state; }
  void publish(Session& session, mqtt::MessageRef message, const Answer& answer) override {
    ++routed[number_in(message->payload())];
    if (answer) {
      mqtt::AckPacket ack;
      ack.type = answer.type;
      ack.packet_id = answer.id;
      send(session, ack);
    }
  }
  void subscribe(Session&, std::span<const SubscriptionGrant>, const mqtt::SubackPacket&) override {
  }
  void unsubscribe(Session&, std::string_view) override {}
  void hand_back(Session&, const SharedOrigin&, mqtt::MessageRef) override {}
  void close(Session&, CloseStyle, ReasonCode, std::string_view sentence) override {
    ADD_FAILURE() << "closed: " << sentence;
    closed = true;
  }
  void journal(Session&, JournalKind, std::string_view) override { ++overflows; }
};

class World {
 public:
  explicit World(uint64_t seed) : random_(seed) {
    limits_.inflight_count_max = static_cast<uint16_t>(1 + random_() % 8);
    connect();
  }

  void run(int steps) {
    for (int step = 0; step < steps && !::testing::Test::HasFailure(); ++step) {
      one_step();
      check_window();
    }
    settle();
    check_end();
  }

 private:
  struct Sent {
    Qos qos;
    std::string topic;
    bool may_be_lost;  // has a message expiry
  };
  struct Publishing {  // by the client
    uint32_t number = 0;
    Qos qos{};
    bool released = false;  // PUBREC seen: PUBREL is next
  };

  bool chance(unsigned one_in) { return random_() % one_in == 0; }

  void one_step() {
    switch (random_() % 12) {
      case 0:
      case 1:
      case 2:
        return deliver();
      case 3:
      case 4:
      case 5:
        return client_reads();
      case 6:
      case 7:
        return client_writes();
      case 8:
        return client_publishes();
      case 9:
        return chance(4) ? (connected_ ? lose() : connect()) : client_reads();
      case 10:
        wire_.outlet_state = chance(3) ? Outlet::kCongested : Outlet::kReady;
        if (wire_.outlet_state == Outlet::kReady && chance(2)) {  // or it is told later
          session_.on_outlet_ready(wire_, now_);
        }
        return;
      case 11:
        now_ += milliseconds(random_() % 2000);
        return;
    }
  }

  void connect() {
    if (connected_) return;
    mqtt::ConnectPacket hello;
    hello.version = chance(3) ? mqtt::ProtocolVersion::k311 : mqtt::ProtocolVersion::k5;
    hello.clean_start = mqtt::CleanStart::kNo;
    wire_.receive_maximum = limits_.inflight_count_max;
    if (hello.version == mqtt::ProtocolVersion::k5) {
      hello.properties.session_expiry_seconds = 1'000'000;
      hello.properties.receive_maximum = static_cast<uint16_t>(1 + random_() % 8);
      hello.properties.topic_alias_maximum = static_cast<uint16_t>(random_() % 4);
      wire_.receive_maximum =
          std::min<std::size_t>(wire_.receive_maximum, *hello.properties.receive_maximum);
    }
    connected_ = true;
    wire_.outlet_state = chance(4) ? Outlet::kCongested : Outlet::kReady;
    session_.attach(hello, {AccessPolicy::for_anonymous(), &kStandardProfile}, {}, wire_, now_);
    EXPECT_EQ(wire_.present, was_connected_);
    was_connected_ = true;
    for (auto& [id, publishing] : publishing_) send_publishing(id, publishing, mqtt::Dup::kYes);
  }

  void lose() {
    connected_ = false;
    session_.on_detached(DetachCause::kConnectionLost, wire_, now_);
    wire_.to_client.clear();
    wire_.aliases.clear();
    wire_.open.clear();
    to_session_.clear();
    if (chance(2)) now_ += seconds(random_() % 100);
  }

  // --- To the client ---
  void deliver() {
    const uint32_t number = ++last_number_;
    const auto qos = static_cast<Qos>(random_() % 3);
    const char* topic = kTopics[random_() % 3];
    const std::string payload = std::to_string(number);
    mqtt::Message::Parts parts{.topic = topic, .payload = as_bytes(payload), .qos = qos};
    const bool expires = chance(5);
    if (expires) parts.expires_at = now_ + seconds(1 + random_() % 20);
    Delivery how;
    how.subscription_qos = Qos::kExactlyOnce;
    const DeliveryResult result = session_.deliver(mqtt::Message::make(parts), how, wire_, now_);
    if (result == DeliveryResult::kTaken) taken_[number] = {qos, topic, expires};
  }

  void client_reads() {
    if (wire_.to_client.empty()) return;
    const Packet packet = wire_.to_client.front();
    wire_.to_client.pop_front();
    if (packet.kind == Packet::Kind::kPublish) return on_publish(packet);
    switch (packet.ack) {
      case PacketType::kPubrel:
        received_.erase(packet.id);
        return answer(PacketType::kPubcomp, packet.id);
      case PacketType::kPubrec: {
        const auto at = publishing_.find(packet.id);
        if (at != publishing_.end()) at->second.released = true;
        return answer(PacketType::kPubrel, packet.id);
      }
      case PacketType::kPuback:
      case PacketType::kPubcomp:
        publishing_.erase(packet.id);
        return;
      default:
        ADD_FAILURE() << "unexpected packet";
    }
  }

  void on_publish(const Packet& packet) {
    ASSERT_TRUE(taken_.contains(packet.number));
    switch (packet.qos) {
      case Qos::kAtMostOnce:
        return arrive(packet);
      case Qos::kAtLeastOnce:
        arrive(packet);
        return answer(PacketType::kPuback, packet.id);
      case Qos::kExactlyOnce:
        if (received_.insert(packet.id).second) arrive(packet);
        return answer(PacketType::kPubrec, packet.id);
    }
  }

  void arrive(const Packet& packet) {
    const int times = ++arrived_[packet.number];
    if (packet.qos != Qos::kAtLeastOnce) {
      EXPECT_EQ(times, 1) << packet.number;
    } else if (times > 1) {
      EXPECT_EQ(packet.dup, mqtt::Dup::kYes);
      return;  // order is that of first arrivals
    }
    uint32_t& last = last_arrived_[{packet.topic, packet.qos}];
    EXPECT_LT(last, packet.number) << packet.topic;
    last = packet.number;
  }

  // --- To the session ---
  void answer(PacketType type, PacketId id) {
    mqtt::AckPacket ack;
    ack.type = type;
    ack.packet_id = id;
    to_session_.push_back([this, ack] {
      if (ack.type == PacketType::kPuback || ack.type == PacketType::kPubcomp) {
        wire_.open.erase(ack.packet_id);
      }
      session_.on_ack(ack, wire_, now_);
    });
  }

  void client_writes() {
    if (!connected_ || to_session_.empty()) return;
    const auto act = std::move(to_session_.front());
    to_session_.pop_front();
    act();
  }

  void client_publishes() {
    if (!connected_ || publishing_.size() >= limits_.inflight_count_max) return;
    const PacketId id{static_cast<uint16_t>(1 + random_() % 20)};
    if (publishing_.contains(id)) return;
    const Qos qos = chance(2) ? Qos::kAtLeastOnce : Qos::kExactlyOnce;
    const Publishing& publishing = publishing_[id] = {++last_published_, qos, false};
    published_[last_published_] = qos;
    send_publishing(id, publishing, mqtt::Dup::kNo);
  }

  void send_publishing(PacketId id, const Publishing& publishing, mqtt::Dup dup) {
    if (publishing.released) return answer(PacketType::kPubrel, id);
    to_session_.push_back([this, id, dup, publishing] {
      const std::string payload = std::to_string(publishing.number);
      mqtt::PublishPacket packet;
      packet.topic = "up";
      packet.payload = as_bytes(payload);
      packet.packet_id = id;
      packet.qos = publishing.qos;
      packet.dup = dup;
      session_.on_publish(packet, wire_, now_);
    });
  }

  // --- What must hold ---
  void check_window() {
    EXPECT_LE(session_.inflight_count(), limits_.inflight_count_max);
    EXPECT_EQ(wire_.overflows, 0u);
  }

  // A good connection at last: all that is left goes through.
  void settle() {
    if (connected_) lose();
    connect();
    wire_.outlet_state = Outlet::kReady;
    session_.on_outlet_ready(wire_, now_);
    while (!wire_.to_client.empty() || !to_session_.empty()) {
      client_reads();
      client_writes();
    }
  }

  void check_end() {
    EXPECT_EQ(session_.inflight_count(), 0u);
    EXPECT_EQ(session_.queue_count(), 0u);
    EXPECT_EQ(session_.received_count(), 0u);
    EXPECT_TRUE(publishing_.empty());
    for (const auto& [number, sent] : taken_) {
      if (sent.qos == Qos::kAtMostOnce || sent.may_be_lost) continue;
      EXPECT_GE(arrived_[number], 1) << "lost: " << number;
    }
    for (const auto& [number, qos] : published_) {
      EXPECT_GE(wire_.routed[number], 1) << number;
      if (qos == Qos::kExactlyOnce) {
        EXPECT_EQ(wire_.routed[number], 1) << number;
      }
    }
  }

  std::mt19937_64 random_;
  SessionLimits limits_;
  Wire wire_;
  Instant now_{};
  QueueTotal total_;
  Session session_{1, "key", limits_, total_};
  bool connected_ = false;
  bool was_connected_ = false;

  uint32_t last_number_ = 0;
  std::map<uint32_t, Sent> taken_;
  std::map<uint32_t, int> arrived_;
  std::map<std::pair<std::string, Qos>, uint32_t> last_arrived_;
  std::set<PacketId> received_;  // QoS 2, by the client

  uint32_t last_published_ = 0;
  std::map<uint32_t, Qos> published_;
  std::map<PacketId, Publishing> publishing_;
  std::deque<std::function<void()>> to_session_;
};

TEST(SessionProperty, LosesNothingAndKeepsItsPromisesOverLossyConnections) {
  testing::for_each_seed(300, [](uint64_t seed) { World(seed).run(400); });
}

}  // namespace
}  // namespace fairlead
