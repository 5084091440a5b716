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
#include "base/swept.h"
#include "base/time.h"
#include "proto/mqtt/message.h"
#include "proto/mqtt/packet.h"
#include "proto/mqtt/topic.h"
#include "session/effects.h"
#include "session/inflight.h"
#include "session/queue.h"
#include "session/rate.h"
#include "session/received_ids.h"
#include "session/records.h"
#include "session/subscriptions.h"
#include "session/topic_alias.h"
#include "session/will.h"

namespace fairlead {

// Limits that the server sets for every session, beside those of the client's profile.
struct SessionLimits {
  uint32_t queue_count_max = 1000;                 // messages waiting for a session that is offline
  uint32_t queue_bytes_max = 16u << 20;            // and for one that is connected but slow
  uint32_t congested_queue_bytes_max = 1u << 20;   // of those, QoS 0 for a slow consumer
  uint16_t inflight_count_max = 100;               // unacknowledged, each way, at most
  std::chrono::seconds expiry_max{7 * 24 * 3600};  // session expiry; 3.x persistent ones get this
  uint16_t topic_alias_out_max = 16;               // aliases that the server assigns per connection
  // What a device under the compatible profile may publish; 0: no limit. The platform's quota is 30
  // and 10, and what is over it is dropped although acknowledged: a loss that nobody who runs a
  // server of their own wants by default.
  uint32_t device_publish_qos0_per_second_max = 0;
  uint32_t device_publish_qos1_per_second_max = 0;
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
  kServerShutdown,            // a will is published without its delay: nobody could keep it
  kAdministrative,            // disabled, deleted, kicked
};

enum class Deliverable : uint8_t { kLive, kRetained };  // kRetained: answer to a new subscription

// How a message is to be delivered to a session, after overlapping subscriptions were merged.
struct Delivery {
  mqtt::Qos subscription_qos = mqtt::Qos::kAtMostOnce;  // the highest granted one that matched
  bool retain_as_published = false;
  Deliverable kind = Deliverable::kLive;
  std::span<const uint32_t> identifiers;  // subscription identifiers, valid during the call
  SharedOrigin shared = {};  // the group that gave it; none: the session's own subscriptions
  RecordId record = RecordId::kNone;  // from keep(), if the message was written down before
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
// Order (MQTT 5.0 section 4.6): messages of QoS 1 and 2 leave in the order in which they came, and
// so do those of QoS 0; one of QoS 0 may overtake one of QoS 1 or 2 that waits for the client's
// acknowledgements. When both wait for the connection they take turns, so that neither starves.
// Invariants: at most one connection; packet identifiers in flight are unique; in flight to the
// client <= min(its Receive Maximum, inflight_count_max); queued bytes and counts <= limits.
class Session {
 public:
  // `id` is unique in this process and never reused: the sender id of its messages (No Local).
  // `limits` and `total` outlive the session.
  Session(uint64_t id, std::string key, const SessionLimits& limits, QueueTotal& total);
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
    uint32_t packet_bytes_max = 256 * 1024;  // what the connection takes: Maximum Packet Size
  };
  void attach(const mqtt::ConnectPacket& connect, const SessionOwner& owner,
              const ConnackExtras& extras, Effects& effects, Instant now);

  // What CONNECT is refused for before attach(), under the owner's profile: keep alive out of
  // range, a will of a QoS that is not to be had or with a topic that is not valid. (Whether the
  // will's topic is permitted is asked when it is published.) A pure check.
  [[nodiscard]] static Status check_connect(const mqtt::ConnectPacket& connect,
                                            const SessionOwner& owner);
  // The same for a client whose Maximum Packet Size has no room for what CONNACK must say: it could
  // not be told that it is accepted, and must not hear of anything else before.
  [[nodiscard]] static Status check_connack(const mqtt::ConnectPacket& connect,
                                            const SessionOwner& owner, const ConnackExtras& extras,
                                            const SessionLimits& limits);
  // The keep alive in force: how long the connection may be silent, which is 1.5 times of it (0:
  // for ever), and what CONNACK must say when it is not the client's own.
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
  // waits for its delay (MQTT 5.0 section 3.1.3.2.2), unsubscribes, hands back what shared groups
  // gave it and its client has not acknowledged. ended() is true afterwards.
  enum class WillAtEnd : uint8_t { kPublish, kDiscard };
  void end(WillAtEnd will, Effects& effects, Instant now);
  [[nodiscard]] bool ended() const;

  // --- Packets of the client; between attach() and on_detached() only --------------------------
  // Errors of the client end in effects.close(); packets given after it are ignored. A DISCONNECT
  // ends in close(kSilently, its reason): success asks for on_detached(kClientDisconnect), any
  // other reason for on_detached(kClientDisconnectWithWill).

  void on_publish(const mqtt::PublishPacket& packet, Effects& effects, Instant now);
  void on_ack(const mqtt::AckPacket& packet, Effects& effects, Instant now);
  void on_subscribe(const mqtt::SubscribePacket& packet, Effects& effects, Instant now);
  void on_unsubscribe(const mqtt::UnsubscribePacket& packet, Effects& effects);
  void on_pingreq(Effects& effects);
  void on_disconnect(const mqtt::DisconnectPacket& packet, Effects& effects);

  // --- Messages for the client -----------------------------------------------------------------

  DeliveryResult deliver(const mqtt::MessageRef& message, const Delivery& delivery,
                         Effects& effects, Instant now);
  // Writes down a message that is to be delivered in a moment, so that it is durable with what
  // happens now; kNone: there is nothing to be kept. The answer goes into Delivery::record, or to
  // discard().
  [[nodiscard]] RecordId keep(const mqtt::MessageRef& message, const Delivery& delivery,
                              Effects& effects, Instant now);
  // It is not delivered after all.
  void discard(const mqtt::MessageRef& message, RecordId record, Effects& effects);
  // The connection has room again: what waited is sent.
  void on_outlet_ready(Effects& effects, Instant now);
  // Something that was written down has become durable: what waited for it is sent.
  void on_committed(Effects& effects, Instant now);
  // Whether it waits for that.
  [[nodiscard]] bool awaits_disk(Effects& effects) const;

  // --- Time ------------------------------------------------------------------------------------

  // When on_deadline() wants to be called next (will delay, session expiry); nullopt: not at all.
  [[nodiscard]] std::optional<Instant> deadline() const;
  void on_deadline(Effects& effects, Instant now);
  // Drops what has expired of what waits at QoS 1 and 2. Cost: O(queue_count()).
  Swept sweep(Effects& effects, Instant now);

  // --- After a restart -------------------------------------------------------------------------
  // Once, before anything else; then its subscriptions, identifiers and messages, those in the
  // order of their records. Who was connected when the process ended is taken to have lost its
  // connection now. Routing the subscriptions is the caller's.
  void restore(RecordId id, const SessionRecord& record, const std::optional<mqtt::Will>& will,
               const SessionOwner& owner, Instant now);
  void restore_subscription(const SubscriptionRecord& record, RecordId id);
  // False, and nothing is restored, where what was written down was damaged: the identifier is in
  // use already.
  [[nodiscard]] bool restore_received(mqtt::PacketId packet_id, RecordId id);
  // `packet_id` 0: it waits; so does one whose identifier is in use already. Without a message:
  // only PUBCOMP is missing.
  [[nodiscard]] bool restore_message(Outgoing outgoing, mqtt::PacketId packet_id);
  // Whether it outlives the process; where it is written down.
  [[nodiscard]] bool kept() const { return record_ != RecordId::kNone; }
  [[nodiscard]] RecordId record() const { return record_; }

  // --- Administration --------------------------------------------------------------------------

  // Permissions have changed: filters that are no longer allowed are unsubscribed, waiting
  // messages that may no longer be received are dropped.
  void on_policy_changed(std::shared_ptr<const AccessPolicy> policy, Effects& effects);

  // Calls visit(std::string_view filter, const mqtt::SubscriptionOptions&) for each subscription.
  template <class Visit>
  void for_each_subscription(Visit&& visit) const {
    subscriptions_.for_each(visit);
  }
  [[nodiscard]] bool subscribes_to(std::string_view filter) const {
    return subscriptions_.contains(filter);
  }
  [[nodiscard]] std::size_t subscription_count() const { return subscriptions_.size(); }
  [[nodiscard]] std::size_t queue_count() const;  // waiting, of any QoS
  [[nodiscard]] std::size_t inflight_count() const { return inflight_.size(); }
  [[nodiscard]] std::size_t received_count() const { return received_.size(); }  // QoS 2, inbound

 private:
  // What the client said in CONNECT, and where its connection is.
  struct Peer {
    uint32_t packet_size_max = mqtt::kNoPacketSizeLimit;
    uint16_t window = 1;  // in flight to the client, at most
    uint16_t alias_out_max = 0;
    mqtt::ProtocolVersion version = mqtt::ProtocolVersion::k311;
    bool connected = false;
    bool closing = false;  // close() was called, on_detached() has not come yet
    bool wants_problem_information = true;
  };

  [[nodiscard]] bool is_v5() const { return peer_.version == mqtt::ProtocolVersion::k5; }
  // Whether what is sent now still reaches the client.
  [[nodiscard]] bool reachable() const { return peer_.connected && !peer_.closing && established_; }
  [[nodiscard]] uint16_t receive_maximum() const;  // from the client

  // session.cc
  void take_terms(const mqtt::ConnectPacket& connect);
  void publish_will(Effects& effects, Instant now);
  void hand_back_shared(Effects& effects, Instant now);
  void apply_policy(Effects& effects);

  // session_kept.cc
  void write_down(Instant left_at, Effects& effects);
  void forget(Effects& effects);
  void let_go(const Outgoing& outgoing, Effects& effects);
  void keep_in_flight(Inflight::Entry& entry, Effects& effects);
  [[nodiscard]] bool waits_for_disk(const Inflight::Entry& entry, Effects& effects) const;
  void take_identifier(mqtt::PacketId packet_id, Effects& effects);

  // session_inbound.cc
  void refuse(ReasonCode reason, std::string_view sentence, Effects& effects);
  void refuse(const Reject& reject, Effects& effects);
  void send_ack(mqtt::PacketType type, mqtt::PacketId id, ReasonCode reason,
                std::string_view sentence, Effects& effects);
  [[nodiscard]] Result<std::string_view> topic_of(const mqtt::PublishPacket& packet) const;
  [[nodiscard]] Status check_publish(const mqtt::PublishPacket& packet,
                                     const mqtt::NameShape& shape) const;
  [[nodiscard]] Status check_topic(std::string_view topic, const mqtt::NameShape& shape) const;
  [[nodiscard]] Status check_payload(const mqtt::PublishPacket& packet) const;
  void refuse_unstorable(const mqtt::PublishPacket& packet, std::string_view topic,
                         std::string_view sentence, Effects& effects);
  void take_alias(const mqtt::PublishPacket& packet);
  [[nodiscard]] bool within_rate(mqtt::Qos qos, Instant now);
  void admit(const mqtt::PublishPacket& packet, std::string_view topic, Effects& effects,
             Instant now);
  void acknowledge(const mqtt::PublishPacket& packet, ReasonCode reason, std::string_view sentence,
                   Effects& effects);
  void on_outbound_ack(const mqtt::AckPacket& packet, Effects& effects, Instant now);
  void on_pubrel(const mqtt::AckPacket& packet, Effects& effects);
  [[nodiscard]] Status check_subscribe(const mqtt::SubscribePacket& packet) const;
  [[nodiscard]] ReasonCode judge(const mqtt::SubscriptionRequest& request) const;

  // session_outbound.cc
  [[nodiscard]] mqtt::Qos delivery_qos(const mqtt::Message& message, mqtt::Qos granted) const;
  DeliveryResult deliver_at_most_once(const mqtt::MessageRef& message, const DeliveryTerms& terms,
                                      Effects& effects, Instant now);
  DeliveryResult deliver_reliably(const mqtt::MessageRef& message, const DeliveryTerms& terms,
                                  RecordId record, Effects& effects, Instant now);
  [[nodiscard]] bool may_take(const mqtt::Message& message, Instant now) const;
  [[nodiscard]] DeliveryTerms terms_for(const mqtt::Message& message,
                                        const Delivery& delivery) const;
  [[nodiscard]] std::optional<mqtt::PublishForm> form_for(const mqtt::Message& message,
                                                          const DeliveryTerms& terms, mqtt::Dup dup,
                                                          Instant now) const;
  void choose_alias(std::string_view topic, mqtt::PublishForm& form) const;
  DeliveryResult send_once(const mqtt::Message& message, const DeliveryTerms& terms,
                           Effects& effects, Instant now);
  void transmit(const mqtt::Message& message, const mqtt::PublishForm& form, Effects& effects);
  [[nodiscard]] DeliveryResult send_new(Outgoing&& outgoing, Effects& effects, Instant now);
  void pump(Effects& effects, Instant now);
  [[nodiscard]] bool send_one_due(Effects& effects, Instant now);
  [[nodiscard]] bool send_one_waiting(Effects& effects, Instant now);
  [[nodiscard]] bool send_one_backlogged(Effects& effects, Instant now);
  [[nodiscard]] DeliveryResult enqueue(Queue& queue, Outgoing&& outgoing, Effects& effects);
  [[nodiscard]] bool queues_overflow(std::size_t count_max) const;
  void drop_oldest(Queue& queue, Effects& effects);

  uint64_t id_;
  RecordId record_ = RecordId::kNone;
  std::string key_;
  const SessionLimits* limits_;
  SessionOwner owner_;
  Subscriptions subscriptions_;
  Inflight inflight_;
  Queue waiting_;                   // QoS 1 and 2, in order
  std::unique_ptr<Queue> backlog_;  // QoS 0 for a congested connection, in order; or nothing
  ReceivedIds received_;
  std::unique_ptr<StoredWill> will_;
  std::unique_ptr<InboundAliases> aliases_in_;
  std::unique_ptr<OutboundAliases> aliases_out_;
  RateLimit rate_qos0_;
  RateLimit rate_qos1_;
  Instant expires_at_{};  // while not connected
  uint32_t expiry_seconds_ = 0;
  Peer peer_;
  bool established_ = false;  // has been attached, and not ended since
  bool ended_ = false;
  ShardAffine affine_;
};

static_assert(sizeof(Session) <= 320, "times a million: see the budget in docs/ARCHITECTURE.md");

}  // namespace fairlead
