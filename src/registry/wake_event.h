#pragma once

#include <chrono>

#include "base/result.h"

namespace fairlead {

// An eventfd that wakes a thread of the registry out of poll(). signal() from any thread.
class WakeEvent {
 public:
  WakeEvent();  // throws std::system_error: start-up only
  ~WakeEvent();
  WakeEvent(const WakeEvent&) = delete;
  WakeEvent& operator=(const WakeEvent&) = delete;

  void signal();
  void clear();
  // Until signalled or `timeout` is over, then clears.
  void wait(std::chrono::milliseconds timeout);
  [[nodiscard]] int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

}  // namespace fairlead
