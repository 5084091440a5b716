#pragma once

#include <cstdint>

// Counts what the server's threads ask of the kernel and of the heap: the functions of libc are
// defined here in front of the real ones. A call counts as the server's when it is not made on the
// thread of main(), which is the test's.

namespace fairlead::testing {

struct CallCounts {
  uint64_t epoll_ctl = 0;
  uint64_t waits = 0;     // epoll_wait
  uint64_t sends = 0;     // send, sendmsg, write to a socket
  uint64_t receives = 0;  // recv, recvmsg that had bytes
  uint64_t wakes = 0;     // write: to the event descriptor of a loop
};

[[nodiscard]] CallCounts server_calls();
[[nodiscard]] uint64_t server_allocations();

}  // namespace fairlead::testing
