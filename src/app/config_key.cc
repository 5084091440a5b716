#include "app/config_key.h"

#include <algorithm>
#include <chrono>
#include <type_traits>

namespace fairlead {
namespace {

using enum ConfigApply;

// Names of the values of an enum, in its order.
struct LogLevelNames {
  static constexpr std::string_view kNames[] = {"debug", "info", "warning", "error", "off"};
};
struct ProxyUseNames {
  static constexpr std::string_view kNames[] = {"none", "optional", "required"};
};
struct ForwardedHeaderNames {
  static constexpr std::string_view kNames[] = {"none", "x-forwarded-for", "x-real-ip"};
};
struct SyncPolicyNames {
  static constexpr std::string_view kNames[] = {"always", "interval", "never"};
};
struct TlsProfileNames {
  static constexpr std::string_view kNames[] = {"modern", "legacy"};
};
struct ClientCertificateNames {
  static constexpr std::string_view kNames[] = {"off", "request", "require"};
};
constexpr std::string_view kProtocolNames[] = {"mqtt", "mqtts", "ws", "wss"};

template <class T>
struct IsDuration : std::false_type {};
template <class Rep, class Period>
struct IsDuration<std::chrono::duration<Rep, Period>> : std::true_type {};

// How a field of Config is told as a ConfigValue, and back. Access is a lambda without captures
// that finds the field, so that a row is plain data and two function pointers.
template <class Access>
using FieldOf = std::remove_reference_t<decltype(Access{}(std::declval<Config&>()))>;

template <class Access>
ConfigValue get_field(const Config& config) {
  const auto& field = Access{}(const_cast<Config&>(config));
  using Field = FieldOf<Access>;
  if constexpr (IsDuration<Field>::value) {
    return int64_t{field.count()};
  } else if constexpr (std::is_integral_v<Field> && !std::is_same_v<Field, bool>) {
    return static_cast<int64_t>(field);
  } else {
    return field;
  }
}

template <class Access>
void set_field(Config& config, const ConfigValue& value) {
  auto& field = Access{}(config);
  using Field = FieldOf<Access>;
  if constexpr (IsDuration<Field>::value) {
    field = Field(std::get<int64_t>(value));
  } else if constexpr (std::is_integral_v<Field> && !std::is_same_v<Field, bool>) {
    field = static_cast<Field>(std::get<int64_t>(value));
  } else {
    field = std::get<Field>(value);
  }
}

template <class Names, class Access>
ConfigValue get_choice(const Config& config) {
  const auto index = static_cast<std::size_t>(Access{}(const_cast<Config&>(config)));
  return std::string(Names::kNames[index]);
}

template <class Names, class Access>
void set_choice(Config& config, const ConfigValue& value) {
  const auto at = std::ranges::find(Names::kNames, std::get<std::string>(value));
  Access{}(config) = static_cast<FieldOf<Access>>(at - std::begin(Names::kNames));
}

template <class Access>
ConfigKey row(ConfigType type, std::string_view name, ConfigApply apply, Access,
              std::string_view sentence) {
  return {name, type, {}, 0, 0, {}, apply, sentence, &get_field<Access>, &set_field<Access>};
}

struct Bounds {
  int64_t min;
  int64_t max;
};

template <class Access>
ConfigKey integer(std::string_view name, std::string_view unit, Bounds bounds, Access access,
                  std::string_view sentence) {
  ConfigKey key = row(ConfigType::kInteger, name, kRestart, access, sentence);
  key.unit = unit;
  key.min = bounds.min;
  key.max = bounds.max;
  return key;
}

template <class Access>
ConfigKey boolean(std::string_view name, Access access, std::string_view sentence) {
  return row(ConfigType::kBoolean, name, kRestart, access, sentence);
}

template <class Names, class Access>
ConfigKey choice(std::string_view name, ConfigApply apply, Access, std::string_view sentence) {
  return {name,
          ConfigType::kChoice,
          {},
          0,
          0,
          Names::kNames,
          apply,
          sentence,
          &get_choice<Names, Access>,
          &set_choice<Names, Access>};
}

template <class Access>
ConfigKey choice_list(std::string_view name, std::span<const std::string_view> choices,
                      Access access, std::string_view sentence) {
  ConfigKey key = row(ConfigType::kChoiceList, name, kRestart, access, sentence);
  key.choices = choices;
  return key;
}

constexpr Bounds kMilliseconds{100, 600'000};
constexpr int64_t kCountMax = 100'000'000;
constexpr int64_t kKiB = 1 << 10;
constexpr int64_t kMiB = 1 << 20;
constexpr int64_t kGiB = 1 << 30;

// The rows, by section. `c` is always a Config.
void add_listener_keys(std::vector<ConfigKey>& keys) {
  keys.push_back(row(
      ConfigType::kText, "listener.address", kRestart,
      [](Config & c) -> auto& { return c.listeners.back().address; },
      "IPv4 or IPv6 address to listen on; `0.0.0.0` is every IPv4 one, `::` every IPv6 one."));
  keys.push_back(integer(
      "listener.port", "", {0, 65'535}, [](Config & c) -> auto& { return c.listeners.back().port; },
      "TCP port; 0 lets the kernel choose one, which is printed at start."));
  keys.push_back(choice_list(
      "listener.protocols", kProtocolNames,
      [](Config & c) -> auto& { return c.listeners.back().protocols; },
      "What clients may speak here; all share the port and are told apart by their first bytes."));
  keys.push_back(choice<ProxyUseNames>(
      "listener.proxy_header", kRestart,
      [](Config & c) -> auto& { return c.listeners.back().proxy_header; },
      "`required`: every connection begins with a PROXY protocol header (v1 or v2) of a proxy in "
      "`trusted_proxies`, which tells the address of the client; all others are closed. "
      "`optional`: those of trusted proxies may."));
  keys.push_back(row(
      ConfigType::kList, "listener.trusted_proxies", kRestart,
      [](Config & c) -> auto& { return c.listeners.back().trusted_proxies; },
      "Addresses and networks (`10.0.0.0/8`, `2001:db8::/32`) of the proxies that are believed "
      "when they tell a client's address."));
  keys.push_back(choice<ForwardedHeaderNames>(
      "listener.forwarded_header", kRestart,
      [](Config & c) -> auto& { return c.listeners.back().forwarded_header; },
      "The HTTP header in which proxies in `trusted_proxies` tell the address of a WebSocket "
      "client; from others it is ignored."));
}

void add_server_keys(std::vector<ConfigKey>& keys) {
  keys.push_back(integer(
      "server.shards", "threads", {0, 64}, [](Config & c) -> auto& { return c.shard_count; },
      "Threads that serve clients; 0 is one per processor core."));
  keys.push_back(integer(
      "server.stop_ms", "ms", {0, 600'000}, [](Config & c) -> auto& { return c.server.stop_max; },
      "At most so long a graceful stop takes, for wills and the last bytes to clients."));
  keys.push_back(integer(
      "server.sys_interval_s", "s", {0, 3'600},
      [](Config & c) -> auto& { return c.server.sys_interval; },
      "Between two rounds of `$SYS` messages; 0 turns them off."));
  keys.push_back(choice<LogLevelNames>(
      "log.level", kReload, [](Config & c) -> auto& { return c.log_level; },
      "The least important lines that are logged."));
  keys.push_back(row(
      ConfigType::kText, "admin.address", kRestart,
      [](Config & c) -> auto& { return c.admin.address; },
      "`ADDRESS:PORT` of the browser page, metrics and health checks; `off` is none; empty is "
      "`127.0.0.1:8080`, unless another process has it."));
  keys.push_back(boolean(
      "admin.allow_remote", [](Config & c) -> auto& { return c.admin.allow_remote; },
      "Lets `admin.address` be one that other machines reach. It asks for no password."));
}

void add_tls_keys(std::vector<ConfigKey>& keys) {
  keys.push_back(choice<TlsProfileNames>(
      "tls.profile", kReload, [](Config & c) -> auto& { return c.tls.profile; },
      "`modern`: TLS 1.2 and 1.3 with forward secrecy. `legacy`: besides, static-RSA AES-CBC "
      "suites and TLS 1.0 and 1.1, for device SDKs of the last decade."));
  keys.push_back(choice<ClientCertificateNames>(
      "tls.client_certificates", kReload,
      [](Config & c) -> auto& { return c.tls.client_certificates; },
      "Whether clients are asked for a certificate, and refused without a valid one."));
  keys.push_back(row(
      ConfigType::kText, "tls.client_ca_file", kReload,
      [](Config & c) -> auto& { return c.tls.client_ca_file; },
      "PEM file with the authorities that client certificates must come from."));
  keys.push_back(row(
      ConfigType::kText, "tls.client_crl_file", kReload,
      [](Config & c) -> auto& { return c.tls.client_crl_file; },
      "PEM file with the revocation lists of these authorities, one list of each; a client whose "
      "certificate is on one, or whose authority has none in force, is refused. Empty: none."));
  keys.push_back(row(
      ConfigType::kList, "tls.certificate.certificate_files", kReload,
      [](Config & c) -> auto& { return c.tls.certificates.back().certificate_files; },
      "PEM files, each with a certificate and its chain, all for the same host names: an RSA and "
      "an ECDSA one side by side serve old and new clients."));
  keys.push_back(row(
      ConfigType::kList, "tls.certificate.key_files", kReload,
      [](Config & c) -> auto& { return c.tls.certificates.back().key_files; },
      "PEM files with the private keys of `certificate_files`, in the same order."));
}

void add_auth_keys(std::vector<ConfigKey>& keys) {
  keys.push_back(boolean(
      "auth.allow_anonymous", [](Config & c) -> auto& { return c.auth.allow_anonymous; },
      "Takes clients without credentials: plain MQTT, standard profile, no permissions asked. "
      "On loopback addresses only, unless `auth.allow_anonymous_on_any_address` is true too."));
  keys.push_back(boolean(
      "auth.allow_anonymous_on_any_address",
      [](Config & c) -> auto& { return c.auth.allow_anonymous_on_any_address; },
      "Says a second time that anybody who reaches a listener may read and send everything."));
  keys.push_back(integer(
      "auth.failures_per_minute", "", {0, 1'000'000},
      [](Config & c) -> auto& { return c.auth.failures_per_minute; },
      "Failed CONNECTs from one source address, and for one device from it; more are told that "
      "they are too many. A device's right sign is always accepted. 0 is no limit."));
  keys.push_back(boolean(
      "auth.limit_loopback", [](Config & c) -> auto& { return c.auth.limit_loopback; },
      "Counts failures from loopback addresses, too. Not behind a proxy on this machine: all its "
      "clients would share one budget."));
  keys.push_back(integer(
      "auth.tracked_count", "", {1'024, 16'777'216},
      [](Config & c) -> auto& { return c.auth.tracked_count; },
      "Sources and devices with recent failures that are remembered."));
}

void add_suspect_keys(std::vector<ConfigKey>& keys) {
  keys.push_back(integer(
      "limits.detect_ms", "ms", kMilliseconds,
      [](Config & c) -> auto& { return c.server.suspect.detect_max; },
      "For the first byte of a connection."));
  keys.push_back(integer(
      "limits.tls_handshake_ms", "ms", kMilliseconds,
      [](Config & c) -> auto& { return c.server.suspect.tls_handshake_max; },
      "For the whole TLS handshake."));
  keys.push_back(integer(
      "limits.http_head_ms", "ms", kMilliseconds,
      [](Config & c) -> auto& { return c.server.suspect.http_head_max; },
      "For the whole head of an HTTP request."));
  keys.push_back(integer(
      "limits.connect_ms", "ms", kMilliseconds,
      [](Config & c) -> auto& { return c.server.suspect.connect_max; },
      "For a whole CONNECT packet."));
  keys.push_back(integer(
      "limits.suspect_bytes", "bytes", {kKiB, kMiB},
      [](Config & c) -> auto& { return c.server.suspect.bytes_max; },
      "Buffered for a connection until its CONNECT is accepted."));
  keys.push_back(integer(
      "limits.http_head_bytes", "bytes", {kKiB, kMiB},
      [](Config & c) -> auto& { return c.server.suspect.http_head_bytes_max; },
      "Size of the head of an HTTP request; a larger one is answered with status 431."));
  keys.push_back(integer(
      "limits.suspects", "", {64, kCountMax},
      [](Config & c) -> auto& { return c.server.suspect.count_max; },
      "Connections at one time whose CONNECT is not accepted yet. Beyond it the oldest gives way "
      "to a new one."));
  keys.push_back(integer(
      "limits.suspect_grace_ms", "ms", {0, 600'000},
      [](Config & c) -> auto& { return c.server.suspect.grace; },
      "It does so when it is so old; until then new ones wait in the kernel's queue."));
  keys.push_back(integer(
      "limits.admission_ms_per_turn", "ms", {1, 1'000},
      [](Config & c) -> auto& { return c.server.suspect.admission.turn_max; },
      "Of each turn of a thread, for handshakes and CONNECTs of newcomers; who is connected is "
      "served in every turn."));
  keys.push_back(integer(
      "limits.lag_ms", "ms", {1, 10'000},
      [](Config & c) -> auto& { return c.server.suspect.admission.lag_max; },
      "When a turn of a thread takes longer, newcomers are let in one by one."));
}

void add_connection_keys(std::vector<ConfigKey>& keys) {
  keys.push_back(integer(
      "limits.connections", "", {1, kCountMax},
      [](Config & c) -> auto& { return c.server.connection.count_max; },
      "Connections at one time; more are closed at once. The limit of open files counts, too."));
  keys.push_back(integer(
      "limits.packet_bytes", "bytes", {kKiB, 16 * kMiB},
      [](Config & c) -> auto& { return c.server.connection.packet_bytes_max; },
      "Size of an MQTT packet; the compatible profile allows 256 KiB at most."));
  keys.push_back(integer(
      "limits.output_bytes", "bytes", {16 * kKiB, kGiB},
      [](Config & c) -> auto& { return c.server.connection.output_bytes_max; },
      "Unsent output of one connection; beyond it nothing more is read from that client."));
  keys.push_back(integer(
      "limits.congested_bytes", "bytes", {4 * kKiB, kGiB},
      [](Config & c) -> auto& { return c.server.connection.congested_bytes; },
      "From so much unsent output on, messages wait in the session, where QoS 0 is dropped oldest "
      "first."));
  keys.push_back(integer(
      "limits.stalled_ms", "ms", {1'000, 3'600'000},
      [](Config & c) -> auto& { return c.server.connection.stalled_max; },
      "A connection that takes none of its waiting output for so long is closed."));
  keys.push_back(integer(
      "limits.linger_ms", "ms", {0, 60'000},
      [](Config & c) -> auto& { return c.server.connection.linger_max; },
      "For the last bytes to a connection that is being closed."));
}

void add_websocket_keys(std::vector<ConfigKey>& keys) {
  keys.push_back(integer(
      "websocket.ping_interval_s", "s", {0, 3'600},
      [](Config & c) -> auto& { return c.server.websocket.ping_interval; },
      "A client over WebSocket to which nothing was sent for so long is sent a ping, so that "
      "proxies "
      "do not close the connection as idle; 0 turns pings off."));
  keys.push_back(boolean(
      "websocket.deflate", [](Config & c) -> auto& { return c.server.websocket.deflate; },
      "Agrees to permessage-deflate where a client offers it: messages from 128 bytes on are sent "
      "compressed. It costs processor time for each message, and saves traffic."));
}

void add_session_keys(std::vector<ConfigKey>& keys) {
  keys.push_back(integer(
      "session.count", "", {1, kCountMax},
      [](Config & c) -> auto& { return c.server.session_count_max; },
      "Sessions of the whole server, with and without a connection; a CONNECT that needs one more "
      "is refused."));
  keys.push_back(integer(
      "session.takeovers_per_minute", "", {0, 60'000},
      [](Config & c) -> auto& { return c.server.takeovers_per_minute_max; },
      "Take-overs of one session from a client that is still connected. Ten pass at once, more "
      "wait their turn: two clients with one identity would replace each other for ever. 0 is no "
      "limit."));
  keys.push_back(integer(
      "session.queue_count", "messages", {1, kCountMax},
      [](Config & c) -> auto& { return c.server.session.queue_count_max; },
      "Messages waiting for a session that is offline; the oldest is dropped first."));
  keys.push_back(integer(
      "session.queue_bytes", "bytes", {kKiB, 4 * kGiB - 1},
      [](Config & c) -> auto& { return c.server.session.queue_bytes_max; },
      "The same in bytes, also for a client that is connected but slow."));
  keys.push_back(integer(
      "session.congested_queue_bytes", "bytes", {0, 4 * kGiB - 1},
      [](Config & c) -> auto& { return c.server.session.congested_queue_bytes_max; },
      "Of those, QoS 0 messages for a client that is connected but slow."));
  keys.push_back(integer(
      "session.total_queue_bytes", "bytes", {kMiB, 1024 * kGiB},
      [](Config & c) -> auto& { return c.server.total_queue_bytes_max; },
      "Waiting for all sessions together, each message counted for each session that it waits for. "
      "While it is more, PUBLISH of QoS 1 and 2 is refused: with 0x97 in MQTT 5.0, before that by "
      "closing the connection. Nothing that was acknowledged is dropped."));
  keys.push_back(integer(
      "session.inflight_count", "messages", {1, 65'535},
      [](Config & c) -> auto& { return c.server.session.inflight_count_max; },
      "Unacknowledged QoS 1 and 2 messages, each way. A client's Receive Maximum may be less; the "
      "compatible profile has 100 at most."));
  keys.push_back(integer(
      "session.expiry_s", "s", {0, 4'294'967'295},
      [](Config & c) -> auto& { return c.server.session.expiry_max; },
      "Longest life of a session without a connection; what persistent sessions of MQTT 3.1 and "
      "3.1.1 get."));
  keys.push_back(integer(
      "session.device_publish_qos0_per_second", "messages/s", {0, kCountMax},
      [](Config & c) -> auto& { return c.server.session.device_publish_qos0_per_second_max; },
      "What a device of a compatible product may publish; what is over it is dropped and "
      "journaled. 0: no limit; the cloud platform's quota is 30."));
  keys.push_back(integer(
      "session.device_publish_qos1_per_second", "messages/s", {0, kCountMax},
      [](Config & c) -> auto& { return c.server.session.device_publish_qos1_per_second_max; },
      "The same at QoS 1, acknowledged although dropped; the cloud platform's quota is 10."));
  keys.push_back(integer(
      "session.topic_aliases", "", {0, 65'535},
      [](Config & c) -> auto& { return c.server.session.topic_alias_out_max; },
      "Topic aliases the server assigns for a client of MQTT 5.0 that takes them."));
  keys.push_back(integer(
      "retained.count", "messages", {0, kCountMax},
      [](Config & c) -> auto& { return c.server.retained.count_max; },
      "Retained messages of the whole server; beyond it new topics are not retained."));
  keys.push_back(integer(
      "retained.bytes", "bytes", {0, 1024 * kGiB},
      [](Config & c) -> auto& { return c.server.retained.bytes_max; }, "The same in bytes."));
}

void add_store_keys(std::vector<ConfigKey>& keys) {
  keys.push_back(boolean(
      "store.enabled", [](Config & c) -> auto& { return c.store.enabled; },
      "Keeps persistent sessions, what waits for them, and retained messages on disk. Without it "
      "they end with the process, and an acknowledgement promises no more than that."));
  keys.push_back(choice<SyncPolicyNames>(
      "store.sync", kRestart, [](Config & c) -> auto& { return c.store.options.sync; },
      "When what was acknowledged is on the disk itself. always: before the acknowledgement; a "
      "power cut loses nothing. interval: at most `store.sync_interval_ms` later. never: when the "
      "system writes it. The end of the process, kill -9 too, loses nothing in any case."));
  keys.push_back(integer(
      "store.sync_interval_ms", "ms", {10, 600'000},
      [](Config & c) -> auto& { return c.store.options.sync_interval; },
      "With `store.sync = \"interval\"`: what a power cut may take."));
  keys.push_back(integer(
      "store.commit_gap_ms", "ms", {0, 1'000},
      [](Config & c) -> auto& { return c.server.commit.gap; },
      "At most so long is waited from one commit to the next, where waiting pays: many records "
      "come "
      "together, or receivers acknowledge meanwhile, which spares the writing. Longer: fewer and "
      "larger writes; acknowledgements come later. 0: no waiting."));
}

std::vector<ConfigKey> make_keys() {
  std::vector<ConfigKey> keys;
  add_listener_keys(keys);
  add_server_keys(keys);
  add_tls_keys(keys);
  add_auth_keys(keys);
  add_suspect_keys(keys);
  add_connection_keys(keys);
  add_websocket_keys(keys);
  add_session_keys(keys);
  add_store_keys(keys);
  return keys;
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string one_of(std::span<const std::string_view> choices) {
  std::string out;
  for (std::string_view choice : choices) {
    if (!out.empty()) out += ", ";
    out += in_quotes(choice);
  }
  return out;
}

Reject wrong(std::string sentence) {
  return Reject{ReasonCode::kImplementationSpecificError, std::move(sentence)};
}

Status check_choice(const ConfigKey& key, const std::string& value) {
  if (std::ranges::find(key.choices, value) != key.choices.end()) return Done{};
  return wrong(in_quotes(value) + " is not one of " + one_of(key.choices));
}

}  // namespace

std::span<const ConfigKey> config_keys() {
  static const std::vector<ConfigKey> keys = make_keys();
  return keys;
}

const ConfigKey* find_config_key(std::string_view name) {
  const auto keys = config_keys();
  const auto at = std::ranges::find(keys, name, &ConfigKey::name);
  return at == keys.end() ? nullptr : &*at;
}

bool is_config_array(std::string_view section) {
  return section == "listener" || section == "tls.certificate";
}

void add_config_entry(Config& config, std::string_view section) {
  FL_ASSERT(is_config_array(section));
  if (section == "listener") {
    config.listeners.emplace_back();
  } else {
    config.tls.certificates.emplace_back();
  }
}

Status check_config_value(const ConfigKey& key, const ConfigValue& value) {
  switch (key.type) {
    case ConfigType::kBoolean:
      if (std::holds_alternative<bool>(value)) return Done{};
      return wrong("must be true or false");
    case ConfigType::kInteger: {
      const auto* number = std::get_if<int64_t>(&value);
      if (number && *number >= key.min && *number <= key.max) return Done{};
      const std::string bounds = "an integer from " + std::to_string(key.min) + " to " +
                                 std::to_string(key.max) +
                                 (key.unit.empty() ? "" : " (" + std::string(key.unit) + ")");
      if (!number) return wrong("must be " + bounds);
      return wrong(std::to_string(*number) + " is out of bounds; it must be " + bounds);
    }
    case ConfigType::kText:
      if (std::holds_alternative<std::string>(value)) return Done{};
      return wrong("must be a text in quotes");
    case ConfigType::kChoice:
      if (const auto* text = std::get_if<std::string>(&value)) return check_choice(key, *text);
      return wrong("must be one of " + one_of(key.choices));
    case ConfigType::kList:
      if (std::holds_alternative<std::vector<std::string>>(value)) return Done{};
      return wrong("must be a list of texts, as in [\"a\", \"b\"]");
    case ConfigType::kChoiceList: {
      const auto* list = std::get_if<std::vector<std::string>>(&value);
      if (!list || list->empty()) return wrong("must be a list of some of " + one_of(key.choices));
      for (const std::string& item : *list) {
        if (Status status = check_choice(key, item); !status) return status;
      }
      return Done{};
    }
  }
  unreachable();
}

std::string_view config_type_name(const ConfigKey& key) {
  switch (key.type) {
    case ConfigType::kBoolean:
      return "boolean";
    case ConfigType::kInteger:
      return "integer";
    case ConfigType::kText:
      return "text";
    case ConfigType::kChoice:
      return "choice";
    case ConfigType::kList:
      return "list of texts";
    case ConfigType::kChoiceList:
      return "list of choices";
  }
  unreachable();
}

std::string format_config_value(const ConfigValue& value) {
  struct Format {
    std::string operator()(bool flag) const { return flag ? "true" : "false"; }
    std::string operator()(int64_t number) const { return std::to_string(number); }
    std::string operator()(const std::string& text) const { return in_quotes(text); }
    std::string operator()(const std::vector<std::string>& list) const {
      std::string out = "[";
      for (const std::string& item : list) {
        if (out.size() > 1) out += ", ";
        out += in_quotes(item);
      }
      return out + ']';
    }
  };
  return std::visit(Format{}, value);
}

}  // namespace fairlead
