// A script of packets (raw bytes through the reader), deliveries, lost connections and time for one
// session. Whatever the client sends: nothing is sent without a connection or after a close, packet
// identifiers in flight are unique and within the window, queues stay within their limits, and
// every QoS 1 and 2 PUBLISH of a connection that stays open is answered.

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>

#include "base/assert.h"
#include "proto/mqtt/reader.h"
#include "session/session.h"

namespace {

using namespace fairlead;

class CheckedWire final : public Effects {
 public:
  bool open = false;
  bool congested = false;
  uint32_t answers = 0;
  std::size_t window = 0;
  std::set<mqtt::PacketId> unsettled;

  void send(Session&, const mqtt::ConnackPacket&) override { FL_ASSERT(open); }
  void send(Session&, const mqtt::AckPacket& packet) override {
    FL_ASSERT(open && packet.packet_id != mqtt::PacketId{});
    ++answers;
  }
  void send(Session&, const mqtt::UnsubackPacket&) override { FL_ASSERT(open); }
  void send(Session&, const mqtt::PingrespPacket&) override { FL_ASSERT(open); }
  void send(Session& session, const mqtt::Message& message,
            const mqtt::PublishForm& form) override {
    FL_ASSERT(open && form.version == session.version());
    FL_ASSERT(mqtt::publish_size(message, form) <= session.peer_packet_size_max());
    if (form.qos == mqtt::Qos::kAtMostOnce) return;
    FL_ASSERT(unsettled.insert(form.packet_id).second && unsettled.size() <= window);
  }
  [[nodiscard]] Outlet outlet(const Session&) const override {
    return congested ? Outlet::kCongested : Outlet::kReady;
  }
  void publish(Session& session, mqtt::MessageRef message, const Answer& answer) override {
    FL_ASSERT(message->sender() == session.id() && !message->topic().empty());
    if (answer) {
      mqtt::AckPacket ack;
      ack.type = answer.type;
      ack.packet_id = answer.id;
      send(session, ack);
    }
  }
  void subscribe(Session&, std::span<const SubscriptionGrant> grants,
                 const mqtt::SubackPacket& suback) override {
    const auto refused = std::count_if(suback.reasons.begin(), suback.reasons.end(), is_error);
    FL_ASSERT(open && grants.size() + static_cast<std::size_t>(refused) == suback.reasons.size());
  }
  void unsubscribe(Session&, std::string_view filter) override { FL_ASSERT(!filter.empty()); }
  void hand_back(Session&, const SharedOrigin& origin, mqtt::MessageRef) override {
    FL_ASSERT(origin);
  }
  void close(Session&, CloseStyle, ReasonCode, std::string_view sentence) override {
    FL_ASSERT(open && !sentence.empty());
    open = false;
  }
  void journal(Session&, JournalKind, std::string_view) override {}
};

class Script {
 public:
  explicit Script(Bytes bytes) : input_(bytes) {
    limits_.queue_count_max = 8;
    limits_.queue_bytes_max = 4096;
    limits_.congested_queue_bytes_max = 1024;
    limits_.inflight_count_max = 4;
  }

  void run() {
    while (!input_.empty()) {
      step(byte());
      check();
    }
  }

 private:
  uint8_t byte() { return input_.u8().value_or(0); }

  void step(uint8_t choice) {
    if (!session_.connected()) return choice % 4 == 0 ? pass_time() : connect(choice);
    if (!wire_.open) return lose(DetachCause::kConnectionLost);
    switch (choice % 8) {
      case 0:
        return lose(static_cast<DetachCause>(byte() % 6));
      case 1:
        return deliver(byte());
      case 2:
        wire_.congested = choice >= 128;
        return wire_.congested ? void() : session_.on_outlet_ready(wire_, now_);
      case 3:
        return pass_time();
      default:
        return packet();
    }
  }

  void connect(uint8_t choice) {
    mqtt::ConnectPacket hello;
    hello.version = static_cast<mqtt::ProtocolVersion>(3 + choice % 3);
    hello.clean_start = choice < 32 ? mqtt::CleanStart::kYes : mqtt::CleanStart::kNo;
    if (hello.version == mqtt::ProtocolVersion::k5) {
      hello.properties.session_expiry_seconds = byte();
      hello.properties.receive_maximum = static_cast<uint16_t>(1 + byte() % 4);
      hello.properties.topic_alias_maximum = static_cast<uint16_t>(choice % 5);
      if (choice % 2 == 0) hello.properties.maximum_packet_size = 40u + byte();
    }
    if (choice % 7 == 0) {
      mqtt::Will& will = hello.will.emplace();
      will.topic = "will";
      will.properties.will_delay_seconds = byte();
    }
    const auto& profile = choice % 2 == 0 ? kStandardProfile : kCompatibleProfile;
    wire_.open = true;
    wire_.congested = false;
    wire_.window = std::min<std::size_t>(4, hello.properties.receive_maximum.value_or(4));
    wire_.unsettled.clear();
    session_.attach(hello, {AccessPolicy::for_anonymous(), &profile}, {}, wire_, now_);
  }

  void lose(DetachCause cause) {
    wire_.open = false;
    session_.on_detached(cause, wire_, now_);
  }

  void pass_time() {
    now_ += seconds(byte());
    if (session_.deadline() && *session_.deadline() <= now_) session_.on_deadline(wire_, now_);
  }

  void deliver(uint8_t choice) {
    const std::string payload(choice, 'x');
    mqtt::Message::Parts parts{.topic = choice % 2 == 0 ? "t" : "topic/that/is/longer",
                               .payload = as_bytes(payload),
                               .qos = static_cast<mqtt::Qos>(choice % 3)};
    if (choice % 5 == 0) parts.expires_at = now_ + seconds(choice);
    const uint32_t identifier = choice;
    Delivery how;
    how.subscription_qos = mqtt::Qos::kExactlyOnce;
    if (choice % 4 == 0) how.identifiers = {&identifier, 1};
    (void)session_.deliver(mqtt::Message::make(parts), how, wire_, now_);
  }

  // A fixed header's first byte, a length, a body.
  void packet() {
    const uint8_t first = byte();
    const std::size_t wanted = byte();
    const Bytes body = input_.take(std::min(wanted, input_.size())).value();
    const auto version = session_.version();
    const auto type = static_cast<mqtt::PacketType>(first >> 4);
    switch (type) {
      case mqtt::PacketType::kPublish:
        if ((first & 6) == 6) return;  // the reader never hands out QoS 3
        if (auto read = mqtt::read_publish(version, first & 15, body)) return publish(*read);
        return;
      case mqtt::PacketType::kPuback:
      case mqtt::PacketType::kPubrec:
      case mqtt::PacketType::kPubrel:
      case mqtt::PacketType::kPubcomp:
        if (auto read = mqtt::read_ack(version, type, body)) ack(*read);
        return;
      case mqtt::PacketType::kSubscribe:
        if (auto read = mqtt::read_subscribe(version, body)) {
          session_.on_subscribe(*read, wire_, now_);
        }
        return;
      case mqtt::PacketType::kUnsubscribe:
        if (auto read = mqtt::read_unsubscribe(version, body)) {
          session_.on_unsubscribe(*read, wire_);
        }
        return;
      case mqtt::PacketType::kDisconnect:
        if (auto read = mqtt::read_disconnect(version, body)) session_.on_disconnect(*read, wire_);
        return;
      default:
        session_.on_pingreq(wire_);
    }
  }

  void publish(const mqtt::PublishPacket& publish) {
    const uint32_t before = wire_.answers;
    session_.on_publish(publish, wire_, now_);
    const bool answered = wire_.answers != before;
    FL_ASSERT(!wire_.open || answered == (publish.qos != mqtt::Qos::kAtMostOnce));
  }

  void ack(const mqtt::AckPacket& ack) {
    // Any answer frees the identifier here, fitting or not: counts too little, never too much.
    if (ack.type != mqtt::PacketType::kPubrel) wire_.unsettled.erase(ack.packet_id);
    session_.on_ack(ack, wire_, now_);
  }

  void check() {
    FL_ASSERT(session_.inflight_count() <= limits_.inflight_count_max);
    // Connected, only the bytes are limited; what is kept when the client leaves grows no more.
    FL_ASSERT(session_.queue_count() <= limits_.queue_bytes_max / sizeof(mqtt::Message));
    if (session_.connected()) {
      queue_count_max_ = std::max<std::size_t>(limits_.queue_count_max, session_.queue_count());
    }
    FL_ASSERT(session_.queue_count() <= queue_count_max_);
    FL_ASSERT(!session_.ended() || session_.subscription_count() == 0);
    FL_ASSERT(!session_.connected() || !session_.deadline());
  }

  ByteReader input_;
  SessionLimits limits_;
  CheckedWire wire_;
  Instant now_{};
  std::size_t queue_count_max_ = 0;
  QueueTotal total_;
  Session session_{1, "fuzz", limits_, total_};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Script({reinterpret_cast<const std::byte*>(data), size}).run();
  return 0;
}
