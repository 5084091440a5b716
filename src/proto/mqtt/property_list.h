#pragma once

#include <concepts>
#include <type_traits>

#include "proto/mqtt/property.h"

// Which properties each packet type may carry (MQTT 5.0 section 2.2.2.2), said once for reader and
// writer: visit_properties(properties, visit) calls visit(PropertyId, field) for every field,
// present or not, in the order in which they are written. Internal to this folder.

namespace fairlead::mqtt::detail {

template <class P, class Properties>
concept Of = std::same_as<std::remove_const_t<P>, Properties>;

template <Of<ConnectProperties> P, class Visit>
void visit_properties(P& p, Visit&& visit) {
  visit(PropertyId::kSessionExpiryInterval, p.session_expiry_seconds);
  visit(PropertyId::kReceiveMaximum, p.receive_maximum);
  visit(PropertyId::kMaximumPacketSize, p.maximum_packet_size);
  visit(PropertyId::kTopicAliasMaximum, p.topic_alias_maximum);
  visit(PropertyId::kRequestResponseInformation, p.request_response_information);
  visit(PropertyId::kRequestProblemInformation, p.request_problem_information);
  visit(PropertyId::kAuthenticationMethod, p.authentication_method);
  visit(PropertyId::kAuthenticationData, p.authentication_data);
  visit(PropertyId::kUserProperty, p.user_properties);
}

template <Of<WillProperties> P, class Visit>
void visit_properties(P& p, Visit&& visit) {
  visit(PropertyId::kWillDelayInterval, p.will_delay_seconds);
  visit(PropertyId::kPayloadFormatIndicator, p.payload_format);
  visit(PropertyId::kMessageExpiryInterval, p.message_expiry_seconds);
  visit(PropertyId::kContentType, p.content_type);
  visit(PropertyId::kResponseTopic, p.response_topic);
  visit(PropertyId::kCorrelationData, p.correlation_data);
  visit(PropertyId::kUserProperty, p.user_properties);
}

template <Of<ConnackProperties> P, class Visit>
void visit_properties(P& p, Visit&& visit) {
  visit(PropertyId::kSessionExpiryInterval, p.session_expiry_seconds);
  visit(PropertyId::kReceiveMaximum, p.receive_maximum);
  visit(PropertyId::kMaximumQos, p.maximum_qos);
  visit(PropertyId::kRetainAvailable, p.retain_available);
  visit(PropertyId::kMaximumPacketSize, p.maximum_packet_size);
  visit(PropertyId::kAssignedClientIdentifier, p.assigned_client_id);
  visit(PropertyId::kTopicAliasMaximum, p.topic_alias_maximum);
  visit(PropertyId::kReasonString, p.reason_string);
  visit(PropertyId::kWildcardSubscriptionAvailable, p.wildcard_subscription_available);
  visit(PropertyId::kSubscriptionIdentifierAvailable, p.subscription_identifier_available);
  visit(PropertyId::kSharedSubscriptionAvailable, p.shared_subscription_available);
  visit(PropertyId::kServerKeepAlive, p.server_keep_alive_seconds);
  visit(PropertyId::kResponseInformation, p.response_information);
  visit(PropertyId::kServerReference, p.server_reference);
  visit(PropertyId::kAuthenticationMethod, p.authentication_method);
  visit(PropertyId::kAuthenticationData, p.authentication_data);
  visit(PropertyId::kUserProperty, p.user_properties);
}

// What a PUBLISH carries on to its receivers unaltered (MQTT 5.0 section 3.3.2.3).
template <Of<PublishProperties> P, class Visit>
void visit_passed_through(P& p, Visit&& visit) {
  visit(PropertyId::kPayloadFormatIndicator, p.payload_format);
  visit(PropertyId::kResponseTopic, p.response_topic);
  visit(PropertyId::kCorrelationData, p.correlation_data);
  visit(PropertyId::kContentType, p.content_type);
  visit(PropertyId::kUserProperty, p.user_properties);
}

template <Of<PublishProperties> P, class Visit>
void visit_properties(P& p, Visit&& visit) {
  visit(PropertyId::kMessageExpiryInterval, p.message_expiry_seconds);
  visit(PropertyId::kTopicAlias, p.topic_alias);
  visit(PropertyId::kSubscriptionIdentifier, p.subscription_identifiers);
  visit_passed_through(p, visit);
}

template <Of<ReasonProperties> P, class Visit>
void visit_properties(P& p, Visit&& visit) {
  visit(PropertyId::kReasonString, p.reason_string);
  visit(PropertyId::kUserProperty, p.user_properties);
}

template <Of<SubscribeProperties> P, class Visit>
void visit_properties(P& p, Visit&& visit) {
  visit(PropertyId::kSubscriptionIdentifier, p.subscription_identifier);
  visit(PropertyId::kUserProperty, p.user_properties);
}

// UNSUBSCRIBE has no others.
template <Of<UserProperties> P, class Visit>
void visit_properties(P& p, Visit&& visit) {
  visit(PropertyId::kUserProperty, p);
}

template <Of<DisconnectProperties> P, class Visit>
void visit_properties(P& p, Visit&& visit) {
  visit(PropertyId::kSessionExpiryInterval, p.session_expiry_seconds);
  visit(PropertyId::kReasonString, p.reason_string);
  visit(PropertyId::kServerReference, p.server_reference);
  visit(PropertyId::kUserProperty, p.user_properties);
}

template <Of<AuthProperties> P, class Visit>
void visit_properties(P& p, Visit&& visit) {
  visit(PropertyId::kAuthenticationMethod, p.authentication_method);
  visit(PropertyId::kAuthenticationData, p.authentication_data);
  visit(PropertyId::kReasonString, p.reason_string);
  visit(PropertyId::kUserProperty, p.user_properties);
}

}  // namespace fairlead::mqtt::detail
