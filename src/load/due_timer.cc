#include "load/due_timer.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace fairlead::load {

DueTimer::DueTimer(Loop& loop)
    : loop_(loop), fd_(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {
  if (!fd_.valid() || !loop_.watch(fd_.get(), *this, IoInterest::kRead)) {
    throw std::system_error(errno, std::generic_category(), "a timer");
  }
}

DueTimer::~DueTimer() { loop_.forget(fd_.get(), *this); }

void DueTimer::wake_at(std::chrono::steady_clock::time_point when) {
  if (when == armed_) return;
  armed_ = when;
  const auto since =
      std::max<std::chrono::nanoseconds>(when.time_since_epoch(), std::chrono::nanoseconds(1));
  const auto whole = std::chrono::floor<std::chrono::seconds>(since);
  itimerspec at{};
  at.it_value = {static_cast<time_t>(whole.count()), static_cast<long>((since - whole).count())};
  ::timerfd_settime(fd_.get(), TFD_TIMER_ABSTIME, &at, nullptr);
}

void DueTimer::on_io(IoEvents) {
  uint64_t expirations = 0;
  [[maybe_unused]] const ssize_t count = ::read(fd_.get(), &expirations, sizeof expirations);
  armed_ = {};
}

}  // namespace fairlead::load
