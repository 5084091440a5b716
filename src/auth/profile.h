#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

// The two ways to speak MQTT with a client, as data (DESIGN section 6 and 11; reference:
// aliyun-device-protocol section 2.7, 2.8, 5.4 and 6). A product names its profile; applications
// and anonymous clients have the standard one.

namespace fairlead {

enum class ProfileKind : uint8_t { kCompatible, kStandard };

// A keep alive outside of [keep_alive_min, keep_alive_max]: MQTT 3.x is refused with
// kServerUnavailable (return code 3) or taken as it is; MQTT 5.0 always gets Server Keep Alive.
enum class KeepAlivePolicy : uint8_t { kRefuse, kAccept };
// What a client of MQTT 3.x gets that asks for what the platform does not have. Clients of 5.0
// are told in CONNACK and get the reason code of the specification.
enum class Qos2Policy : uint8_t { kSupport, kRefuse };           // kRefuse: close on PUBLISH QoS 2
enum class RetainPolicy : uint8_t { kSupport, kIgnoreInV3 };     // 5.0: always supported
enum class WillPolicy : uint8_t { kSupport, kIgnoreInV3 };       // 5.0: always supported
enum class DeliveryQos : uint8_t { kMinimum, kPublishersInV3 };  // min(publisher, subscription)
enum class SubackCode : uint8_t { kGrantedQos, kAlwaysOneInV3 };
enum class OverRate : uint8_t { kDeliver, kDrop };  // kDrop: acknowledged, journaled

struct ProtocolProfile {
  ProfileKind kind;
  std::chrono::seconds keep_alive_min;  // 0: none needed, and 0 (off) is accepted
  std::chrono::seconds keep_alive_max;
  KeepAlivePolicy keep_alive_policy;

  uint8_t qos_max;  // Maximum QoS of a 5.0 CONNACK; a SUBSCRIBE above it is granted this
  Qos2Policy qos2;
  RetainPolicy retain;
  WillPolicy will;
  DeliveryQos delivery_qos;
  SubackCode suback_code;
  bool subscription_identifiers_available;  // 5.0
  bool shared_available;                    // $share; 5.0, and 3.x in the standard profile

  uint32_t topic_bytes_max;  // of a topic name or filter; see within_topic_limits()
  uint16_t topic_slashes_max;
  uint32_t system_topic_bytes_max;         // of /sys, /ext, /ota, /shadow, /broadcast
  uint32_t subscriptions_per_session_max;  // automatic ones (_ss) do not count
  uint32_t filters_per_subscribe_max;
  uint32_t packet_bytes_max;     // at most; the server's own limit may be less
  uint16_t receive_maximum;      // in flight, each way, at most; session.inflight_count may be less
  uint16_t topic_alias_maximum;  // 5.0, client to server

  OverRate over_rate;
};

inline constexpr ProtocolProfile kCompatibleProfile{
    .kind = ProfileKind::kCompatible,
    .keep_alive_min = std::chrono::seconds(30),
    .keep_alive_max = std::chrono::seconds(1200),
    .keep_alive_policy = KeepAlivePolicy::kRefuse,
    .qos_max = 1,
    .qos2 = Qos2Policy::kRefuse,
    .retain = RetainPolicy::kIgnoreInV3,
    .will = WillPolicy::kIgnoreInV3,
    .delivery_qos = DeliveryQos::kPublishersInV3,
    .suback_code = SubackCode::kAlwaysOneInV3,
    .subscription_identifiers_available = false,
    .shared_available = true,
    .topic_bytes_max = 128,
    .topic_slashes_max = 7,
    .system_topic_bytes_max = 256,
    .subscriptions_per_session_max = 100,
    .filters_per_subscribe_max = 8,
    .packet_bytes_max = 256 * 1024,
    .receive_maximum = 100,
    .topic_alias_maximum = 20,
    .over_rate = OverRate::kDrop,
};

inline constexpr ProtocolProfile kStandardProfile{
    .kind = ProfileKind::kStandard,
    .keep_alive_min = std::chrono::seconds(0),
    .keep_alive_max = std::chrono::seconds(64'800),
    .keep_alive_policy = KeepAlivePolicy::kAccept,
    .qos_max = 2,
    .qos2 = Qos2Policy::kSupport,
    .retain = RetainPolicy::kSupport,
    .will = WillPolicy::kSupport,
    .delivery_qos = DeliveryQos::kMinimum,
    .suback_code = SubackCode::kGrantedQos,
    .subscription_identifiers_available = true,
    .shared_available = true,
    .topic_bytes_max = 65'535,
    .topic_slashes_max = 127,
    .system_topic_bytes_max = 65'535,
    .subscriptions_per_session_max = 10'000,
    .filters_per_subscribe_max = 1'000,
    .packet_bytes_max = 16 * 1024 * 1024,
    .receive_maximum = 65'535,
    .topic_alias_maximum = 100,
    .over_rate = OverRate::kDeliver,
};

[[nodiscard]] constexpr const ProtocolProfile& profile_of(ProfileKind kind) {
  return kind == ProfileKind::kCompatible ? kCompatibleProfile : kStandardProfile;
}

// Whether a topic name or filter is short and shallow enough. The platform's 7 slashes and 128
// bytes are about custom topics: its own go further (/sys/pk/dn/thing/file/upload/mqtt/init has 8
// slashes, /ext/rrpc/ID + topic more), so that system topics have a limit in bytes only.
[[nodiscard]] bool within_topic_limits(const ProtocolProfile& profile, std::string_view topic);
// For whoever has counted them.
[[nodiscard]] bool within_topic_limits(const ProtocolProfile& profile, std::string_view topic,
                                       std::size_t slashes);

// "compatible", "standard".
[[nodiscard]] constexpr std::string_view profile_name(ProfileKind kind) {
  return kind == ProfileKind::kCompatible ? "compatible" : "standard";
}
[[nodiscard]] constexpr std::optional<ProfileKind> parse_profile(std::string_view name) {
  if (name == "compatible") return ProfileKind::kCompatible;
  if (name == "standard") return ProfileKind::kStandard;
  return std::nullopt;
}

}  // namespace fairlead
