#include "app/server_plan.h"

#include <algorithm>
#include <thread>

#include "app/config_key.h"
#include "app/listen_address.h"
#include "app/system_files.h"

namespace fairlead {
namespace {

constexpr std::string_view kUsualAdminAddress = "127.0.0.1:8080";

Reject wrong(std::string sentence) {
  return Reject{ReasonCode::kImplementationSpecificError, std::move(sentence)};
}

Result<std::vector<ListenerOptions>> default_listeners() {
  std::vector<ListenerOptions> listeners;
  const auto ports = may_open_port(SystemFiles(), 443) ? std::vector<uint16_t>{443, 1883}
                                                       : std::vector<uint16_t>{8443};
  for (uint16_t port : ports) {
    auto address = SocketAddress::parse("0.0.0.0", port);
    if (!address) return address.error();
    listeners.emplace_back().address = *address;
  }
  return listeners;
}

Result<std::vector<ListenerOptions>> configured_listeners(const Config& config) {
  std::vector<ListenerOptions> listeners;
  for (const ListenerConfig& wanted : config.listeners) {
    auto address = SocketAddress::parse(wanted.address, wanted.port);
    if (!address) return address.error();
    auto protocols = parse_protocols(wanted.protocols);
    if (!protocols) return protocols.error();
    ListenerOptions& listener = listeners.emplace_back();
    listener.address = *address;
    listener.protocols = *protocols;
    listener.proxy_header = wanted.proxy_header;
    auto trusted = TrustedNetworks::parse(wanted.trusted_proxies);
    if (!trusted) return wrong("listener.trusted_proxies: " + trusted.error().sentence);
    listener.trusted_proxies = std::move(*trusted);
    listener.forwarded_header = wanted.forwarded_header;
  }
  return listeners;
}

Result<std::vector<ListenerOptions>> choose_listeners(const Config& config,
                                                      const ServeRequest& request) {
  if (request.listen.empty()) {
    return config.listeners.empty() ? default_listeners() : configured_listeners(config);
  }
  std::vector<ListenerOptions> listeners;
  for (const std::string& text : request.listen) {
    auto parsed = parse_listen(text);
    if (!parsed) return wrong("--listen: " + parsed.error().sentence);
    for (ListenerOptions& listener : *parsed) listeners.push_back(std::move(listener));
  }
  return listeners;
}

Status check_anonymous(const Config& config, const ServeRequest& request,
                       const std::vector<ListenerOptions>& listeners) {
  const AuthConfig& auth = config.auth;
  if (!auth.allow_anonymous && !request.allow_anonymous) return Done{};
  if (auth.allow_anonymous && auth.allow_anonymous_on_any_address) return Done{};
  for (const ListenerOptions& listener : listeners) {
    if (listener.address.is_loopback()) continue;
    return wrong("anonymous access would open " + listener.address.text() +
                 " to everybody; listen on 127.0.0.1 only or, if that is meant, say it twice in "
                 "the configuration: auth.allow_anonymous = true and "
                 "auth.allow_anonymous_on_any_address = true");
  }
  return Done{};
}

Status choose_admin(const Config& config, const ServeRequest& request, ServerPlan& plan) {
  std::string text = request.admin.value_or(config.admin.address);
  if (text == "off") return Done{};
  if (text.empty()) {
    text = kUsualAdminAddress;
    plan.admin_is_optional = true;
  }
  auto where = parse_host_port(text);
  if (!where) return wrong("admin address: " + where.error().sentence);
  auto addresses = resolve_for_listening(*where);
  if (!addresses) return wrong("admin address: " + addresses.error().sentence);
  plan.admin = addresses->front();
  if (plan.admin->is_loopback() || config.admin.allow_remote) return Done{};
  return wrong("other machines would reach the admin address " + text +
               ", which asks for no password; use 127.0.0.1 or, if that is meant, set "
               "admin.allow_remote = true in the configuration");
}

std::vector<std::string> values_of(const Config& config, const ConfigKey& key,
                                   std::string_view section) {
  if (!is_config_array(section)) return {format_config_value(key.get(config))};
  std::vector<std::string> values;
  Config cut = config;  // `get` means the last entry
  if (section == "listener") {
    for (; !cut.listeners.empty(); cut.listeners.pop_back()) {
      values.push_back(format_config_value(key.get(cut)));
    }
  } else {
    for (; !cut.tls.certificates.empty(); cut.tls.certificates.pop_back()) {
      values.push_back(format_config_value(key.get(cut)));
    }
  }
  return values;
}

}  // namespace

std::string config_file_of(const ServeRequest& request, const std::filesystem::path& data_dir) {
  if (!request.config_file.empty()) return request.config_file;
  std::error_code ignored;
  const std::filesystem::path usual = data_dir / "fairlead.toml";
  return std::filesystem::exists(usual, ignored) ? usual.string() : "";
}

Result<ServerPlan> plan_server(const Config& config, const ServeRequest& request) {
  ServerPlan plan;
  plan.options = config.server;
  auto listeners = choose_listeners(config, request);
  if (!listeners) return listeners.error();
  plan.options.listeners = std::move(*listeners);
  if (Status status = check_anonymous(config, request, plan.options.listeners); !status) {
    return status.error();
  }
  if (Status status = choose_admin(config, request, plan); !status) return status.error();

  const unsigned shards = request.shards.value_or(config.shard_count);
  plan.options.shard_count =
      shards != 0 ? shards : std::max(1u, std::thread::hardware_concurrency());
  plan.auth.anonymous = config.auth.allow_anonymous || request.allow_anonymous
                            ? AnonymousAccess::kAllowed
                            : AnonymousAccess::kRefused;
  plan.auth.failures_per_minute_max = config.auth.failures_per_minute;
  plan.auth.loopback =
      config.auth.limit_loopback ? LoopbackBudget::kCounted : LoopbackBudget::kExempt;
  plan.auth.tracked_count_max = config.auth.tracked_count;
  return plan;
}

std::vector<std::string> changed_restart_keys(const Config& running, const Config& wanted) {
  std::vector<std::string> changed;
  for (const ConfigKey& key : config_keys()) {
    if (key.apply == ConfigApply::kReload) continue;
    const std::string_view section = key.name.substr(0, key.name.rfind('.'));
    if (values_of(running, key, section) != values_of(wanted, key, section)) {
      changed.emplace_back(key.name);
    }
  }
  return changed;
}

std::string protocol_list(const ListenerProtocols& protocols) {
  std::string list;
  const auto add = [&list](bool allowed, std::string_view name) {
    if (!allowed) return;
    if (!list.empty()) list += ',';
    list += name;
  };
  add(protocols.mqtt, "mqtt");
  add(protocols.mqtts, "mqtts");
  add(protocols.ws, "ws");
  add(protocols.wss, "wss");
  return list;
}

}  // namespace fairlead
