#include "load/histogram.h"

#include <algorithm>
#include <cmath>

namespace fairlead::load {

// Values below 2 * kParts have a bucket each; above, each power of two has kParts of them.
std::size_t Histogram::bucket_of(uint64_t value) {
  const int shift = std::max(0, static_cast<int>(std::bit_width(value)) - 1 - kPartBits);
  return static_cast<std::size_t>(shift) * kParts + static_cast<std::size_t>(value >> shift);
}

uint64_t Histogram::last_in(std::size_t bucket) {
  if (bucket < 2 * kParts) return bucket;
  const std::size_t shift = bucket / kParts - 1;
  const uint64_t first = static_cast<uint64_t>(bucket - shift * kParts) << shift;
  return first + (uint64_t{1} << shift) - 1;
}

void Histogram::record(std::chrono::nanoseconds took) {
  const auto value = static_cast<uint64_t>(std::max<int64_t>(0, took.count()));
  ++buckets_[std::min(bucket_of(value), buckets_.size() - 1)];
  ++count_;
  max_ = std::max(max_, value);
}

std::chrono::nanoseconds Histogram::at(double share) const {
  if (count_ == 0) return {};
  const double rank = std::ceil(std::clamp(share, 0.0, 1.0) * static_cast<double>(count_));
  const auto wanted = std::clamp<uint64_t>(static_cast<uint64_t>(rank), 1, count_);
  uint64_t seen = 0;
  std::size_t bucket = 0;
  while ((seen += buckets_[bucket]) < wanted) ++bucket;
  const bool last = bucket == buckets_.size() - 1;  // has no end but the largest value
  return std::chrono::nanoseconds(
      static_cast<int64_t>(last ? max_ : std::min(last_in(bucket), max_)));
}

}  // namespace fairlead::load
