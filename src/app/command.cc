#include "app/command.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "app/output.h"
#include "registry/control_socket.h"

namespace fairlead {
namespace {

constexpr std::chrono::seconds kServerAnswerMax{10};

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

std::filesystem::path default_data_dir() {
  if (const std::string told = environment("FAIRLEAD_DATA_DIR"); !told.empty()) return told;
  if (geteuid() == 0) return "/var/lib/fairlead";
  if (const std::string data = environment("XDG_DATA_HOME"); !data.empty()) {
    return std::filesystem::path(data) / "fairlead";
  }
  const std::string home = environment("HOME");
  return std::filesystem::path(home.empty() ? "." : home) / ".local/share/fairlead";
}

ExitCode fail(const CommandContext& context, ExitCode code, std::string_view sentence,
              std::string_view advice) {
  const std::string name = painted(context, Stream::kError, Paint::kRed, "fairlead:");
  std::fprintf(stderr, "%s %.*s\n", name.c_str(), static_cast<int>(sentence.size()),
               sentence.data());
  if (!advice.empty()) {
    std::fprintf(stderr, "  %.*s\n", static_cast<int>(advice.size()), advice.data());
  }
  return code;
}

void warn(const CommandContext& context, std::string_view sentence) {
  const std::string name = painted(context, Stream::kError, Paint::kYellow, "fairlead: warning:");
  std::fprintf(stderr, "%s %.*s\n", name.c_str(), static_cast<int>(sentence.size()),
               sentence.data());
}

void apply_to_server(const CommandContext& context) {
  switch (notify_server(context.data_dir, kServerAnswerMax)) {
    case Notified::kApplied:
    case Notified::kNoServer:
      return;
    case Notified::kFailed:
      return warn(context,
                  "the change is saved, but the running server has not confirmed it yet; "
                  "look at its log if it does not take effect");
  }
}

std::optional<Database> open_registry(CommandContext& context) {
  auto database = Database::open(context.data_dir);
  if (database) return std::move(*database);
  context.exit_code = fail(context, ExitCode::kFailed, database.error().sentence,
                           "Choose the data directory with --data-dir or FAIRLEAD_DATA_DIR.");
  return std::nullopt;
}

}  // namespace fairlead
