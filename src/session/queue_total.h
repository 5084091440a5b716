#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <utility>

#include "base/counter.h"

namespace fairlead {

// What waits in the queues of all sessions of one shard, and whether the server holds as much as it
// may. A message counts once for each session that it waits for. Changed by the shard's thread;
// messages() and bytes() may be read by any.
class QueueTotal {
 public:
  // `bytes_max`: of all shards together. `elsewhere` says what the others have.
  explicit QueueTotal(
      uint64_t bytes_max = std::numeric_limits<uint64_t>::max(),
      std::function<uint64_t()> elsewhere = [] { return uint64_t{0}; })
      : bytes_max_(bytes_max), elsewhere_(std::move(elsewhere)) {}

  void add(uint64_t bytes) {
    messages_.add();
    bytes_.add(bytes);
  }
  void subtract(uint64_t bytes, uint64_t messages = 1) {
    messages_.subtract(messages);
    bytes_.subtract(bytes);
  }
  [[nodiscard]] uint64_t messages() const { return messages_.get(); }
  [[nodiscard]] uint64_t bytes() const { return bytes_.get(); }

  // To be called now and then: full() takes what the others had then, unless that is too much.
  void look_elsewhere() { elsewhere_bytes_ = elsewhere_(); }
  [[nodiscard]] bool full() {
    if (bytes() + elsewhere_bytes_ <= bytes_max_) return false;
    look_elsewhere();
    return bytes() + elsewhere_bytes_ > bytes_max_;
  }

 private:
  Counter messages_;
  Counter bytes_;
  uint64_t elsewhere_bytes_ = 0;
  const uint64_t bytes_max_;
  const std::function<uint64_t()> elsewhere_;
};

}  // namespace fairlead
