#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/test_seeds.h"
#include "session/test_keeper.h"

// A session that is kept, against a client that does all the specification allows, in a server that
// may end at any moment: then all is gone that was not durable, and another process goes on with
// what was. Around the session the test does what a shard does: answers wait for the commit.
// What must hold whatever happens: no message of QoS 1 or 2 that was durable is lost, none of QoS 2
// arrives twice, each topic keeps its order; of what the client published nothing that was answered
// is lost, and nothing of QoS 2 is routed twice; and nothing that has ended is left in the store.

namespace fairlead {
namespace {

using mqtt::PacketId;
using mqtt::PacketType;
using mqtt::Qos;
using testing::TestKeeper;

constexpr const char* kTopics[] = {"a", "topic/b"};

uint32_t number_in(Bytes payload) {
  uint32_t value = 0;
  const std::string_view text = as_text(payload);
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

struct Packet {  // from the session to the client
  enum class Kind : uint8_t { kConnack, kPublish, kAck } kind = Kind::kAck;
  PacketType ack{};
  PacketId id{};
  Qos qos{};
  mqtt::Dup dup{};
  std::string topic = {};
  uint32_t number = 0;
  bool present = false;
};

// A shard's part: holds CONNACK and all behind it, and answers, until they are durable.
class Wire final : public Effects {
 public:
  explicit Wire(TestKeeper& kept_by) : keeper_(kept_by) {}

  std::deque<Packet> to_client;
  std::map<uint32_t, int> routed;  // number -> times
  std::set<PacketId> open;         // of QoS 1 and 2, on this connection, not settled
  std::size_t receive_maximum = 1;
  Outlet outlet_state = Outlet::kReady;

  // Nothing is done for the client before CONNACK is out.
  [[nodiscard]] bool holds_connack() const { return !keeper_.durable(connack_moment_); }
  void make_durable() { routed_durable_ = routed; }
  void on_committed() {
    flush();
    while (!held_.empty() && keeper_.durable(held_.front().first)) {
      out(std::move(held_.front().second));
      held_.pop_front();
    }
  }
  void lose_connection() {
    to_client.clear();
    behind_connack_.clear();
    held_.clear();
    open.clear();
    connack_moment_ = 0;
  }
  void crash() {
    lose_connection();
    routed = routed_durable_;
  }

  void send(Session&, const mqtt::ConnackPacket& packet) override {
    connack_moment_ = keeper_.moment();
    out({.kind = Packet::Kind::kConnack,
         .present = packet.session_present == mqtt::ConnackPacket::SessionPresent::kYes});
  }
  void send(Session&, const mqtt::AckPacket& packet) override {
    const bool lets_forget =
        packet.type == PacketType::kPubrel || packet.type == PacketType::kPubcomp;
    answer({.ack = packet.type, .id = packet.packet_id}, lets_forget ? keeper_.moment() : 0);
  }
  void send(Session&, const mqtt::UnsubackPacket&) override {}
  void send(Session&, const mqtt::PingrespPacket&) override {}
  void send(Session&, const mqtt::Message& message, const mqtt::PublishForm& form) override {
    if (form.qos != Qos::kAtMostOnce) {
      EXPECT_TRUE(open.insert(form.packet_id).second) << "identifier used twice";
      EXPECT_LE(open.size(), receive_maximum);
    }
    out({.kind = Packet::Kind::kPublish,
         .id = form.packet_id,
         .qos = form.qos,
         .dup = form.dup,
         .topic = std::string(message.topic()),
         .number = number_in(message.payload())});
  }
  [[nodiscard]] Outlet outlet(const Session&) const override { return outlet_state; }
  void publish(Session&, mqtt::MessageRef message, const Answer& wanted) override {
    ++routed[number_in(message->payload())];
    if (wanted) answer({.ack = wanted.type, .id = wanted.id}, keeper_.moment());
  }
  void subscribe(Session&, std::span<const SubscriptionGrant>, const mqtt::SubackPacket&) override {
  }
  void unsubscribe(Session&, std::string_view) override {}
  void hand_back(Session&, const SharedOrigin&, mqtt::MessageRef) override {}
  void close(Session&, CloseStyle, ReasonCode, std::string_view sentence) override {
    ADD_FAILURE() << "closed: " << sentence;
  }
  void journal(Session&, JournalKind, std::string_view) override { ADD_FAILURE() << "overflow"; }
  Keeper& keeper() override { return keeper_; }

 private:
  void answer(Packet&& packet, uint64_t moment) {
    if (held_.empty() && keeper_.durable(moment)) return out(std::move(packet));
    held_.emplace_back(moment, std::move(packet));
  }
  void out(Packet&& packet) {
    behind_connack_.push_back(std::move(packet));
    flush();
  }
  void flush() {
    if (holds_connack()) return;
    std::move(behind_connack_.begin(), behind_connack_.end(), std::back_inserter(to_client));
    behind_connack_.clear();
  }

  TestKeeper& keeper_;
  uint64_t connack_moment_ = 0;
  std::deque<Packet> behind_connack_;
  std::deque<std::pair<uint64_t, Packet>> held_;  // answers, by what must be durable before
  std::map<uint32_t, int> routed_durable_;
};

class World {
 public:
  explicit World(uint64_t seed) : random_(seed) {
    limits_.inflight_count_max = static_cast<uint16_t>(1 + random_() % 8);
    connect();
  }

  void run(int steps) {
    for (int step = 0; step < steps && !::testing::Test::HasFailure(); ++step) one_step();
    settle();
    check_end();
  }

 private:
  struct Sent {
    Qos qos;
    bool may_be_lost;  // it has a message expiry, or was not durable when the process ended
  };
  struct Publishing {  // by the client
    uint32_t number = 0;
    Qos qos{};
    bool released = false;  // PUBREC seen: PUBREL is next
  };

  bool chance(unsigned one_in) { return random_() % one_in == 0; }

  void one_step() {
    switch (random_() % 14) {
      case 0:
      case 1:
        return deliver();
      case 2:
      case 3:
      case 4:
        return client_reads();
      case 5:
      case 6:
      case 7:
        return client_writes();
      case 8:
        return client_publishes();
      case 9:
        return chance(5) ? (connected_ ? lose() : connect()) : client_reads();
      case 10:
        wire_.outlet_state = chance(3) ? Outlet::kCongested : Outlet::kReady;
        if (wire_.outlet_state == Outlet::kReady) session_->on_outlet_ready(wire_, now_);
        return;
      case 11:
        now_ += milliseconds(random_() % 2000);
        return;
      case 12:
        return commit();
      case 13:
        return chance(6) ? crash() : connect();
    }
  }

  void make_durable() {
    keeper_.commit();
    wire_.make_durable();
    durable_number_ = last_number_;
  }
  // And those who wait for it hear of it.
  void commit() {
    make_durable();
    wire_.on_committed();
    session_->on_committed(wire_, now_);
  }

  void crash() {
    keeper_.crash();
    wire_.crash();
    connected_ = ready_ = false;
    to_session_.clear();
    for (auto& [number, sent] : taken_) sent.may_be_lost |= number > durable_number_;
    crashed_at_ = last_number_;
    now_ += seconds(random_() % 20);
    session_ = std::make_unique<Session>(1, "key", limits_, total_);
    (void)keeper_.restore(*session_, owner_, now_);
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
      wire_.receive_maximum =
          std::min<std::size_t>(wire_.receive_maximum, *hello.properties.receive_maximum);
    }
    connected_ = true;
    wire_.outlet_state = chance(4) ? Outlet::kCongested : Outlet::kReady;
    session_->attach(hello, owner_, {}, wire_, now_);
  }

  void lose() {
    connected_ = ready_ = false;
    session_->on_detached(DetachCause::kConnectionLost, wire_, now_);
    wire_.lose_connection();
    to_session_.clear();
  }

  // --- To the client ---
  void deliver() {
    if (!session_->kept()) return;
    const uint32_t number = ++last_number_;
    const auto qos = static_cast<Qos>(random_() % 3);
    const std::string payload = std::to_string(number);
    mqtt::Message::Parts parts{
        .topic = kTopics[random_() % 2], .payload = as_bytes(payload), .qos = qos};
    const bool expires = chance(6);
    if (expires) parts.expires_at = now_ + seconds(1 + random_() % 20);
    const mqtt::MessageRef message = mqtt::Message::make(parts);
    Delivery how;
    how.subscription_qos = Qos::kExactlyOnce;
    if (chance(5)) {  // held for a while by the router
      how.record = session_->keep(message, how, wire_, now_);
      if (chance(2)) make_durable();
    }
    const DeliveryResult result = session_->deliver(message, how, wire_, now_);
    if (result == DeliveryResult::kTaken) taken_[number] = {qos, expires};
  }

  void client_reads() {
    if (wire_.to_client.empty()) return;
    const Packet packet = wire_.to_client.front();
    wire_.to_client.pop_front();
    switch (packet.kind) {
      case Packet::Kind::kConnack:
        EXPECT_TRUE(packet.present || !was_accepted_) << "whoever was accepted has a session";
        was_accepted_ = ready_ = true;
        for (const auto& [id, publishing] : publishing_) send_publishing(id, publishing);
        return;
      case Packet::Kind::kPublish:
        return on_publish(packet);
      case Packet::Kind::kAck:
        return on_ack(packet);
    }
  }

  void on_ack(const Packet& packet) {
    const auto at = publishing_.find(packet.id);
    switch (packet.ack) {
      case PacketType::kPubrel:
        received_.erase(packet.id);
        return answer(PacketType::kPubcomp, packet.id);
      case PacketType::kPubrec:
        if (at != publishing_.end()) {
          at->second.released = true;
          answered_.insert(at->second.number);
        }
        return answer(PacketType::kPubrel, packet.id);
      default:
        if (at == publishing_.end()) return;
        answered_.insert(at->second.number);
        publishing_.erase(at);
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
      // Of what was sent before a crash, the new process may not know that it was.
      if (packet.number > crashed_at_) {
        EXPECT_EQ(packet.dup, mqtt::Dup::kYes);
      }
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
      session_->on_ack(ack, wire_, now_);
    });
  }

  void client_writes() {
    if (!connected_ || wire_.holds_connack() || to_session_.empty()) return;
    const auto act = std::move(to_session_.front());
    to_session_.pop_front();
    act();
  }

  void client_publishes() {
    if (!ready_ || publishing_.size() >= limits_.inflight_count_max) return;
    const PacketId id{static_cast<uint16_t>(1 + random_() % 20)};
    if (publishing_.contains(id)) return;
    const Qos qos = chance(2) ? Qos::kAtLeastOnce : Qos::kExactlyOnce;
    const Publishing& publishing = publishing_[id] = {++last_published_, qos, false};
    published_[last_published_] = qos;
    send_publishing(id, publishing);
  }

  void send_publishing(PacketId id, const Publishing& publishing) {
    if (publishing.released) return answer(PacketType::kPubrel, id);
    to_session_.push_back([this, id, publishing] {
      const std::string payload = std::to_string(publishing.number);
      mqtt::PublishPacket packet;
      packet.topic = "up";
      packet.payload = as_bytes(payload);
      packet.packet_id = id;
      packet.qos = publishing.qos;
      session_->on_publish(packet, wire_, now_);
    });
  }

  // --- What must hold ---

  // A good connection at last: all that is left goes through.
  void settle() {
    if (connected_) lose();
    connect();
    wire_.outlet_state = Outlet::kReady;
    session_->on_outlet_ready(wire_, now_);
    for (uint32_t rounds = 4 * last_number_ + 10; rounds > 0; --rounds) {
      commit();
      while (!wire_.to_client.empty() || !to_session_.empty()) {
        client_reads();
        client_writes();
      }
    }
  }

  void check_end() {
    EXPECT_EQ(session_->inflight_count(), 0u);
    EXPECT_EQ(session_->queue_count(), 0u);
    EXPECT_EQ(session_->received_count(), 0u);
    EXPECT_TRUE(publishing_.empty());
    EXPECT_EQ(keeper_.now.size(), 1u) << "only the session itself is left";
    for (const auto& [number, sent] : taken_) {
      if (sent.qos == Qos::kAtMostOnce || sent.may_be_lost) continue;
      EXPECT_GE(arrived_[number], 1) << "lost: " << number;
    }
    for (const auto& [number, qos] : published_) {
      EXPECT_TRUE(answered_.contains(number)) << number;
      EXPECT_GE(wire_.routed[number], 1) << "lost: " << number;
      if (qos == Qos::kExactlyOnce) {
        EXPECT_EQ(wire_.routed[number], 1) << number;
      }
    }
  }

  std::mt19937_64 random_;
  SessionLimits limits_;
  QueueTotal total_;
  const SessionOwner owner_{AccessPolicy::for_anonymous(), &kStandardProfile};
  TestKeeper keeper_;
  Wire wire_{keeper_};
  Instant now_{};
  std::unique_ptr<Session> session_ = std::make_unique<Session>(1, "key", limits_, total_);
  bool connected_ = false;
  bool ready_ = false;         // the client has seen CONNACK, on this connection
  bool was_accepted_ = false;  // or ever

  uint32_t last_number_ = 0;
  uint32_t durable_number_ = 0;
  uint32_t crashed_at_ = 0;  // the last one before the last crash
  std::map<uint32_t, Sent> taken_;
  std::map<uint32_t, int> arrived_;
  std::map<std::pair<std::string, Qos>, uint32_t> last_arrived_;
  std::set<PacketId> received_;  // QoS 2, by the client

  uint32_t last_published_ = 0;
  std::map<uint32_t, Qos> published_;
  std::map<PacketId, Publishing> publishing_;
  std::set<uint32_t> answered_;
  std::deque<std::function<void()>> to_session_;
};

TEST(SessionCrashProperty, LosesNothingThatWasDurableAndRepeatsNothingOfQos2) {
  testing::for_each_seed(500, [](uint64_t seed) { World(seed).run(600); });
}

}  // namespace
}  // namespace fairlead
