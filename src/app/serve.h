#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/command.h"

namespace fairlead {

// What `fairlead serve` was told; what is absent comes from the configuration file.
struct ServeRequest {
  std::vector<std::string> listen;  // as parse_listen() reads them
  std::string config_file;          // empty: DATA_DIR/fairlead.toml if there is one
  std::optional<std::string> admin;
  std::optional<unsigned> shards;
  std::optional<std::string> log_level;
  bool allow_anonymous = false;
};

// Serves until SIGTERM or SIGINT; a second one ends the process at once. SIGHUP reads the
// configuration and the certificates again. Prints `listening PROTOCOLS on ADDRESS:PORT` for each
// listener, and the address of the admin plane, once clients can connect. Call it on the main
// thread before there are others: it decides which signals they get.
[[nodiscard]] ExitCode serve(CommandContext& context, const ServeRequest& request);

}  // namespace fairlead
