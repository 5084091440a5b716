#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "base/result.h"
#include "shard/server.h"
#include "shard/shard.h"

namespace fairlead {

// All shards and their threads: what Server is made of. Used by the thread that made it.
class ShardGroup {
 public:
  ShardGroup(const ServerOptions& options, Registry& registry, Authenticator& authenticator,
             std::optional<RecordStore> store);
  ~ShardGroup();
  ShardGroup(const ShardGroup&) = delete;
  ShardGroup& operator=(const ShardGroup&) = delete;

  Status start();
  void stop();
  [[nodiscard]] const std::vector<SocketAddress>& addresses() const { return addresses_; }
  [[nodiscard]] ServerCounters counters() const;
  [[nodiscard]] bool flush_store(milliseconds limit) {
    return !committer_ || committer_->flush(limit);
  }

  // Runs `work` on every shard; returns when all have done it, or at once when none runs.
  void on_every_shard(const std::function<void(Shard&)>& work);

 private:
  [[nodiscard]] Status open(const ListenerOptions& listener);
  [[nodiscard]] Status recover();
  [[nodiscard]] Status listen();
  [[nodiscard]] bool wait_until_drained();
  void publish_sys_topics();
  void join();

  struct OpenListener {
    const ListenerOptions* options;
    std::vector<ListeningSocket> sockets;  // one for each shard
  };

  const ServerOptions options_;
  std::unique_ptr<Committer> committer_;
  ShardPeers peers_;
  std::vector<OpenListener> listeners_;
  std::vector<SocketAddress> addresses_;
  std::vector<std::thread> threads_;
  std::jthread sys_topics_;
};

}  // namespace fairlead
