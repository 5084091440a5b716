#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <map>
#include <nlohmann/json.hpp>

#include "auth/credentials.h"
#include "bench/process.h"
#include "bench/scenarios.h"

namespace fairlead::bench {
namespace {

const std::map<std::string, nlohmann::ordered_json (*)(const Plan&)> kScenarios{
    {"traffic", run_traffic}, {"connects", run_connects}, {"idle", run_idle},
    {"latency", run_latency}, {"storm", run_storm},       {"fill", run_fill}};

struct Arguments {
  std::string scenario;
  std::string address = "127.0.0.1";
  uint16_t port = 0;
  bool tls = false;
  unsigned qos = 0;
  std::string user;
  std::string password;
  std::string product;
  std::string secret;
  std::size_t device_count = 1'000;
};

// Names are bench-0, bench-1, ...; all devices have the same secret.
std::vector<Login> device_logins(const Arguments& arguments) {
  std::vector<Login> logins;
  for (std::size_t i = 0; i < arguments.device_count; ++i) {
    const std::string name = "bench-" + std::to_string(i);
    const ConnectCredentials made =
        make_connect_credentials({.product_key = arguments.product,
                                  .device_name = name,
                                  .device_secret = arguments.secret,
                                  .secure_mode = arguments.tls ? 2 : 3});
    logins.push_back({made.client_id, made.user_name, made.password});
  }
  return logins;
}

std::vector<Login> logins_of(const Arguments& arguments, const Plan& plan) {
  if (!arguments.product.empty()) return device_logins(arguments);
  std::vector<Login> logins;
  if (arguments.user.empty()) return logins;
  const std::size_t count = plan.flow_count * (1 + plan.receiver_count) + plan.connection_count;
  for (std::size_t i = 0; i < count; ++i) {
    logins.push_back({"bench-" + std::to_string(i), arguments.user, arguments.password});
  }
  return logins;
}

Target target_of(const Arguments& arguments) {
  auto address = SocketAddress::parse(arguments.address, arguments.port);
  if (!address) throw std::runtime_error(address.error().sentence);
  Target target{*address, "localhost", nullptr};
  if (!arguments.tls) return target;
  auto context = TlsContext::client({.trust = TlsTrust::kAnyCertificate});
  if (!context) throw std::runtime_error(context.error().sentence);
  target.tls = *context;
  return target;
}

void add_options(CLI::App& app, Arguments& arguments, Plan& plan) {
  std::vector<std::string> names;
  for (const auto& [name, run] : kScenarios) names.push_back(name);
  app.add_option("scenario", arguments.scenario)->required()->check(CLI::IsMember(names));
  app.add_option("--address", arguments.address)->capture_default_str();
  app.add_option("--port", arguments.port)->required();
  app.add_option("--pid", plan.broker_pid, "The broker, for its CPU time and memory")->required();
  app.add_flag("--tls", arguments.tls);
  app.add_option("--qos", arguments.qos)->check(CLI::Range(0, 2));
  app.add_option("--flows", plan.flow_count, "Publishers, each with its own topic");
  app.add_option("--receivers", plan.receiver_count, "Subscribers of each topic");
  app.add_option("--window", plan.window, "Messages of a publisher on their way")
      ->check(CLI::Range(1, 1'000));
  app.add_option("--payload", plan.payload_bytes);
  app.add_option("--seconds", plan.seconds)->check(CLI::Range(0.1, 60.0));
  app.add_option("--connections", plan.connection_count);
  app.add_option("--concurrent", plan.concurrent_count, "Connects under way")
      ->check(CLI::Range(1, 1'000));
  app.add_option("--rate", plan.rate, "Messages per second: latency")
      ->check(CLI::Range(1, 100'000));
  app.add_flag("--persistent", plan.persistent, "Sessions of subscribers are kept: traffic");
  app.add_flag("--offline", plan.offline,
               "Traffic: subscribers have gone; needs --persistent and --qos 1 or 2");
  app.add_option("--queued", plan.queued_count, "Messages for each session: fill")
      ->check(CLI::Range(0, 10'000));
  app.add_flag("--until-eof", plan.until_eof, "Latency: measures until standard input ends");
  app.add_option("--prefix", plan.name_prefix, "Of client identifiers");
  app.add_option("--user", arguments.user);
  app.add_option("--password", arguments.password);
  app.add_option("--product", arguments.product, "Devices bench-0, bench-1, ... of this product");
  app.add_option("--secret", arguments.secret, "The secret of each of them");
  app.add_option("--devices", arguments.device_count)->check(CLI::Range(1, 100'000));
}

int run(int argc, char** argv) {
  CLI::App app("Load for a broker of MQTT over WebSocket; prints one JSON object.",
               "fairlead-bench");
  Arguments arguments;
  Plan plan;
  add_options(app, arguments, plan);
  CLI11_PARSE(app, argc, argv);
  raise_descriptor_limit();
  plan.qos = static_cast<mqtt::Qos>(arguments.qos);
  if (plan.offline && (!plan.persistent || plan.qos == mqtt::Qos::kAtMostOnce)) {
    throw std::runtime_error("--offline needs --persistent, and --qos 1 or 2");
  }
  plan.target = target_of(arguments);
  plan.logins = logins_of(arguments, plan);
  std::printf("%s\n", kScenarios.at(arguments.scenario)(plan).dump().c_str());
  return 0;
}

}  // namespace
}  // namespace fairlead::bench

int main(int argc, char** argv) {
  try {
    return fairlead::bench::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fairlead-bench: %s\n", error.what());
    return 1;
  }
}
