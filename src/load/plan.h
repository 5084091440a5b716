#pragma once

#include <functional>
#include <string>
#include <vector>

#include "load/client.h"

namespace fairlead::load {

enum class Phase : uint8_t { kConnecting, kWarmingUp, kMeasuring, kFinishing };

// What a run has done so far.
struct Progress {
  Phase phase = Phase::kConnecting;
  uint64_t done = 0;  // connections, or messages delivered
  double share = 0;   // of the phase, 0 to 1
};

// What a run is about.
struct Plan {
  Target target;
  int broker_pid = 0;         // for its CPU time and memory; 0: not known
  std::vector<Login> logins;  // each for one client; with fewer than clients the rest is made up
  std::string name_prefix = "bench";   // of client ids, where logins do not say
  std::string topic_prefix = "bench";  // of the topics, that nobody else should use
  double seconds = 3;                  // of measuring
  double warm_up_seconds = 0.5;
  double patience_seconds = 60;          // for everybody to be connected
  std::size_t concurrent_count = 50;     // connects under way
  std::size_t connection_count = 5'000;  // idle
  bool resume = false;  // whoever connects again in TLS offers the session that it had

  // Publishers with a topic each. A topic has its own receivers, or all of them hear all topics.
  std::size_t flow_count = 100;
  std::size_t receiver_count = 1;
  bool common_receivers = false;
  mqtt::Qos qos = mqtt::Qos::kAtMostOnce;
  std::size_t payload_bytes = 64;  // see payload_size()
  // As fast as a window allows: so many messages of a publisher that not everybody has yet. Or at a
  // rate, messages per second of all publishers together, whatever the broker does.
  std::size_t window = 16;
  std::size_t rate = 0;
  bool persistent = false;  // sessions of receivers outlive their connections
  bool offline = false;     // receivers go before the first message

  std::function<bool()> stop;                        // asked often: end early
  std::function<void(const Progress&)> on_progress;  // a few times a second
};

// What messages have in the end: room for who sent them, which one it is and when it was due.
[[nodiscard]] std::size_t payload_size(const Plan& plan);

}  // namespace fairlead::load
