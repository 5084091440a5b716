#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "base/time.h"

namespace fairlead {

// Token buckets of failed attempts, by key: `per_minute_max` at once, as many a minute afterwards.
// Bounded: two generations of half the room each, the older is forgotten when the newer is full.
// One thread at a time.
class FailureBudget {
 public:
  FailureBudget(uint32_t per_minute_max, uint32_t tracked_count_max)
      : per_minute_max_(per_minute_max), generation_max_(tracked_count_max / 2 + 1) {}

  // Whether the bucket of `key` is empty. Always no when the budget is off (0).
  [[nodiscard]] bool exhausted(uint64_t key, Instant now) const;
  // Whether `key` has failures that are not yet forgiven.
  [[nodiscard]] bool has_failures(uint64_t key, Instant now) const;
  void count_failure(uint64_t key, Instant now);
  [[nodiscard]] std::size_t tracked_count() const { return newer_.size() + older_.size(); }

 private:
  // What is spent, in thousandths of an attempt, at a time; it falls evenly.
  struct Bucket {
    int64_t spent_milli = 0;
    Instant at{};
  };
  [[nodiscard]] int64_t spent_milli(uint64_t key, Instant now) const;

  int64_t per_minute_max_;
  std::size_t generation_max_;
  std::unordered_map<uint64_t, Bucket> newer_;
  std::unordered_map<uint64_t, Bucket> older_;
};

}  // namespace fairlead
