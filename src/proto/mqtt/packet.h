#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/reason_code.h"
#include "proto/mqtt/property.h"

// One struct for each packet type, for MQTT 3.1, 3.1.1 and 5.0 alike: what a version does not have
// is empty. A packet that was read is a view: texts and bytes lie in the receive buffer and are
// valid until the reader's call returns. A packet that is written borrows from its maker.

namespace fairlead::mqtt {

enum class ProtocolVersion : uint8_t { k31 = 3, k311 = 4, k5 = 5 };

enum class PacketType : uint8_t {
  kConnect = 1,
  kConnack = 2,
  kPublish = 3,
  kPuback = 4,
  kPubrec = 5,
  kPubrel = 6,
  kPubcomp = 7,
  kSubscribe = 8,
  kSuback = 9,
  kUnsubscribe = 10,
  kUnsuback = 11,
  kPingreq = 12,
  kPingresp = 13,
  kDisconnect = 14,
  kAuth = 15,
};
[[nodiscard]] std::string_view packet_name(PacketType type);  // "PUBLISH"

enum class Qos : uint8_t { kAtMostOnce = 0, kAtLeastOnce = 1, kExactlyOnce = 2 };

// Never 0 in a packet that has one (MQTT 5.0 section 2.2.1); PacketId{} means "none".
enum class PacketId : uint16_t {};

enum class CleanStart : uint8_t { kNo, kYes };
enum class Dup : uint8_t { kNo, kYes };
enum class Retain : uint8_t { kNo, kYes };

struct Will {
  std::string_view topic;
  Bytes payload;
  Qos qos = Qos::kAtMostOnce;
  Retain retain = Retain::kNo;
  WillProperties properties;
};

struct ConnectPacket {
  ProtocolVersion version = ProtocolVersion::k311;
  CleanStart clean_start = CleanStart::kYes;
  uint16_t keep_alive_seconds = 0;
  std::string_view client_id;
  std::optional<std::string_view> user_name;
  std::optional<Bytes> password;
  std::optional<Will> will;
  ConnectProperties properties;
};

struct ConnackPacket {
  enum class SessionPresent : uint8_t { kNo, kYes };
  SessionPresent session_present = SessionPresent::kNo;
  ReasonCode reason = ReasonCode::kSuccess;  // for 3.x the writer and the reader translate
  ConnackProperties properties;
};

struct PublishPacket {
  std::string_view topic;  // empty when the topic alias stands for it
  Bytes payload;
  PacketId packet_id{};  // QoS 1 and 2 only
  Qos qos = Qos::kAtMostOnce;
  Dup dup = Dup::kNo;
  Retain retain = Retain::kNo;
  PublishProperties properties;
};

// PUBACK, PUBREC, PUBREL, PUBCOMP: `type` says which.
struct AckPacket {
  PacketType type = PacketType::kPuback;
  PacketId packet_id{};
  ReasonCode reason = ReasonCode::kSuccess;
  ReasonProperties properties;
};

enum class RetainHandling : uint8_t { kSend = 0, kSendIfNew = 1, kDoNotSend = 2 };

// Subscription options of MQTT 5.0 section 3.8.3.1; 3.x has the QoS alone.
struct SubscriptionOptions {
  Qos qos = Qos::kAtMostOnce;
  bool no_local = false;
  bool retain_as_published = false;
  RetainHandling retain_handling = RetainHandling::kSend;
  friend bool operator==(const SubscriptionOptions&, const SubscriptionOptions&) = default;
};

struct SubscriptionRequest {
  std::string_view filter;  // as sent, `$share/group/` included; well-formed UTF-8, else unchecked
  SubscriptionOptions options;
};

struct SubscribePacket {
  PacketId packet_id{};
  std::vector<SubscriptionRequest> requests;  // at least one
  SubscribeProperties properties;
};

struct SubackPacket {
  PacketId packet_id{};
  std::vector<ReasonCode> reasons;  // one for each request, in order; for 3.x errors become 0x80
  ReasonProperties properties;
};

struct UnsubscribePacket {
  PacketId packet_id{};
  std::vector<std::string_view> filters;  // at least one
  UserProperties user_properties;
};

struct UnsubackPacket {
  PacketId packet_id{};
  std::vector<ReasonCode> reasons;  // MQTT 5.0 only
  ReasonProperties properties;
};

struct PingreqPacket {};
struct PingrespPacket {};

struct DisconnectPacket {
  ReasonCode reason = ReasonCode::kSuccess;
  DisconnectProperties properties;
};

// The codes of DISCONNECT that are not the server's alone (MQTT 5.0 section 3.14.2.1).
[[nodiscard]] bool may_client_disconnect_with(ReasonCode reason);

struct AuthPacket {
  ReasonCode reason = ReasonCode::kSuccess;
  AuthProperties properties;
};

}  // namespace fairlead::mqtt
