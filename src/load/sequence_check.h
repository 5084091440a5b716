#pragma once

#include <bitset>
#include <cstdint>

namespace fairlead::load {

// What one receiver has got of one publisher, whose messages carry the numbers 0, 1, 2, ...: which
// were lost, came twice, or behind a later one. A message that was skipped counts as lost until it
// comes. Pure; O(1) a message.
class SequenceCheck {
 public:
  // Whoever comes later than so many others cannot be told from one that comes twice.
  static constexpr uint64_t kMemory = 1'024;

  enum class Arrival : uint8_t { kExpected, kSkipped /* others */, kReordered, kDuplicate };

  struct Counts {
    uint64_t received = 0;  // different ones
    uint64_t lost = 0;
    uint64_t duplicates = 0;
    uint64_t reordered = 0;
    Counts& operator+=(const Counts& other);
    friend bool operator==(const Counts&, const Counts&) = default;
  };

  Arrival on_message(uint64_t sequence);
  // Nothing before `sequence` is waited for any more: what has not come is lost.
  void give_up_before(uint64_t sequence);

  [[nodiscard]] uint64_t next() const { return next_; }
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  uint64_t next_ = 0;
  std::bitset<kMemory> missing_;  // of the last kMemory before next_, at sequence % kMemory
  Counts counts_;
};

}  // namespace fairlead::load
