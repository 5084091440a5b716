#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <map>
#include <memory>

#include "app/bench_identity.h"
#include "app/bench_report.h"
#include "app/command.h"
#include "app/output.h"
#include "app/pubsub_command.h"
#include "base/random.h"
#include "url.h"

namespace fairlead {
namespace {

constexpr std::size_t kClientsMax = 1'000'000;
constexpr std::size_t kPayloadBytesMax = std::size_t{1} << 30;  // of all publishers together
constexpr std::size_t kRunCharacters = 8;
// With credentials `bench connect` changes who it is each time.
constexpr std::size_t kConnectLoginsMax = 1'000;
// Besides the connections.
constexpr std::size_t kOtherDescriptors = 32;

enum class BenchScenario : uint8_t { kConnect, kIdle, kPair, kFanIn, kFanOut, kLatency };

struct BenchArguments {
  BenchScenario scenario = BenchScenario::kPair;
  std::string name;
  std::string url = "ws://127.0.0.1:8443";
  std::string version = "3.1.1";
  ClientTlsArguments tls;
  std::string topic;
  unsigned qos = 0;
  BenchIdentity identity;
  load::Plan plan;
};

const std::map<std::string, mqtt::ProtocolVersion>& versions() {
  static const std::map<std::string, mqtt::ProtocolVersion> known{
      {"3.1", mqtt::ProtocolVersion::k31},
      {"3.1.1", mqtt::ProtocolVersion::k311},
      {"5", mqtt::ProtocolVersion::k5},
      {"5.0", mqtt::ProtocolVersion::k5}};
  return known;
}

bool exchanges_messages(BenchScenario scenario) {
  return scenario != BenchScenario::kConnect && scenario != BenchScenario::kIdle;
}

// Clients that are connected at the same time.
std::size_t client_count(const BenchArguments& arguments) {
  const load::Plan& plan = arguments.plan;
  switch (arguments.scenario) {
    case BenchScenario::kConnect:
      return plan.concurrent_count;
    case BenchScenario::kIdle:
      return plan.connection_count + (plan.broker_pid != 0 ? load::kIdleFirst : 0);
    case BenchScenario::kFanIn:
      return plan.flow_count + plan.receiver_count;
    case BenchScenario::kPair:
    case BenchScenario::kFanOut:
    case BenchScenario::kLatency:
      return plan.flow_count * (1 + plan.receiver_count);
  }
  unreachable();
}

// --- What is to be done --------------------------------------------------------------------------

// A name may have addresses at which nobody listens: localhost is ::1, too.
SocketAddress answering_address(const std::vector<SocketAddress>& addresses) {
  constexpr int kPatienceMs = 3'000;
  for (const SocketAddress& address : addresses) {
    if (addresses.size() == 1) break;
    const auto fd = start_connect(address);
    if (!fd) continue;
    pollfd connecting{fd->get(), POLLOUT, 0};
    if (::poll(&connecting, 1, kPatienceMs) == 1 && finish_connect(fd->get())) return address;
  }
  return addresses.front();  // why it does not answer will be said
}

std::optional<load::Target> find_target(CommandContext& context, const BenchArguments& arguments) {
  const auto refuse = [&context](ExitCode code, const Reject& why) {
    context.exit_code = fail(context, code, why.sentence);
    return std::nullopt;
  };
  const auto url = sdk::parse_url(arguments.url);
  if (!url) return refuse(ExitCode::kUsage, url.error());
  load::Target target{.host = url->host, .authority = url->authority(), .path = url->path};
  target.carrier = url->web_socket() ? load::Carrier::kWebSocket : load::Carrier::kTcp;
  target.version = versions().at(arguments.version);
  if (url->tls()) {
    auto tls = TlsContext::client(
        {.trust = arguments.tls.insecure ? TlsTrust::kAnyCertificate : TlsTrust::kVerify,
         .ca_file = trusted_ca_file(context, arguments.tls.ca_file),
         .client_certificate = {arguments.tls.certificate_file, arguments.tls.key_file}});
    if (!tls) return refuse(ExitCode::kUsage, tls.error());
    target.tls = std::move(*tls);
  }
  const auto addresses = resolve(url->host, url->port);
  if (!addresses) return refuse(ExitCode::kFailed, addresses.error());
  target.address = answering_address(*addresses);
  return target;
}

bool check_size(CommandContext& context, const BenchArguments& arguments) {
  const load::Plan& plan = arguments.plan;
  const std::size_t clients = client_count(arguments);
  if (clients > kClientsMax || plan.flow_count * plan.receiver_count > kClientsMax) {
    context.exit_code = fail(context, ExitCode::kUsage,
                             "over " + grouped(kClientsMax) +
                                 " clients, or pairs of a publisher "
                                 "and a subscriber");
    return false;
  }
  if (plan.flow_count * plan.payload_bytes > kPayloadBytesMax) {
    context.exit_code = fail(context, ExitCode::kUsage,
                             "over 1 GiB of payloads; choose fewer publishers or a smaller one");
    return false;
  }
  const uint64_t descriptors = load::raise_descriptor_limit();
  if (clients + kOtherDescriptors <= descriptors) return true;
  context.exit_code = fail(context, ExitCode::kFailed,
                           grouped(clients) + " connections need as many file descriptors, and " +
                               "this process may have " + grouped(descriptors),
                           "Raise the limit: ulimit -n, or LimitNOFILE of a service.");
  return false;
}

bool fill_logins(CommandContext& context, BenchArguments& arguments, const std::string& run) {
  load::Plan& plan = arguments.plan;
  const bool connects = arguments.scenario == BenchScenario::kConnect;
  const std::size_t clients = client_count(arguments);
  const LoginsWanted wanted{.at_least = connects ? 1 : clients,
                            .at_most = connects ? std::max(clients, kConnectLoginsMax) : clients,
                            .client_prefix = plan.name_prefix,
                            .tls = plan.target.tls != nullptr};
  auto found = bench_logins(context, arguments.identity, wanted);
  if (!found) return false;
  const bool as_devices = !found->logins.empty() && arguments.identity.user.empty();
  plan.logins = std::move(found->logins);
  if (!plan.logins.empty()) {  // nobody is connected twice
    plan.concurrent_count = std::min(plan.concurrent_count, plan.logins.size());
  }
  if (!arguments.topic.empty()) {
    plan.topic_prefix = arguments.topic;
  } else if (!as_devices) {
    plan.topic_prefix = "fairlead-bench/" + run;
  } else if (!found->product.empty()) {
    plan.topic_prefix = "/broadcast/" + found->product + "/bench/" + run;
  } else if (!connects) {
    context.exit_code =
        fail(context, ExitCode::kUsage, "devices of different products have no topic in common",
             "Choose one product with --product.");
    return false;
  }
  return true;
}

// --- Running -------------------------------------------------------------------------------------

volatile std::sig_atomic_t stop_signal = 0;

// The first one ends the measuring, the second one the process.
void stop_on_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { stop_signal = 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

std::string_view phase_name(load::Phase phase) {
  switch (phase) {
    case load::Phase::kConnecting:
      return "connecting";
    case load::Phase::kWarmingUp:
      return "warming up";
    case load::Phase::kMeasuring:
      return "measuring";
    case load::Phase::kFinishing:
      return "waiting for the last ones";
  }
  unreachable();
}

// One line on a terminal that says what is going on.
class StatusLine {
 public:
  explicit StatusLine(const CommandContext& context)
      : shown_(context.format == OutputFormat::kText && isatty(STDERR_FILENO) == 1) {}
  ~StatusLine() { clear(); }
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;

  void show(const load::Progress& progress) {
    if (!shown_) return;
    const std::string_view phase = phase_name(progress.phase);
    std::fprintf(stderr, "\r\x1b[K%.*s %3.0f %%  %s", static_cast<int>(phase.size()), phase.data(),
                 100 * progress.share, grouped(progress.done).c_str());
    std::fflush(stderr);
  }
  void clear() {
    if (shown_) std::fputs("\r\x1b[K", stderr);
  }

 private:
  bool shown_;
};

void warn_of_bottleneck(const CommandContext& context, const load::Cost& cost) {
  if (!load::generator_was_bottleneck(cost)) return;
  warn(context,
       "the generator used a whole core: the broker may be faster than this says; run it on "
       "another machine, or several at a time");
}
const load::Cost& cost_of(const load::TrafficReport& report) { return report.cost; }
const load::Cost& cost_of(const load::ConnectsReport& report) { return report.cost; }
const load::Cost& cost_of(const load::IdleReport& report) { return report.idling; }

template <class Report>
ExitCode run_scenario(CommandContext& context, BenchArguments& arguments,
                      Result<Report> (*run)(const load::Plan&)) {
  load::Plan& plan = arguments.plan;
  StatusLine status(context);
  plan.on_progress = [&status](const load::Progress& progress) { status.show(progress); };
  plan.stop = [] { return stop_signal != 0; };
  stop_on_signals();
  const Result<Report> report = run(plan);
  status.clear();
  if (!report) return fail(context, ExitCode::kFailed, report.error().sentence);
  BenchFigures figures{{"scenario", arguments.name, "scenario", arguments.name},
                       {"url", arguments.url, "url", arguments.url},
                       {"mqttVersion", arguments.version, "mqtt", arguments.version}};
  for (BenchFigure& figure : figures_of(plan, *report)) figures.push_back(std::move(figure));
  print_record(context, record_of(figures, context.format));
  std::fflush(stdout);
  warn_of_bottleneck(context, cost_of(*report));
  const std::string fault = fault_of(plan, *report);
  return fault.empty() ? ExitCode::kOk : fail(context, ExitCode::kFailed, fault);
}

ExitCode run_bench(CommandContext& context, BenchArguments& arguments) {
  load::Plan& plan = arguments.plan;
  plan.qos = static_cast<mqtt::Qos>(arguments.qos);
  if (plan.broker_pid != 0) {
    const Status known = load::check_process(plan.broker_pid);
    if (!known) return fail(context, ExitCode::kNotFound, known.error().sentence);
  }
  auto target = find_target(context, arguments);
  if (!target) return context.exit_code;
  plan.target = std::move(*target);
  if (plan.resume && !plan.target.tls) {
    return fail(context, ExitCode::kUsage, "--resume is about TLS: mqtts:// and wss://");
  }
  const std::string run = random_text(kRunCharacters);
  plan.name_prefix = "bench-" + run;
  if (!check_size(context, arguments) || !fill_logins(context, arguments, run)) {
    return context.exit_code;
  }
  switch (arguments.scenario) {
    case BenchScenario::kConnect:
      return run_scenario(context, arguments, load::run_connects);
    case BenchScenario::kIdle:
      return run_scenario(context, arguments, load::run_idle);
    case BenchScenario::kPair:
    case BenchScenario::kFanIn:
    case BenchScenario::kFanOut:
    case BenchScenario::kLatency:
      return run_scenario(context, arguments, load::run_traffic);
  }
  unreachable();
}

// --- Options -------------------------------------------------------------------------------------

void add_common_options(CLI::App& command, BenchArguments& arguments) {
  load::Plan& plan = arguments.plan;
  command
      .add_option("url,--url", arguments.url, "mqtt://, mqtts://, ws:// or wss:// of the broker")
      ->capture_default_str();
  command.add_option("--seconds", plan.seconds, "Measure for so long")
      ->check(CLI::Range(0.1, 86'400.0))
      ->capture_default_str();
  command
      .add_option("-W,--timeout", plan.patience_seconds,
                  "Give up when not everybody is connected after so many seconds")
      ->check(CLI::Range(0.1, 3'600.0))
      ->capture_default_str();
  command.add_option("--concurrent", plan.concurrent_count, "Connects under way at a time")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  command
      .add_option("--pid", plan.broker_pid,
                  "The broker's process on this machine: tell its CPU time and memory")
      ->check(CLI::PositiveNumber);
  command.add_option("--mqtt-version", arguments.version, "3.1, 3.1.1 or 5")
      ->check(CLI::IsMember({"3.1", "3.1.1", "5", "5.0"}))
      ->capture_default_str();
  add_identity_options(command, arguments.identity);
  add_client_tls_options(command, arguments.tls, "clients");
  if (arguments.scenario == BenchScenario::kConnect) {
    command.add_flag("--resume", plan.resume,
                     "In TLS: offer the broker the session of the connection before");
    return;
  }
  command.add_option("--topic", arguments.topic,
                     "What topics begin with (default: one that is new each time)");
}

void add_message_options(CLI::App& command, BenchArguments& arguments) {
  load::Plan& plan = arguments.plan;
  command.add_option("-q,--qos", arguments.qos, "0, 1 or 2")
      ->check(CLI::Range(0, 2))
      ->capture_default_str();
  command.add_option("--payload", plan.payload_bytes, "Bytes; never under 8, with --rate 16")
      ->check(CLI::Range(0, 16 << 20))
      ->capture_default_str();
  auto* rate = command.add_option("--rate", plan.rate,
                                  "Messages per second of all publishers together, evenly, "
                                  "however slow the broker is");
  rate->check(CLI::Range(1, 10'000'000));
  if (arguments.scenario == BenchScenario::kLatency) {
    rate->capture_default_str();
    return;
  }
  command
      .add_option("--window", plan.window,
                  "Without --rate: messages of a publisher that are on their way at a time")
      ->check(CLI::Range(1, 1'000))
      ->capture_default_str()
      ->excludes(rate);
}

void add_count(CLI::App& command, const std::string& name, std::size_t& count,
               const std::string& meaning) {
  command.add_option(name, count, meaning)
      ->check(CLI::Range(std::size_t{1}, kClientsMax))
      ->capture_default_str();
}

void add_counts(CLI::App& command, BenchArguments& arguments) {
  load::Plan& plan = arguments.plan;
  switch (arguments.scenario) {
    case BenchScenario::kConnect:
      return;
    case BenchScenario::kIdle:
      plan.connection_count = 1'000;
      return add_count(command, "--connections", plan.connection_count, "Clients");
    case BenchScenario::kPair:
      return add_count(command, "--pairs", plan.flow_count, "A publisher and a subscriber each");
    case BenchScenario::kLatency:
      plan.flow_count = 20;
      plan.rate = 2'000;
      return add_count(command, "--pairs", plan.flow_count, "A publisher and a subscriber each");
    case BenchScenario::kFanIn:
      plan.flow_count = 200;
      plan.common_receivers = true;
      add_count(command, "--publishers", plan.flow_count, "Each with a topic of its own");
      return add_count(command, "--subscribers", plan.receiver_count, "Of all topics, each");
    case BenchScenario::kFanOut:
      plan.flow_count = 1;
      plan.receiver_count = 500;
      add_count(command, "--publishers", plan.flow_count, "Each with a topic of its own");
      return add_count(command, "--subscribers", plan.receiver_count, "Of each topic");
  }
}

struct ScenarioText {
  BenchScenario scenario;
  const char* name;
  const char* description;
};
constexpr ScenarioText kScenarios[] = {
    {BenchScenario::kConnect, "connect", "Clients come and go: connects per second"},
    {BenchScenario::kIdle, "idle", "Clients subscribe and stay: memory of a connection"},
    {BenchScenario::kPair, "pair", "Publishers with a subscriber each: messages per second"},
    {BenchScenario::kFanIn, "fan-in", "Many publishers, one subscriber of all"},
    {BenchScenario::kFanOut, "fan-out", "One publisher, many subscribers"},
    {BenchScenario::kLatency, "latency", "Pairs at a steady rate: how long messages take"}};

}  // namespace

void add_bench_command(CLI::App& app, CommandContext& context) {
  CLI::App* bench = app.add_subcommand("bench", "Measure a broker, this one or another");
  bench->require_subcommand(1);
  for (const ScenarioText& text : kScenarios) {
    auto arguments = std::make_shared<BenchArguments>();
    arguments->scenario = text.scenario;
    arguments->name = text.name;
    arguments->plan.seconds = 10;
    CLI::App* command = bench->add_subcommand(text.name, text.description);
    add_counts(*command, *arguments);
    if (exchanges_messages(text.scenario)) add_message_options(*command, *arguments);
    add_common_options(*command, *arguments);
    command->callback(
        [&context, arguments] { context.exit_code = run_bench(context, *arguments); });
  }
  bench->footer(
      "Messages carry numbers: what is lost, comes twice or out of order is counted. A latency\n"
      "counts from the moment at which a message was due, so that a broker that stalls does not\n"
      "hide what waited meanwhile. The generator tells how busy it was itself, and warns when it\n"
      "was the limit. Ends with 1 when nobody answers, when connects fail, and when messages of\n"
      "QoS 1 or 2 are lost or any come twice or out of order.\n"
      "Devices speak to each other on /broadcast/PRODUCT/..., applications and others on\n"
      "fairlead-bench/...; --topic chooses another place.\n"
      "Examples:\n"
      "  fairlead bench pair ws://127.0.0.1:8443 --pid \"$(pidof fairlead)\" -q 1\n"
      "  fairlead bench latency wss://iot.example.com --rate 5000 --product pk --devices all.csv\n"
      "  fairlead bench idle mqtts://host:8883 --connections 5000 --insecure --json");
}

}  // namespace fairlead
