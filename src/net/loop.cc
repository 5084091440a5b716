#include "net/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace fairlead {
namespace {

uint32_t epoll_bits(IoInterest interest) {
  switch (interest) {
    case IoInterest::kNone:
      return 0;
    case IoInterest::kRead:
      return EPOLLIN;
    case IoInterest::kWrite:
      return EPOLLOUT;
    case IoInterest::kReadWrite:
      return EPOLLIN | EPOLLOUT;
  }
  unreachable();
}

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

Loop::Loop(const Clock& clock)
    : clock_(clock),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      wake_event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      now_(clock.now()),
      timers_(now_),
      ready_(new epoll_event[kBatchEvents]),
      scratch_(new std::byte[kScratchBytes]),
      cipher_scratch_(new std::byte[kScratchBytes]) {
  if (!epoll_.valid()) fail("epoll_create1");
  if (!wake_event_.valid()) fail("eventfd");
  // Edge-triggered: each write wakes one wait, and the counter never has to be read.
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.ptr = nullptr;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_event_.get(), &event) != 0) fail("epoll_ctl");
}

Loop::~Loop() = default;

bool Loop::watch(int fd, IoHandler& handler, IoInterest interest) {
  epoll_event event{};
  event.events = epoll_bits(interest);
  event.data.ptr = &handler;
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void Loop::change(int fd, IoHandler& handler, IoInterest interest) {
  epoll_event event{};
  event.events = epoll_bits(interest);
  event.data.ptr = &handler;
  FL_ASSERT(::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0);
}

void Loop::forget(int fd, IoHandler& handler) {
  FL_ASSERT(::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr) == 0);
  drop_ready(handler);
}

void Loop::forget_and_close(UniqueFd fd, IoHandler& handler) {
  drop_ready(handler);
  fd.reset();
}

void Loop::drop_ready(const IoHandler& handler) {
  // Level-triggered: another descriptor of the same handler is reported again in the next turn.
  for (std::size_t i = ready_next_; i < ready_end_; ++i) {
    if (ready_[i].data.ptr == &handler) ready_[i].data.ptr = nullptr;
  }
}

void Loop::turn(milliseconds max_wait) {
  const std::size_t count = wait(max_wait);
  now_ = clock_.now();
  dispatch(count);
  timers_.advance(now_);
}

std::size_t Loop::wait(milliseconds max_wait) {
  milliseconds timeout = max_wait;
  if (const auto wake = timers_.next_wake()) {
    timeout = std::min(timeout, *wake - clock_.now());
  }
  timeout = std::clamp(timeout, milliseconds{0}, milliseconds{std::chrono::hours{1}});
  auto expected = WakeState::kRunning;
  if (!wake_state_.compare_exchange_strong(expected, WakeState::kWaiting)) {
    timeout = milliseconds{0};  // notified since the last wait
  }
  const int count =
      ::epoll_wait(epoll_.get(), ready_.get(), kBatchEvents, static_cast<int>(timeout.count()));
  const int error = errno;
  // From here on a wake() concerns the next turn; what it announces may be seen in this one.
  wake_state_.exchange(WakeState::kRunning);
  FL_ASSERT(count >= 0 || error == EINTR);
  return static_cast<std::size_t>(std::max(count, 0));
}

void Loop::dispatch(std::size_t count) {
  ready_next_ = 0;
  ready_end_ = count;
  while (ready_next_ < ready_end_) {
    const epoll_event event = ready_[ready_next_++];
    auto* handler = static_cast<IoHandler*>(event.data.ptr);
    if (handler == nullptr) continue;  // the wake event, or forgotten in this turn
    const bool hang_up = (event.events & (EPOLLHUP | EPOLLERR)) != 0;
    handler->on_io({.readable = hang_up || (event.events & EPOLLIN) != 0,
                    .writable = (event.events & EPOLLOUT) != 0,
                    .hang_up = hang_up});
  }
  ready_next_ = ready_end_ = 0;
}

void Loop::wake() {
  if (wake_state_.exchange(WakeState::kNotified) != WakeState::kWaiting) return;
  const uint64_t one = 1;
  // It cannot fail but by a full counter, and then the loop is woken anyway.
  [[maybe_unused]] const ssize_t written = ::write(wake_event_.get(), &one, sizeof one);
}

}  // namespace fairlead
