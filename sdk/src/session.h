#pragma once

#include <unordered_set>
#include <vector>

#include "connect_fields.h"
#include "fairlead/client.h"
#include "proto/mqtt/reader.h"
#include "publications.h"
#include "subscriptions.h"

namespace fairlead::sdk {

// The client's half of MQTT, from CONNECT to the end of all connections: packets in, packets out
// through a sink, handlers called. No socket, no clock. The options and handlers outlive it.
class Session {
 public:
  enum class State : uint8_t { kOffline, kAwaitConnack, kOnline };

  Session(const Options& options, ConnectFields fields, const Handlers& handlers);

  [[nodiscard]] State state() const { return state_; }
  // In force on this connection: what the server said, or the option.
  [[nodiscard]] std::chrono::seconds keep_alive() const { return keep_alive_; }
  [[nodiscard]] std::size_t unsettled_count() const { return publications_.count(); }
  [[nodiscard]] mqtt::ProtocolVersion version() const { return version_; }

  // The transport stands: sends CONNECT. `send` stays in use until end().
  void begin(PacketSink send);
  // A packet of the server. An outcome that is not ok ends the connection.
  [[nodiscard]] Outcome take(const mqtt::FixedHeader& header, Bytes body);
  // Whether somebody wants to hear of on_output_sent().
  [[nodiscard]] bool awaits_output() const { return !in_output_.empty(); }
  // All that was sent is with the kernel. True: somebody was told.
  bool on_output_sent();
  // The connection is gone.
  void end();
  // There will not be another one.
  void give_up(const Outcome& why);

  Outcome publish(const Message& message, Client::Completion done);
  Outcome subscribe(const std::vector<Subscription>& subscriptions, Client::Granted done);
  Outcome unsubscribe(const std::vector<std::string>& filters, Client::Completion done);
  void ping();
  void disconnect();

 private:
  [[nodiscard]] mqtt::ConnectPacket connect_packet() const;
  Outcome take_online(const mqtt::FixedHeader& header, Bytes body);
  Outcome on_connack(Bytes body);
  void adopt(const mqtt::ConnackPacket& packet);
  void resume(bool session_present);
  Outcome on_publish(const mqtt::FixedHeader& header, Bytes body);
  Outcome on_pubrel(Bytes body);
  Outcome on_ack(mqtt::PacketType type, Bytes body);
  Outcome on_disconnect(Bytes body);
  Outcome settle(Result<std::optional<Subscriptions::Settled>> settled);
  void deliver(const mqtt::PublishPacket& packet) const;
  void answer(mqtt::PacketType type, mqtt::PacketId id, ReasonCode reason = ReasonCode::kSuccess);
  void pump();
  template <class Packet>
  void send(const Packet& packet);

  const Options& options_;
  const Handlers& handlers_;
  ConnectFields fields_;
  mqtt::ProtocolVersion version_;
  State state_ = State::kOffline;
  PacketSink send_;
  std::chrono::seconds keep_alive_{0};
  uint16_t window_ = 0;
  Publications::ServerLimits server_limits_;
  PacketIds ids_;
  Publications publications_;
  Subscriptions subscriptions_;
  std::vector<Client::Completion> in_output_;           // of QoS 0
  std::unordered_set<uint16_t> received_exactly_once_;  // QoS 2, PUBREL has not come
};

}  // namespace fairlead::sdk
