#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "base/result.h"
#include "registry/authenticator.h"
#include "registry/registry.h"
#include "shard/counters.h"
#include "shard/options.h"

namespace fairlead {

class ShardGroup;

// Sums over all shards; each shard counts for itself, reading is a copy a few moments old.
struct ServerCounters {
  uint64_t connections_now = 0;
  uint64_t connections_total = 0;
  uint64_t clients_now = 0;  // connections with an accepted CONNECT
  uint64_t connects_accepted = 0;
  uint64_t suspects_now = 0;                                  // connections without one
  std::array<uint64_t, kRefusalCauseNames.size()> refused{};  // by RefusalCause
  uint64_t sessions_now = 0;
  uint64_t subscriptions_now = 0;
  uint64_t retained_now = 0;
  uint64_t messages_received = 0;  // PUBLISH from clients
  uint64_t messages_sent = 0;      // PUBLISH to clients
  uint64_t messages_dropped = 0;
  uint64_t bytes_received = 0;
  uint64_t bytes_sent = 0;

  [[nodiscard]] uint64_t refused_total() const {
    return std::accumulate(refused.begin(), refused.end(), uint64_t{0});
  }
};

// The engine: listeners, shards and their threads. Made and used by one thread (the program's
// main thread); the registry and the authenticator must outlive it.
class Server {
 public:
  Server(const ServerOptions& options, Registry& registry, Authenticator& authenticator);
  ~Server();  // stops, not gracefully, if stop() was not called
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Opens all listeners, then starts the threads. On an error nothing is left open; the sentence
  // says which address and what to do.
  Status start();

  // The addresses in use, in the order of the options, ports filled in.
  [[nodiscard]] std::vector<SocketAddress> addresses() const;

  // Graceful: no more connections; clients of MQTT 5.0 get DISCONNECT 0x8B; wills are published
  // as the specification says; returns when all is flushed, or after options.stop_max.
  void stop();

  // New handshakes use this context; connections that are there keep theirs. Any thread.
  void set_tls(std::shared_ptr<const TlsContext> tls);

  // A change of the registry, from its listener, on any thread. Returns when every shard has
  // acted on it: sessions of disabled and deleted devices are closed, policies are new.
  void on_registry_change(const RegistryChange& change);

  [[nodiscard]] ServerCounters counters() const;  // any thread

 private:
  std::unique_ptr<ShardGroup> group_;
};

}  // namespace fairlead
