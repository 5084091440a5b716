#pragma once

#include <cstdint>

#include "base/time.h"

// What /proc tells of a broker, and the system of ourselves.

namespace fairlead::bench {

// User and system time of a process, in seconds; throws when there is no such process.
[[nodiscard]] double cpu_seconds(int pid);
[[nodiscard]] double own_cpu_seconds();

// What a stretch of time cost, in seconds; it begins when this is made.
class Stretch {
 public:
  explicit Stretch(int broker_pid);
  struct Cost {
    double wall = 0;
    double broker_cpu = 0;
    double own_cpu = 0;
  };
  [[nodiscard]] Cost so_far() const;

 private:
  int broker_pid_;
  double broker_before_;
  double own_before_;
  Instant began_;
};

// Bytes that the process shares with no other (Private_Clean and Private_Dirty); throws.
[[nodiscard]] int64_t private_bytes(int pid);

// As many descriptors as the hard limit allows.
void raise_descriptor_limit();

}  // namespace fairlead::bench
