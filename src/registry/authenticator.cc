#include "registry/authenticator.h"

#include <array>

#include "auth/credentials.h"
#include "auth/password.h"
#include "base/guarded.h"
#include "base/hash.h"
#include "base/random.h"
#include "registry/failure_budget.h"

namespace fairlead {
namespace {

constexpr std::string_view kPeerWrong = "user name or password is wrong";
constexpr std::string_view kPeerTooMany = "too many failed attempts";
constexpr std::string_view kDummySecret = "0123456789abcdefghijklmnopqrstuv";
constexpr std::size_t kNameInLogBytesMax = 160;
constexpr std::size_t kPasswordBytesMax = 1024;

AuthFailure refused(ReasonCode code, std::string cause, std::string_view peer, std::string name) {
  // A claimed name can be as long as a packet.
  if (name.size() > kNameInLogBytesMax) name.resize(kNameInLogBytesMax);
  return {code, std::move(cause), std::string(peer), std::move(name)};
}

bool is_loopback(std::string_view address) {
  return address.starts_with("127.") || address == "::1" || address.starts_with("::ffff:127.");
}

bool ascii_equal(std::string_view a, std::string_view lower) {
  if (a.size() != lower.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const char c = a[i] >= 'A' && a[i] <= 'Z' ? static_cast<char>(a[i] + 32) : a[i];
    if (c != lower[i]) return false;
  }
  return true;
}

// Flows that the client id can ask for and that are no three-tuple sign.
bool is_other_flow(std::string_view auth_type) {
  for (std::string_view flow : {"register", "regnwl", "connwl", "x509", "id2"}) {
    if (ascii_equal(auth_type, flow)) return true;
  }
  return false;
}

// The keys of one attempt in the failure budget.
struct BudgetKeys {
  uint64_t source = 0;
  uint64_t name = 0;  // of this name from this source
  bool counted = true;
};

// Whether the transport is what the product demands; empty when it is.
std::string_view transport_complaint(TransportRule rule, TransportSecurity security,
                                     std::optional<int> secure_mode) {
  const bool tls = security == TransportSecurity::kTls;
  switch (rule) {
    case TransportRule::kAny:
      return {};
    case TransportRule::kTlsOnly:
      return tls ? std::string_view() : "this product accepts TLS connections only";
    case TransportRule::kSecureModeMatches:
      return secure_mode == (tls ? 2 : 3) ? std::string_view()
                                          : "securemode does not fit the transport";
  }
  unreachable();
}

}  // namespace

std::string device_session_key(std::string_view product_key, std::string_view device_name) {
  std::string key("d\0", 2);
  key.append(product_key).push_back('\0');
  key.append(device_name);
  return key;
}

std::string application_session_key(std::string_view app, std::string_view client_id) {
  std::string key("a\0", 2);
  key.append(app).push_back('\0');
  key.append(client_id);
  return key;
}

std::string anonymous_session_key(std::string_view client_id) {
  std::string key("c\0", 2);
  key.append(client_id);
  return key;
}

void assign_client_id(Identity& identity, std::string_view client_id) {
  switch (identity.kind) {
    case Identity::Kind::kDevice:
      FL_ASSERT(false && "a device has its own key");
      return;
    case Identity::Kind::kApplication:
      identity.session_key = application_session_key(identity.name, client_id);
      return;
    case Identity::Kind::kAnonymous:
      identity.session_key = anonymous_session_key(client_id);
      identity.name = client_id;
      return;
  }
}

struct Authenticator::State {
  State(const Registry& known, AuthenticatorOptions chosen)
      : registry(known),
        options(chosen),
        budget(FailureBudget(chosen.failures_per_minute_max, chosen.tracked_count_max)),
        anonymous_policy(AccessPolicy::for_anonymous()),
        mac_key(random_text(32)) {
    std::array<std::byte, kPasswordSaltBytes> salt{};
    random_bytes(salt);
    dummy_hash = encode_password(random_text(32), salt);
  }

  const Registry& registry;
  const AuthenticatorOptions options;
  Guarded<FailureBudget> budget;
  std::shared_ptr<const AccessPolicy> anonymous_policy;
  // Per application, a MAC over its hash and the password that was right: so that only the first
  // of its connections pays for PBKDF2. Entries of deleted applications are a few bytes.
  Guarded<TextMap<std::string>> right_passwords;
  const std::string mac_key;
  std::string dummy_hash;

  AuthOutcome device(const ConnectRequest& request, Instant now);
  AuthOutcome application(const ConnectRequest& request, Instant now);
  AuthOutcome anonymous(const ConnectRequest& request);
  AuthOutcome known_device(const ConnectRequest& request, const ClientIdParts& client_id,
                           const DeviceUserName& user, const ProductEntry& product, bool enabled);

  [[nodiscard]] BudgetKeys keys_of(std::string_view source, std::string_view kind,
                                   std::string_view name) const {
    std::string text(source);
    const uint64_t source_key = keyed_hash(text);
    text.push_back('\0');
    text.append(kind).append(name);
    const bool counts = options.loopback == LoopbackBudget::kCounted || !is_loopback(source);
    return {source_key, keyed_hash(text), counts};
  }

  // Refuses unseen who has used up the budget; see the header.
  [[nodiscard]] std::optional<AuthFailure> over_budget(const BudgetKeys& keys, Instant now,
                                                       const std::string& name) const {
    const bool over = keys.counted && budget.read([&](const FailureBudget& all) {
      if (all.exhausted(keys.name, now)) return true;
      return all.exhausted(keys.source, now) && all.has_failures(keys.name, now);
    });
    if (!over) return std::nullopt;
    return refused(ReasonCode::kConnectionRateExceeded, "too many failed attempts, not looked at",
                   kPeerTooMany, name);
  }

  // Counts a wrong sign or password. Who fails while the budget is used up is told so, known or
  // unknown alike.
  [[nodiscard]] AuthFailure wrong(const BudgetKeys& keys, Instant now, std::string cause,
                                  std::string name) {
    const bool over = keys.counted && budget.write([&](FailureBudget& all) {
      const bool empty = all.exhausted(keys.name, now) || all.exhausted(keys.source, now);
      all.count_failure(keys.name, now);
      all.count_failure(keys.source, now);
      return empty;
    });
    if (over) {
      return refused(ReasonCode::kConnectionRateExceeded,
                     cause + ", and too many failed attempts before", kPeerTooMany,
                     std::move(name));
    }
    return refused(ReasonCode::kBadUserNameOrPassword, std::move(cause), kPeerWrong,
                   std::move(name));
  }

  // Whether `password` is the application's; at the cost of one MAC when it was the last time.
  [[nodiscard]] bool right_password(const std::string& app, const std::string& hash,
                                    std::string_view password) {
    std::string content = hash;
    content.push_back('\0');
    content.append(password);
    std::string mac = sign(SignMethod::kHmacSha256, mac_key, content);
    const bool cached = right_passwords.read([&](const TextMap<std::string>& all) {
      auto found = all.find(app);
      return found != all.end() && constant_time_equal_hex(found->second, mac);
    });
    if (cached) return true;
    if (!verify_password(hash, password)) return false;
    right_passwords.write([&](TextMap<std::string>& all) { all[app] = std::move(mac); });
    return true;
  }
};

AuthOutcome Authenticator::State::known_device(const ConnectRequest& request,
                                               const ClientIdParts& client_id,
                                               const DeviceUserName& user,
                                               const ProductEntry& product, bool enabled) {
  Identity identity;
  identity.kind = Identity::Kind::kDevice;
  identity.name = std::string(user.product_key).append("/").append(user.device_name);
  if (!enabled) {
    return {refused(ReasonCode::kNotAuthorized, "device is disabled", "device is disabled",
                    identity.name)};
  }
  std::string_view complaint =
      transport_complaint(product.product->transport, request.security, client_id.secure_mode);
  if (!complaint.empty()) {
    return {refused(ReasonCode::kNotAuthorized, std::string(complaint), complaint, identity.name)};
  }
  identity.session_key = device_session_key(user.product_key, user.device_name);
  identity.product_key = user.product_key;
  identity.device_name = user.device_name;
  identity.info = {.secure_mode = client_id.secure_mode,
                   .ext_bits = client_id.ext_bits,
                   .auto_subscribe = client_id.auto_subscribe,
                   .gateway = client_id.gateway,
                   .base_client_id = std::string(client_id.base),
                   .sdk_version = std::string(client_id.version),
                   .sdk_language = std::string(client_id.language)};
  identity.product = product.product;
  identity.policy =
      AccessPolicy::for_device(user.product_key, user.device_name, product.topic_rules);
  identity.profile = product.product->profile;
  return {std::move(identity)};
}

AuthOutcome Authenticator::State::device(const ConnectRequest& request, Instant now) {
  auto user = parse_device_user_name(*request.user_name);
  if (!user) {
    return {refused(user.error().code, user.error().sentence, user.error().sentence,
                    std::string(*request.user_name))};
  }
  std::string name = std::string(user->product_key).append("/").append(user->device_name);
  auto client_id = parse_client_id(request.client_id);
  if (!client_id) {
    return {refused(client_id.error().code, client_id.error().sentence, client_id.error().sentence,
                    std::move(name))};
  }
  if (is_other_flow(client_id->auth_type)) {
    return {refused(ReasonCode::kBadUserNameOrPassword,
                    "authType=" + std::string(client_id->auth_type) + " is not offered",
                    "this authType is not offered", std::move(name))};
  }
  if (!request.password) {
    return {refused(ReasonCode::kBadUserNameOrPassword, "CONNECT has no password",
                    "CONNECT has no password", std::move(name))};
  }
  const BudgetKeys keys = keys_of(request.source_address, "d", name);

  // Unknown ones go the same way as known ones, with a secret that never fits.
  auto product = registry.product(user->product_key);
  auto device = registry.device(user->product_key, user->device_name);
  const bool known = product && device;
  const std::string_view secret = known ? std::string_view(device->secret) : kDummySecret;
  const bool right = verify_sign(*client_id, *user, as_text(*request.password), secret);
  if (known && right) return known_device(request, *client_id, *user, *product, device->enabled);
  if (!product) return {wrong(keys, now, "unknown product", std::move(name))};
  if (!device) return {wrong(keys, now, "unknown device", std::move(name))};
  return {wrong(keys, now, "wrong sign", std::move(name))};
}

AuthOutcome Authenticator::State::application(const ConnectRequest& request, Instant now) {
  std::string name(*request.user_name);
  const BudgetKeys keys = keys_of(request.source_address, "a", name);
  if (auto over = over_budget(keys, now, name)) return {std::move(*over)};
  auto app = registry.app(name);
  std::string_view password;
  if (request.password) password = as_text(*request.password);
  if (password.size() > kPasswordBytesMax) password = {};
  const bool right = right_password(app ? name : std::string(),
                                    app ? app->app->password_hash : dummy_hash, password);
  if (!app) {
    return {wrong(keys, now, "user name is neither deviceName&productKey nor an application",
                  std::move(name))};
  }
  if (!right) return {wrong(keys, now, "wrong password", std::move(name))};
  if (!app->app->enabled) {
    return {refused(ReasonCode::kNotAuthorized, "application is disabled",
                    "application is disabled", std::move(name))};
  }
  Identity identity;
  identity.kind = Identity::Kind::kApplication;
  identity.session_key = application_session_key(name, request.client_id);
  identity.name = std::move(name);
  identity.policy = app->policy;
  identity.profile = ProfileKind::kStandard;
  return {std::move(identity)};
}

AuthOutcome Authenticator::State::anonymous(const ConnectRequest& request) {
  Identity identity;
  identity.kind = Identity::Kind::kAnonymous;
  identity.session_key = anonymous_session_key(request.client_id);
  identity.name = request.client_id;
  identity.policy = anonymous_policy;
  identity.profile = ProfileKind::kStandard;
  return {std::move(identity)};
}

Authenticator::Authenticator(const Registry& registry, AuthenticatorOptions options)
    : state_(std::make_unique<State>(registry, options)) {}
Authenticator::~Authenticator() = default;

AuthOutcome Authenticator::authenticate(const ConnectRequest& request, Instant now) {
  const bool open = state_->options.anonymous == AnonymousAccess::kAllowed;
  if (!request.user_name) {
    if (open) return state_->anonymous(request);
    return {refused(ReasonCode::kBadUserNameOrPassword, "CONNECT has no user name",
                    "CONNECT has no user name", {})};
  }
  if (request.user_name->find('&') != std::string_view::npos) return state_->device(request, now);
  if (open && !state_->registry.app(*request.user_name)) return state_->anonymous(request);
  return state_->application(request, now);
}

}  // namespace fairlead
