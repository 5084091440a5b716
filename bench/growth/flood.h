#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "net/tcp.h"

namespace fairlead::growth {

struct FloodOptions {
  SocketAddress address;
  int broker_pid = 0;
  std::string name_prefix = "flood";  // of client identifiers
  std::string topic_prefix = "bench";
  std::size_t publishers = 100;  // each with a topic of its own
  std::size_t receivers = 1;     // of each topic
  double seconds = 1;
};

// Traffic at QoS 0 over ws that costs its sender as little as can be, so that both cores are the
// broker's: blocks of frames that were made once, and receivers that let the kernel throw away
// what came, and count its bytes. Throws std::runtime_error when it cannot be carried out.
[[nodiscard]] nlohmann::ordered_json flood(const FloodOptions& options);

}  // namespace fairlead::growth
