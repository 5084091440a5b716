#pragma once

#include <atomic>
#include <cstdint>

namespace fairlead {

// A number that one thread changes and any thread may read. Costs its owner a plain add.
class Counter {
 public:
  void add(uint64_t more = 1) { value_.store(get() + more, std::memory_order_relaxed); }
  void subtract(uint64_t less = 1) { value_.store(get() - less, std::memory_order_relaxed); }
  void set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  [[nodiscard]] uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

}  // namespace fairlead
