#pragma once

#include <string>

namespace fairlead {

// The cause that OpenSSL left in this thread's error queue, in its words; empties the queue.
[[nodiscard]] std::string take_openssl_error();

}  // namespace fairlead
