#pragma once

#include <cstdint>
#include <string>

namespace fairlead {

// Who listens on a TCP port of this machine, as far as /proc tells: "process mosquitto (pid 12)",
// "a process of user 105", "another process". For error messages; reads many files.
[[nodiscard]] std::string describe_port_owner(uint16_t port);

}  // namespace fairlead
