#pragma once

#include <chrono>

#include "net/loop.h"
#include "net/unique_fd.h"

namespace fairlead::load {

// Wakes a loop at a moment that its timer wheel, made for milliseconds, is too coarse for: what is
// sent late would count as the broker's latency. Thread of the loop, which outlives it. Throws
// std::system_error when it cannot be built.
class DueTimer final : private IoHandler {
 public:
  explicit DueTimer(Loop& loop);
  ~DueTimer();
  DueTimer(const DueTimer&) = delete;
  DueTimer& operator=(const DueTimer&) = delete;

  // The turn that waits, or the next one, ends at this moment.
  void wake_at(std::chrono::steady_clock::time_point when);

 private:
  void on_io(IoEvents events) override;

  Loop& loop_;
  UniqueFd fd_;
  std::chrono::steady_clock::time_point armed_{};
};

}  // namespace fairlead::load
