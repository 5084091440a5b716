#pragma once

#include <sys/types.h>

#include <string>

#include "support/test_client.h"

namespace fairlead::testing {

// A server to which dialogues are played.
class Broker {
 public:
  virtual ~Broker() = default;
  [[nodiscard]] virtual TestClient connect(Transport transport, ProtocolVersion version) = 0;
  // Returns when what was said to it has had its effects: only output may be on its way still,
  // in front of the answer to any PINGREQ to come.
  virtual void settle() = 0;
};

class FairleadBroker final : public Broker {
 public:
  struct Options {
    unsigned shard_count = 2;
    std::optional<Transport> transport = {};  // instead of the dialogue's
    std::optional<uint64_t> chop_seed = {};   // cuts what clients send into small pieces
  };
  explicit FairleadBroker(const Options& options)
      : options_(options),
        // As mosquitto here: an answer does not wait for a disk, so that it is there before a
        // break.
        server_({.shard_count = options.shard_count, .store = TestStore::kNone}) {}

  [[nodiscard]] TestClient connect(Transport transport, ProtocolVersion version) override;
  void settle() override { server_.settle(); }

 private:
  Options options_;
  TestServer server_;
};

// Debian's mosquitto as a process of its own, on loopback, with no limits that Fairlead has not;
// it ends with this object, or with this process. One thread: what it has read it has carried out.
class MosquittoBroker final : public Broker {
 public:
  MosquittoBroker();
  ~MosquittoBroker() override;
  MosquittoBroker(const MosquittoBroker&) = delete;
  MosquittoBroker& operator=(const MosquittoBroker&) = delete;

  [[nodiscard]] TestClient connect(Transport transport, ProtocolVersion version) override;
  void settle() override {}

 private:
  [[nodiscard]] bool start();
  [[nodiscard]] bool await_running();
  void stop();

  TempDir dir_;
  SocketAddress address_;
  pid_t process_ = -1;
  UniqueFd log_;
};

}  // namespace fairlead::testing
