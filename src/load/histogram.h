#pragma once

#include <array>
#include <bit>
#include <chrono>
#include <cstdint>

namespace fairlead::load {

// How long things took, counted in buckets whose width is under 1 % of their value: percentiles of
// any number of durations in 30 KB. Negative ones count as zero.
class Histogram {
 public:
  void record(std::chrono::nanoseconds took);
  void clear() { *this = {}; }

  [[nodiscard]] uint64_t count() const { return count_; }
  // The duration that `share` (0 to 1) of them did not exceed, up to the width of a bucket; zero
  // when there are none.
  [[nodiscard]] std::chrono::nanoseconds at(double share) const;
  [[nodiscard]] double at_ms(double share) const {
    return std::chrono::duration<double, std::milli>(at(share)).count();
  }
  [[nodiscard]] std::chrono::nanoseconds max() const {
    return std::chrono::nanoseconds(static_cast<int64_t>(max_));
  }

 private:
  static constexpr int kPartBits = 7;  // parts of a power of two
  static constexpr std::size_t kParts = std::size_t{1} << kPartBits;

  [[nodiscard]] static std::size_t bucket_of(uint64_t value);
  [[nodiscard]] static uint64_t last_in(std::size_t bucket);

  // Powers of two up to 2^45 ns, which is nearly ten hours; what takes longer is in the last one.
  std::array<uint64_t, (46 - kPartBits) * kParts> buckets_{};
  uint64_t count_ = 0;
  uint64_t max_ = 0;
};

}  // namespace fairlead::load
