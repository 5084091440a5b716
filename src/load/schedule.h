#pragma once

#include <chrono>
#include <cstdint>

namespace fairlead::load {

// When messages are due: `per_second` of them, evenly, whatever happens to those before. All
// publishers take turns. A latency that counts from here includes the wait behind a broker that has
// stalled, which one that counts from the send leaves out.
class Schedule {
 public:
  using Clock = std::chrono::steady_clock;

  Schedule(Clock::time_point start, uint64_t per_second) : start_(start), per_second_(per_second) {}

  // Of the n-th message of all. No error adds up: it is computed from the start.
  [[nodiscard]] Clock::time_point due(uint64_t n) const {
    const uint64_t whole = n / per_second_;
    const uint64_t part = n % per_second_;
    return start_ + std::chrono::seconds(static_cast<int64_t>(whole)) +
           std::chrono::nanoseconds(static_cast<int64_t>(part * 1'000'000'000 / per_second_));
  }

 private:
  Clock::time_point start_;
  uint64_t per_second_;
};

}  // namespace fairlead::load
