#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "app/exit_code.h"
#include "base/result.h"
#include "registry/database.h"

namespace CLI {
class App;
}

// The commands of the program. Each add_*() declares a command with its options and examples; its
// callback runs it and leaves the exit code in the context, which must outlive the CLI::App.

namespace fairlead {

enum class OutputFormat : uint8_t { kText, kJson };
enum class ColorMode : uint8_t { kAuto, kAlways, kNever };

struct CommandContext {
  std::filesystem::path data_dir;
  OutputFormat format = OutputFormat::kText;
  ColorMode color = ColorMode::kAuto;
  ExitCode exit_code = ExitCode::kOk;
};

void add_serve_command(CLI::App& app, CommandContext& context);
void add_check_config_command(CLI::App& app, CommandContext& context);
void add_product_commands(CLI::App& app, CommandContext& context);
void add_device_commands(CLI::App& app, CommandContext& context);
void add_app_commands(CLI::App& app, CommandContext& context);
void add_sign_command(CLI::App& app, CommandContext& context);
void add_cert_commands(CLI::App& app, CommandContext& context);
void add_store_commands(CLI::App& app, CommandContext& context);
void add_pub_command(CLI::App& app, CommandContext& context);
void add_sub_command(CLI::App& app, CommandContext& context);
void add_doctor_command(CLI::App& app, CommandContext& context);
void add_bench_command(CLI::App& app, CommandContext& context);
void add_version_command(CLI::App& app, CommandContext& context);
void add_completion_command(CLI::App& app, CommandContext& context);

// $FAIRLEAD_DATA_DIR; or /var/lib/fairlead for root; or fairlead in $XDG_DATA_HOME or
// ~/.local/share.
[[nodiscard]] std::filesystem::path default_data_dir();

// Prints "fairlead: SENTENCE" and, when there is one, the advice on a line of its own, on standard
// error; answers the code, to be left in the context.
ExitCode fail(const CommandContext& context, ExitCode code, std::string_view sentence,
              std::string_view advice = {});
void warn(const CommandContext& context, std::string_view sentence);

// After a change of the registry: a running server has taken it over when this returns; one that
// does not answer is worth a warning.
void apply_to_server(const CommandContext& context);

// The registry in the data directory; a failure is printed, and left in the context.
[[nodiscard]] std::optional<Database> open_registry(CommandContext& context);

}  // namespace fairlead
