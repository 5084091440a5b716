#include "registry/wake_event.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace fairlead {

WakeEvent::WakeEvent() : descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (descriptor_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

WakeEvent::~WakeEvent() { ::close(descriptor_); }

void WakeEvent::signal() {
  // The only failure is a counter at its maximum, which wakes as well.
  [[maybe_unused]] int result = ::eventfd_write(descriptor_, 1);
}

void WakeEvent::clear() {
  eventfd_t count = 0;
  [[maybe_unused]] int result = ::eventfd_read(descriptor_, &count);
}

void WakeEvent::wait(std::chrono::milliseconds timeout) {
  pollfd polled{.fd = descriptor_, .events = POLLIN, .revents = 0};
  ::poll(&polled, 1, static_cast<int>(timeout.count()));
  clear();
}

}  // namespace fairlead
