#include "app/backup.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "app/data_dir.h"
#include "app/text_file.h"
#include "net/durable_file.h"
#include "registry/database.h"
#include "sqlite/sqlite_files.h"
#include "store/record_store.h"

namespace fairlead {
namespace {

namespace fs = std::filesystem;

Reject missing(const fs::path& directory, const char* what) {
  return {ReasonCode::kServerUnavailable, directory.string() + what};
}

// Names of the files that are copied as they are.
std::vector<std::string> plain_files(const fs::path& directory) {
  std::vector<std::string> names;
  if (is_there(directory / "fairlead.toml")) names.emplace_back("fairlead.toml");
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(directory / "certs", ignored)) {
    if (entry.is_regular_file(ignored))
      names.push_back("certs/" + entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

Status copy_plain(const fs::path& from, const fs::path& to) {
  if (is_there(from.parent_path()) && !is_there(to.parent_path()) &&
      ::mkdir(to.parent_path().c_str(), 0700) != 0) {
    return file_error("create", to.parent_path(), errno);
  }
  struct stat found {};
  if (::stat(from.c_str(), &found) != 0) return file_error("read", from, errno);
  const bool is_private = (found.st_mode & 077) == 0;
  auto content = read_text_file(from.string());
  if (!content) return content.error();
  return write_file_atomically(to.string(), *content,
                               is_private ? FilePrivacy::kOwnerOnly : FilePrivacy::kPublic);
}

Status copy_all(const fs::path& data_dir, const fs::path& to, BackupDone& done) {
  // The store first: what it refers to in the registry is there a moment later too.
  if (is_there(RecordStore::file_in(data_dir))) {
    const fs::path copy = RecordStore::file_in(to);
    if (Status ok = RecordStore::backup(data_dir, copy); !ok) return ok;
    done.files.push_back(copy.filename().string());
  }
  if (is_there(Database::file_in(data_dir))) {
    const fs::path copy = Database::file_in(to);
    if (Status ok = Database::backup(data_dir, copy); !ok) return ok;
    done.files.push_back(copy.filename().string());
  }
  for (const std::string& name : plain_files(data_dir)) {
    if (Status ok = copy_plain(data_dir / name, to / name); !ok) return ok;
    done.files.push_back(name);
  }
  for (const std::string& name : done.files) done.bytes += fs::file_size(to / name);
  return Done{};
}

}  // namespace

Result<BackupDone> make_backup(const fs::path& data_dir, const fs::path& to) {
  if (!is_there(RecordStore::file_in(data_dir)) && !is_there(Database::file_in(data_dir))) {
    return missing(data_dir, " has neither a store nor a registry");
  }
  if (is_there(to)) return file_error("create", to, EEXIST);
  const fs::path partial = (to.has_filename() ? to : to.parent_path()).string() + ".partial";
  std::error_code ignored;
  fs::remove_all(partial, ignored);
  if (::mkdir(partial.c_str(), 0700) != 0) return file_error("create", partial, errno);
  BackupDone done;
  Status status = copy_all(data_dir, partial, done);
  if (status) status = rename_durably(partial, to.has_filename() ? to : to.parent_path());
  if (status) return done;
  fs::remove_all(partial, ignored);
  return status.error();
}

Result<RestoreDone> restore_backup(const fs::path& data_dir, const fs::path& from) {
  const fs::path store = RecordStore::file_in(from);
  const fs::path registry = Database::file_in(from);
  if (!is_there(store) && !is_there(registry)) return missing(from, " holds no backup");
  if (Status ok = prepare_data_dir(data_dir); !ok) return ok.error();
  auto lock = DataDirLock::take(data_dir);
  if (!lock) return lock.error();
  if (is_there(registry)) {
    if (Status ok = Database::check_file(registry); !ok) return ok.error();
  }
  RestoreDone done;
  // The store checks itself before it changes anything, and it is the larger part.
  if (is_there(store)) {
    auto restored = RecordStore::restore(data_dir, store);
    if (!restored) return restored.error();
    done.restored.push_back(store.filename().string());
    if (!restored->kept.empty()) done.kept.push_back(restored->kept.filename().string());
  }
  if (is_there(registry)) {
    auto kept = Database::restore(data_dir, registry);
    if (!kept) return kept.error();
    done.restored.push_back(registry.filename().string());
    if (!kept->empty()) done.kept.push_back(kept->filename().string());
  }
  for (const std::string& name : plain_files(from)) {
    if (is_there(data_dir / name)) {
      done.untouched.push_back(name);
      continue;
    }
    if (Status ok = copy_plain(from / name, data_dir / name); !ok) return ok.error();
    done.restored.push_back(name);
  }
  return done;
}

}  // namespace fairlead
