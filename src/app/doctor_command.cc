#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>

#include "app/command.h"
#include "app/data_dir.h"
#include "app/doctor.h"
#include "app/output.h"
#include "app/server_plan.h"

namespace fairlead {
namespace {

// What one machine is asked about when nobody says: most never see more.
constexpr uint64_t kUsualConnections = 100'000;

struct DoctorOptions {
  std::string config_file;
  std::optional<uint64_t> connection_count;
};

Result<DoctorRequest> request_of(const CommandContext& context, const DoctorOptions& options) {
  DoctorRequest request;
  ServeRequest serve;
  serve.config_file = options.config_file;
  if (std::string file = config_file_of(serve, context.data_dir); !file.empty()) {
    auto parsed = load_config(file);
    if (!parsed) return parsed.error();
    if (!parsed->problems.empty()) {
      return Reject{ReasonCode::kImplementationSpecificError,
                    describe(parsed->problems.front(), file)};
    }
    request.config = std::move(parsed->config);
  }
  auto plan = plan_server(request.config, serve);
  if (!plan) return plan.error();
  request.listeners = std::move(plan->options.listeners);
  request.shard_count = plan->options.shard_count;
  request.data_dir = context.data_dir;
  request.connection_count = options.connection_count.value_or(
      std::min<uint64_t>(kUsualConnections, request.config.server.connection.count_max));
  request.server_process = running_server(context.data_dir);
  return request;
}

Record record_of(const Finding& finding) {
  return {{"check", std::string(finding.check)},
          {"verdict", std::string(verdict_name(finding.verdict))},
          {"found", finding.found},
          {"wanted", finding.wanted},
          {"remedy", finding.remedy},
          {"what", std::string(finding.what)}};
}

std::string verdict_cell(const CommandContext& context, Verdict verdict) {
  constexpr std::size_t kColumns = 9;
  std::string cell(verdict_name(verdict));
  cell.resize(kColumns, ' ');
  switch (verdict) {
    case Verdict::kOk:
      return cell;
    case Verdict::kWarning:
      return painted(context, Stream::kOutput, Paint::kYellow, cell);
    case Verdict::kProblem:
      return painted(context, Stream::kOutput, Paint::kRed, cell);
    case Verdict::kSkipped:
      return painted(context, Stream::kOutput, Paint::kDim, cell);
  }
  unreachable();
}

// A row for each, and below those that are not well what to do.
void print_findings(const CommandContext& context, const DoctorRequest& request,
                    const std::vector<Finding>& findings) {
  std::printf("For %s connections on %s\n\n", grouped(request.connection_count).c_str(),
              request.data_dir.c_str());
  std::size_t columns = 0;
  for (const Finding& each : findings) columns = std::max(columns, each.check.size());
  for (const Finding& each : findings) {
    std::string name(each.check);
    name.resize(columns + 2, ' ');
    std::printf("%s%s%s\n", verdict_cell(context, each.verdict).c_str(), name.c_str(),
                each.found.c_str());
    const bool matters = each.verdict == Verdict::kWarning || each.verdict == Verdict::kProblem;
    const auto below = [&](const char* label, std::string_view text) {
      if (!text.empty()) {
        std::printf("           %s%.*s\n", label, static_cast<int>(text.size()), text.data());
      }
    };
    if (matters) below("", each.what);
    if (matters || each.check == "memory") below("wanted: ", each.wanted);
    if (matters) below("change: ", each.remedy);
  }
}

ExitCode examine_machine_for(const CommandContext& context, const DoctorOptions& options) {
  const auto request = request_of(context, options);
  if (!request) return fail(context, ExitCode::kConfigInvalid, request.error().sentence);
  const std::vector<Finding> findings = examine(SystemFiles(), *request);
  const auto count = [&findings](Verdict verdict) {
    return std::ranges::count(findings, verdict, &Finding::verdict);
  };
  if (context.format == OutputFormat::kJson) {
    std::vector<Record> records;
    for (const Finding& each : findings) records.push_back(record_of(each));
    print_records(context, records, "");
  } else {
    print_findings(context, *request, findings);
    std::printf("\nproblems: %td, warnings: %td\n", count(Verdict::kProblem),
                count(Verdict::kWarning));
  }
  return count(Verdict::kProblem) == 0 ? ExitCode::kOk : ExitCode::kFailed;
}

}  // namespace

void add_doctor_command(CLI::App& app, CommandContext& context) {
  auto options = std::make_shared<DoctorOptions>();
  CLI::App* command =
      app.add_subcommand("doctor", "Say what bounds the server on this machine, and what helps");
  command
      ->add_option("--connections", options->connection_count,
                   "How many shall be connected at once (default: limits.connections, at most "
                   "100,000)")
      ->check(CLI::Range(uint64_t{1}, uint64_t{100'000'000}));
  command->add_option("--config", options->config_file,
                      "Configuration file (default: DATA_DIR/fairlead.toml if there is one)");
  command->footer(
      "Descriptors, queues and memory of the kernel, processors, clock, ports, the data directory\n"
      "and its disk, store, registry and certificates: what is found, what it should be for so\n"
      "many connections, and the line that changes it. Nothing is changed. Run it as the server's\n"
      "user; beside a running server it looks at the limits of that process. Exit code 1 when\n"
      "there is a problem.\n"
      "Examples:\n"
      "  fairlead doctor\n"
      "  sudo -u fairlead fairlead --data-dir /var/lib/fairlead doctor --connections 1000000");
  command->callback(
      [&context, options] { context.exit_code = examine_machine_for(context, *options); });
}

}  // namespace fairlead
