#pragma once

#include <chrono>
#include <cstdint>

#include "base/time.h"

namespace fairlead {

struct AdmissionLimits {
  std::chrono::milliseconds turn_max{5};  // of a turn, for those who are not let in yet
  std::chrono::milliseconds lag_max{20};  // a turn that takes longer: newcomers wait
};

// How much of a shard's turn goes to connections whose CONNECT is not accepted yet: their TLS
// handshakes, upgrades and authentication cost up to a millisecond each, and after an outage
// thousands come at once. Who is connected is served in every turn; newcomers share `turn_max` of
// it and the rest of them is looked at again in the next turn. While turns are long anyway, or
// newcomers wait, listeners take one connection a turn: the others wait in the kernel's queue,
// where they cost nothing. One step and one connection are always granted, so that nobody starves.
// Pure: time is a parameter. One shard's, on its thread.
class AdmissionBudget {
 public:
  explicit AdmissionBudget(const AdmissionLimits& limits) : limits_(limits) {}

  // `previous`: how long the last turn took, without its wait.
  void begin_turn(milliseconds previous) {
    lagging_ = previous > limits_.lag_max;
    crowded_ = deferred_ > 0;
    spent_ = spent_.zero();
    deferred_ = 0;
    steps_ = 0;
  }

  // Whether a newcomer may be read now; otherwise it is reported again in the next turn.
  [[nodiscard]] bool may_step() {
    const bool granted = steps_ == 0 || (!lagging_ && spent_ < limits_.turn_max);
    if (granted) {
      ++steps_;
    } else {
      ++deferred_;
    }
    return granted;
  }
  void spend(std::chrono::nanoseconds cost) { spent_ += cost; }

  // Connections that a listener may take in this turn.
  [[nodiscard]] int accept_count_max() const { return lagging_ || crowded_ ? 1 : kAcceptCountMax; }

 private:
  static constexpr int kAcceptCountMax = 64;

  const AdmissionLimits limits_;
  std::chrono::nanoseconds spent_{0};
  uint32_t steps_ = 0;
  uint32_t deferred_ = 0;
  bool lagging_ = false;
  bool crowded_ = false;
};

}  // namespace fairlead
