#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "registry/authenticator.h"
#include "registry/registry.h"
#include "shard/counters.h"
#include "shard/options.h"
#include "store/committer.h"

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
  uint64_t queued_messages = 0;  // in the queues of sessions
  uint64_t queued_bytes = 0;
  uint64_t expiry_lag_ms = 0;  // how late something that expired was dropped, lately, at most

  // Of the store; all 0 where there is none.
  uint64_t store_failing = 0;  // 1: the last commit failed, what needs one is refused
  uint64_t store_commits = 0;
  uint64_t store_failures = 0;  // commits that were tried in vain
  uint64_t store_records = 0;   // put and erased
  uint64_t store_commit_microseconds = 0;
  uint64_t store_slowest_commit_microseconds = 0;
  uint64_t store_unrecorded = 0;  // changes for which there was no more room while it failed
  uint64_t store_file_bytes = 0;
  uint64_t store_free_bytes = 0;  // of the file, not in use

  [[nodiscard]] uint64_t refused_total() const {
    return std::accumulate(refused.begin(), refused.end(), uint64_t{0});
  }
};

// The engine: listeners, shards and their threads. Made and used by one thread (the program's
// main thread); the registry and the authenticator must outlive it.
class Server {
 public:
  // `store`: where sessions and retained messages are kept; none: they end with the process.
  Server(const ServerOptions& options, Registry& registry, Authenticator& authenticator,
         std::optional<RecordStore> store = {});
  ~Server();  // stops, not gracefully, if stop() was not called
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Opens all listeners, brings back what the store has, then accepts connections. On an error
  // nothing is left open; the sentence says which address and what to do.
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

  // Returns when all that shards had recorded before the call is durable, or `limit` is over: false
  // then. At once where there is no store. Any thread.
  [[nodiscard]] bool flush_store(std::chrono::milliseconds limit);

  [[nodiscard]] ServerCounters counters() const;  // any thread

 private:
  std::unique_ptr<ShardGroup> group_;
};

}  // namespace fairlead
