#include <cstddef>
#include <cstdint>
#include <string_view>

#include "app/config_key.h"
#include "base/assert.h"

// Any text is a configuration or is refused with problems that name it; what was taken is within
// the bounds of the table.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fairlead;
  if (size > 64 * 1024) return 0;
  ParsedConfig parsed = parse_config({reinterpret_cast<const char*>(data), size});
  for (const ConfigProblem& problem : parsed.problems) {
    FL_ASSERT(!describe(problem, "f.toml").empty());
    FL_ASSERT(!problem.sentence.empty());
  }
  add_config_entry(parsed.config, "listener");
  add_config_entry(parsed.config, "tls.certificate");
  for (const ConfigKey& key : config_keys()) {
    FL_ASSERT(check_config_value(key, key.get(parsed.config)).ok());
  }
  return 0;
}
