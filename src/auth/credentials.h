#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/sign.h"
#include "base/result.h"

// The grammar of the CONNECT fields of a device, both ways (reference: aliyun-device-protocol
// section 2.1 to 2.5, real-clients rows 2 to 4).
//
//   client id  ${clientId}|key=value,key=value,...|
//   user name  ${deviceName}&${productKey}
//   password   hex(HMAC(deviceSecret, content))

namespace fairlead {

inline constexpr std::size_t kClientIdBaseCharactersMax = 64;

struct ClientIdParameter {
  std::string_view key;  // as sent
  std::string_view value;
};

// A client id taken apart. Every view points into the text that was parsed.
struct ClientIdParts {
  std::string_view base;  // before the first bar; may be empty; the only part that is signed
  std::optional<int> secure_mode;
  std::optional<SignMethod> sign_method;
  std::optional<std::string_view> timestamp;  // opaque: never a freshness check
  std::string_view auth_type;                 // authType as sent: "register", "custom-ilop", ...
  std::string_view random;
  std::string_view instance_id;
  std::string_view version;                   // _v, or v
  std::string_view language;                  // lan
  uint32_t ext_bits = 0;                      // ext: bit 0 = RRPC over /ext/rrpc, bit 1 = notify
  bool auto_subscribe = false;                // _ss=1
  bool gateway = false;                       // gw=1
  std::vector<ClientIdParameter> parameters;  // all with a key, in order, known or not
};

// Parameters run from the first bar to the last and from the last bar to the end (`...|,ext=1`);
// they are split at commas and trimmed of blanks and line ends; unknown and empty ones are
// ignored; keys are case-insensitive; of two with one key the later counts. A text without a bar
// is all base. Rejects with kClientIdentifierNotValid: a base of more than 64 characters, one bar
// only (the text was cut short), a signmethod that is not known, a securemode that is no number,
// more than 64 parameters.
[[nodiscard]] Result<ClientIdParts> parse_client_id(std::string_view client_id);

struct DeviceUserName {
  std::string_view device_name;
  std::string_view product_key;
};

// Split at the last '&': a product key never holds one. Rejects with kBadUserNameOrPassword when
// there is none or a side is empty.
[[nodiscard]] Result<DeviceUserName> parse_device_user_name(std::string_view user_name);

// Whether `password` is a signature of this CONNECT under `device_secret`. Tries the submitted
// fields in the order: all, without timestamp, without client id, neither; what was not submitted
// makes no variant. The password's length decides the method: it is the announced one, or the
// client mislabels it or announced none (section 2.3). At most 4 HMACs, and their number does not
// depend on the secret: for an unknown device call it with a dummy secret.
[[nodiscard]] bool verify_sign(const ClientIdParts& client_id, const DeviceUserName& user_name,
                               std::string_view password, std::string_view device_secret);

// The building side, for `fairlead sign` and the SDK.
struct DeviceCredentials {
  std::string_view product_key = {};
  std::string_view device_name = {};
  std::string_view device_secret = {};
  std::optional<std::string_view> client_id =
      {};  // the base; absent: "productKey.deviceName", unsigned
  std::optional<std::string_view> timestamp = {};  // absent: neither sent nor signed
  SignMethod method = SignMethod::kHmacSha256;
  int secure_mode = 2;  // 2 TLS and wss, 3 plain and ws
  std::vector<std::pair<std::string_view, std::string_view>> extra = {};  // _ss=1, ext=1, ...
};

struct ConnectCredentials {
  std::string client_id;
  std::string user_name;
  std::string password;
};

[[nodiscard]] ConnectCredentials make_connect_credentials(const DeviceCredentials& device);

}  // namespace fairlead
