#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "session/session.h"

// A session once more, written to be obviously right and nothing else: lists that are walked from
// the front, no sharing, no congestion, no topic aliases. It answers each call with the lines that
// the real one must produce; messages are told apart by the number in front of their payload.

namespace fairlead::testing {

using mqtt::Qos;

inline std::string number_of(const mqtt::Message& message) {
  const std::string_view payload = as_text(message.payload());
  return std::string(payload.substr(0, payload.find(' ')));
}

class SessionModel {
 public:
  using Lines = std::vector<std::string>;
  enum class Step : uint8_t { kPublished, kReleased };
  struct Flight {
    mqtt::MessageRef message;
    std::string number;
    Qos qos{};
    Step step = Step::kPublished;
    bool repeated = true;  // on this connection
  };
  struct Hello {
    mqtt::ProtocolVersion version = mqtt::ProtocolVersion::k311;
    bool clean = false;
    uint32_t expiry_seconds = 0;
    std::size_t receive_maximum = 65'535;
    std::size_t packet_bytes_max = mqtt::kNoPacketSizeLimit;
    std::optional<std::string> will;
    uint32_t will_delay_seconds = 0;
  };

  explicit SessionModel(const SessionLimits& limits) : limits_(limits) {}

  [[nodiscard]] bool connected() const { return connected_; }
  [[nodiscard]] bool is_v5() const { return hello_.version == mqtt::ProtocolVersion::k5; }
  [[nodiscard]] const std::deque<Flight>& inflight() const { return inflight_; }
  [[nodiscard]] std::size_t waiting_count() const { return waiting_.size(); }
  [[nodiscard]] std::size_t received_count() const { return received_.size(); }
  [[nodiscard]] std::optional<Instant> deadline() const {
    if (connected_ || !alive_) return std::nullopt;
    return will_due_ ? std::min(*will_due_, expires_at_) : expires_at_;
  }

  // --- The connection ----------------------------------------------------------------------------

  Lines connect(const Hello& hello, Instant now) {
    Lines lines = pass(now);
    if (hello.clean && alive_) end(lines);
    hello_ = hello;
    expiry_seconds_ = std::min(hello.expiry_seconds, expiry_max());
    if (!is_v5()) expiry_seconds_ = hello.clean ? 0 : expiry_max();
    const bool tells = alive_ && hello.version != mqtt::ProtocolVersion::k31;
    lines.push_back(tells ? "CONNACK present" : "CONNACK");
    connected_ = alive_ = true;
    will_ = hello.will;
    will_due_.reset();
    for (auto& [id, fresh] : received_) fresh = false;
    for (Flight& flight : inflight_) flight.repeated = false;
    go_on(lines, now);
    return lines;
  }

  Lines lose(DetachCause cause, Instant now) {
    Lines lines;
    connected_ = false;
    expires_at_ = now + seconds(expiry_seconds_);
    if (cause == DetachCause::kClientDisconnect) will_.reset();
    if (will_) {
      const uint32_t delay = std::min(hello_.will_delay_seconds, expiry_seconds_);
      if (delay == 0 || cause == DetachCause::kServerShutdown) {
        publish_will(lines);
      } else {
        will_due_ = now + seconds(delay);
      }
    }
    if (expiry_seconds_ == 0) end(lines);
    return lines;
  }

  Lines pass(Instant now) {
    Lines lines;
    if (connected_ || !alive_) return lines;
    if (will_due_ && now >= *will_due_) publish_will(lines);
    if (now >= expires_at_) end(lines);
    return lines;
  }

  // Says whether the expiry was taken; a client that said 0 cannot change its mind.
  bool disconnect(std::optional<uint32_t> expiry_seconds, bool with_will) {
    if (expiry_seconds && expiry_seconds_ == 0 && *expiry_seconds != 0) return false;
    if (expiry_seconds) expiry_seconds_ = std::min(*expiry_seconds, expiry_max());
    if (!with_will) will_.reset();
    return true;
  }

  // --- To the client -----------------------------------------------------------------------------

  Lines deliver(const mqtt::MessageRef& message, Qos granted, Instant now) {
    Lines lines;
    if (!alive_ || message->expired(now)) return lines;
    const Qos qos = std::min(message->qos(), granted);
    if (qos == Qos::kAtMostOnce) {
      if (connected_) (void)transmit(lines, *message, qos, false, now);
      return lines;
    }
    const bool allowed_to_grow = connected_;
    const std::size_t count_max = std::max<std::size_t>(limits_.queue_count_max, waiting_.size());
    waiting_.push_back({message, number_of(*message), qos});
    if (connected_) go_on(lines, now);
    auto over = [&] {
      std::size_t bytes = 0;
      for (const Flight& flight : waiting_) bytes += flight.message->footprint();
      return bytes > limits_.queue_bytes_max || (!allowed_to_grow && waiting_.size() > count_max);
    };
    while (!waiting_.empty() && over()) {
      lines.push_back("OVERFLOW");
      waiting_.pop_front();
    }
    return lines;
  }

  // What the client answers to the message of that number; `error`: a PUBREC that refuses it.
  Lines acknowledge(const std::string& number, mqtt::PacketType type, bool error, Instant now) {
    Lines lines;
    const auto at = std::find_if(inflight_.begin(), inflight_.end(),
                                 [&](const Flight& flight) { return flight.number == number; });
    const bool once = at->qos == Qos::kExactlyOnce;
    const bool released = at->step == Step::kReleased;
    const bool settles = (type == mqtt::PacketType::kPuback && !once) ||
                         (type == mqtt::PacketType::kPubcomp && released) ||
                         (type == mqtt::PacketType::kPubrec && once && !released && error);
    if (settles) {
      inflight_.erase(at);
      go_on(lines, now);
    } else if (type == mqtt::PacketType::kPubrec && once && (released || !error)) {
      at->step = Step::kReleased;
      lines.push_back("PUBREL " + number);
    }
    return lines;
  }

  // --- From the client ---------------------------------------------------------------------------

  Lines publish(const std::string& number, Qos qos, uint16_t id) {
    const std::string route = "ROUTE " + number;
    if (qos == Qos::kAtMostOnce) return {route};
    if (qos == Qos::kAtLeastOnce) return {route, "PUBACK " + std::to_string(id)};
    const std::string pubrec = "PUBREC " + std::to_string(id);
    if (received_.contains(id)) return {pubrec};
    const auto fresh = std::count_if(received_.begin(), received_.end(),
                                     [](const auto& entry) { return entry.second; });
    if (is_v5() && fresh >= limits_.inflight_count_max) return {"CLOSE 93"};
    received_[id] = true;
    return {route, pubrec};
  }

  Lines release(uint16_t id) {
    const bool known = received_.erase(id) > 0;
    return {"PUBCOMP " + std::to_string(id) + (known || !is_v5() ? "" : " 92")};
  }

 private:
  [[nodiscard]] uint32_t expiry_max() const {
    return static_cast<uint32_t>(limits_.expiry_max.count());
  }
  [[nodiscard]] std::size_t window() const {
    const std::size_t ours = limits_.inflight_count_max;
    return is_v5() ? std::min(ours, hello_.receive_maximum) : ours;
  }

  void publish_will(Lines& lines) {
    lines.push_back("ROUTE " + *will_);
    will_.reset();
    will_due_.reset();
  }

  void end(Lines& lines) {
    if (will_) publish_will(lines);
    waiting_.clear();
    inflight_.clear();
    received_.clear();
    alive_ = false;
  }

  // In the order in which they came, as many as the client allows at a time: first again what was
  // in flight, then what waits.
  void go_on(Lines& lines, Instant now) {
    for (std::size_t i = 0; i < inflight_.size() && i < window();) {
      Flight& flight = inflight_[i];
      if (flight.repeated) {
        ++i;
      } else if (flight.step == Step::kReleased) {
        lines.push_back("PUBREL " + flight.number);
        flight.repeated = true;
      } else if (transmit(lines, *flight.message, flight.qos, true, now)) {
        flight.repeated = true;
      } else {
        inflight_.erase(inflight_.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
    while (!waiting_.empty() && inflight_.size() < window()) {
      const Flight next = waiting_.front();
      waiting_.pop_front();
      if (next.message->expired(now)) continue;
      if (transmit(lines, *next.message, next.qos, false, now)) inflight_.push_back(next);
    }
  }

  // False when it is larger than the client takes.
  bool transmit(Lines& lines, const mqtt::Message& message, Qos qos, bool again, Instant now) {
    mqtt::PublishForm form;
    form.version = hello_.version;
    form.qos = qos;
    std::string line =
        "PUBLISH " + number_of(message) + " q" + std::to_string(static_cast<int>(qos));
    if (again) line += " dup";
    if (is_v5() && message.expires_at() != mqtt::Message::kNever) {
      const auto left = std::chrono::ceil<seconds>(message.expires_at() - now).count();
      form.message_expiry_seconds = static_cast<uint32_t>(std::max<int64_t>(left, 1));
      line += " expiry " + std::to_string(*form.message_expiry_seconds);
    }
    if (is_v5() && mqtt::publish_size(message, form) > hello_.packet_bytes_max) {
      lines.push_back("TOO LARGE");
      return false;
    }
    lines.push_back(line);
    return true;
  }

  const SessionLimits& limits_;
  Hello hello_;
  bool alive_ = false;
  bool connected_ = false;
  uint32_t expiry_seconds_ = 0;
  Instant expires_at_{};
  std::optional<std::string> will_;
  std::optional<Instant> will_due_;
  std::deque<Flight> waiting_;
  std::deque<Flight> inflight_;
  std::map<uint16_t, bool> received_;  // QoS 2; true: on this connection
};

}  // namespace fairlead::testing
