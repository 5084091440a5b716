#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "app/config.h"
#include "app/serve.h"
#include "registry/authenticator.h"
#include "shard/options.h"

// From a configuration and a command line to what the engine is started with. Rejects carry the
// whole sentence for whoever started the server.

namespace fairlead {

struct ServerPlan {
  ServerOptions options;  // without tls
  AuthenticatorOptions auth;
  std::optional<SocketAddress> admin;
  // The usual address was not asked for: if it is taken, the server goes without.
  bool admin_is_optional = false;
};

// The file to read: as told, or DATA_DIR/fairlead.toml when it exists; empty: none.
[[nodiscard]] std::string config_file_of(const ServeRequest& request,
                                         const std::filesystem::path& data_dir);

// Addresses resolved, defaults filled in, and the rules that need both sources checked: anonymous
// access and the admin plane on addresses that others reach. Blocks for names.
[[nodiscard]] Result<ServerPlan> plan_server(const Config& config, const ServeRequest& request);

// Keys whose values differ and that only a restart can change.
[[nodiscard]] std::vector<std::string> changed_restart_keys(const Config& running,
                                                            const Config& wanted);

// "mqtt,mqtts,ws,wss"
[[nodiscard]] std::string protocol_list(const ListenerProtocols& protocols);

}  // namespace fairlead
