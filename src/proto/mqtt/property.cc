#include "proto/mqtt/property.h"

#include "proto/mqtt/store.h"

namespace fairlead::mqtt {

std::string_view property_name(PropertyId id) {
  switch (id) {
    case PropertyId::kPayloadFormatIndicator:
      return "Payload Format Indicator";
    case PropertyId::kMessageExpiryInterval:
      return "Message Expiry Interval";
    case PropertyId::kContentType:
      return "Content Type";
    case PropertyId::kResponseTopic:
      return "Response Topic";
    case PropertyId::kCorrelationData:
      return "Correlation Data";
    case PropertyId::kSubscriptionIdentifier:
      return "Subscription Identifier";
    case PropertyId::kSessionExpiryInterval:
      return "Session Expiry Interval";
    case PropertyId::kAssignedClientIdentifier:
      return "Assigned Client Identifier";
    case PropertyId::kServerKeepAlive:
      return "Server Keep Alive";
    case PropertyId::kAuthenticationMethod:
      return "Authentication Method";
    case PropertyId::kAuthenticationData:
      return "Authentication Data";
    case PropertyId::kRequestProblemInformation:
      return "Request Problem Information";
    case PropertyId::kWillDelayInterval:
      return "Will Delay Interval";
    case PropertyId::kRequestResponseInformation:
      return "Request Response Information";
    case PropertyId::kResponseInformation:
      return "Response Information";
    case PropertyId::kServerReference:
      return "Server Reference";
    case PropertyId::kReasonString:
      return "Reason String";
    case PropertyId::kReceiveMaximum:
      return "Receive Maximum";
    case PropertyId::kTopicAliasMaximum:
      return "Topic Alias Maximum";
    case PropertyId::kTopicAlias:
      return "Topic Alias";
    case PropertyId::kMaximumQos:
      return "Maximum QoS";
    case PropertyId::kRetainAvailable:
      return "Retain Available";
    case PropertyId::kUserProperty:
      return "User Property";
    case PropertyId::kMaximumPacketSize:
      return "Maximum Packet Size";
    case PropertyId::kWildcardSubscriptionAvailable:
      return "Wildcard Subscription Available";
    case PropertyId::kSubscriptionIdentifierAvailable:
      return "Subscription Identifier Available";
    case PropertyId::kSharedSubscriptionAvailable:
      return "Shared Subscription Available";
  }
  return "unknown property";
}

void append_user_property(ByteBuffer& block, std::string_view name, std::string_view value) {
  detail::Store store(block.extend(5 + name.size() + value.size()));
  store.u8(static_cast<uint8_t>(PropertyId::kUserProperty));
  store.prefixed(name);
  store.prefixed(value);
}

void append_subscription_identifier(ByteBuffer& block, uint32_t identifier) {
  FL_ASSERT(identifier >= 1 && identifier <= kVarintMax);
  detail::Store store(block.extend(1 + varint_size(identifier)));
  store.u8(static_cast<uint8_t>(PropertyId::kSubscriptionIdentifier));
  store.varint(identifier);
}

}  // namespace fairlead::mqtt
