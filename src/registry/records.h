#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "auth/policy.h"
#include "auth/profile.h"
#include "base/result.h"

// What the registry holds, and the rules for its names. Plain values, any thread.
//
// All Rejects of the registry carry kImplementationSpecificError: they are for people at a command
// line, and their sentence is complete ("product key is empty").

namespace fairlead {

// Which transport a device of the product may connect over.
enum class TransportRule : uint8_t {
  kAny,                // securemode is reported, not enforced
  kTlsOnly,            // TLS or wss
  kSecureModeMatches,  // securemode 2 over TLS, 3 without: nothing else
};
// "any", "tls", "securemode".
[[nodiscard]] std::string_view transport_rule_name(TransportRule rule);
[[nodiscard]] Result<TransportRule> parse_transport_rule(std::string_view name);

struct Product {
  std::string key = {};
  std::string name = {};  // free text
  ProfileKind profile = ProfileKind::kCompatible;
  std::string secret = {};                     // for dynamic registration
  std::vector<TopicClass> topic_classes = {};  // empty: default_topic_classes()
  TransportRule transport = TransportRule::kAny;
  int64_t created_ms = 0;  // wall clock, milliseconds
  friend bool operator==(const Product&, const Product&) = default;
};

struct Device {
  std::string product_key = {};
  std::string name = {};
  std::string secret = {};
  bool enabled = true;
  int64_t created_ms = 0;
  friend bool operator==(const Device&, const Device&) = default;
};

// Credentials of a back end or a dashboard.
struct App {
  std::string name = {};           // is the MQTT user name
  std::string password_hash = {};  // encode_password()
  std::vector<Permission> permissions = {};
  bool enabled = true;
  int64_t created_ms = 0;
  friend bool operator==(const App&, const App&) = default;
};

inline constexpr std::size_t kProductKeyBytesMax = 30;
inline constexpr std::size_t kDeviceNameBytesMax = 64;
inline constexpr std::size_t kDeviceSecretBytesMax = 64;
inline constexpr std::size_t kAppNameBytesMax = 64;
inline constexpr std::size_t kGeneratedSecretBytes = 32;

// Product key: 1 to 30 of [A-Za-z0-9_.-]. Device name: 1 to 64 of [A-Za-z0-9_.:@-]. Secret: 1 to
// 64 printable ASCII characters. Application name: 1 to 64 printable, no '&' and no blank.
[[nodiscard]] Status check_product_key(std::string_view key);
[[nodiscard]] Status check_device_name(std::string_view name);
[[nodiscard]] Status check_secret(std::string_view secret);
[[nodiscard]] Status check_app_name(std::string_view name);

// The whole record, topic classes and permissions included.
[[nodiscard]] Status check(const Product& product);
[[nodiscard]] Status check(const Device& device);
[[nodiscard]] Status check(const App& app);

// From the kernel's random source: 32 characters of [0-9A-Za-z], and 11 for a product key, as the
// platform makes them.
[[nodiscard]] std::string generate_secret();
[[nodiscard]] std::string generate_product_key();

// A new application: hashes the password with a random salt. Cost: milliseconds.
[[nodiscard]] Result<App> make_app(std::string_view name, std::string_view password,
                                   std::vector<Permission> permissions);

}  // namespace fairlead
