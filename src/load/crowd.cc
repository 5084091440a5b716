#include "load/crowd.h"

#include <algorithm>

namespace fairlead::load {
namespace {

constexpr milliseconds kTellInterval{200};
// Everybody's turn comes three times within the keep alive.
constexpr seconds kPingInterval{1};
constexpr std::size_t kPingRounds = kKeepAliveSeconds / 3;

milliseconds to_milliseconds(double seconds_count) {
  return milliseconds{static_cast<int64_t>(seconds_count * 1000)};
}

}  // namespace

void Crowd::gather(std::size_t count, const std::function<std::string(std::size_t)>& topic_of) {
  topic_of_ = topic_of;
  const Instant end = MonotonicClock::now() + to_milliseconds(plan_.patience_seconds);
  while (ready_count_ < count && !failed()) {
    while (!failed() && clients_.size() < count &&
           clients_.size() - ready_count_ < plan_.concurrent_count) {
      const std::size_t index = clients_.size();
      Login login = index < plan_.logins.size()
                        ? plan_.logins[index]
                        : Login{plan_.name_prefix + "-" + std::to_string(index), {}, {}};
      login.persistent = plan_.persistent && index >= plan_.flow_count;
      clients_.emplace_back(loop_, flushes_, plan_.target, login, *this).tag = index;
    }
    turn(milliseconds{100});
    tell(Phase::kConnecting, static_cast<double>(ready_count_) / static_cast<double>(count));
    if (stopped()) fail("stopped before everybody was connected");
    if (ready_count_ < count && MonotonicClock::now() > end) {
      fail("only " + std::to_string(ready_count_) + " of " + std::to_string(count) +
           " clients became ready in time");
    }
  }
}

void Crowd::run_for(Phase phase, double seconds_count,
                    const std::function<std::optional<milliseconds>()>& work) {
  const Instant begin = MonotonicClock::now();
  const milliseconds length = to_milliseconds(seconds_count);
  told_ = {};
  for (Instant now = begin; now - begin < length && !failed(); now = MonotonicClock::now()) {
    if (phase != Phase::kFinishing && stopped()) return;
    tell(phase, static_cast<double>((now - begin).count()) / static_cast<double>(length.count()));
    const auto wait = work();
    if (!wait) return;
    turn(std::min(*wait, length - (now - begin)));
  }
}

void Crowd::turn(milliseconds wait) {
  loop_.turn(wait);
  ping_some();
  flushes_.flush_all();
}

void Crowd::tell(Phase phase, double share) {
  const Instant now = MonotonicClock::now();
  if (!plan_.on_progress || now - told_ < kTellInterval) return;
  told_ = now;
  plan_.on_progress({phase, done(), std::min(share, 1.0)});
}

void Crowd::fail(std::string sentence) {
  if (!failure_) failure_ = Reject{ReasonCode::kUnspecifiedError, std::move(sentence)};
}

void Crowd::ping_some() {
  if (loop_.now() - pinged_ < kPingInterval) return;
  pinged_ = loop_.now();
  for (std::size_t i = 0; i < clients_.size() / kPingRounds + 1 && !clients_.empty(); ++i) {
    Client& client = clients_[next_to_ping_++ % clients_.size()];
    if (client.ready()) client.send_packet(mqtt::PingreqPacket{});
  }
}

void Crowd::on_ready(Client& client) {
  const std::string topic = topic_of_(client.tag);
  if (topic.empty()) {
    ++ready_count_;
    return;
  }
  mqtt::SubscribePacket subscribe{mqtt::PacketId{1}, {}, {}};
  subscribe.requests.push_back({topic, {.qos = plan_.qos}});
  client.send_packet(subscribe);
}

void Crowd::on_packet(Client& client, const mqtt::FixedHeader& header, Bytes body) {
  switch (header.type) {
    case mqtt::PacketType::kPublish: {
      const auto packet = mqtt::read_publish(client.version(), header.flags, body);
      if (!packet) return fail("the broker broke the protocol: " + packet.error().sentence);
      if (packet->qos != mqtt::Qos::kAtMostOnce) {
        const bool once = packet->qos == mqtt::Qos::kExactlyOnce;
        const auto type = once ? mqtt::PacketType::kPubrec : mqtt::PacketType::kPuback;
        client.send_packet(mqtt::AckPacket{type, packet->packet_id, {}, {}});
      }
      return on_publish(client, *packet);
    }
    case mqtt::PacketType::kPuback:
    case mqtt::PacketType::kPubrec:
    case mqtt::PacketType::kPubrel:
    case mqtt::PacketType::kPubcomp:
      return on_ack(client, header.type, body);
    case mqtt::PacketType::kSuback:
      return on_suback(client, body);
    default:
      return;
  }
}

void Crowd::on_suback(const Client& client, Bytes body) {
  const auto packet = mqtt::read_suback(client.version(), body);
  if (!packet) return fail("the broker broke the protocol: " + packet.error().sentence);
  if (is_error(packet->reasons.front())) {
    return fail("the broker refused the subscription to " + topic_of_(client.tag) + ": " +
                std::string(reason_name(packet->reasons.front())));
  }
  ++ready_count_;
}

void Crowd::on_ack(Client& client, mqtt::PacketType type, Bytes body) {
  const auto packet = mqtt::read_ack(client.version(), type, body);
  if (!packet) return fail("the broker broke the protocol: " + packet.error().sentence);
  if (is_error(packet->reason)) {
    return fail("the broker refused a message: " + std::string(packet_name(type)) + " with " +
                std::string(reason_name(packet->reason)));
  }
  const mqtt::PacketId id = packet->packet_id;
  if (type == mqtt::PacketType::kPubrec) {
    client.send_packet(mqtt::AckPacket{mqtt::PacketType::kPubrel, id, {}, {}});
  } else if (type == mqtt::PacketType::kPubrel) {
    client.send_packet(mqtt::AckPacket{mqtt::PacketType::kPubcomp, id, {}, {}});
  }
  if (type == mqtt::PacketType::kPuback || type == mqtt::PacketType::kPubrec) on_taken(client, id);
  if (type == mqtt::PacketType::kPuback || type == mqtt::PacketType::kPubcomp) {
    on_acknowledged(client, id);
  }
}

void Crowd::on_closed(Client& client, const std::string& why) {
  const std::string who = "client " + std::to_string(client.tag) + " lost its connection: ";
  fail(client.was_ready() ? who + why : why);
}

}  // namespace fairlead::load
