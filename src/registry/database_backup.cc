#include "registry/database.h"
#include "sqlite/sqlite.h"
#include "sqlite/sqlite_files.h"

// The registry as a file that is copied and put back.

namespace fairlead {
namespace {

namespace fs = std::filesystem;

Reject reject(std::string sentence) {
  return {ReasonCode::kImplementationSpecificError, std::move(sentence)};
}

// Keeps what is in the registry under another name; one that is beyond copying goes there itself.
Status keep(const fs::path& file, const fs::path& aside) {
  if (Database::check_file(file)) return copy_database(file, aside);
  std::error_code error;
  fs::rename(file, aside, error);
  if (error) return file_error("rename", file, error.value());
  fs::rename(log_of(file), log_of(aside), error);
  fs::remove(log_index_of(file), error);
  return Done{};
}

}  // namespace

Status Database::backup(const fs::path& data_dir, const fs::path& to) {
  if (Status ok = check_file(file_in(data_dir)); !ok) return ok;
  return copy_database(file_in(data_dir), to);
}

Status Database::check_file(const fs::path& file) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return reject("there is no " + file.string());
  try {
    SqliteConnection connection(file, SqliteConnection::Mode::kExisting);
    SqliteStatement problem(connection.get(), "PRAGMA integrity_check(1)");
    if (problem.step() && problem.text(0) != "ok") {
      return reject(file.string() + " is damaged: " + problem.text(0));
    }
    if (connection.number("SELECT count(*) FROM sqlite_schema WHERE name IN "
                          "('product', 'device', 'app', 'change')") != 4) {
      return reject(file.string() + " is not a registry of Fairlead");
    }
    if (connection.number("PRAGMA user_version") > kSchemaVersion) {
      return reject(file.string() + " was written by a newer version of fairlead");
    }
    return Done{};
  } catch (const SqliteError& error) {
    return reject(file.string() + ": " + error.what());
  }
}

Result<fs::path> Database::restore(const fs::path& data_dir, const fs::path& from) {
  if (Status ok = check_file(from); !ok) return ok.error();
  const fs::path file = file_in(data_dir);
  fs::path aside;
  std::error_code ignored;
  if (fs::exists(file, ignored)) {
    aside = free_name(file, "before-restore");
    if (Status ok = keep(file, aside); !ok) return ok.error();
  }
  if (Status ok = overwrite_database(from, file); !ok) return ok.error();
  return aside;
}

}  // namespace fairlead
