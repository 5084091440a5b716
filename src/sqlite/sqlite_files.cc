#include "sqlite/sqlite_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "sqlite/sqlite.h"

namespace fairlead {
namespace {

namespace fs = std::filesystem;

fs::path beside(const fs::path& file, std::string_view suffix) {
  return fs::path(file.string().append(suffix));
}

fs::path staged_file(const fs::path& file) { return beside(file, ".new"); }

// What has been written to the file, or in a directory which names it has, is on disk afterwards.
Status sync_file(const fs::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return file_error("open", file, errno);
  const int error = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  if (error != 0) return file_error("sync", file, error);
  return Done{};
}

Status rename_if_there(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT)
    return file_error("rename", from, errno);
  return Done{};
}

fs::path directory_of(const fs::path& file) {
  return file.has_parent_path() ? file.parent_path() : fs::path(".");
}

Reject cannot_copy(const fs::path& from, const fs::path& to, const SqliteError& error) {
  const bool full = error.trouble() == SqliteTrouble::kFull;
  return {full ? ReasonCode::kQuotaExceeded : ReasonCode::kUnspecifiedError,
          "cannot copy " + from.string() + " to " + to.string() + ": " + error.what()};
}

bool is_there(const fs::path& file) {
  std::error_code ignored;
  return fs::exists(file, ignored);
}

// The second half of replace_database(): each step is right to do again.
Status move_in(const fs::path& file, const fs::path& aside) {
  // A log that a crash has left without its file goes aside when finish_replacement() comes here.
  if (Status ok = rename_if_there(file, aside); !ok) return ok;
  if (Status ok = rename_if_there(log_of(file), log_of(aside)); !ok) return ok;
  ::unlink(log_index_of(file).c_str());
  if (Status ok = sync_file(directory_of(file)); !ok) return ok;
  return rename_durably(staged_file(file), file);
}

}  // namespace

Reject file_error(std::string_view what, const fs::path& file, int error) {
  const auto code = error == ENOSPC || error == EDQUOT ? ReasonCode::kQuotaExceeded
                                                       : ReasonCode::kUnspecifiedError;
  return {code, std::string("cannot ")
                    .append(what)
                    .append(" ")
                    .append(file.string())
                    .append(": ")
                    .append(std::strerror(error))};
}

Status make_private_file(const fs::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) return file_error("open", file, errno);
  const int error = ::fchmod(descriptor, 0600) == 0 ? 0 : errno;
  ::close(descriptor);
  if (error != 0) return file_error("set the mode of", file, error);
  return Done{};
}

Status rename_durably(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return file_error("rename", from, errno);
  return sync_file(directory_of(to));
}

fs::path log_of(const fs::path& file) { return beside(file, "-wal"); }
fs::path log_index_of(const fs::path& file) { return beside(file, "-shm"); }

void remove_with_log(const fs::path& file) {
  ::unlink(file.c_str());
  ::unlink(log_of(file).c_str());
  ::unlink(log_index_of(file).c_str());
}

fs::path building_file(const fs::path& file) { return beside(file, ".building"); }

Status copy_database(const fs::path& from, const fs::path& to) {
  if (is_there(to)) return file_error("write", to, EEXIST);
  const fs::path building = building_file(to);
  remove_with_log(building);
  if (Status ok = make_private_file(building); !ok) return ok;
  try {
    SqliteConnection connection(from, SqliteConnection::Mode::kExisting);
    SqliteStatement copy(connection.get(), "VACUUM INTO ?1");
    copy.bind(1, std::string_view(building.native())).run();
  } catch (const SqliteError& error) {
    remove_with_log(building);
    return cannot_copy(from, to, error);
  }
  if (Status ok = sync_file(building); !ok) return ok;
  return rename_durably(building, to);
}

Status overwrite_database(const fs::path& from, const fs::path& to) {
  if (Status ok = make_private_file(to); !ok) return ok;
  try {
    SqliteConnection source(from, SqliteConnection::Mode::kExisting);
    SqliteConnection(to).overwrite_from(source);
  } catch (const SqliteError& error) {
    return cannot_copy(from, to, error);
  }
  if (Status ok = sync_file(to); !ok) return ok;
  return sync_file(directory_of(to));
}

Status replace_database(const fs::path& file, const fs::path& aside) {
  const fs::path building = building_file(file);
  if (Status ok = sync_file(building); !ok) return ok;
  if (Status ok = rename_durably(building, staged_file(file)); !ok) return ok;
  return move_in(file, aside);
}

Status finish_replacement(const fs::path& file) {
  remove_with_log(building_file(file));
  if (!is_there(staged_file(file))) return Done{};
  return move_in(file, free_name(file, "replaced"));
}

fs::path free_name(const fs::path& file, std::string_view why) {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char stamp[32];
  const std::size_t size = std::strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &utc);
  std::string name = ".";
  name.append(why).append("-").append(stamp, size);
  const fs::path first = beside(file, name);
  fs::path candidate = first;
  for (int i = 2; is_there(candidate) || is_there(log_of(candidate)); ++i) {
    candidate = beside(first, "-" + std::to_string(i));
  }
  return candidate;
}

}  // namespace fairlead
