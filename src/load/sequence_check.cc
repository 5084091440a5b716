#include "load/sequence_check.h"

namespace fairlead::load {

SequenceCheck::Counts& SequenceCheck::Counts::operator+=(const Counts& other) {
  received += other.received;
  lost += other.lost;
  duplicates += other.duplicates;
  reordered += other.reordered;
  return *this;
}

void SequenceCheck::give_up_before(uint64_t sequence) {
  if (sequence <= next_) return;
  counts_.lost += sequence - next_;
  const uint64_t first = sequence - next_ > kMemory ? sequence - kMemory : next_;
  for (uint64_t skipped = first; skipped < sequence; ++skipped) missing_.set(skipped % kMemory);
  next_ = sequence;
}

SequenceCheck::Arrival SequenceCheck::on_message(uint64_t sequence) {
  if (sequence >= next_) {
    const bool expected = sequence == next_;
    give_up_before(sequence);
    missing_.reset(sequence % kMemory);
    next_ = sequence + 1;
    ++counts_.received;
    return expected ? Arrival::kExpected : Arrival::kSkipped;
  }
  if (next_ - sequence > kMemory || !missing_.test(sequence % kMemory)) {
    ++counts_.duplicates;
    return Arrival::kDuplicate;
  }
  missing_.reset(sequence % kMemory);
  --counts_.lost;
  ++counts_.received;
  ++counts_.reordered;
  return Arrival::kReordered;
}

}  // namespace fairlead::load
