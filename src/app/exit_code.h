#pragma once

namespace fairlead {

// What the program ends with; listed in `fairlead --help`.
enum class ExitCode : int {
  kOk = 0,
  kFailed = 1,
  kUsage = 2,          // the command line makes no sense
  kNotFound = 3,       // no such product, device, application or file
  kConfigInvalid = 4,  // configuration file, or options that contradict it
  kInUse = 5,          // an address or the data directory belongs to another process
};

}  // namespace fairlead
