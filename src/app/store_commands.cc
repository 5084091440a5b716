#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "app/backup.h"
#include "app/command.h"
#include "app/data_dir.h"
#include "app/output.h"
#include "store/record_store.h"

namespace fairlead {
namespace {

ExitCode refused(const CommandContext& context, const Reject& reject,
                 std::string_view advice = {}) {
  switch (reject.code) {
    case ReasonCode::kServerBusy:
      return fail(context, ExitCode::kInUse, reject.sentence, "Stop the server first.");
    case ReasonCode::kServerUnavailable:
      return fail(context, ExitCode::kNotFound, reject.sentence, advice);
    default:
      return fail(context, ExitCode::kFailed, reject.sentence, advice);
  }
}

// What starts of the server have put aside, oldest first.
std::vector<std::string> set_aside(const std::filesystem::path& data_dir) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(data_dir, ignored)) {
    std::string name = entry.path().filename().string();
    if (name.starts_with("store.db.damaged-") && !name.ends_with("-wal")) names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

ExitCode check_store(const CommandContext& context) {
  const std::filesystem::path file = RecordStore::file_in(context.data_dir);
  const auto report = RecordStore::check(file);
  if (!report) {
    return refused(context, report.error(),
                   "Choose the data directory with --data-dir or FAIRLEAD_DATA_DIR.");
  }
  Record record{{"file", file.string()}, {"format", static_cast<int64_t>(report->format)}};
  for (const auto& [table, count] : report->counts) {
    record.push_back({std::string(table) + "Records", static_cast<int64_t>(count)});
  }
  record.push_back({"bytes", static_cast<int64_t>(report->sizes.file_bytes)});
  record.push_back({"freeBytes", static_cast<int64_t>(report->sizes.free_bytes)});
  record.push_back({"setAside", set_aside(context.data_dir)});
  record.push_back({"problems", report->problems});
  print_record(context, record);
  return report->problems.empty() ? ExitCode::kOk : ExitCode::kFailed;
}

ExitCode compact_store(const CommandContext& context) {
  const auto before = RecordStore::check(RecordStore::file_in(context.data_dir));
  if (!before) return refused(context, before.error());
  const auto after = RecordStore::compact(context.data_dir);
  if (!after) return refused(context, after.error());
  print_record(context, {{"bytesBefore", static_cast<int64_t>(before->sizes.file_bytes)},
                         {"bytes", static_cast<int64_t>(after->file_bytes)}});
  return ExitCode::kOk;
}

ExitCode back_up(const CommandContext& context, const std::string& directory) {
  const auto done = make_backup(context.data_dir, directory);
  if (!done) {
    return refused(context, done.error(),
                   "Choose the data directory with --data-dir or FAIRLEAD_DATA_DIR.");
  }
  print_record(context, {{"backup", directory},
                         {"files", done->files},
                         {"bytes", static_cast<int64_t>(done->bytes)}});
  return ExitCode::kOk;
}

ExitCode restore(const CommandContext& context, const std::string& directory) {
  const auto done = restore_backup(context.data_dir, directory);
  if (!done) return refused(context, done.error(), "Nothing was restored.");
  print_record(
      context,
      {{"restored", done->restored}, {"kept", done->kept}, {"untouched", done->untouched}});
  return ExitCode::kOk;
}

using StoreAction = ExitCode (*)(const CommandContext&, const std::string&);

void add_transfer(CLI::App& parent, CommandContext& context, const std::string& verb,
                  const std::string& description, const std::string& footer, StoreAction action) {
  auto directory = std::make_shared<std::string>();
  CLI::App* command = parent.add_subcommand(verb, description);
  command->add_option("directory,--directory", *directory, "The directory of the backup")
      ->required();
  command->footer(footer);
  command->callback(
      [&context, directory, action] { context.exit_code = action(context, *directory); });
}

}  // namespace

void add_store_commands(CLI::App& app, CommandContext& context) {
  CLI::App* store = app.add_subcommand("store", "Sessions and messages on disk; backups of it all");
  store->require_subcommand(1);
  CLI::App* check = store->add_subcommand("check", "Read all of the store, and say what is wrong");
  check->footer(
      "Beside a running server too. Exit code 1 when there are problems; the server repairs what\n"
      "it can at its next start, and sets the damaged file aside.");
  check->callback([&context] { context.exit_code = check_store(context); });
  CLI::App* compact =
      store->add_subcommand("compact", "Give the room that is not used back to the file system");
  compact->footer("With the server stopped. It needs room for another copy meanwhile.");
  compact->callback([&context] { context.exit_code = compact_store(context); });
  add_transfer(*store, context, "backup", "Copy everything that matters into a new directory",
               "Sessions, messages, products, devices, applications, certificates and\n"
               "configuration. Beside a running server too. It holds every secret: it is for its\n"
               "owner only.\n"
               "Example:\n  fairlead store backup /var/backups/fairlead-2026-01-31",
               back_up);
  add_transfer(
      *store, context, "restore", "Put a backup in the place of what is there",
      "With the server stopped. What was there is kept beside it as\n"
      "store.db.before-restore-TIME and registry.db.before-restore-TIME; certificates and\n"
      "configuration that are there stay as they are.\n"
      "Example:\n  fairlead store restore /var/backups/fairlead-2026-01-31",
      restore);
}

}  // namespace fairlead
