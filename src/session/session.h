#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "auth/policy.h"
#include "auth/profile.h"
#include "base/result.h"
#include "base/shard_affine.h"
#include "base/time.h"
#include "proto/mqtt/message.h"
#include "proto/mqtt/packet.h"
#include "session/effects.h"

namespace fairlead {

// Limits that the server sets for every session, beside those of the client's profile.
struct SessionLimits {
  uint32_t queue_count_max = 1000;             // messages waiting, of a session offline or slow
  uint32_t queue_bytes_max = 16u << 20;
  uint32_t congested_queue_bytes_max = 1u << 20;  // of those, QoS 0 for a slow consumer
  uint16_t inflight_count_max = 100;           // unacknowledged, each way, at most
  std::chrono::seconds expiry_max{7 * 24 * 3600};  // session expiry; 3.x persistent ones get this
  uint16_t topic_alias_out_max = 16;           // aliases that the server assigns per connection
};

// Who the session belongs to, as authentication found it. Set again at each connect.
struct SessionOwner {
  std::shared_ptr<const AccessPolicy> policy;
  const ProtocolProfile* profile = &kStandardProfile;
};

// Why the connection is gone; decides about the will (MQTT 5.0 section 3.1.2.5).
enum class DetachCause : uint8_t {
  kClientDisconnect,          // DISCONNECT 0x00: no will
  kClientDisconnectWithWill,  // DISCONNECT 0x04
  kConnectionLost,            // closed without DISCONNECT, keep alive, protocol error
  kTakenOver,                 // a new connection of the same session
  kServerShutdown,
  kAdministrative,            // disabled, deleted, kicked
};

enum class Deliverable : uint8_t { kLive, kRetained };  // kRetained: answer to a new subscription

// How a message is to be delivered to a session, after overlapping subscriptions were merged.
struct Delivery {
  mqtt::Qos subscription_qos = mqtt::Qos::kAtMostOnce;  // the highest granted one that matched
  bool retain_as_published = false;
  Deliverable kind = Deliverable::kLive;
  std::span<const uint32_t> identifiers;  // subscription identifiers, valid during the call
};

enum class DeliveryResult : uint8_t {
  kTaken,    // sent, in flight or queued
  kDropped,  // QoS 0 while offline, over a limit, expired, forbidden: journaled where it matters
};

// One client's session: packets and time in, effects out; the rules of MQTT 3.1, 3.1.1 (chapter 4)
// and 5.0 (chapter 4), under a profile and an access policy, and nothing else. No socket, clock,
// thread or random source. Lives on one shard and outlives its connections.
//
// Times are the caller's `now`, which never goes back. Views passed in are copied where they must
// live on. Every call may produce effects; none blocks.
// Invariants: at most one connection; packet identifiers in flight are unique; in flight to the
// client <= min(its Receive Maximum, inflight_count_max); queued bytes and counts <= limits.
class Session {
 public:
  // `id` is unique in this process and never reused: the sender id of its messages (No Local).
  Session(uint64_t id, std::string key, const SessionLimits& limits);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  [[nodiscard]] uint64_t id() const;
  [[nodiscard]] const std::string& key() const;
  [[nodiscard]] bool connected() const;
  [[nodiscard]] mqtt::ProtocolVersion version() const;  // of the current or last connection
  [[nodiscard]] uint32_t peer_packet_size_max() const;  // kNoPacketSizeLimit when none
  [[nodiscard]] bool peer_wants_problem_information() const;

  // --- The connection comes and goes -----------------------------------------------------------

  // A client with an accepted identity; a connection that was there has been detached before
  // (kTakenOver). `connect` may ask for a clean start: then what the session held is dropped, its
  // filters are unsubscribed, and CONNACK says so. Sends CONNACK; then repeats what was in flight
  // (DUP, PUBREL) and what was queued. `assigned_client_id` is not empty when the server chose it;
  // `server_keep_alive` when the client's value was replaced.
  struct ConnackExtras {
    std::string_view assigned_client_id;
    std::optional<uint16_t> server_keep_alive_seconds;
  };
  void attach(const mqtt::ConnectPacket& connect, const SessionOwner& owner,
              const ConnackExtras& extras, Effects& effects, Instant now);

  // What CONNECT is refused for before attach(), under `profile`: keep alive out of range, will of
  // a QoS that is not to be had, will topic not permitted ... A pure check.
  [[nodiscard]] static Status check_connect(const mqtt::ConnectPacket& connect,
                                            const SessionOwner& owner);
  // Keep alive in force, for the connection's timer: 1.5 times of it (0: none); and what CONNACK
  // must say when it is not the client's own.
  struct KeepAlive {
    std::chrono::seconds interval{0};
    std::optional<uint16_t> server_keep_alive_seconds;
  };
  [[nodiscard]] static KeepAlive keep_alive(const mqtt::ConnectPacket& connect,
                                            const ProtocolProfile& profile);

  // The connection is gone. Publishes the will or arms its delay, starts the expiry interval,
  // gives up inbound topic aliases and, when nothing of the session outlives the connection
  // (ended() is then true), unsubscribes everything.
  void on_detached(DetachCause cause, Effects& effects, Instant now);

  // A clean start, an administrative end or the expiry: drops everything, publishes a will that
  // waits for its delay (MQTT 5.0 section 3.1.3.2.2), unsubscribes. ended() is true afterwards.
  enum class WillAtEnd : uint8_t { kPublish, kDiscard };
  void end(WillAtEnd will, Effects& effects);
  [[nodiscard]] bool ended() const;

  // --- Packets of the client; between attach() and on_detached() only --------------------------
  // Errors of the client end in effects.close(); after it, no more packets are to be given.

  void on_publish(const mqtt::PublishPacket& packet, Effects& effects, Instant now);
  void on_ack(const mqtt::AckPacket& packet, Effects& effects, Instant now);
  void on_subscribe(const mqtt::SubscribePacket& packet, Effects& effects, Instant now);
  void on_unsubscribe(const mqtt::UnsubscribePacket& packet, Effects& effects);
  void on_pingreq(Effects& effects);
  void on_disconnect(const mqtt::DisconnectPacket& packet, Effects& effects);

  // --- Messages for the client -----------------------------------------------------------------

  DeliveryResult deliver(const mqtt::MessageRef& message, const Delivery& delivery,
                         Effects& effects, Instant now);
  // The connection has room again: what waited is sent.
  void on_outlet_ready(Effects& effects, Instant now);

  // --- Time ------------------------------------------------------------------------------------

  // When on_deadline() wants to be called next (will delay, session expiry); nullopt: not at all.
  [[nodiscard]] std::optional<Instant> deadline() const;
  void on_deadline(Effects& effects, Instant now);

  // --- Administration --------------------------------------------------------------------------

  // Permissions have changed: filters that are no longer allowed are unsubscribed, waiting
  // messages that may no longer be received are dropped.
  void on_policy_changed(std::shared_ptr<const AccessPolicy> policy, Effects& effects);

  // Calls visit(std::string_view filter, const mqtt::SubscriptionOptions&) for each subscription.
  template <class Visit>
  void for_each_subscription(Visit&& visit) const;
  [[nodiscard]] std::size_t subscription_count() const;
  [[nodiscard]] std::size_t queue_count() const;
  [[nodiscard]] std::size_t inflight_count() const;

 private:
  ShardAffine affine_;
  // to be filled by the implementation
};

}  // namespace fairlead
