#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/intrusive_list.h"
#include "base/time.h"

namespace fairlead {

struct TimerTag {};

// Something that happens once, at a deadline. Intrusive: an armed timer lies in a list of the
// wheel, nothing is allocated; destroying it cancels it. 32 bytes. Thread of the wheel only.
class Timer : private ListLink<TimerTag> {
 public:
  [[nodiscard]] bool armed() const { return linked(); }
  void cancel() { unlink(); }
  // When it is to expire; meaningful while armed.
  [[nodiscard]] Instant deadline() const { return deadline_; }

 protected:
  Timer() = default;
  ~Timer() = default;

 private:
  friend class TimerWheel;
  friend class IntrusiveList<Timer, TimerTag>;

  // The timer is no longer armed, and may be armed again or destroyed in here; so may any other.
  virtual void on_expiry(Instant now) = 0;

  Instant deadline_{};
};

// A timer that calls a member function of its owner; for owners with several of them:
//   void on_keep_alive(Instant now);
//   MethodTimer<Connection, &Connection::on_keep_alive> keep_alive_{*this};
template <class Owner, void (Owner::*kMethod)(Instant)>
class MethodTimer final : public Timer {
 public:
  explicit MethodTimer(Owner& owner) : owner_(owner) {}

 private:
  void on_expiry(Instant now) override { (owner_.*kMethod)(now); }

  Owner& owner_;
};

// Deadlines from now to 139 years, exact to the millisecond: seven levels of 64 slots, 7 KiB.
// A timer expires in the first advance(now) with now >= deadline, never earlier; timers due at
// the same millisecond expire in no particular order. A deadline that has passed counts as one
// millisecond after the last advance().
// Cost: all O(1), no allocation. Moving an armed timer to a later deadline (keep-alive at each
// packet) only stores the deadline: the slot finds out when its time has come.
// One thread. Reads no clock. Must outlive the timers armed in it.
class TimerWheel {
 public:
  explicit TimerWheel(Instant start) : start_(start) {}

  void arm(Timer& timer, Instant deadline) {
    if (timer.armed() && deadline >= timer.deadline_) {
      timer.deadline_ = deadline;
      return;
    }
    timer.unlink();
    timer.deadline_ = deadline;
    place(timer);
  }

  // Calls on_expiry(now) of every timer that is due. `now` never goes back.
  void advance(Instant now);

  // Nothing expires before this; nullopt: no timer is armed. It may be early, never late.
  [[nodiscard]] std::optional<Instant> next_wake() const;

 private:
  static constexpr unsigned kSlotBits = 6;
  static constexpr std::size_t kSlots = std::size_t{1} << kSlotBits;
  static constexpr std::size_t kLevels = 7;
  static constexpr uint64_t kLastTick = (uint64_t{1} << (kSlotBits * kLevels)) - 1;
  using Slot = IntrusiveList<Timer, TimerTag>;

  struct Level {
    std::array<Slot, kSlots> slots;
    uint64_t occupied = 0;  // a bit for each slot that may hold timers
  };
  struct Due {
    std::size_t level;
    std::size_t slot;
    uint64_t tick;
  };

  [[nodiscard]] uint64_t tick_of(Instant time) const;
  [[nodiscard]] std::optional<Due> next_due() const;
  void place(Timer& timer);

  const Instant start_;
  uint64_t elapsed_ = 0;  // milliseconds since start_ up to which all has expired
  std::array<Level, kLevels> levels_;
};

}  // namespace fairlead
