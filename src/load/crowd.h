#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "load/plan.h"

namespace fairlead::load {

// Many clients that connect and subscribe, some at a time, and stay. A scenario derives from it.
// The first thing that goes wrong ends the run: failure() then says what.
class Crowd : public ClientEvents {
 public:
  explicit Crowd(const Plan& plan) : plan_(plan) {}

 protected:
  ~Crowd() = default;

  // Connects clients until there are `count`; the n-th subscribes to topic_of(n) unless that is
  // empty. Returns when all are ready, or one has failed.
  void gather(std::size_t count, const std::function<std::string(std::size_t)>& topic_of);
  // Turns for so long, or until something fails or, unless it is finishing, somebody wants to stop.
  // `work` is done before each; it says how long the turn may wait, or nothing when that was all.
  void run_for(Phase phase, double seconds_count,
               const std::function<std::optional<milliseconds>()>& work);
  // One turn of the loop, then all output.
  void turn(milliseconds wait);
  void tell(Phase phase, double share);

  void fail(std::string sentence);
  [[nodiscard]] bool failed() const { return failure_.has_value(); }
  [[nodiscard]] Reject failure() const { return *failure_; }
  [[nodiscard]] bool stopped() const { return plan_.stop && plan_.stop(); }

  void on_ready(Client& client) override;
  void on_packet(Client& client, const mqtt::FixedHeader& header, Bytes body) override;
  void on_closed(Client& client, const std::string& why) override;
  // What progress counts.
  [[nodiscard]] virtual uint64_t done() const { return ready_count_; }
  // Of receivers, once all are ready.
  virtual void on_publish(Client&, const mqtt::PublishPacket&) {}
  // Of publishers: the broker has taken the message over, with PUBACK or PUBREC.
  virtual void on_taken(Client&, mqtt::PacketId) {}
  // And the identifier is free again, with PUBACK or PUBCOMP.
  virtual void on_acknowledged(Client&, mqtt::PacketId) {}

  const Plan& plan_;
  Loop loop_;
  FlushList flushes_;
  std::deque<Client> clients_;  // tag: the index

 private:
  void on_ack(Client& client, mqtt::PacketType type, Bytes body);
  void on_suback(const Client& client, Bytes body);
  void ping_some();

  std::function<std::string(std::size_t)> topic_of_;
  std::size_t ready_count_ = 0;
  std::size_t next_to_ping_ = 0;
  Instant pinged_ = MonotonicClock::now();
  Instant told_{};
  std::optional<Reject> failure_;
};

}  // namespace fairlead::load
