#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/tcp.h"
#include "shard/options.h"
#include "shard/server.h"

// The admin plane (DESIGN section 8): a small HTTP server beside the engine, on a port of its own.
//
//   GET /             the browser page and its files
//   GET /config.json  {"endpoints":{"ws":URL,"wss":URL,"mqtt":URL,"mqtts":URL}} for the page
//   GET /healthz      200 while the process answers
//   GET /readyz       200 while devices can connect, 503 before and after
//   GET /metrics      counters in the text format of Prometheus
//
// It needs no token because it only reads, and shows no secrets, and no names but
// those in certificates.

namespace fairlead {

// Where devices can connect, for the page: a listener that is open.
struct AdminEndpoint {
  SocketAddress address;
  ListenerProtocols protocols;
};

// The functions are called on threads of the admin server; they must outlive it.
struct AdminOptions {
  SocketAddress address;  // port 0: the kernel chooses
  std::vector<AdminEndpoint> endpoints;
  std::function<ServerCounters()> counters;
  std::function<std::vector<TlsExpiry>()> expiries = [] { return std::vector<TlsExpiry>{}; };
  std::function<bool()> ready;
};

// The metrics in the text exposition format 0.0.4. Pure.
[[nodiscard]] std::string metrics_text(const ServerCounters& counters,
                                       const std::vector<TlsExpiry>& expiries);

// The body of /config.json: for each protocol the first listener that takes it. Pure.
[[nodiscard]] std::string endpoints_json(const std::vector<AdminEndpoint>& endpoints);

// Answers from construction to destruction, on five threads of its own; the destructor waits for
// the answers under way. Limits: 2 s without a byte of a request, 1 s between two requests of a
// connection, 8 KiB of body; so a stop takes a second or two where clients are slow.
class AdminServer {
 public:
  // The sentence of an error says which address, who has it, and what to do.
  [[nodiscard]] static Result<std::unique_ptr<AdminServer>> start(AdminOptions options);
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  [[nodiscard]] const SocketAddress& address() const;

 private:
  struct State;
  explicit AdminServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fairlead
