#include "connect_fields.h"

#include "auth/credentials.h"
#include "base/utf8.h"
#include "proto/mqtt/topic.h"

namespace fairlead::sdk {
namespace {

constexpr std::size_t kTextBytesMax = 65'535;

Reject wrong(std::string sentence) {
  return Reject{ReasonCode::kImplementationSpecificError, std::move(sentence)};
}

Status check_text(std::string_view name, std::string_view text) {
  if (text.size() > kTextBytesMax || !is_mqtt_text(as_bytes(text))) {
    return wrong(std::string(name) + " is longer than 65,535 bytes or is not UTF-8 text");
  }
  return Done{};
}

Status check_will(const Will& will) {
  if (auto text = check_text("the will's topic", will.topic); !text) return text;
  if (auto name = mqtt::check_topic_name(will.topic); !name) {
    return wrong("the will's topic: " + name.error().sentence);
  }
  if (will.payload.size() > kTextBytesMax) return wrong("the will's payload is over 65,535 bytes");
  return Done{};
}

Result<ConnectFields> device_fields(const Device& device, const Url& url) {
  if (device.product_key.empty() || device.device_name.empty() || device.device_secret.empty()) {
    return wrong("a device needs its product key, its name and its secret");
  }
  DeviceCredentials credentials;
  credentials.product_key = device.product_key;
  credentials.device_name = device.device_name;
  credentials.device_secret = device.device_secret;
  if (!device.client_id.empty()) credentials.client_id = device.client_id;
  if (!device.timestamp.empty()) credentials.timestamp = device.timestamp;
  credentials.method = static_cast<fairlead::SignMethod>(device.method);
  credentials.secure_mode = url.tls() ? 2 : 3;
  for (const auto& [key, value] : device.parameters) credentials.extra.emplace_back(key, value);
  ConnectCredentials made = make_connect_credentials(credentials);
  if (made.password.empty()) return wrong("this machine's OpenSSL refuses the sign method");
  return ConnectFields{std::move(made.client_id), std::move(made.user_name),
                       std::move(made.password)};
}

}  // namespace

Result<ConnectFields> connect_fields(const Options& options, const Url& url) {
  const bool named = options.user_name || options.password || !options.client_id.empty();
  if (options.device && named) {
    return wrong("a device signs for itself: client_id, user_name and password stay empty");
  }
  if (options.keep_alive.count() < 0 || options.keep_alive.count() > 65'535) {
    return wrong("keep_alive is not within 0 and 65,535 seconds");
  }
  if (options.limits.inflight_count_max == 0 || options.limits.packet_bytes_max == 0) {
    return wrong("inflight_count_max and packet_bytes_max are at least 1");
  }
  if (options.will) {
    if (auto will = check_will(*options.will); !will) return will.error();
  }
  auto fields = options.device
                    ? device_fields(*options.device, url)
                    : ConnectFields{options.client_id, options.user_name, options.password};
  if (!fields) return fields;
  if (auto id = check_text("client_id", fields->client_id); !id) return id.error();
  if (fields->user_name) {
    if (auto name = check_text("user_name", *fields->user_name); !name) return name.error();
  }
  if (fields->password && fields->password->size() > kTextBytesMax) {
    return wrong("password is longer than 65,535 bytes");
  }
  const bool is_5 = options.version == Version::k5;
  if (fields->password && !fields->user_name && !is_5) {
    return wrong("a password without a user name needs MQTT 5.0");
  }
  const bool needs_id =
      options.version == Version::k31 || (!is_5 && options.session == SessionMode::kPersistent);
  if (fields->client_id.empty() && needs_id) {
    return wrong("client_id is empty: a persistent session, and MQTT 3.1, need one");
  }
  return fields;
}

}  // namespace fairlead::sdk
