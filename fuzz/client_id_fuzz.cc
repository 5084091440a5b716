// The grammar of a device's CONNECT fields: input is client id, user name and password, separated
// by zero bytes. Whatever comes, the parser's views stay inside their text, nothing verifies under
// a secret that nobody signed with, and what we build ourselves always does.

#include <cstdint>
#include <string>
#include <string_view>

#include "auth/credentials.h"
#include "base/assert.h"

namespace {

using namespace fairlead;

void check_inside(std::string_view part, std::string_view whole) {
  if (part.empty()) return;
  FL_ASSERT(part.data() >= whole.data());
  FL_ASSERT(part.data() + part.size() <= whole.data() + whole.size());
}

std::string_view take_field(std::string_view& rest) {
  std::string_view field = rest.substr(0, rest.find('\0'));
  rest.remove_prefix(std::min(field.size() + 1, rest.size()));
  return field;
}

void check_round_trip(const ClientIdParts& parts, const DeviceUserName& user) {
  // Only names without separators can be built; the registry holds no others.
  for (std::string_view text : {parts.base, user.device_name, user.product_key}) {
    if (text.find_first_of("|,&") != std::string_view::npos) return;
  }
  auto made = make_connect_credentials({.product_key = user.product_key,
                                        .device_name = user.device_name,
                                        .device_secret = "secret",
                                        .client_id = parts.base,
                                        .timestamp = "789"});
  auto again = parse_client_id(made.client_id);
  FL_ASSERT(again.ok());
  FL_ASSERT(again->base == parts.base);
  FL_ASSERT(verify_sign(*again, user, made.password, "secret"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const std::string_view client_id = take_field(rest);
  const std::string_view user_name = take_field(rest);
  const std::string_view password = rest;

  auto parts = parse_client_id(client_id);
  auto user = parse_device_user_name(user_name);
  if (user) {
    check_inside(user->device_name, user_name);
    check_inside(user->product_key, user_name);
    FL_ASSERT(user->product_key.find('&') == std::string_view::npos);
  }
  if (!parts) {
    FL_ASSERT(parts.error().code == ReasonCode::kClientIdentifierNotValid);
    return 0;
  }
  FL_ASSERT(parts->base == client_id.substr(0, client_id.find('|')));
  check_inside(parts->timestamp.value_or(""), client_id);
  check_inside(parts->auth_type, client_id);
  for (const ClientIdParameter& parameter : parts->parameters) {
    FL_ASSERT(!parameter.key.empty());
    check_inside(parameter.key, client_id);
    check_inside(parameter.value, client_id);
  }
  if (user) {
    FL_ASSERT(!verify_sign(*parts, *user, password, "a secret that no input is signed with"));
    check_round_trip(*parts, *user);
  }
  return 0;
}
