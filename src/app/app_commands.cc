#include <CLI/CLI.hpp>
#include <memory>

#include "app/command.h"
#include "app/output.h"
#include "app/secret_option.h"
#include "base/random.h"

namespace fairlead {
namespace {

constexpr std::size_t kGeneratedPasswordBytes = 24;

struct CreateApp {
  std::string name;
  ToldSecret password;
  std::vector<std::string> allow;
};

Record record_of(const App& app) {
  std::vector<std::string> permissions;
  for (const Permission& permission : app.permissions) {
    permissions.push_back(format_permission(permission));
  }
  return {{"name", app.name},
          {"permissions", std::move(permissions)},
          {"enabled", app.enabled},
          {"created", format_time(app.created_ms)}};
}

ExitCode create_app(CommandContext& context, Database& database, const CreateApp& options) {
  std::vector<Permission> permissions;
  for (const std::string& text : options.allow) {
    auto permission = parse_permission(text);
    if (!permission) return fail(context, ExitCode::kUsage, permission.error().sentence);
    permissions.push_back(std::move(*permission));
  }
  auto password = take_secret(context, options.password);
  if (!password) return context.exit_code;
  const bool generated = password->empty();
  if (generated) password = random_text(kGeneratedPasswordBytes);

  auto app = make_app(options.name, *password, std::move(permissions));
  if (!app) return fail(context, ExitCode::kUsage, app.error().sentence);
  if (Status status = database.create_app(*app); !status) {
    return fail(context, ExitCode::kFailed, status.error().sentence);
  }
  apply_to_server(context);
  Record record{{"name", app->name}};
  if (generated) record.push_back({"password", *password});  // the only time it is shown
  record.push_back(record_of(*app)[1]);
  print_record(context, record);
  return ExitCode::kOk;
}

ExitCode list_apps(CommandContext& context, Database& database) {
  auto apps = database.apps();
  if (!apps) return fail(context, ExitCode::kFailed, apps.error().sentence);
  std::vector<Record> records;
  for (const App& app : *apps) records.push_back(record_of(app));
  print_records(context, records,
                "There are no applications. Create one: fairlead app create --name NAME "
                "--allow 'sub:#'");
  return ExitCode::kOk;
}

ExitCode delete_app(CommandContext& context, Database& database, const std::string& name) {
  auto app = database.app(name);
  if (!app) return fail(context, ExitCode::kFailed, app.error().sentence);
  if (!*app) {
    return fail(context, ExitCode::kNotFound, "there is no application \"" + name + "\"",
                "See: fairlead app list");
  }
  if (Status status = database.delete_app(name); !status) {
    return fail(context, ExitCode::kFailed, status.error().sentence);
  }
  apply_to_server(context);
  return ExitCode::kOk;
}

void add_create(CLI::App& parent, CommandContext& context) {
  auto options = std::make_shared<CreateApp>();
  CLI::App* command = parent.add_subcommand("create", "Create an application's credentials");
  command->add_option("name,--name", options->name, "Its MQTT user name")->required();
  add_secret_options(*command, "password", "Its password (default: one is generated and printed)",
                     options->password);
  command
      ->add_option("--allow", options->allow,
                   "sub:FILTER or pub:FILTER; repeat it for each permission")
      ->required()
      ->allow_extra_args(false);
  command->footer(
      "Examples:\n"
      "  fairlead app create --name backend --allow 'sub:#' --allow 'pub:#'\n"
      "  fairlead app create --name board --allow 'sub:/pk/+/user/#' --password-file board.pw");
  command->callback([&context, options] {
    if (auto database = open_registry(context)) {
      context.exit_code = create_app(context, *database, *options);
    }
  });
}

}  // namespace

void add_app_commands(CLI::App& app, CommandContext& context) {
  CLI::App* group = app.add_subcommand("app", "Applications: credentials of back ends");
  group->require_subcommand(1);
  add_create(*group, context);
  CLI::App* list = group->add_subcommand("list", "List all applications");
  list->callback([&context] {
    if (auto database = open_registry(context)) context.exit_code = list_apps(context, *database);
  });
  auto name = std::make_shared<std::string>();
  CLI::App* remove =
      group->add_subcommand("delete", "Delete an application; its connections close");
  remove->add_option("name,--name", *name, "Its name")->required();
  remove->callback([&context, name] {
    if (auto database = open_registry(context)) {
      context.exit_code = delete_app(context, *database, *name);
    }
  });
}

}  // namespace fairlead
