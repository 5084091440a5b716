#pragma once

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "base/time.h"

// What /proc tells of a broker, and the system of ourselves.

namespace fairlead::load {

// User and system time of a process, in seconds; nothing when /proc does not tell.
[[nodiscard]] std::optional<double> cpu_seconds(int pid);
[[nodiscard]] double own_cpu_seconds();
// Bytes that the process shares with no other (Private_Clean and Private_Dirty).
[[nodiscard]] std::optional<int64_t> private_bytes(int pid);
// All of its bytes in memory.
[[nodiscard]] std::optional<int64_t> resident_bytes(int pid);
// Whether all of the above can be read; the sentence says what cannot.
[[nodiscard]] Status check_process(int pid);

// Seconds of the clock, and of the processors. What is not known of a broker is nothing.
struct Cost {
  double wall = 0;
  double own_cpu = 0;
  std::optional<double> broker_cpu{};
};

// True: what was measured is the generator, not the broker. It had no time left on its core, and
// the broker is not known to have been busier.
[[nodiscard]] bool generator_was_bottleneck(const Cost& cost);

// What a stretch of time cost; it begins when this is made. A pid of 0 is nobody's.
class Stretch {
 public:
  explicit Stretch(int broker_pid);
  [[nodiscard]] Cost so_far() const;

 private:
  int broker_pid_;
  std::optional<double> broker_before_;
  double own_before_;
  Instant began_;
};

// As many descriptors as the hard limit allows; answers how many that are.
uint64_t raise_descriptor_limit();

}  // namespace fairlead::load
