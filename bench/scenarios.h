#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "bench/client.h"

namespace fairlead::bench {

// What a run is about; filled from the command line.
struct Plan {
  Target target;
  int broker_pid = 0;
  std::vector<Login> logins;  // used in turn; a scenario with more clients repeats none of them
  double seconds = 3;         // of measuring
  double warm_up_seconds = 0.5;
  double patience_seconds = 60;    // for everybody to be connected
  std::size_t flow_count = 100;    // publishers, each with a topic of its own
  std::size_t receiver_count = 1;  // subscribers of each topic
  std::size_t window = 16;         // messages of a flow that not everybody has received yet
  std::size_t payload_bytes = 64;
  mqtt::Qos qos = mqtt::Qos::kAtMostOnce;
  std::size_t connection_count = 5'000;  // idle
  std::size_t concurrent_count = 50;     // connects under way
  std::size_t rate = 2'000;              // messages per second of all flows together: latency
  bool persistent = false;               // sessions of subscribers outlive their connections
  bool offline = false;                  // traffic: subscribers go before the first message
  std::size_t queued_count = 10;         // fill: messages that wait for each session
  bool until_eof = false;                // latency: measures until standard input ends
  std::string name_prefix = "bench";     // of client identifiers, where logins do not say
};

// Each throws std::runtime_error when it cannot be carried out.
[[nodiscard]] nlohmann::ordered_json run_traffic(const Plan& plan);
[[nodiscard]] nlohmann::ordered_json run_connects(const Plan& plan);
[[nodiscard]] nlohmann::ordered_json run_idle(const Plan& plan);
[[nodiscard]] nlohmann::ordered_json run_latency(const Plan& plan);
[[nodiscard]] nlohmann::ordered_json run_storm(const Plan& plan);
[[nodiscard]] nlohmann::ordered_json run_fill(const Plan& plan);

}  // namespace fairlead::bench
