#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/time.h"
#include "net/timer_wheel.h"
#include "net/unique_fd.h"

struct epoll_event;

namespace fairlead {

enum class IoInterest : uint8_t { kNone = 0, kRead = 1, kWrite = 2, kReadWrite = 3 };

// What a descriptor is ready for. `hang_up`: the peer is gone or the socket failed; a receive
// says which. It comes whatever the interest, and then readable is set too.
struct IoEvents {
  bool readable = false;
  bool writable = false;
  bool hang_up = false;
};

// Whoever is told that a descriptor is ready. It may forget and destroy itself, and any other
// handler, in on_io(). Level-triggered: what is not read is reported again in the next turn.
class IoHandler {
 public:
  virtual void on_io(IoEvents events) = 0;

 protected:
  ~IoHandler() = default;
};

// One thread's event loop: epoll, level-triggered, and a timer wheel. The owner calls turn() again
// and again, and does its own end-of-turn work (inbox, commit, flush) after each.
// A steady turn is one epoll_wait and no epoll_ctl. Nothing is allocated for an event.
// Thread: that of the owner, except wake(). Throws std::system_error when it cannot be built.
// `clock` outlives the loop. One that a test moves on goes with turn(0): the wait is the kernel's.
class Loop {
 public:
  explicit Loop(const Clock& clock = machine_clock());
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // `handler` hears of `fd` until forget(); it must not be destroyed before. False when the kernel
  // refuses (no memory, limit of watches): the connection is then to be closed.
  [[nodiscard]] bool watch(int fd, IoHandler& handler, IoInterest interest);
  // A handler may hear once more, in the same turn, of what it is no longer interested in.
  void change(int fd, IoHandler& handler, IoInterest interest);
  // To be called before `fd` is closed. No on_io() of this handler comes after it, not even for
  // what was ready in the current turn.
  void forget(int fd, IoHandler& handler);
  // The same for a descriptor that nobody else holds (no dup, no child process): one system call
  // instead of two, as its last close takes it out of epoll.
  void forget_and_close(UniqueFd fd, IoHandler& handler);

  // Waits until something is ready, the next timer or `max_wait`, then runs the handlers and the
  // due timers. Returns at once when wake() was called since the last wait.
  void turn(milliseconds max_wait);

  // Any thread: the turn that waits, or the next one, does not wait. Many calls cost one write,
  // and none while the loop is running.
  void wake();

  // The time of this turn; read from the clock once, after the wait.
  [[nodiscard]] Instant now() const { return now_; }
  [[nodiscard]] TimerWheel& timers() { return timers_; }

  // Shared by all connections of this loop and overwritten by the next one to be read: bytes in
  // here are valid until the handler returns. One for what is received or decrypted, one for
  // received TLS records.
  static constexpr std::size_t kScratchBytes = std::size_t{64} << 10;
  [[nodiscard]] MutableBytes scratch() { return {scratch_.get(), kScratchBytes}; }
  [[nodiscard]] MutableBytes cipher_scratch() { return {cipher_scratch_.get(), kScratchBytes}; }

 private:
  enum class WakeState : uint8_t { kRunning, kWaiting, kNotified };
  static constexpr int kBatchEvents = 512;

  [[nodiscard]] std::size_t wait(milliseconds max_wait);
  void drop_ready(const IoHandler& handler);
  void dispatch(std::size_t count);

  const Clock& clock_;
  UniqueFd epoll_;
  UniqueFd wake_event_;
  std::atomic<WakeState> wake_state_{WakeState::kRunning};
  Instant now_;
  TimerWheel timers_;
  std::unique_ptr<epoll_event[]> ready_;
  std::size_t ready_next_ = 0;  // the part of ready_ that is still to be dispatched
  std::size_t ready_end_ = 0;
  std::unique_ptr<std::byte[]> scratch_;
  std::unique_ptr<std::byte[]> cipher_scratch_;
};

}  // namespace fairlead
