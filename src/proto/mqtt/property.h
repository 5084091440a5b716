#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "base/bytes.h"

// Properties of MQTT 5.0 section 2.2.2. Each packet type has a struct with the properties that it
// may carry; absent ones are nullopt, and in 3.x all are. The reader refuses a property that the
// packet may not have, one that occurs twice, and a value out of its range.

namespace fairlead::mqtt {

enum class PropertyId : uint8_t {
  kPayloadFormatIndicator = 0x01,
  kMessageExpiryInterval = 0x02,
  kContentType = 0x03,
  kResponseTopic = 0x08,
  kCorrelationData = 0x09,
  kSubscriptionIdentifier = 0x0B,
  kSessionExpiryInterval = 0x11,
  kAssignedClientIdentifier = 0x12,
  kServerKeepAlive = 0x13,
  kAuthenticationMethod = 0x15,
  kAuthenticationData = 0x16,
  kRequestProblemInformation = 0x17,
  kWillDelayInterval = 0x18,
  kRequestResponseInformation = 0x19,
  kResponseInformation = 0x1A,
  kServerReference = 0x1C,
  kReasonString = 0x1F,
  kReceiveMaximum = 0x21,
  kTopicAliasMaximum = 0x22,
  kTopicAlias = 0x23,
  kMaximumQos = 0x24,
  kRetainAvailable = 0x25,
  kUserProperty = 0x26,
  kMaximumPacketSize = 0x27,
  kWildcardSubscriptionAvailable = 0x28,
  kSubscriptionIdentifierAvailable = 0x29,
  kSharedSubscriptionAvailable = 0x2A,
};

// The specification's name of the property, for sentences: "Topic Alias". NUL-terminated.
[[nodiscard]] std::string_view property_name(PropertyId id);

// A checked block of encoded properties (without its length); walks some kinds of it in order.
// A default one is empty. Owns nothing.
class PropertyBlock {
 public:
  PropertyBlock() = default;
  explicit PropertyBlock(Bytes checked) : bytes_(checked) {}

  [[nodiscard]] Bytes bytes() const { return bytes_; }

  // Calls visit(PropertyId, Bytes encoded_with_identifier) for each property, in order.
  template <class Visit>
  void for_each(Visit&& visit) const;

 private:
  Bytes bytes_;
};

// The user properties among a block's properties, in order; duplicates are allowed.
class UserProperties {
 public:
  UserProperties() = default;
  explicit UserProperties(PropertyBlock block) : block_(block) {}

  // Calls visit(std::string_view name, std::string_view value) for each.
  template <class Visit>
  void for_each(Visit&& visit) const;
  [[nodiscard]] const PropertyBlock& block() const { return block_; }

 private:
  PropertyBlock block_;
};

// The subscription identifiers among a PUBLISH's properties (a client receives several when its
// subscriptions overlap; MQTT 5.0 section 3.3.2.3.8).
class SubscriptionIdentifiers {
 public:
  SubscriptionIdentifiers() = default;
  explicit SubscriptionIdentifiers(PropertyBlock block) : block_(block) {}

  // Calls visit(uint32_t identifier) for each.
  template <class Visit>
  void for_each(Visit&& visit) const;
  [[nodiscard]] const PropertyBlock& block() const { return block_; }

 private:
  PropertyBlock block_;
};

struct ConnectProperties {
  std::optional<uint32_t> session_expiry_seconds;
  std::optional<uint16_t> receive_maximum;
  std::optional<uint32_t> maximum_packet_size;
  std::optional<uint16_t> topic_alias_maximum;
  std::optional<bool> request_response_information;
  std::optional<bool> request_problem_information;
  std::optional<std::string_view> authentication_method;
  std::optional<Bytes> authentication_data;
  UserProperties user_properties;
};

struct WillProperties {
  std::optional<uint32_t> will_delay_seconds;
  std::optional<uint8_t> payload_format;
  std::optional<uint32_t> message_expiry_seconds;
  std::optional<std::string_view> content_type;
  std::optional<std::string_view> response_topic;
  std::optional<Bytes> correlation_data;
  UserProperties user_properties;
};

struct ConnackProperties {
  std::optional<uint32_t> session_expiry_seconds;
  std::optional<uint16_t> receive_maximum;
  std::optional<uint8_t> maximum_qos;
  std::optional<bool> retain_available;
  std::optional<uint32_t> maximum_packet_size;
  std::optional<std::string_view> assigned_client_id;
  std::optional<uint16_t> topic_alias_maximum;
  std::optional<std::string_view> reason_string;
  std::optional<bool> wildcard_subscription_available;
  std::optional<bool> subscription_identifier_available;
  std::optional<bool> shared_subscription_available;
  std::optional<uint16_t> server_keep_alive_seconds;
  std::optional<std::string_view> response_information;
  std::optional<std::string_view> server_reference;
  std::optional<std::string_view> authentication_method;
  std::optional<Bytes> authentication_data;
  UserProperties user_properties;
};

struct PublishProperties {
  std::optional<uint8_t> payload_format;
  std::optional<uint32_t> message_expiry_seconds;
  std::optional<uint16_t> topic_alias;
  std::optional<std::string_view> response_topic;
  std::optional<Bytes> correlation_data;
  std::optional<std::string_view> content_type;
  SubscriptionIdentifiers subscription_identifiers;
  UserProperties user_properties;
};

// PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK.
struct ReasonProperties {
  std::optional<std::string_view> reason_string;
  UserProperties user_properties;
};

struct SubscribeProperties {
  std::optional<uint32_t> subscription_identifier;  // 1 to 268,435,455
  UserProperties user_properties;
};

struct DisconnectProperties {
  std::optional<uint32_t> session_expiry_seconds;
  std::optional<std::string_view> reason_string;
  std::optional<std::string_view> server_reference;
  UserProperties user_properties;
};

struct AuthProperties {
  std::optional<std::string_view> authentication_method;
  std::optional<Bytes> authentication_data;
  std::optional<std::string_view> reason_string;
  UserProperties user_properties;
};

// Append to a block what UserProperties and SubscriptionIdentifiers walk, for those who write a
// packet. Neither text is over 65,535 bytes; the identifier is 1 to 268,435,455.
void append_user_property(ByteBuffer& block, std::string_view name, std::string_view value);
void append_subscription_identifier(ByteBuffer& block, uint32_t identifier);

}  // namespace fairlead::mqtt

#include "proto/mqtt/property_walk.h"  // the templates' bodies
