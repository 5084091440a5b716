#include "net/timer_wheel.h"

#include <algorithm>
#include <bit>

namespace fairlead {

// A timer lies at the level of the highest six-bit digit in which its tick differs from
// elapsed_. So everything at a level comes before everything at the next, and within a level
// only slots after the current digit are in use: the earliest slot is found with two bit scans.

uint64_t TimerWheel::tick_of(Instant time) const {
  if (time <= start_) return 0;
  return std::min(static_cast<uint64_t>((time - start_).count()), kLastTick);
}

void TimerWheel::place(Timer& timer) {
  const uint64_t tick = std::min(std::max(tick_of(timer.deadline_), elapsed_ + 1), kLastTick);
  const auto highest_bit = static_cast<unsigned>(std::bit_width(tick ^ elapsed_)) - 1;
  const std::size_t index = highest_bit / kSlotBits;
  Level& level = levels_[index];
  const std::size_t slot = (tick >> (kSlotBits * index)) & (kSlots - 1);
  level.slots[slot].push_back(timer);
  level.occupied |= uint64_t{1} << slot;
}

std::optional<TimerWheel::Due> TimerWheel::next_due() const {
  for (std::size_t index = 0; index < kLevels; ++index) {
    const std::size_t shift = kSlotBits * index;
    const std::size_t current = (elapsed_ >> shift) & (kSlots - 1);
    const uint64_t later = levels_[index].occupied & ~((uint64_t{2} << current) - 1);
    if (later == 0) continue;
    const auto slot = static_cast<std::size_t>(std::countr_zero(later));
    const uint64_t above = (elapsed_ >> shift >> kSlotBits) << kSlotBits;
    return Due{index, slot, (above | slot) << shift};
  }
  return std::nullopt;
}

void TimerWheel::advance(Instant now) {
  const uint64_t target = tick_of(now);
  for (auto due = next_due(); due && due->tick <= target; due = next_due()) {
    elapsed_ = due->tick;
    Level& level = levels_[due->level];
    level.occupied &= ~(uint64_t{1} << due->slot);
    Slot batch;  // what a callback destroys or cancels leaves this list by itself
    batch.splice(level.slots[due->slot]);
    while (!batch.empty()) {
      Timer& timer = batch.pop_front();
      if (tick_of(timer.deadline_) <= elapsed_) {
        timer.on_expiry(now);
      } else {
        place(timer);  // a digit further down, or it was moved to a later deadline
      }
    }
  }
  elapsed_ = std::max(elapsed_, target);
}

std::optional<Instant> TimerWheel::next_wake() const {
  const auto due = next_due();
  if (!due) return std::nullopt;
  return start_ + milliseconds(due->tick);
}

}  // namespace fairlead
