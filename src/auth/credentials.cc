#include "auth/credentials.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/number.h"

namespace fairlead {
namespace {

constexpr std::size_t kParametersMax = 64;

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' || c == '\f' || c == '\0';
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

bool equal_ignoring_case(std::string_view a, std::string_view lower) {
  return std::equal(a.begin(), a.end(), lower.begin(), lower.end(), [](char x, char y) {
    return (x >= 'A' && x <= 'Z' ? static_cast<char>(x + ('a' - 'A')) : x) == y;
  });
}

// Characters of UTF-8 text: every byte but the continuations.
std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

Reject malformed(std::string sentence) {
  return {ReasonCode::kClientIdentifierNotValid, std::move(sentence)};
}

// What is known of one parameter goes to its field. An empty value is no value.
Status take_parameter(const ClientIdParameter& parameter, ClientIdParts& parts) {
  auto [key, value] = parameter;
  if (value.empty()) return Done{};
  if (equal_ignoring_case(key, "securemode")) {
    parts.secure_mode = parse_number<int>(value);
    if (!parts.secure_mode) return malformed("client id: securemode is not a number");
  } else if (equal_ignoring_case(key, "signmethod")) {
    parts.sign_method = parse_sign_method(value);
    if (!parts.sign_method) {
      return malformed("client id: signmethod is none of hmacmd5, hmacsha1, hmacsha256");
    }
  } else if (equal_ignoring_case(key, "timestamp")) {
    parts.timestamp = value;
  } else if (equal_ignoring_case(key, "authtype")) {
    parts.auth_type = value;
  } else if (equal_ignoring_case(key, "random")) {
    parts.random = value;
  } else if (equal_ignoring_case(key, "instanceid")) {
    parts.instance_id = value;
  } else if (equal_ignoring_case(key, "_v") || equal_ignoring_case(key, "v")) {
    parts.version = value;
  } else if (equal_ignoring_case(key, "lan")) {
    parts.language = value;
  } else if (equal_ignoring_case(key, "ext")) {
    parts.ext_bits = parse_number<uint32_t>(value).value_or(0);
  } else if (equal_ignoring_case(key, "_ss")) {
    parts.auto_subscribe = value == "1";
  } else if (equal_ignoring_case(key, "gw")) {
    parts.gateway = value == "1";
  }
  return Done{};
}

Status take_parameters(std::string_view text, ClientIdParts& parts) {
  while (!text.empty()) {
    std::size_t comma = std::min(text.find(','), text.size());
    std::string_view piece = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    std::size_t equals = piece.find('=');
    if (equals == std::string_view::npos) continue;
    ClientIdParameter parameter{trim(piece.substr(0, equals)), trim(piece.substr(equals + 1))};
    if (parameter.key.empty()) continue;
    if (parts.parameters.size() == kParametersMax) {
      return malformed("client id: more than " + std::to_string(kParametersMax) + " parameters");
    }
    parts.parameters.push_back(parameter);
    if (Status taken = take_parameter(parameter, parts); !taken) return taken;
  }
  return Done{};
}

}  // namespace

Result<ClientIdParts> parse_client_id(std::string_view client_id) {
  ClientIdParts parts;
  std::size_t first = client_id.find('|');
  parts.base = client_id.substr(0, first);
  if (count_characters(parts.base) > kClientIdBaseCharactersMax) {
    return malformed("client id: more than " + std::to_string(kClientIdBaseCharactersMax) +
                     " characters before the first bar");
  }
  if (first == std::string_view::npos) return parts;
  std::size_t last = client_id.rfind('|');
  if (last == first) return malformed("client id: the closing bar is missing");
  for (std::string_view part :
       {client_id.substr(first + 1, last - first - 1), client_id.substr(last + 1)}) {
    if (Status taken = take_parameters(part, parts); !taken) return taken.error();
  }
  return parts;
}

Result<DeviceUserName> parse_device_user_name(std::string_view user_name) {
  std::size_t separator = user_name.rfind('&');
  if (separator == std::string_view::npos || separator == 0 || separator + 1 == user_name.size()) {
    return Reject{ReasonCode::kBadUserNameOrPassword,
                  "user name is not of the form deviceName&productKey"};
  }
  return DeviceUserName{user_name.substr(0, separator), user_name.substr(separator + 1)};
}

bool verify_sign(const ClientIdParts& client_id, const DeviceUserName& user_name,
                 std::string_view password, std::string_view device_secret) {
  std::optional<SignMethod> method = sign_method_of_hex_size(password.size());
  if (!method) return false;
  const bool has_client_id = !client_id.base.empty();
  const bool has_timestamp = client_id.timestamp.has_value();
  const SignField device{"deviceName", user_name.device_name};
  const SignField product{"productKey", user_name.product_key};
  const SignField id{"clientId", client_id.base};
  const SignField timestamp{"timestamp", client_id.timestamp.value_or("")};
  bool right = false;
  for (bool with_id : {true, false}) {
    if (with_id && !has_client_id) continue;
    for (bool with_timestamp : {true, false}) {
      if (with_timestamp && !has_timestamp) continue;
      std::array<SignField, 4> fields{device, product};
      std::size_t count = 2;
      if (with_id) fields[count++] = id;
      if (with_timestamp) fields[count++] = timestamp;
      std::string expected =
          sign(*method, device_secret, canonical_content(std::span(fields).first(count)));
      // No early way out: the count of HMACs says nothing about which variant a device uses.
      right |= constant_time_equal_hex(expected, password);
    }
  }
  return right;
}

ConnectCredentials make_connect_credentials(const DeviceCredentials& device) {
  ConnectCredentials made;
  if (device.client_id) {
    made.client_id = *device.client_id;
  } else {
    made.client_id.append(device.product_key).append(".").append(device.device_name);
  }
  made.client_id.append("|securemode=").append(std::to_string(device.secure_mode));
  made.client_id.append(",signmethod=").append(sign_method_name(device.method));
  std::vector<SignField> fields{{"deviceName", device.device_name},
                                {"productKey", device.product_key}};
  if (device.client_id && !device.client_id->empty()) {
    fields.push_back({"clientId", *device.client_id});
  }
  if (device.timestamp) {
    made.client_id.append(",timestamp=").append(*device.timestamp);
    fields.push_back({"timestamp", *device.timestamp});
  }
  for (const auto& [key, value] : device.extra) {
    made.client_id.append(",").append(key).append("=").append(value);
  }
  made.client_id.append("|");
  made.user_name.append(device.device_name).append("&").append(device.product_key);
  made.password = sign(device.method, device.device_secret, canonical_content(fields));
  return made;
}

}  // namespace fairlead
