#pragma once

#include <mutex>
#include <shared_mutex>
#include <utility>

namespace fairlead {

// A value that several threads read and few write: the only lock above base. It cannot be reached
// without holding it. Not on the path of a message.
template <class T>
class Guarded {
 public:
  template <class... Args>
  explicit Guarded(Args&&... args) : value_(std::forward<Args>(args)...) {}

  template <class F>
  decltype(auto) read(F&& use) const {
    std::shared_lock lock(mutex_);
    return std::forward<F>(use)(std::as_const(value_));
  }
  template <class F>
  decltype(auto) write(F&& use) {
    std::unique_lock lock(mutex_);
    return std::forward<F>(use)(value_);
  }

 private:
  mutable std::shared_mutex mutex_;
  T value_;
};

}  // namespace fairlead
