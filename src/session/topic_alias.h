#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"

// Topic aliases of one connection (MQTT 5.0 section 3.3.2.3.4), made when the first is used and
// dropped with the connection.

namespace fairlead {

// What the client has named; aliases from 1 to the maximum that CONNACK gave, checked before.
class InboundAliases {
 public:
  void set(uint16_t alias, std::string_view topic) {
    if (topics_.size() < alias) topics_.resize(alias);
    topics_[alias - 1u] = topic;
  }
  // Empty when the alias stands for nothing.
  [[nodiscard]] std::string_view find(uint16_t alias) const {
    return alias <= topics_.size() ? std::string_view(topics_[alias - 1u]) : std::string_view();
  }

 private:
  std::vector<std::string> topics_;
};

// What the server has named: the first topics that were sent, up to the client's maximum.
class OutboundAliases {
 public:
  // 0 when the topic has none.
  [[nodiscard]] uint16_t find(std::string_view topic) const {
    const auto at = aliases_.find(topic);
    return at == aliases_.end() ? uint16_t{0} : at->second;
  }
  [[nodiscard]] std::size_t size() const { return aliases_.size(); }
  void set(std::string_view topic, uint16_t alias) { aliases_.emplace(topic, alias); }

 private:
  TextMap<uint16_t> aliases_;
};

}  // namespace fairlead
