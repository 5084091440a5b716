#include <gtest/gtest.h>

#include <random>

#include "base/test_seeds.h"
#include "session/test_model.h"

// A session and its model get the same calls: connections that come, go and are taken over, clients
// of every version with limits of their own, answers that fit and answers that do not, time that
// jumps. Both must do the same, line by line.

namespace fairlead::testing {
namespace {

using mqtt::PacketId;
using mqtt::PacketType;

std::string text_of(PacketId id) { return std::to_string(static_cast<unsigned>(id)); }

// Writes down what the session does, in the words of the model.
class Lines final : public Effects {
 public:
  std::vector<std::string> lines;
  std::map<PacketId, std::string> number_of_id;  // of what was sent last with it
  bool closed = false;

  void send(Session& session, const mqtt::ConnackPacket& packet) override {
    const bool present = packet.session_present == mqtt::ConnackPacket::SessionPresent::kYes;
    EXPECT_FALSE(present && session.version() == mqtt::ProtocolVersion::k31);
    lines.push_back(present ? "CONNACK present" : "CONNACK");
  }
  void send(Session&, const mqtt::AckPacket& packet) override {
    const bool known =
        packet.type == PacketType::kPubrel && number_of_id.contains(packet.packet_id);
    std::string line = std::string(mqtt::packet_name(packet.type)) + " " +
                       (known ? number_of_id[packet.packet_id] : text_of(packet.packet_id));
    if (packet.reason != ReasonCode::kSuccess) line += " 92";
    lines.push_back(line);
  }
  void send(Session&, const mqtt::UnsubackPacket&) override {}
  void send(Session&, const mqtt::PingrespPacket&) override {}
  void send(Session& session, const mqtt::Message& message,
            const mqtt::PublishForm& form) override {
    EXPECT_LE(mqtt::publish_size(message, form), session.peer_packet_size_max());
    std::string line =
        "PUBLISH " + number_of(message) + " q" + std::to_string(static_cast<int>(form.qos));
    if (form.dup == mqtt::Dup::kYes) line += " dup";
    if (form.message_expiry_seconds) {
      line += " expiry " + std::to_string(*form.message_expiry_seconds);
    }
    lines.push_back(line);
    EXPECT_EQ(form.qos == Qos::kAtMostOnce, form.packet_id == PacketId{});
    if (form.qos != Qos::kAtMostOnce) number_of_id[form.packet_id] = number_of(message);
  }
  [[nodiscard]] Outlet outlet(const Session&) const override { return Outlet::kReady; }
  void publish(Session& session, mqtt::MessageRef message, const Answer& answer) override {
    lines.push_back("ROUTE " + number_of(*message));
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
  void close(Session&, CloseStyle style, ReasonCode reason, std::string_view) override {
    closed = true;
    if (style == CloseStyle::kWithDisconnect) {
      lines.push_back(reason == ReasonCode::kReceiveMaximumExceeded ? "CLOSE 93" : "CLOSE");
    }
  }
  void journal(Session&, JournalKind kind, std::string_view) override {
    lines.push_back(kind == JournalKind::kQueueOverflow ? "OVERFLOW" : "TOO LARGE");
  }
};

class Comparison {
 public:
  explicit Comparison(uint64_t seed) : random_(seed) {
    limits_.inflight_count_max = static_cast<uint16_t>(1 + below(6));
    limits_.queue_count_max = static_cast<uint32_t>(1 + below(10));
    limits_.queue_bytes_max = static_cast<uint32_t>(500 + below(4000));
    limits_.expiry_max = seconds(1000);
  }

  void run(int steps) {
    for (int step = 0; step < steps && !::testing::Test::HasFailure(); ++step) one_step();
    if (::testing::Test::HasFailure()) return;
    drain();
  }

 private:
  [[nodiscard]] std::size_t below(std::size_t limit) { return random_() % limit; }
  [[nodiscard]] bool chance(std::size_t one_in) { return below(one_in) == 0; }

  void one_step() {
    const std::size_t what = below(20);
    if (what == 0) return pass_time();
    if (what <= 7) return deliver();
    if (!model_.connected()) return chance(3) ? connect(random_hello()) : pass_time();
    if (what <= 13) return acknowledge();
    if (what == 14) return answer_for_nothing();
    if (what <= 16) return publish();
    if (what == 17) return release();
    if (what == 18) return chance(3) ? leave() : deliver();
    if (chance(2)) {
      lose(DetachCause::kTakenOver);
      connect(random_hello());
    }
  }

  // The session has done something: so much must have happened, and it must look the same inside.
  void compare(const std::vector<std::string>& expected, const char* what) {
    EXPECT_EQ(wire_.lines, expected) << what;
    wire_.lines.clear();
    EXPECT_EQ(session_.connected(), model_.connected()) << what;
    EXPECT_EQ(session_.inflight_count(), model_.inflight().size()) << what;
    EXPECT_EQ(session_.queue_count(), model_.waiting_count()) << what;
    EXPECT_EQ(session_.received_count(), model_.received_count()) << what;
    EXPECT_EQ(session_.deadline(), model_.deadline()) << what;
  }

  SessionModel::Hello random_hello() {
    SessionModel::Hello hello;
    hello.version = static_cast<mqtt::ProtocolVersion>(3 + below(3));
    hello.clean = chance(8);
    hello.expiry_seconds = static_cast<uint32_t>(chance(6) ? 0 : below(2000));
    if (chance(2)) hello.receive_maximum = 1 + below(8);
    if (chance(3)) hello.packet_bytes_max = 60 + below(300);
    if (chance(3)) hello.will = "w" + std::to_string(++last_number_);
    if (chance(2)) hello.will_delay_seconds = static_cast<uint32_t>(below(1500));
    if (hello.version != mqtt::ProtocolVersion::k5) hello.will_delay_seconds = 0;
    return hello;
  }

  void connect(const SessionModel::Hello& hello) {
    mqtt::ConnectPacket packet;
    packet.version = hello.version;
    packet.clean_start = hello.clean ? mqtt::CleanStart::kYes : mqtt::CleanStart::kNo;
    if (hello.version == mqtt::ProtocolVersion::k5) {
      mqtt::ConnectProperties& say = packet.properties;
      if (hello.expiry_seconds > 0) say.session_expiry_seconds = hello.expiry_seconds;
      if (hello.receive_maximum != 65'535) {
        say.receive_maximum = static_cast<uint16_t>(hello.receive_maximum);
      }
      if (hello.packet_bytes_max != mqtt::kNoPacketSizeLimit) {
        say.maximum_packet_size = static_cast<uint32_t>(hello.packet_bytes_max);
      }
    }
    if (hello.will) {
      mqtt::Will& will = packet.will.emplace();
      will.topic = "will";
      will.payload = as_bytes(*hello.will);
      if (hello.will_delay_seconds > 0) {
        will.properties.will_delay_seconds = hello.will_delay_seconds;
      }
    }
    wire_.closed = false;
    session_.attach(packet, {AccessPolicy::for_anonymous(), &kStandardProfile}, {}, wire_, now_);
    compare(model_.connect(hello, now_), "connect");
  }

  void lose(DetachCause cause) {
    session_.on_detached(cause, wire_, now_);
    compare(model_.lose(cause, now_), "lose");
  }

  void leave() {
    constexpr DetachCause kCauses[] = {DetachCause::kConnectionLost, DetachCause::kServerShutdown,
                                       DetachCause::kAdministrative};
    if (chance(2)) return lose(kCauses[below(3)]);
    mqtt::DisconnectPacket packet;
    const bool with_will = model_.is_v5() && chance(2);
    if (with_will) packet.reason = ReasonCode::kDisconnectWithWill;
    if (model_.is_v5() && chance(2)) {
      packet.properties.session_expiry_seconds = static_cast<uint32_t>(below(2) * below(2000));
    }
    session_.on_disconnect(packet, wire_);
    const bool taken = model_.disconnect(packet.properties.session_expiry_seconds, with_will);
    EXPECT_EQ(wire_.lines, taken ? SessionModel::Lines{} : SessionModel::Lines{"CLOSE"});
    wire_.lines.clear();
    lose(!taken      ? DetachCause::kConnectionLost
         : with_will ? DetachCause::kClientDisconnectWithWill
                     : DetachCause::kClientDisconnect);
  }

  // Mostly moments, now and then hours. The timer rings in time or late.
  void pass_time() {
    now_ += chance(6) ? milliseconds(below(3'000'000)) : milliseconds(below(3000));
    if (chance(4)) return;
    session_.on_deadline(wire_, now_);
    compare(model_.pass(now_), "time");
  }

  void deliver() {
    std::string payload = "m" + std::to_string(++last_number_) + " ";
    payload.resize(payload.size() + (chance(4) ? below(400) : below(20)), 'x');
    mqtt::Message::Parts parts{.topic = chance(2) ? "t" : "a/longer/topic",
                               .payload = as_bytes(payload),
                               .qos = static_cast<Qos>(below(3))};
    if (chance(4)) parts.expires_at = now_ + milliseconds(below(60'000));
    const mqtt::MessageRef message = mqtt::Message::make(parts);
    Delivery how;
    how.subscription_qos = chance(4) ? static_cast<Qos>(below(3)) : Qos::kExactlyOnce;
    const std::size_t before = wire_.number_of_id.size();
    (void)session_.deliver(message, how, wire_, now_);
    EXPECT_LE(wire_.number_of_id.size(), before + 1);
    compare(model_.deliver(message, how.subscription_qos, now_), "deliver");
  }

  // For something in flight: mostly what fits, in order or not, whether it was repeated or not.
  void acknowledge() {
    if (model_.inflight().empty()) return;
    const std::size_t last = model_.inflight().size() - 1;
    const auto& flight = model_.inflight()[chance(3) ? below(last + 1) : 0];
    mqtt::AckPacket ack;
    ack.type = flight.qos == Qos::kAtLeastOnce                 ? PacketType::kPuback
               : flight.step == SessionModel::Step::kPublished ? PacketType::kPubrec
                                                               : PacketType::kPubcomp;
    if (chance(10)) {
      constexpr PacketType kAny[] = {PacketType::kPuback, PacketType::kPubrec,
                                     PacketType::kPubcomp};
      ack.type = kAny[below(3)];
    }
    const bool error = ack.type == PacketType::kPubrec && model_.is_v5() && chance(6);
    if (error) ack.reason = ReasonCode::kQuotaExceeded;
    ack.packet_id = id_of(flight.number);
    const std::string number = flight.number;
    session_.on_ack(ack, wire_, now_);
    compare(model_.acknowledge(number, ack.type, error, now_), "acknowledge");
  }

  [[nodiscard]] PacketId id_of(const std::string& number) const {
    for (const auto& [id, held] : wire_.number_of_id) {
      if (held == number) return id;
    }
    ADD_FAILURE() << number << " has no packet identifier of its own";
    return PacketId{};
  }

  // Of an identifier that is not in use: only a PUBREC has an answer.
  void answer_for_nothing() {
    constexpr PacketType kAny[] = {PacketType::kPuback, PacketType::kPubrec, PacketType::kPubcomp};
    mqtt::AckPacket ack;
    ack.type = kAny[below(3)];
    ack.packet_id = PacketId{60'000};
    session_.on_ack(ack, wire_, now_);
    const std::string pubrel = model_.is_v5() ? "PUBREL 60000 92" : "PUBREL 60000";
    compare(ack.type == PacketType::kPubrec ? SessionModel::Lines{pubrel} : SessionModel::Lines{},
            "an answer for nothing");
  }

  void publish() {
    const std::string payload = "p" + std::to_string(++last_number_);
    mqtt::PublishPacket packet;
    packet.topic = "up";
    packet.payload = as_bytes(payload);
    packet.qos = static_cast<Qos>(below(3));
    const auto id = static_cast<uint16_t>(1 + below(10));
    if (packet.qos != Qos::kAtMostOnce) packet.packet_id = PacketId{id};
    session_.on_publish(packet, wire_, now_);
    compare(model_.publish(payload, packet.qos, id), "publish");
    if (wire_.closed) lose(DetachCause::kConnectionLost);
  }

  void release() {
    mqtt::AckPacket ack;
    ack.type = PacketType::kPubrel;
    const auto id = static_cast<uint16_t>(1 + below(10));
    ack.packet_id = PacketId{id};
    session_.on_ack(ack, wire_, now_);
    compare(model_.release(id), "release");
  }

  // A good client at last: everything goes through.
  void drain() {
    if (model_.connected()) lose(DetachCause::kConnectionLost);
    SessionModel::Hello hello;
    hello.version = mqtt::ProtocolVersion::k5;
    hello.expiry_seconds = 10;
    connect(hello);
    while (!model_.inflight().empty() && !::testing::Test::HasFailure()) acknowledge();
    EXPECT_EQ(session_.queue_count(), 0U);
    lose(DetachCause::kConnectionLost);
    now_ += seconds(10);
    session_.on_deadline(wire_, now_);
    compare(model_.pass(now_), "the end");
    EXPECT_TRUE(session_.ended());
  }

  std::mt19937_64 random_;
  SessionLimits limits_;
  Lines wire_;
  Instant now_{};
  SessionModel model_{limits_};
  QueueTotal total_;
  Session session_{1, "key", limits_, total_};
  uint32_t last_number_ = 0;
};

TEST(SessionModelProperty, DoesWhatTheModelDoes) {
  for_each_seed(500, [](uint64_t seed) { Comparison(seed).run(400); });
}

}  // namespace
}  // namespace fairlead::testing
