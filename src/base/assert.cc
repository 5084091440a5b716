#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace fairlead {

void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "fairlead: assertion failed: %s (%s:%d)\n", expression, file, line);
  std::abort();
}

void unreachable(const char* file, int line) { assertion_failed("unreachable", file, line); }

}  // namespace fairlead
