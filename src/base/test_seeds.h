#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <string>

// For property tests: which seeds to run. FAIRLEAD_SEED=N runs that one (what a failure prints),
// FAIRLEAD_SEEDS=COUNT that many from 1 on, instead of the test's own number of them, or
// FAIRLEAD_SEEDS=FROM..TO.

namespace fairlead::testing {

// Calls run(seed) for each, until one fails.
template <class Run>
void for_each_seed(uint64_t count, Run&& run) {
  uint64_t first = 1;
  if (const char* wanted = std::getenv("FAIRLEAD_SEEDS")) {
    char* end = nullptr;
    count = std::strtoull(wanted, &end, 10);
    if (*end == '.') {
      first = count;
      count = std::strtoull(end + 2, nullptr, 10) - first + 1;
    }
  }
  if (const char* only = std::getenv("FAIRLEAD_SEED")) {
    first = std::strtoull(only, nullptr, 10);
    count = 1;
  }
  for (uint64_t seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed) +
                 ": run it alone with FAIRLEAD_SEED=" + std::to_string(seed));
    run(seed);
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace fairlead::testing
