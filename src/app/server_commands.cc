#include <CLI/CLI.hpp>
#include <memory>

#include "app/command.h"
#include "app/config_key.h"
#include "app/listen_address.h"
#include "app/output.h"
#include "app/serve.h"
#include "app/server_plan.h"
#include "app/tls_keeper.h"

namespace fairlead {
namespace {

struct CheckConfig {
  std::string file;
  bool reference = false;
};

std::set<std::string> log_levels() {
  std::set<std::string> names;
  for (std::string_view name : find_config_key("log.level")->choices) names.emplace(name);
  return names;
}

// A check for the library: the sentence of an error, or nothing.
template <class Check>
auto well_formed(Check check) {
  return [check](const std::string& text) -> std::string {
    const Status status = check(text);
    return status ? "" : status.error().sentence;
  };
}

// What serve would refuse of a file that is well-formed: addresses, and the files of TLS.
Status try_config(const CommandContext& context, const Config& config) {
  auto plan = plan_server(config, ServeRequest{});
  if (!plan) return plan.error();
  return check_tls(config.tls, context.data_dir, plan->options.listeners);
}

ExitCode check_config(const CommandContext& context, const CheckConfig& options) {
  if (options.reference) {
    const std::string text = config_reference();
    std::fwrite(text.data(), 1, text.size(), stdout);
    return ExitCode::kOk;
  }
  std::string file = options.file;
  if (file.empty()) file = (context.data_dir / "fairlead.toml").string();
  auto parsed = load_config(file);
  if (!parsed) return fail(context, ExitCode::kNotFound, parsed.error().sentence);
  std::vector<ConfigProblem>& problems = parsed->problems;
  if (problems.empty()) {
    if (Status status = try_config(context, parsed->config); !status) {
      problems.push_back({.line = 0, .key = "", .sentence = status.error().sentence});
    }
  }
  const ExitCode code = problems.empty() ? ExitCode::kOk : ExitCode::kConfigInvalid;
  if (context.format == OutputFormat::kJson) {
    std::vector<Record> records;
    for (const ConfigProblem& problem : problems) {
      records.push_back({{"file", file},
                         {"line", int64_t{problem.line}},
                         {"key", problem.key},
                         {"problem", problem.sentence}});
    }
    print_records(context, records, "");
    return code;
  }
  for (const ConfigProblem& problem : problems) fail(context, code, describe(problem, file));
  if (problems.empty()) std::printf("%s is good.\n", file.c_str());
  return code;
}

void print_version(const CommandContext& context) {
  if (context.format == OutputFormat::kJson) {
    print_record(context, {{"version", std::string(FAIRLEAD_VERSION)}});
  } else {
    std::printf("fairlead %s\n", FAIRLEAD_VERSION);
  }
}

}  // namespace

void add_serve_command(CLI::App& app, CommandContext& context) {
  auto request = std::make_shared<ServeRequest>();
  CLI::App* command = app.add_subcommand("serve", "Serve devices, browsers and back ends");
  command
      ->add_option("--listen", request->listen,
                   "ADDRESS:PORT for clients; repeat it. 127.0.0.1:8443, [::1]:8443, :8443 (every "
                   "address); with /mqtt,wss at its end only those protocols (default: port 443 "
                   "and 1883 if allowed, otherwise 8443)")
      ->allow_extra_args(false)
      ->check(well_formed(check_listen));
  command
      ->add_option("--admin", request->admin,
                   "ADDRESS:PORT of the browser page, metrics and health, or off (default: "
                   "127.0.0.1:8080 if it is free)")
      ->check(well_formed([](std::string_view text) -> Status {
        auto where = parse_host_port(text == "off" ? ":0" : text);
        if (!where) return where.error();
        return Done{};
      }));
  command->add_option("--shards", request->shards, "Threads for clients (default: one per core)")
      ->check(CLI::Range(0u, 1024u));
  command->add_option("--config", request->config_file,
                      "Configuration file (default: DATA_DIR/fairlead.toml if there is one)");
  command->add_flag("--allow-anonymous", request->allow_anonymous,
                    "Take clients without credentials, on loopback addresses only");
  command->add_option("--log-level", request->log_level, "debug, info, warning, error or off")
      ->check(CLI::IsMember(log_levels()));
  command->footer(
      "Each listener takes MQTT, MQTT over TLS, ws and wss on its one port. Certificates are\n"
      "created when there are none. SIGTERM and SIGINT stop gracefully, SIGHUP reads the\n"
      "configuration and the certificates again.\n"
      "Examples:\n"
      "  fairlead serve\n"
      "  fairlead --data-dir D serve --listen 127.0.0.1:8443 --admin 127.0.0.1:8080\n"
      "  fairlead serve --listen :443 --listen 127.0.0.1:1883/mqtt --config fairlead.toml");
  command->callback([&context, request] { context.exit_code = serve(context, *request); });
}

void add_check_config_command(CLI::App& app, CommandContext& context) {
  auto options = std::make_shared<CheckConfig>();
  CLI::App* command =
      app.add_subcommand("check-config", "Say what is wrong with a configuration file");
  command->add_option("--config,config", options->file,
                      "The file (default: fairlead.toml in the data directory)");
  command->add_flag("--reference", options->reference,
                    "Print all keys with their defaults and bounds, in Markdown");
  command->footer(
      "The certificates, keys, CA and CRL files that it names are loaded, too.\n"
      "Example:\n  fairlead check-config --config fairlead.toml");
  command->callback([&context, options] { context.exit_code = check_config(context, *options); });
}

void add_version_command(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("version", "Print the version");
  command->callback([&context] { print_version(context); });
}

}  // namespace fairlead
