#pragma once

#include <memory>

#include "base/bytes.h"
#include "proto/mqtt/packet.h"
#include "registry/authenticator.h"

namespace fairlead {

class Connection;
class HostedSession;
class Shard;
struct PendingConnect;

// From CONNECT to an attached session: authentication on the shard that accepted the connection,
// the move to the session's home, take-over of a connection that is there. One per shard.
class Admission {
 public:
  Admission(Shard& shard, const Registry& registry, Authenticator& authenticator)
      : shard_(shard), registry_(registry), authenticator_(authenticator) {}

  // `packet` is the whole CONNECT, for later; `pending` is set when it was authenticated before, on
  // another shard or before it had to wait.
  void on_connect(Connection& connection, const mqtt::ConnectPacket& connect, Bytes packet,
                  std::unique_ptr<PendingConnect> pending);

 private:
  [[nodiscard]] std::unique_ptr<Identity> identify(Connection& connection,
                                                   const mqtt::ConnectPacket& connect);
  [[nodiscard]] bool still_valid(const Identity& identity) const;
  // At home. Waits where the take-over has to.
  void arrive(Connection& connection, const mqtt::ConnectPacket& connect, Bytes packet,
              Identity&& identity);
  void accept(Connection& connection, const mqtt::ConnectPacket& connect, Identity&& identity);
  void refuse(Connection& connection, const mqtt::ConnectPacket& connect, std::string_view name,
              ReasonCode code, std::string_view cause, std::string_view peer_says);
  HostedSession& take_over(const Identity& identity, const Connection& connection);

  Shard& shard_;
  const Registry& registry_;
  Authenticator& authenticator_;
};

}  // namespace fairlead
