#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "bench/scenarios.h"
#include "load/process.h"

namespace fairlead::bench {
namespace {

constexpr std::size_t kPublishers = 50;

// Many kept sessions, each with a subscription of its own and messages of QoS 1 that wait for it:
// clients connect, subscribe and go, some at a time; then publishers send to all of the topics in
// turn, so that what waits for one session lies far apart, as in life.
class Fill final : public load::ClientEvents {
 public:
  Fill(const Plan& plan, std::size_t queued_count) : plan_(plan), queued_count_(queued_count) {}

  nlohmann::ordered_json run() {
    const Stretch stretch(plan_.broker_pid);
    make_sessions();
    const double sessions_took = stretch.so_far().wall;
    make_messages();
    const Cost cost = stretch.so_far();
    return {{"sessions", plan_.connection_count},
            {"messages", acknowledged_},
            {"sessions_seconds", sessions_took},
            {"messages_seconds", cost.wall - sessions_took},
            {"broker_cpu_seconds", cost.broker_cpu.value()}};
  }

 private:
  enum class Phase : uint8_t { kSessions, kMessages };

  void make_sessions() {
    std::size_t begun = 0;
    while (subscribed_ < plan_.connection_count) {
      while (begun < plan_.connection_count && clients_.size() < plan_.concurrent_count) {
        connect(plan_.name_prefix + "-" + std::to_string(begun), begun);
        ++begun;
      }
      turn();
      std::erase_if(clients_, [](const auto& client) { return client->tag == kDone; });
    }
    clients_.clear();
  }

  void make_messages() {
    phase_ = Phase::kMessages;
    for (std::size_t i = 0; i < kPublishers; ++i) {
      connect(plan_.name_prefix + "-publisher-" + std::to_string(i), i);
    }
    while (acknowledged_ < plan_.connection_count * queued_count_) turn();
  }

  void connect(const std::string& id, uint64_t tag) {
    Login login{id, {}, {}};
    login.persistent = phase_ == Phase::kSessions;
    clients_.push_back(std::make_unique<Client>(loop_, flushes_, plan_.target, login, *this));
    clients_.back()->tag = tag;
  }

  void turn() {
    loop_.turn(milliseconds{10});
    flushes_.flush_all();
  }

  [[nodiscard]] std::string topic(std::size_t session) const {
    return plan_.name_prefix + "/fill/" + std::to_string(session);
  }

  void publish_next(Client& client) {
    if (sent_ == plan_.connection_count * queued_count_) return;
    const std::string name = topic(sent_ % plan_.connection_count);
    const std::string payload(plan_.payload_bytes, 'x');
    mqtt::PublishPacket packet;
    packet.topic = name;
    packet.payload = as_bytes(payload);
    packet.qos = mqtt::Qos::kAtLeastOnce;
    packet.packet_id = static_cast<mqtt::PacketId>(sent_ % 65'535 + 1);
    ++sent_;
    client.send_packet(packet);
  }

  void on_ready(Client& client) override {
    if (phase_ == Phase::kMessages) {
      for (std::size_t i = 0; i < plan_.window; ++i) publish_next(client);
      return;
    }
    const std::string name = topic(client.tag);
    mqtt::SubscribePacket subscribe{mqtt::PacketId{1}, {}, {}};
    subscribe.requests.push_back({name, {.qos = mqtt::Qos::kAtLeastOnce}});
    client.send_packet(subscribe);
  }

  void on_packet(Client& client, const mqtt::FixedHeader& header, Bytes) override {
    if (header.type == mqtt::PacketType::kSuback) {
      client.tag = kDone;
      ++subscribed_;
    } else if (header.type == mqtt::PacketType::kPuback) {
      ++acknowledged_;
      publish_next(client);
    }
  }

  void on_closed(Client&, const std::string& why) override {
    throw std::runtime_error("a client lost its connection: " + why);
  }

  static constexpr uint64_t kDone = UINT64_MAX;

  const Plan& plan_;
  std::size_t queued_count_;
  Loop loop_;
  FlushList flushes_;
  std::vector<std::unique_ptr<Client>> clients_;
  Phase phase_ = Phase::kSessions;
  std::size_t subscribed_ = 0;
  std::size_t sent_ = 0;
  std::size_t acknowledged_ = 0;
};

}  // namespace

nlohmann::ordered_json run_fill(const Plan& plan, std::size_t queued_count) {
  return Fill(plan, queued_count).run();
}

}  // namespace fairlead::bench
