#pragma once

// The bodies of property.h's templates, and what they share with reader and writer: how each
// property is encoded (MQTT 5.0 section 2.2.2.2). Included by property.h only.

#include <array>
#include <type_traits>

#include "proto/mqtt/property.h"
#include "proto/mqtt/varint.h"

namespace fairlead::mqtt {

enum class PropertyKind : uint8_t { kUnknown, kByte, kU16, kU32, kVarint, kText, kBinary, kPair };

namespace detail {

constexpr std::array<PropertyKind, 0x2B> property_kinds() {
  using enum PropertyKind;
  std::array<PropertyKind, 0x2B> kinds{};  // kUnknown
  auto set = [&kinds](PropertyId id, PropertyKind kind) { kinds[static_cast<uint8_t>(id)] = kind; };
  set(PropertyId::kPayloadFormatIndicator, kByte);
  set(PropertyId::kMessageExpiryInterval, kU32);
  set(PropertyId::kContentType, kText);
  set(PropertyId::kResponseTopic, kText);
  set(PropertyId::kCorrelationData, kBinary);
  set(PropertyId::kSubscriptionIdentifier, kVarint);
  set(PropertyId::kSessionExpiryInterval, kU32);
  set(PropertyId::kAssignedClientIdentifier, kText);
  set(PropertyId::kServerKeepAlive, kU16);
  set(PropertyId::kAuthenticationMethod, kText);
  set(PropertyId::kAuthenticationData, kBinary);
  set(PropertyId::kRequestProblemInformation, kByte);
  set(PropertyId::kWillDelayInterval, kU32);
  set(PropertyId::kRequestResponseInformation, kByte);
  set(PropertyId::kResponseInformation, kText);
  set(PropertyId::kServerReference, kText);
  set(PropertyId::kReasonString, kText);
  set(PropertyId::kReceiveMaximum, kU16);
  set(PropertyId::kTopicAliasMaximum, kU16);
  set(PropertyId::kTopicAlias, kU16);
  set(PropertyId::kMaximumQos, kByte);
  set(PropertyId::kRetainAvailable, kByte);
  set(PropertyId::kUserProperty, kPair);
  set(PropertyId::kMaximumPacketSize, kU32);
  set(PropertyId::kWildcardSubscriptionAvailable, kByte);
  set(PropertyId::kSubscriptionIdentifierAvailable, kByte);
  set(PropertyId::kSharedSubscriptionAvailable, kByte);
  return kinds;
}
inline constexpr auto kPropertyKinds = property_kinds();

// Size of the string, or binary data, with its length at the front of `rest`; 0 when cut short.
inline std::size_t prefixed_size(Bytes rest) {
  if (rest.size() < 2) return 0;
  const std::size_t size = 2u + load_be<uint16_t>(rest.data());
  return size <= rest.size() ? size : 0;
}

}  // namespace detail

[[nodiscard]] constexpr PropertyKind property_kind(uint8_t id) {
  return id < detail::kPropertyKinds.size() ? detail::kPropertyKinds[id] : PropertyKind::kUnknown;
}

// Size of the property at the front of `rest` (not empty), its identifier (a Variable Byte Integer
// that for all known ones is a single byte) included; 0 when it is unknown or cut short.
[[nodiscard]] inline std::size_t property_size(Bytes rest) {
  const Bytes value = rest.subspan(1);
  std::size_t size = 0;
  switch (property_kind(std::to_integer<uint8_t>(rest[0]))) {
    case PropertyKind::kUnknown:
      return 0;
    case PropertyKind::kByte:
      size = 1;
      break;
    case PropertyKind::kU16:
      size = 2;
      break;
    case PropertyKind::kU32:
      size = 4;
      break;
    case PropertyKind::kVarint:
      size = read_varint(value).size;
      break;
    case PropertyKind::kText:
    case PropertyKind::kBinary:
      size = detail::prefixed_size(value);
      break;
    case PropertyKind::kPair: {
      const std::size_t name = detail::prefixed_size(value);
      const std::size_t text = name == 0 ? 0 : detail::prefixed_size(value.subspan(name));
      size = text == 0 ? 0 : name + text;
      break;
    }
  }
  return size == 0 || size > value.size() ? 0 : 1 + size;
}

template <class Visit>
void PropertyBlock::for_each(Visit&& visit) const {
  for (Bytes rest = bytes_; !rest.empty();) {
    const std::size_t size = property_size(rest);
    FL_ASSERT(size != 0);  // the block was checked
    visit(static_cast<PropertyId>(rest[0]), rest.first(size));
    rest = rest.subspan(size);
  }
}

template <class Visit>
void UserProperties::for_each(Visit&& visit) const {
  block_.for_each([&visit](PropertyId id, Bytes encoded) {
    if (id != PropertyId::kUserProperty) return;
    const std::size_t name_size = detail::prefixed_size(encoded.subspan(1));
    visit(as_text(encoded.subspan(3, name_size - 2)), as_text(encoded.subspan(3 + name_size)));
  });
}

template <class Visit>
void SubscriptionIdentifiers::for_each(Visit&& visit) const {
  block_.for_each([&visit](PropertyId id, Bytes encoded) {
    if (id == PropertyId::kSubscriptionIdentifier) visit(read_varint(encoded.subspan(1)).value);
  });
}

}  // namespace fairlead::mqtt
