#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "proto/mqtt/message.h"
#include "proto/mqtt/packet.h"
#include "proto/mqtt/writer.h"

namespace fairlead {

class Keeper;
class Session;

// What a session holds of a filter: the router's entry is made from it.
struct SubscriptionGrant {
  std::string_view filter;            // whole, `$share/group/` included; valid during the call
  mqtt::SubscriptionOptions options;  // QoS: the granted one
  uint32_t identifier = 0;            // subscription identifier; 0: none
  enum class Existed : uint8_t { kNo, kYes } existed = Existed::kNo;  // for Retain Handling
};

// The shared group that gave a message to a session, as the router names it: whoever delivers says
// so, and gets it back with the message (MQTT 5.0 section 4.8.2).
struct SharedOrigin {
  uint32_t slot = 0;
  uint32_t generation = 0;
  uint16_t shard = kNone;
  static constexpr uint16_t kNone = UINT16_MAX;
  explicit operator bool() const { return shard != kNone; }
  friend bool operator==(const SharedOrigin&, const SharedOrigin&) = default;
};

// PUBACK or PUBREC for a message that is being published.
struct Answer {
  mqtt::PacketType type = mqtt::PacketType::kPuback;
  mqtt::PacketId id{};  // 0: the message gets no answer
  explicit operator bool() const { return id != mqtt::PacketId{}; }
};

// Why an event is worth a line in the device's journal.
enum class JournalKind : uint8_t {
  kPublishForbidden,  // acknowledged, dropped
  kPublishOverRate,   // acknowledged where QoS 1, dropped
  kSubscribeRefused,
  kQueueOverflow,      // the oldest message was dropped
  kDeliveryTooLarge,   // over the client's Maximum Packet Size, dropped
  kPublishUnstorable,  // refused: the disk does not take it now, or too much waits already
  kRetainedLeftOut,    // a SUBSCRIBE found too many retained messages: the filter got none
};

// Whether the connection takes more now, or has so much unsent that messages had better wait in
// the session, where they are counted and where the oldest of QoS 0 can be dropped.
enum class Outlet : uint8_t { kReady, kCongested };

enum class CloseStyle : uint8_t {
  kWithDisconnect,  // MQTT 5.0: send DISCONNECT with the reason first; 3.x: just close
  kSilently,        // the client has said DISCONNECT itself
};

// What a session asks its surroundings to do: the shard carries it out, a test records it. Called
// in order, on the shard's thread, from within a call of the session; none of these calls back
// into a session before the session's call has returned, close() included.
class Effects {
 public:
  virtual ~Effects() = default;

  // To the session's client, which is connected. In the order of the calls, after all before.
  virtual void send(Session& session, const mqtt::ConnackPacket& packet) = 0;
  virtual void send(Session& session, const mqtt::AckPacket& packet) = 0;
  virtual void send(Session& session, const mqtt::UnsubackPacket& packet) = 0;
  virtual void send(Session& session, const mqtt::PingrespPacket& packet) = 0;
  virtual void send(Session& session, const mqtt::Message& message,
                    const mqtt::PublishForm& form) = 0;
  [[nodiscard]] virtual Outlet outlet(const Session& session) const = 0;

  // Routes a message of this session (its client's PUBLISH, or its will): retained store, local
  // subscribers, other shards. When all who must receive it have it for good, the answer is sent;
  // the answers of one session leave in the order of its messages.
  virtual void publish(Session& session, mqtt::MessageRef message, const Answer& answer) = 0;

  // The answer to one SUBSCRIBE: the router takes the grants (one for each reason that is not an
  // error), and the SUBACK leaves when every shard knows of them; then the retained messages that
  // each grant asks for (Retain Handling) come through Session::deliver with retained set.
  virtual void subscribe(Session& session, std::span<const SubscriptionGrant> grants,
                         const mqtt::SubackPacket& suback) = 0;
  // The router forgets the filter.
  virtual void unsubscribe(Session& session, std::string_view filter) = 0;

  // The session ends before its client has acknowledged a message of QoS 1 that a shared group gave
  // it: another member shall have it.
  virtual void hand_back(Session& session, const SharedOrigin& origin,
                         mqtt::MessageRef message) = 0;

  // Ends the connection after what was sent. The session hears on_detached() afterwards, with the
  // DetachCause that it gave here.
  virtual void close(Session& session, CloseStyle style, ReasonCode reason,
                     std::string_view sentence) = 0;

  virtual void journal(Session& session, JournalKind kind, std::string_view topic) = 0;

  // Where the session's durable state goes; by default nowhere.
  [[nodiscard]] virtual Keeper& keeper();
};

}  // namespace fairlead
