#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/config.h"
#include "app/serve.h"
#include "net/tls_context.h"
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

// The context for the certificates of the configuration or, if it names none, of DATA_DIR/certs,
// which are created when there are none: for localhost, this machine's name and the addresses of
// `listeners`. `older` (may be null) are the keys whose tickets stay good.
struct ServerTls {
  std::shared_ptr<const TlsContext> context;
  std::shared_ptr<const TlsTicketKeys> ticket_keys;
};
[[nodiscard]] Result<ServerTls> make_tls(const TlsConfig& config,
                                         const std::filesystem::path& data_dir,
                                         const std::vector<ListenerOptions>& listeners,
                                         const std::shared_ptr<const TlsTicketKeys>& older);

// Keys whose values differ and that only a restart can change.
[[nodiscard]] std::vector<std::string> changed_restart_keys(const Config& running,
                                                            const Config& wanted);

// "mqtt,mqtts,ws,wss"
[[nodiscard]] std::string protocol_list(const ListenerProtocols& protocols);

}  // namespace fairlead
