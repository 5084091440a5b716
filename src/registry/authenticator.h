#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "auth/policy.h"
#include "base/bytes.h"
#include "base/reason_code.h"
#include "base/time.h"
#include "registry/registry.h"

namespace fairlead {

enum class TransportSecurity : uint8_t { kPlain, kTls };

// What CONNECT and its connection say. Views are used during the call only.
struct ConnectRequest {
  std::string_view client_id = {};  // as sent; may be empty
  std::optional<std::string_view> user_name = {};
  std::optional<Bytes> password = {};
  std::string_view source_address = {};  // without the port: the key of the failure budget
  TransportSecurity security = TransportSecurity::kPlain;
};

// What a device told about itself in its client id; reported, not enforced.
struct DeviceConnectInfo {
  std::optional<int> secure_mode;
  uint32_t ext_bits = 0;
  bool auto_subscribe = false;  // _ss=1: subscribe system_filters() for it
  bool gateway = false;
  std::string base_client_id;
  std::string sdk_version;
  std::string sdk_language;
};

struct Identity {
  enum class Kind : uint8_t { kDevice, kApplication, kAnonymous };
  Kind kind = Kind::kAnonymous;
  std::string session_key;  // see *_session_key()
  std::string name;         // for logs: "pk/dn", the application, or the client id
  std::string product_key;  // device only, as all below but policy and profile
  std::string device_name;
  DeviceConnectInfo info;
  std::shared_ptr<const Product> product;
  std::shared_ptr<const AccessPolicy> policy;  // never null
  ProfileKind profile = ProfileKind::kStandard;
};

// Session keys; the three kinds never collide: "d\0pk\0dn", "a\0app\0client id", "c\0client id".
// A device's key ignores its client id, which changes at every restart.
[[nodiscard]] std::string device_session_key(std::string_view product_key,
                                             std::string_view device_name);
[[nodiscard]] std::string application_session_key(std::string_view app, std::string_view client_id);
[[nodiscard]] std::string anonymous_session_key(std::string_view client_id);
// For a client that sent no identifier, once the server has assigned one: sets session_key and,
// for an anonymous one, name. Not for a device.
void assign_client_id(Identity& identity, std::string_view client_id);

// Why a CONNECT was refused. The peer is never told whether the device is unknown or the sign is
// wrong; our log is.
struct AuthFailure {
  ReasonCode code = ReasonCode::kNotAuthorized;
  std::string log_cause = {};      // "unknown device", "wrong sign (hmacsha1)", ...
  std::string peer_sentence = {};  // for the reason string of MQTT 5.0
  std::string name = {};           // for logs: whom it claimed to be, "pk/dn"; may be empty
};

struct AuthOutcome {
  std::variant<Identity, AuthFailure> held;
  [[nodiscard]] bool ok() const { return held.index() == 0; }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] Identity& identity() { return std::get<Identity>(held); }
  [[nodiscard]] const AuthFailure& failure() const { return std::get<AuthFailure>(held); }
};

enum class AnonymousAccess : uint8_t { kRefused, kAllowed };
enum class LoopbackBudget : uint8_t { kExempt, kCounted };

struct AuthenticatorOptions {
  AnonymousAccess anonymous = AnonymousAccess::kRefused;
  uint32_t failures_per_minute_max = 10;  // per source, and per name from one source; 0: no limit
  // Clients behind a proxy on this machine, and tests on a laptop, all have a loopback address.
  LoopbackBudget loopback = LoopbackBudget::kExempt;
  uint32_t tracked_count_max = 65'536;  // sources and names with recent failures; older forgotten
};

// Decides who a CONNECT is (reference: aliyun-device-protocol section 2). Any thread.
//
//   user name with '&'            device: three-tuple sign; the client id must follow the grammar
//   user name of an application   password against its hash
//   anything else                 anonymous when allowed, otherwise 0x86
//
// Codes: client id not in form 0x85; user name not in form, wrong sign or password, unknown
// product, device or application 0x86 with equal work; then, only for who proved to hold the
// secret: disabled 0x87, the product's transport rule broken 0x87. Budget exceeded 0x9F.
//
// The failure budget: wrong signs and passwords are counted, per source address and per name
// (device or application) from that source, in token buckets. A success costs nothing. Once one of
// the two buckets is empty, failures get 0x9F. A device's right sign is always accepted: checking
// it costs microseconds, and a secret is no password to be guessed. A password costs milliseconds:
// an application whose bucket (source, name) is empty, or that failed before from a source whose
// bucket is, is refused unseen. Failures elsewhere never lock anybody out: the budget belongs to
// the source. Loopback addresses have none unless told so.
class Authenticator {
 public:
  Authenticator(const Registry& registry, AuthenticatorOptions options);
  ~Authenticator();
  Authenticator(const Authenticator&) = delete;
  Authenticator& operator=(const Authenticator&) = delete;

  // Cost: up to 4 HMACs for a device; for an application a MAC when its password was right before,
  // milliseconds otherwise.
  [[nodiscard]] AuthOutcome authenticate(const ConnectRequest& request, Instant now);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fairlead
