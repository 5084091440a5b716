#include "registry/failure_budget.h"

#include <algorithm>
#include <utility>

namespace fairlead {
namespace {

constexpr int64_t kMilli = 1000;
constexpr int64_t kMillisecondsPerMinute = 60'000;

}  // namespace

int64_t FailureBudget::spent_milli(uint64_t key, Instant now) const {
  auto found = newer_.find(key);
  if (found == newer_.end()) {
    found = older_.find(key);
    if (found == older_.end()) return 0;
  }
  const Bucket& bucket = found->second;
  // A minute forgives all there can be; a clock that is read a little earlier forgives nothing.
  const int64_t elapsed = std::clamp<int64_t>((now - bucket.at).count(), 0, kMillisecondsPerMinute);
  const int64_t forgiven = elapsed * per_minute_max_ * kMilli / kMillisecondsPerMinute;
  return std::max<int64_t>(bucket.spent_milli - forgiven, 0);
}

bool FailureBudget::exhausted(uint64_t key, Instant now) const {
  return per_minute_max_ > 0 && spent_milli(key, now) > (per_minute_max_ - 1) * kMilli;
}

bool FailureBudget::has_failures(uint64_t key, Instant now) const {
  return per_minute_max_ > 0 && spent_milli(key, now) > 0;
}

void FailureBudget::count_failure(uint64_t key, Instant now) {
  if (per_minute_max_ == 0) return;
  const int64_t spent = std::min(spent_milli(key, now) + kMilli, per_minute_max_ * kMilli);
  if (newer_.size() >= generation_max_ && !newer_.contains(key)) {
    older_ = std::exchange(newer_, {});
  }
  newer_[key] = {spent, now};
}

}  // namespace fairlead
