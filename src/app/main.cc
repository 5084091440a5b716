#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "app/command.h"
#include "app/edit_distance.h"

namespace fairlead {
namespace {

constexpr const char* kFooter =
    "Exit codes: 0 done, 1 failed, 2 wrong command line, 3 not found, 4 wrong configuration,\n"
    "5 an address or the data directory is in use.\n"
    "\n"
    "First steps:\n"
    "  fairlead cert init --host localhost --ip 127.0.0.1\n"
    "  fairlead product create --key pk\n"
    "  fairlead device create --product pk --name dev1\n"
    "  fairlead serve --listen 127.0.0.1:8443\n"
    "Changes of products, devices and applications take effect in a running server at once.";

void add_global_options(CLI::App& app, CommandContext& context) {
  app.add_option("--data-dir", context.data_dir,
                 "Where everything is kept (default: $FAIRLEAD_DATA_DIR, /var/lib/fairlead for "
                 "root, ~/.local/share/fairlead)");
  app.add_flag_callback(
      "--json", [&context] { context.format = OutputFormat::kJson; }, "Print JSON, for scripts");
  app.add_option_function<std::string>(
         "--color",
         [&context](const std::string& when) {
           context.color = when == "always"  ? ColorMode::kAlways
                           : when == "never" ? ColorMode::kNever
                                             : ColorMode::kAuto;
         },
         "auto (on a terminal only), always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->type_name("WHEN");
  app.set_version_flag("--version", "fairlead " FAIRLEAD_VERSION, "Print the version");
}

void add_commands(CLI::App& app, CommandContext& context) {
  add_serve_command(app, context);
  add_check_config_command(app, context);
  add_product_commands(app, context);
  add_device_commands(app, context);
  add_app_commands(app, context);
  add_sign_command(app, context);
  add_cert_commands(app, context);
  add_store_commands(app, context);
  add_pub_command(app, context);
  add_sub_command(app, context);
  add_doctor_command(app, context);
  add_bench_command(app, context);
  add_version_command(app, context);
  add_completion_command(app, context);
}

// The innermost command that the line has named so far.
const CLI::App& named_command(const CLI::App& app) {
  const CLI::App* command = &app;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().front();
  return *command;
}

std::string path_of(const CLI::App& command) {
  const CLI::App* parent = command.get_parent();
  return parent ? path_of(*parent) + " " + command.get_name() : command.get_name();
}

// "did you mean --listen?" for the first word that was not understood.
std::string suggestion(const CLI::App& app, const CLI::App& command) {
  const std::vector<std::string> extras = app.remaining(true);
  if (extras.empty()) return "";
  const std::string& word = extras.front();
  std::vector<std::string> names;
  if (word.starts_with("-")) {
    for (const CLI::App* level = &command; level; level = level->get_parent()) {
      for (const CLI::Option* option : level->get_options()) {
        for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
      }
    }
  } else {
    for (const CLI::App* sub : command.get_subcommands([](const CLI::App*) { return true; })) {
      names.push_back(sub->get_name());
    }
  }
  if (names.empty()) return "";
  const std::string_view best = nearest(word, {names.begin(), names.end()});
  if (edit_distance(word, best) > word.size() / 2) return "";
  return "Did you mean " + std::string(best) + "? ";
}

// What was wrong, in better words than the library's where a command was misspelled.
std::string cause(const CLI::App& app, const CLI::App& command, const CLI::ParseError& error) {
  const std::vector<std::string> extras = app.remaining(true);
  const bool wants_command = !command.get_subcommands([](const CLI::App*) { return true; }).empty();
  if (!wants_command) return error.what();
  if (extras.empty() || extras.front().starts_with("-")) return error.what();
  return "\"" + extras.front() + "\" is no command of " + path_of(command);
}

ExitCode parse_error(const CLI::App& app, const CommandContext& context,
                     const CLI::ParseError& error) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
    app.exit(error);  // --help, --version
    return ExitCode::kOk;
  }
  const CLI::App& command = named_command(app);
  return fail(context, ExitCode::kUsage, cause(app, command, error),
              suggestion(app, command) + "See: " + path_of(command) + " --help");
}

int run(int argc, char** argv) {
  CommandContext context;
  context.data_dir = default_data_dir();
  CLI::App app("Fairlead: an MQTT server that devices of the cloud platform connect to unchanged.",
               "fairlead");
  app.require_subcommand(1);
  app.fallthrough();  // --json and --data-dir may stand behind the command
  app.get_formatter()->column_width(28);
  add_global_options(app, context);
  add_commands(app, context);
  app.footer(kFooter);  // after the commands, which would inherit it
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    context.exit_code = parse_error(app, context, error);
  }
  if (std::fflush(stdout) != 0 && context.exit_code == ExitCode::kOk) {
    context.exit_code = fail(context, ExitCode::kFailed, "cannot write the output");
  }
  return static_cast<int>(context.exit_code);
}

}  // namespace
}  // namespace fairlead

int main(int argc, char** argv) {
  try {
    return fairlead::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fairlead: %s\n", error.what());
    return static_cast<int>(fairlead::ExitCode::kFailed);
  }
}
