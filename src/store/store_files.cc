#include "store/store_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

namespace fairlead {
namespace {

namespace fs = std::filesystem;

Reject failed(std::string_view what, const fs::path& file, int error) {
  const auto code = error == ENOSPC || error == EDQUOT ? ReasonCode::kQuotaExceeded
                                                       : ReasonCode::kUnspecifiedError;
  return {code, std::string("cannot ")
                    .append(what)
                    .append(" ")
                    .append(file.string())
                    .append(": ")
                    .append(std::strerror(error))};
}

fs::path beside(const fs::path& file, std::string_view suffix) {
  return fs::path(file.string().append(suffix));
}

fs::path staged_file(const fs::path& data_dir) { return beside(store_file(data_dir), ".new"); }

// What has been written to the file, or in a directory which names it has, is on disk afterwards.
Status sync_file(const fs::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return failed("open", file, errno);
  const int error = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  if (error != 0) return failed("sync", file, error);
  return Done{};
}

Status rename_if_there(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT)
    return failed("rename", from, errno);
  return Done{};
}

bool is_there(const fs::path& file) {
  std::error_code ignored;
  return fs::exists(file, ignored);
}

// The second half of replace_store(): each step is right to do again.
Status move_in(const fs::path& data_dir, const fs::path& aside) {
  const fs::path file = store_file(data_dir);
  // The store before its log: a log without its store is found by finish_replacement().
  if (Status ok = rename_if_there(file, aside); !ok) return ok;
  if (Status ok = rename_if_there(log_of(file), log_of(aside)); !ok) return ok;
  ::unlink(log_index_of(file).c_str());
  if (Status ok = sync_file(data_dir); !ok) return ok;
  if (::rename(staged_file(data_dir).c_str(), file.c_str()) != 0)
    return failed("rename", staged_file(data_dir), errno);
  return sync_file(data_dir);
}

}  // namespace

fs::path store_file(const fs::path& data_dir) { return data_dir / "store.db"; }

Result<StoreLock> StoreLock::take(const fs::path& data_dir) {
  const fs::path file = data_dir / "store.lock";
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) return failed("open", file, errno);
  StoreLock lock(descriptor);
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) return failed("lock", file, errno);
  return Reject{ReasonCode::kServerBusy,
                "another process has the store open (it holds a lock on " + file.string() + ")"};
}

StoreLock::StoreLock(StoreLock&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

StoreLock& StoreLock::operator=(StoreLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

StoreLock::~StoreLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Status make_private_file(const fs::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) return failed("open", file, errno);
  const int error = ::fchmod(descriptor, 0600) == 0 ? 0 : errno;
  ::close(descriptor);
  if (error != 0) return failed("set the mode of", file, error);
  return Done{};
}

fs::path log_of(const fs::path& file) { return beside(file, "-wal"); }
fs::path log_index_of(const fs::path& file) { return beside(file, "-shm"); }

void remove_with_log(const fs::path& file) {
  ::unlink(file.c_str());
  ::unlink(log_of(file).c_str());
  ::unlink(log_index_of(file).c_str());
}

fs::path building_file(const fs::path& data_dir) {
  return beside(store_file(data_dir), ".building");
}

Status replace_store(const fs::path& data_dir, const fs::path& aside) {
  const fs::path building = building_file(data_dir);
  if (Status ok = sync_file(building); !ok) return ok;
  if (::rename(building.c_str(), staged_file(data_dir).c_str()) != 0)
    return failed("rename", building, errno);
  if (Status ok = sync_file(data_dir); !ok) return ok;
  return move_in(data_dir, aside);
}

Status finish_replacement(const fs::path& data_dir) {
  remove_with_log(building_file(data_dir));
  if (!is_there(staged_file(data_dir))) return Done{};
  return move_in(data_dir, free_name(data_dir, "replaced"));
}

fs::path free_name(const fs::path& data_dir, std::string_view why) {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char stamp[32];
  const std::size_t size = std::strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &utc);
  std::string name = ".";
  name.append(why).append("-").append(stamp, size);
  const fs::path first = beside(store_file(data_dir), name);
  fs::path candidate = first;
  for (int i = 2; is_there(candidate) || is_there(log_of(candidate)); ++i) {
    candidate = beside(first, "-" + std::to_string(i));
  }
  return candidate;
}

}  // namespace fairlead
