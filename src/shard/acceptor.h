#pragma once

#include "net/loop.h"
#include "net/tcp.h"
#include "shard/options.h"

namespace fairlead {

class Shard;

// One listener's share on one shard: SO_REUSEPORT lets the kernel spread connections over shards.
class Acceptor final : public IoHandler {
 public:
  Acceptor(Shard& shard, ListeningSocket socket, const ListenerOptions& options)
      : shard_(shard), socket_(std::move(socket)), options_(options) {}
  ~Acceptor() { stop(); }
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  [[nodiscard]] bool start();
  void stop();
  void on_io(IoEvents events) override;

 private:
  void pause();
  void on_resume(Instant now);
  [[nodiscard]] bool welcome(const SocketAddress& peer) const;

  Shard& shard_;
  ListeningSocket socket_;
  const ListenerOptions& options_;
  bool watched_ = false;
  MethodTimer<Acceptor, &Acceptor::on_resume> resume_{*this};
};

}  // namespace fairlead
