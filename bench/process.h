#pragma once

#include <cstdint>

// What /proc tells of a broker, and the system of ourselves.

namespace fairlead::bench {

// User and system time of a process, in seconds; throws when there is no such process.
[[nodiscard]] double cpu_seconds(int pid);
[[nodiscard]] double own_cpu_seconds();

// Bytes that the process shares with no other (Private_Clean and Private_Dirty); throws.
[[nodiscard]] int64_t private_bytes(int pid);

// As many descriptors as the hard limit allows.
void raise_descriptor_limit();

}  // namespace fairlead::bench
