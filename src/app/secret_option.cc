#include "app/secret_option.h"

#include <CLI/CLI.hpp>
#include <filesystem>

#include "app/command.h"
#include "app/text_file.h"

namespace fairlead {

SecretOptions add_secret_options(CLI::App& command, const std::string& name,
                                 const std::string& meaning, ToldSecret& told) {
  CLI::Option* argument = command.add_option("--" + name, told.argument,
                                             meaning + "; other users of this machine may see it");
  CLI::Option* file =
      command.add_option("--" + name + "-file", told.file,
                         "A file that begins with the " + name + "; - is standard input");
  file->excludes(argument);
  return {argument, file};
}

std::optional<std::string> take_secret(CommandContext& context, const ToldSecret& told) {
  if (told.file.empty()) return told.argument;
  auto line = read_first_line(told.file);
  if (!line) {
    context.exit_code = fail(context, ExitCode::kNotFound, line.error().sentence);
    return std::nullopt;
  }
  if (line->empty()) {
    context.exit_code = fail(context, ExitCode::kUsage, told.file + " begins with an empty line");
    return std::nullopt;
  }
  return std::move(*line);
}

SecretOptions add_device_secret_options(CLI::App& command, ToldSecret& told) {
  return add_secret_options(command, "secret",
                            "Device secret (default: that of the registry in the data directory)",
                            told);
}

std::optional<std::string> take_device_secret(CommandContext& context, const ToldSecret& told,
                                              const std::string& product,
                                              const std::string& device) {
  auto secret = take_secret(context, told);
  if (!secret || !secret->empty()) return secret;
  std::error_code ignored;
  if (std::filesystem::exists(context.data_dir / "registry.db", ignored)) {
    auto database = open_registry(context);
    if (!database) return std::nullopt;
    auto found = database->device(product, device);
    if (found && *found) return (**found).secret;
  }
  context.exit_code = fail(context, ExitCode::kNotFound,
                           "the device is not in the registry of " + context.data_dir.string(),
                           "Give its secret with --secret-file, or the right --data-dir.");
  return std::nullopt;
}

}  // namespace fairlead
