#include "registry/records.h"

#include <algorithm>
#include <array>

#include "auth/password.h"
#include "base/random.h"
#include "base/time.h"
#include "base/utf8.h"

namespace fairlead {
namespace {

constexpr std::size_t kProductNameBytesMax = 128;
constexpr std::size_t kPermissionsMax = 100;
constexpr std::size_t kGeneratedProductKeyBytes = 11;  // as the platform's

// The first levels of the system topics: a product of that name would mix up topics.
constexpr std::array<std::string_view, 5> kReservedProductKeys = {"sys", "ext", "ota", "shadow",
                                                                  "broadcast"};

Reject reject(std::string sentence) {
  return {ReasonCode::kImplementationSpecificError, std::move(sentence)};
}

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool consists_of(std::string_view text, std::string_view also) {
  return std::all_of(text.begin(), text.end(), [also](char c) {
    return is_alphanumeric(c) || also.find(c) != std::string_view::npos;
  });
}

Status check_size(std::string_view what, std::string_view text, std::size_t bytes_max) {
  if (text.empty()) return reject(std::string(what) + " is empty");
  if (text.size() > bytes_max) {
    return reject(std::string(what) + " has " + std::to_string(text.size()) +
                  " characters, at most " + std::to_string(bytes_max) + " are allowed");
  }
  return Done{};
}

bool is_printable_ascii(char c) { return c > 0x20 && c < 0x7f; }

}  // namespace

std::string_view transport_rule_name(TransportRule rule) {
  switch (rule) {
    case TransportRule::kAny:
      return "any";
    case TransportRule::kTlsOnly:
      return "tls";
    case TransportRule::kSecureModeMatches:
      return "securemode";
  }
  unreachable();
}

Result<TransportRule> parse_transport_rule(std::string_view name) {
  for (TransportRule rule :
       {TransportRule::kAny, TransportRule::kTlsOnly, TransportRule::kSecureModeMatches}) {
    if (name == transport_rule_name(rule)) return rule;
  }
  return reject("transport rule is none of any, tls, securemode");
}

Status check_product_key(std::string_view key) {
  if (Status size = check_size("product key", key, kProductKeyBytesMax); !size) return size;
  if (!consists_of(key, "_.-")) {
    return reject("product key may hold letters, digits, '_', '.' and '-' only");
  }
  if (std::find(kReservedProductKeys.begin(), kReservedProductKeys.end(), key) !=
      kReservedProductKeys.end()) {
    return reject("product key \"" + std::string(key) + "\" is reserved for system topics");
  }
  return Done{};
}

Status check_device_name(std::string_view name) {
  if (Status size = check_size("device name", name, kDeviceNameBytesMax); !size) return size;
  if (!consists_of(name, "_.:@-")) {
    return reject("device name may hold letters, digits, '_', '.', ':', '@' and '-' only");
  }
  return Done{};
}

Status check_secret(std::string_view secret) {
  if (Status size = check_size("secret", secret, kDeviceSecretBytesMax); !size) return size;
  if (!std::all_of(secret.begin(), secret.end(), is_printable_ascii)) {
    return reject("secret may hold printable ASCII characters without blanks only");
  }
  return Done{};
}

Status check_app_name(std::string_view name) {
  if (Status size = check_size("application name", name, kAppNameBytesMax); !size) return size;
  const bool printable = std::all_of(name.begin(), name.end(), is_printable_ascii);
  if (!printable || name.find('&') != std::string_view::npos) {
    return reject("application name may hold printable ASCII without blanks and '&' only");
  }
  return Done{};
}

Status check(const Product& product) {
  if (Status key = check_product_key(product.key); !key) return key;
  if (product.name.size() > kProductNameBytesMax || !is_mqtt_text(as_bytes(product.name))) {
    return reject("product name is longer than " + std::to_string(kProductNameBytesMax) +
                  " bytes or not UTF-8");
  }
  if (Status secret = check_secret(product.secret); !secret) {
    return reject("product " + secret.error().sentence);
  }
  if (auto rules = TopicRules::make(product.topic_classes); !rules) {
    return reject(rules.error().sentence);
  }
  return Done{};
}

Status check(const Device& device) {
  if (Status key = check_product_key(device.product_key); !key) return key;
  if (Status name = check_device_name(device.name); !name) return name;
  return check_secret(device.secret);
}

Status check(const App& app) {
  if (Status name = check_app_name(app.name); !name) return name;
  if (app.password_hash.empty()) return reject("application has no password");
  if (app.permissions.size() > kPermissionsMax) {
    return reject("application has more than " + std::to_string(kPermissionsMax) + " permissions");
  }
  for (const Permission& permission : app.permissions) {
    if (auto parsed = parse_permission(format_permission(permission)); !parsed) {
      return reject(parsed.error().sentence);
    }
  }
  return Done{};
}

std::string generate_secret() { return random_text(kGeneratedSecretBytes); }

std::string generate_product_key() { return random_text(kGeneratedProductKeyBytes); }

Result<App> make_app(std::string_view name, std::string_view password,
                     std::vector<Permission> permissions) {
  if (password.empty()) return reject("password is empty");
  std::array<std::byte, kPasswordSaltBytes> salt{};
  random_bytes(salt);
  App app;
  app.name = name;
  app.password_hash = encode_password(password, salt);
  if (app.password_hash.empty()) return reject("the crypto library offers no PBKDF2");
  app.permissions = std::move(permissions);
  app.created_ms = wall_clock_now().count();
  if (Status checked = check(app); !checked) return checked.error();
  return app;
}

}  // namespace fairlead
