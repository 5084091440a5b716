#include "bench/crowd.h"

namespace fairlead::bench {

void Crowd::gather(std::size_t count, const std::function<std::string(std::size_t)>& topic_of) {
  topic_of_ = topic_of;
  const Instant end =
      MonotonicClock::now() + milliseconds{static_cast<int64_t>(plan_.patience_seconds * 1000)};
  while (ready_count_ < count) {
    while (clients_.size() < count && clients_.size() - ready_count_ < plan_.concurrent_count) {
      const std::size_t index = clients_.size();
      Login login = index < plan_.logins.size()
                        ? plan_.logins[index]
                        : Login{plan_.name_prefix + "-" + std::to_string(index), {}, {}};
      login.persistent = plan_.persistent && index >= plan_.flow_count;
      clients_.emplace_back(loop_, plan_.target, login, *this).tag = index;
    }
    turn(milliseconds{100});
    if (MonotonicClock::now() > end) {
      throw std::runtime_error("only " + std::to_string(ready_count_) + " of " +
                               std::to_string(count) + " clients became ready in time");
    }
  }
}

void Crowd::turn(milliseconds wait) {
  loop_.turn(wait);
  for (Client& client : clients_) client.flush();
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
      const auto packet = mqtt::read_publish(mqtt::ProtocolVersion::k311, header.flags, body);
      if (!packet) throw std::runtime_error(packet.error().sentence);
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
    case mqtt::PacketType::kSuback: {
      const auto packet = mqtt::read_suback(mqtt::ProtocolVersion::k311, body);
      if (!packet || is_error(packet->reasons.front())) {
        throw std::runtime_error("the broker refused a subscription");
      }
      ++ready_count_;
      return;
    }
    default:
      return;
  }
}

void Crowd::on_ack(Client& client, mqtt::PacketType type, Bytes body) {
  const auto packet = mqtt::read_ack(mqtt::ProtocolVersion::k311, type, body);
  if (!packet) throw std::runtime_error(packet.error().sentence);
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
  throw std::runtime_error("client " + std::to_string(client.tag) + " lost its connection: " + why);
}

}  // namespace fairlead::bench
