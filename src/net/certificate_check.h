#pragma once

#include <string>
#include <vector>

#include "base/time.h"

namespace fairlead {

// What would keep clients from trusting a server's certificate, in sentences: it has expired or is
// not valid yet, the key is missing or another one's, the chain has a gap. Empty: nothing is wrong.
// `root_file` is a root that clients are known to trust (it may be missing), besides those of this
// machine. Blocking; for the command line.
[[nodiscard]] std::vector<std::string> check_certificate(const std::string& certificate_file,
                                                         const std::string& key_file,
                                                         const std::string& root_file,
                                                         milliseconds now);

}  // namespace fairlead
