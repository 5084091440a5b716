#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "fairlead/client.h"
#include "packet_ids.h"
#include "proto/mqtt/packet.h"
#include "publications.h"

namespace fairlead::sdk {

// SUBSCRIBE and UNSUBSCRIBE under way, and what was granted, to be asked for again in a new
// session. Requests that a lost connection left open are sent again on the next one.
class Subscriptions {
 public:
  Subscriptions(mqtt::ProtocolVersion version, PacketIds& ids) : version_(version), ids_(ids) {}

  void subscribe(std::vector<Subscription> subscriptions, Client::Granted done);
  void unsubscribe(std::vector<std::string> filters, Client::Completion done);

  // Sends the requests that were not sent on this connection.
  void pump(const PacketSink& send);

  // Answers the completions to call.
  struct Settled {
    Client::Granted done;
    Outcome outcome;
    std::vector<uint8_t> codes;
    std::vector<std::pair<std::string, Outcome>> lost;  // granted before, refused now
  };
  // A code too few or too many breaks the specification: reject. nullopt: an unknown identifier.
  [[nodiscard]] Result<std::optional<Settled>> on_suback(const mqtt::SubackPacket& packet);
  [[nodiscard]] Result<std::optional<Settled>> on_unsuback(const mqtt::UnsubackPacket& packet);

  void on_connection_lost();
  // The server knows none of the subscriptions: all are asked for again, before other requests.
  void on_session_lost();
  [[nodiscard]] std::vector<Settled> give_up(const Outcome& why);

 private:
  enum class Kind : uint8_t { kSubscribe, kUnsubscribe, kRenew };
  struct Request {
    Kind kind;
    std::vector<Subscription> subscriptions;  // for kUnsubscribe the filters alone
    Client::Granted done;
    mqtt::PacketId id{};  // none: not sent on this connection
  };

  void send_request(Request& request, const PacketSink& send) const;
  [[nodiscard]] std::optional<Request> take_request(mqtt::PacketId id, bool unsubscribe);

  std::deque<Request> requests_;
  std::map<std::string, Subscription, std::less<>> granted_;
  mqtt::ProtocolVersion version_;
  PacketIds& ids_;
};

}  // namespace fairlead::sdk
