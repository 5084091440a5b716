#pragma once

#include <span>
#include <string_view>

namespace fairlead {

// One file of the browser page, inside the binary. All views live as long as the program.
struct ConsoleFile {
  std::string_view path;          // as in the request: "/app.js"; the page itself is "/"
  std::string_view content_type;  // with the charset, where there is one
  std::string_view body;
};

// The whole page, in no particular order; about 400 KB, most of it MQTT.js. Any thread.
[[nodiscard]] std::span<const ConsoleFile> console_files();

}  // namespace fairlead
