#pragma once

#include <optional>
#include <string>

namespace CLI {
class App;
class Option;
}  // namespace CLI

// Secrets and passwords on the command line. Arguments are for every user of the machine to read,
// so that each may also be the first line of a file, or of standard input.

namespace fairlead {

struct CommandContext;

// As it was told; both are empty when it was not.
struct ToldSecret {
  std::string argument;
  std::string file;
};

struct SecretOptions {
  CLI::Option* argument;
  CLI::Option* file;
};

// Declares --NAME and --NAME-file, of which at most one may be told; `meaning` is the help of the
// first one.
SecretOptions add_secret_options(CLI::App& command, const std::string& name,
                                 const std::string& meaning, ToldSecret& told);

// The secret; empty when none was told. Nullopt when its file gives none: that is printed, and left
// in the context.
[[nodiscard]] std::optional<std::string> take_secret(CommandContext& context,
                                                     const ToldSecret& told);

// --secret and --secret-file of a command that finds the secrets of known devices by itself.
SecretOptions add_device_secret_options(CLI::App& command, ToldSecret& told);

// The secret of a device: as it was told, otherwise as the registry in the data directory has it.
[[nodiscard]] std::optional<std::string> take_device_secret(CommandContext& context,
                                                            const ToldSecret& told,
                                                            const std::string& product,
                                                            const std::string& device);

}  // namespace fairlead
