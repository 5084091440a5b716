#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "auth/credentials.h"
#include "bench/scenarios.h"
#include "load/scenarios.h"

namespace fairlead::bench {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  std::string scenario;
  std::string address = "127.0.0.1";
  uint16_t port = 0;
  bool tls = false;
  bool tls12 = false;
  bool tcp = false;
  unsigned qos = 0;
  std::string user;
  std::string password;
  std::string product;
  std::string secret;
  std::size_t device_count = 1'000;
  std::size_t queued_count = 10;
  bool until_eof = false;
};

template <class Report>
Report checked(Result<Report> result) {
  if (!result) throw std::runtime_error(result.error().sentence);
  return std::move(*result);
}

double ratio(uint64_t count, double seconds) { return static_cast<double>(count) / seconds; }

Json traffic(const Plan& plan) {
  const TrafficReport report = checked(run_traffic(plan));
  const double broker_cpu = report.cost.broker_cpu.value();
  const uint64_t done = plan.offline ? report.acknowledged : report.delivered;
  return {{"delivered", report.delivered},
          {"acknowledged", report.acknowledged},
          {"answer_p50_ms", report.answers.at_ms(0.5)},
          {"answer_p99_ms", report.answers.at_ms(0.99)},
          {"wall_seconds", report.cost.wall},
          {"broker_cpu_seconds", broker_cpu},
          {"generator_cpu_seconds", report.cost.own_cpu},
          {"per_broker_cpu_second", ratio(done, broker_cpu)},
          {"per_second", ratio(done, report.cost.wall)},
          {"lost", report.checked.lost},
          {"late", report.checked.duplicates + report.checked.reordered},
          {"stalls", report.stalls}};
}

Json latency(Plan plan) {
  plan.receiver_count = 1;
  plan.qos = mqtt::Qos::kAtMostOnce;
  if (plan.rate == 0) plan.rate = 2'000;
  const TrafficReport report = checked(run_traffic(plan));
  return {{"messages", report.latencies.count()},
          {"wall_seconds", report.cost.wall},
          {"broker_cpu_seconds", report.cost.broker_cpu.value()},
          {"p50_ms", report.latencies.at_ms(0.5)},
          {"p99_ms", report.latencies.at_ms(0.99)},
          {"p999_ms", report.latencies.at_ms(0.999)},
          {"max_ms", report.latencies.at_ms(1.0)}};
}

Json connects(const Plan& plan) {
  const ConnectsReport report = checked(run_connects(plan));
  const double broker_cpu = report.cost.broker_cpu.value();
  return {{"connects", report.accepted},
          {"wall_seconds", report.cost.wall},
          {"broker_cpu_seconds", broker_cpu},
          {"generator_cpu_seconds", report.cost.own_cpu},
          {"per_broker_cpu_second", ratio(report.accepted, broker_cpu)},
          {"per_second", ratio(report.accepted, report.cost.wall)},
          {"resumed", report.resumed},
          {"tls", report.tls},
          {"failed", report.failed},
          {"cause", report.cause}};
}

Json idle(const Plan& plan) {
  const IdleReport report = checked(run_idle(plan));
  const int64_t bytes = report.private_bytes.value();
  return {{"connections", report.connections},
          {"private_bytes", bytes},
          {"bytes_per_connection",
           static_cast<double>(bytes) / static_cast<double>(report.connections)},
          {"connect_cpu_seconds", report.connecting.broker_cpu.value()}};
}

Json measure(const Arguments& arguments, Plan plan) {
  if (arguments.scenario != "latency") plan.rate = 0;
  if (arguments.scenario == "traffic") return traffic(plan);
  if (arguments.scenario == "latency") return latency(plan);
  if (arguments.scenario == "connects") return connects(plan);
  if (arguments.scenario == "idle") return idle(plan);
  if (arguments.scenario == "storm") return run_storm(plan);
  return run_fill(plan, arguments.queued_count);
}

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
  Target target{.address = *address, .host = "localhost", .authority = "localhost"};
  if (arguments.tcp) target.carrier = Carrier::kTcp;
  if (!arguments.tls && !arguments.tls12) return target;
  auto context =
      TlsContext::client({.trust = TlsTrust::kAnyCertificate, .tls12_only = arguments.tls12});
  if (!context) throw std::runtime_error(context.error().sentence);
  target.tls = *context;
  return target;
}

void add_options(CLI::App& app, Arguments& arguments, Plan& plan) {
  app.add_option("scenario", arguments.scenario)
      ->required()
      ->check(CLI::IsMember({"traffic", "connects", "idle", "latency", "storm", "fill"}));
  app.add_option("--address", arguments.address)->capture_default_str();
  app.add_option("--port", arguments.port)->required();
  app.add_option("--pid", plan.broker_pid, "The broker, for its CPU time and memory")->required();
  app.add_flag("--tls", arguments.tls);
  app.add_flag("--tls12", arguments.tls12, "TLS, not above 1.2");
  app.add_flag("--tcp", arguments.tcp, "MQTT without WebSocket");
  app.add_flag("--resume", plan.resume, "Resume TLS sessions: connects");
  app.add_option("--qos", arguments.qos)->check(CLI::Range(0, 2));
  app.add_option("--flows", plan.flow_count, "Publishers, each with its own topic");
  app.add_option("--receivers", plan.receiver_count, "Subscribers of each topic");
  app.add_flag("--fan-in", plan.common_receivers, "Receivers hear all topics, each of them");
  app.add_option("--window", plan.window, "Messages of a publisher on their way")
      ->check(CLI::Range(1, 1'000));
  app.add_option("--payload", plan.payload_bytes);
  app.add_option("--seconds", plan.seconds)->check(CLI::Range(0.1, 60.0));
  app.add_option("--warm-up", plan.warm_up_seconds, "Seconds")->check(CLI::Range(0.05, 60.0));
  app.add_option("--connections", plan.connection_count);
  app.add_option("--concurrent", plan.concurrent_count, "Connects under way")
      ->check(CLI::Range(1, 1'000));
  app.add_option("--rate", plan.rate, "Messages per second: latency")
      ->check(CLI::Range(1, 100'000));
  app.add_flag("--persistent", plan.persistent, "Sessions of subscribers are kept: traffic");
  app.add_flag("--offline", plan.offline,
               "Traffic: subscribers have gone; needs --persistent and --qos 1 or 2");
  app.add_option("--queued", arguments.queued_count, "Messages for each session: fill")
      ->check(CLI::Range(0, 10'000));
  app.add_flag("--until-eof", arguments.until_eof, "Latency: measures until standard input ends");
  app.add_option("--patience", plan.patience_seconds, "Seconds until everybody is connected")
      ->check(CLI::Range(1.0, 600.0));
  app.add_option("--prefix", plan.name_prefix, "Of client identifiers");
  app.add_option("--topic-prefix", plan.topic_prefix, "Of the topics of traffic");
  app.add_option("--user", arguments.user);
  app.add_option("--password", arguments.password);
  app.add_option("--product", arguments.product, "Devices bench-0, bench-1, ... of this product");
  app.add_option("--secret", arguments.secret, "The secret of each of them");
  app.add_option("--devices", arguments.device_count)->check(CLI::Range(1, 100'000));
}

bool at_eof(int fd) {
  pollfd state{fd, POLLIN, 0};
  char byte = 0;
  return ::poll(&state, 1, 0) > 0 && ::read(fd, &byte, 1) <= 0;
}

void measure_until_eof(Plan& plan) {
  constexpr double kVeryLong = 1e6;
  plan.seconds = kVeryLong;
  plan.stop = [] { return at_eof(STDIN_FILENO); };
}

// bench/harness.mjs waits for this word.
void tell_when_measuring(Plan& plan) {
  plan.on_progress = [told = false](const Progress& progress) mutable {
    if (progress.phase != Phase::kMeasuring || std::exchange(told, true)) return;
    std::fputs("measuring\n", stderr);
  };
}

int run(int argc, char** argv) {
  CLI::App app("Load for a broker of MQTT; prints one JSON object.", "fairlead-bench");
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
  if (arguments.until_eof) measure_until_eof(plan);
  if (arguments.scenario == "latency") tell_when_measuring(plan);
  if (auto known = check_process(plan.broker_pid); !known) {
    throw std::runtime_error(known.error().sentence);
  }
  std::printf("%s\n", measure(arguments, plan).dump().c_str());
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
