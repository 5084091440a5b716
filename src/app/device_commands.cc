#include <CLI/CLI.hpp>
#include <memory>

#include "app/command.h"
#include "app/output.h"
#include "app/secret_option.h"
#include "app/text_file.h"

namespace fairlead {
namespace {

struct DeviceName {
  std::string product;
  std::string name;
};

struct CreateDevice {
  DeviceName device;
  ToldSecret secret;
  bool disabled = false;
};

struct ListDevices {
  std::string product;
  std::size_t limit = 0;
};

struct TransferDevices {
  std::string file = "-";
  std::string format;
  std::string product;
};

enum class Secret : uint8_t { kHide, kShow };

Record record_of(const Device& device, Secret secret) {
  Record record{{"productKey", device.product_key}, {"deviceName", device.name}};
  if (secret == Secret::kShow) record.push_back({"deviceSecret", device.secret});
  record.push_back({"enabled", device.enabled});
  record.push_back({"created", format_time(device.created_ms)});
  return record;
}

ExitCode refused(const CommandContext& context, const Reject& reject) {
  return fail(context, ExitCode::kFailed, reject.sentence);
}

// The device, or what to end with, already printed.
std::optional<Device> find(CommandContext& context, Database& database, const DeviceName& which) {
  auto device = database.device(which.product, which.name);
  if (!device) {
    context.exit_code = refused(context, device.error());
    return std::nullopt;
  }
  if (*device) return **device;
  auto product = database.product(which.product);
  const bool known = product && *product;
  context.exit_code =
      known ? fail(context, ExitCode::kNotFound,
                   "product \"" + which.product + "\" has no device \"" + which.name + "\"",
                   "See: fairlead device list --product " + shell_word(which.product))
            : fail(context, ExitCode::kNotFound, "there is no product \"" + which.product + "\"",
                   "See: fairlead product list");
  return std::nullopt;
}

ExitCode create_device(CommandContext& context, Database& database, const CreateDevice& options) {
  const auto secret = take_secret(context, options.secret);
  if (!secret) return context.exit_code;
  auto product = database.product(options.device.product);
  if (!product) return refused(context, product.error());
  if (!*product) {
    return fail(context, ExitCode::kNotFound,
                "there is no product \"" + options.device.product + "\"",
                "Create it: fairlead product create --key " + shell_word(options.device.product));
  }
  Device device;
  device.product_key = options.device.product;
  device.name = options.device.name;
  device.secret = secret->empty() ? generate_secret() : *secret;
  device.enabled = !options.disabled;
  if (Status status = check(device); !status) {
    return fail(context, ExitCode::kUsage, status.error().sentence);
  }
  auto created = database.create_device(device);
  if (!created) return refused(context, created.error());
  apply_to_server(context);
  print_record(context, record_of(*created, Secret::kShow));
  return ExitCode::kOk;
}

ExitCode list_devices(CommandContext& context, Database& database, const ListDevices& options) {
  if (!options.product.empty()) {
    auto product = database.product(options.product);
    if (!product) return refused(context, product.error());
    if (!*product) {
      return fail(context, ExitCode::kNotFound, "there is no product \"" + options.product + "\"",
                  "See: fairlead product list");
    }
  }
  const std::size_t limit = options.limit == 0 ? SIZE_MAX : options.limit;
  auto devices = database.devices(options.product, {}, limit);
  if (!devices) return refused(context, devices.error());
  std::vector<Record> records;
  records.reserve(devices->size());
  for (const Device& device : *devices) records.push_back(record_of(device, Secret::kHide));
  print_records(context, records,
                "There are no devices. Create one: fairlead device create --product KEY "
                "--name NAME");
  return ExitCode::kOk;
}

ExitCode set_enabled(CommandContext& context, Database& database, const DeviceName& which,
                     bool enabled) {
  if (!find(context, database, which)) return context.exit_code;
  if (Status status = database.set_device_enabled(which.product, which.name, enabled); !status) {
    return refused(context, status.error());
  }
  apply_to_server(context);
  return ExitCode::kOk;
}

ExitCode delete_device(CommandContext& context, Database& database, const DeviceName& which) {
  if (!find(context, database, which)) return context.exit_code;
  if (Status status = database.delete_device(which.product, which.name); !status) {
    return refused(context, status.error());
  }
  apply_to_server(context);
  return ExitCode::kOk;
}

// As told, or by the end of the file's name; CSV otherwise.
bool is_json(const TransferDevices& options) {
  if (!options.format.empty()) return options.format == "json";
  return options.file.ends_with(".json");
}

ExitCode import_devices(CommandContext& context, Database& database,
                        const TransferDevices& options) {
  auto text = read_text_file(options.file);
  if (!text) return fail(context, ExitCode::kNotFound, text.error().sentence);
  auto rows = is_json(options) ? parse_device_json(*text) : parse_device_csv(*text);
  constexpr std::string_view kNothing = "Nothing was imported.";
  if (!rows) {
    return fail(context, ExitCode::kFailed, options.file + ": " + rows.error().sentence, kNothing);
  }
  Result<std::vector<Device>> imported = [&] {
    ProgressBar bar("importing", rows->size());
    return database.import_devices(*rows, [&bar](std::size_t done) { bar.show(done); });
  }();
  if (!imported) {
    return fail(context, ExitCode::kFailed, options.file + ": " + imported.error().sentence,
                kNothing);
  }
  apply_to_server(context);
  std::size_t generated = 0;
  for (const ImportRow& row : *rows) generated += row.device_secret.empty() ? 1 : 0;
  print_record(context, {{"imported", static_cast<int64_t>(imported->size())},
                         {"generatedSecrets", static_cast<int64_t>(generated)}});
  if (generated > 0 && context.format == OutputFormat::kText) {
    std::printf("For the three-tuples: fairlead device export\n");
  }
  return ExitCode::kOk;
}

ExitCode export_devices(CommandContext& context, Database& database,
                        const TransferDevices& options) {
  auto devices = database.devices(options.product);
  if (!devices) return refused(context, devices.error());
  const bool json = is_json(options) || (options.format.empty() && options.file == "-" &&
                                         context.format == OutputFormat::kJson);
  const std::string text = json ? devices_to_json(*devices) : devices_to_csv(*devices);
  if (Status status = write_secret_file(options.file, text); !status) {
    return refused(context, status.error());
  }
  return ExitCode::kOk;
}

// Two ways to name a device: `pk dev1`, and `--product pk --name dev1`.
void add_device_name(CLI::App* command, DeviceName& which) {
  command->add_option("product,--product", which.product, "Product key")->required();
  command->add_option("name,--name", which.name, "Device name")->required();
}

using DeviceAction = ExitCode (*)(CommandContext&, Database&, const DeviceName&);

void add_action(CLI::App& parent, CommandContext& context, const std::string& verb,
                const std::string& description, DeviceAction action) {
  auto which = std::make_shared<DeviceName>();
  CLI::App* command = parent.add_subcommand(verb, description);
  add_device_name(command, *which);
  command->callback([&context, which, action] {
    if (auto database = open_registry(context)) {
      context.exit_code = action(context, *database, *which);
    }
  });
}

void add_actions(CLI::App& parent, CommandContext& context) {
  add_action(parent, context, "show", "Show a device with its secret",
             [](CommandContext& c, Database& database, const DeviceName& which) {
               if (auto device = find(c, database, which)) {
                 print_record(c, record_of(*device, Secret::kShow));
               }
               return c.exit_code;
             });
  add_action(parent, context, "enable", "Let a device connect again",
             [](CommandContext& c, Database& database, const DeviceName& which) {
               return set_enabled(c, database, which, true);
             });
  add_action(parent, context, "disable", "Close a device's connection and refuse new ones",
             [](CommandContext& c, Database& database, const DeviceName& which) {
               return set_enabled(c, database, which, false);
             });
  add_action(parent, context, "delete", "Delete a device; its connection is closed at once",
             delete_device);
}

void add_create(CLI::App& parent, CommandContext& context) {
  auto options = std::make_shared<CreateDevice>();
  CLI::App* command = parent.add_subcommand("create", "Create a device and show its three-tuple");
  add_device_name(command, options->device);
  add_secret_options(*command, "secret", "Device secret (default: one is generated)",
                     options->secret);
  command->add_flag("--disabled", options->disabled, "Refuse its connections for now");
  command->footer("Example:\n  fairlead device create --product pk --name dev1 --json");
  command->callback([&context, options] {
    if (auto database = open_registry(context)) {
      context.exit_code = create_device(context, *database, *options);
    }
  });
}

void add_list(CLI::App& parent, CommandContext& context) {
  auto options = std::make_shared<ListDevices>();
  CLI::App* command = parent.add_subcommand("list", "List devices, without their secrets");
  command->add_option("product,--product", options->product, "Of this product only");
  command->add_option("--limit", options->limit, "At most so many");
  command->callback([&context, options] {
    if (auto database = open_registry(context)) {
      context.exit_code = list_devices(context, *database, *options);
    }
  });
}

void add_import(CLI::App& parent, CommandContext& context) {
  auto options = std::make_shared<TransferDevices>();
  CLI::App* command = parent.add_subcommand("import", "Create the devices of a list, all or none");
  command->add_option("file,--file", options->file, "CSV or JSON; - is standard input")->required();
  command->add_option("--format", options->format, "csv or json (default: by the file's name)")
      ->check(CLI::IsMember({"csv", "json"}));
  command->footer(
      "A CSV line is productKey,deviceName,deviceSecret; without a secret one is generated. JSON\n"
      "is a list of objects with these names. A line that is wrong is named, and nothing is\n"
      "imported then.\n"
      "Example:\n  fairlead device import --file devices.csv");
  command->callback([&context, options] {
    if (auto database = open_registry(context)) {
      context.exit_code = import_devices(context, *database, *options);
    }
  });
}

void add_export(CLI::App& parent, CommandContext& context) {
  auto options = std::make_shared<TransferDevices>();
  CLI::App* command =
      parent.add_subcommand("export", "Write devices with their secrets, as import reads them");
  command->add_option("file,--file", options->file, "A file, created for its owner only")
      ->default_str("standard output");
  command->add_option("--product", options->product, "Of this product only");
  command->add_option("--format", options->format, "csv or json (default: by the file's name)")
      ->check(CLI::IsMember({"csv", "json"}));
  command->footer("Example:\n  fairlead device export --product pk --file devices.csv");
  command->callback([&context, options] {
    if (auto database = open_registry(context)) {
      context.exit_code = export_devices(context, *database, *options);
    }
  });
}

}  // namespace

void add_device_commands(CLI::App& app, CommandContext& context) {
  CLI::App* device = app.add_subcommand("device", "Devices: their three-tuples and their state");
  device->require_subcommand(1);
  add_create(*device, context);
  add_import(*device, context);
  add_export(*device, context);
  add_list(*device, context);
  add_actions(*device, context);
}

}  // namespace fairlead
