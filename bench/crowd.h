#pragma once

#include <deque>
#include <functional>
#include <stdexcept>
#include <string>

#include "bench/scenarios.h"

namespace fairlead::bench {

// Many clients that connect and subscribe, some at a time, and stay. A scenario derives from it.
class Crowd : public Scenario {
 public:
  explicit Crowd(const Plan& plan) : plan_(plan) {}

 protected:
  // Connects `count` clients; the n-th subscribes to topic_of(n) unless that is empty. Returns when
  // all are ready.
  void gather(std::size_t count, const std::function<std::string(std::size_t)>& topic_of);
  // One turn of the loop, then all output.
  void turn(milliseconds wait);

  void on_ready(Client& client) override;
  void on_packet(Client& client, const mqtt::FixedHeader& header, Bytes body) override;
  void on_closed(Client& client, const std::string& why) override;
  // Of subscribers, once all are ready.
  virtual void on_publish(Client& client, const mqtt::PublishPacket& packet) = 0;
  // Of publishers: the broker has taken the message over, with PUBACK or PUBREC.
  virtual void on_taken(Client& client, mqtt::PacketId packet_id) = 0;
  // And the identifier is free again, with PUBACK or PUBCOMP.
  virtual void on_acknowledged(Client& client, mqtt::PacketId packet_id) = 0;

  const Plan& plan_;
  Loop loop_;
  std::deque<Client> clients_;  // tag: the index

 private:
  void on_ack(Client& client, mqtt::PacketType type, Bytes body);
  std::function<std::string(std::size_t)> topic_of_;
  std::size_t ready_count_ = 0;
};

}  // namespace fairlead::bench
