#include "app/data_dir.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <string>

#include "net/tcp.h"

namespace fairlead {
namespace {

Reject failed(std::string sentence, ReasonCode code = ReasonCode::kImplementationSpecificError) {
  return Reject{code, std::move(sentence)};
}

std::filesystem::path lock_file(const std::filesystem::path& data_dir) {
  return data_dir / "server.lock";
}

// Of the whole file; held by the open file, not by the process, so that a second open in this
// process counts as another.
struct flock write_lock() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

std::optional<int> read_process_id(int fd) {
  char text[16];
  const ssize_t count = ::pread(fd, text, sizeof text, 0);
  int id = 0;
  if (count <= 0) return std::nullopt;
  const auto [end, error] = std::from_chars(text, text + count, id);
  return error == std::errc{} && id > 0 ? std::optional(id) : std::nullopt;
}

}  // namespace

Status prepare_data_dir(const std::filesystem::path& data_dir) {
  std::error_code error;
  if (std::filesystem::is_directory(data_dir, error)) return Done{};
  const std::filesystem::path parent = std::filesystem::absolute(data_dir, error).parent_path();
  std::filesystem::create_directories(parent, error);
  if (::mkdir(data_dir.c_str(), 0700) == 0 || errno == EEXIST) return Done{};
  return failed("cannot create the data directory " + data_dir.string() + ": " + error_text(errno));
}

Result<DataDirLock> DataDirLock::take(const std::filesystem::path& data_dir) {
  const std::string path = lock_file(data_dir).string();
  UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file.valid()) return failed("cannot open " + path + ": " + error_text(errno));
  struct flock lock = write_lock();
  if (::fcntl(file.get(), F_OFD_SETLK, &lock) != 0) {
    if (errno != EAGAIN && errno != EACCES)
      return failed("cannot lock " + path + ": " + error_text(errno));
    const auto other = read_process_id(file.get());
    return failed("another server works on the data directory " + data_dir.string() +
                      (other ? " (process " + std::to_string(*other) + ")" : ""),
                  ReasonCode::kServerBusy);
  }
  const std::string id = std::to_string(::getpid()) + "\n";
  if (::ftruncate(file.get(), 0) != 0 ||
      ::pwrite(file.get(), id.data(), id.size(), 0) != static_cast<ssize_t>(id.size())) {
    return failed("cannot write " + path + ": " + error_text(errno));
  }
  return DataDirLock(std::move(file));
}

std::optional<int> running_server(const std::filesystem::path& data_dir) {
  UniqueFd file(::open(lock_file(data_dir).c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return std::nullopt;
  struct flock lock = write_lock();
  if (::fcntl(file.get(), F_OFD_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) return std::nullopt;
  return read_process_id(file.get());
}

}  // namespace fairlead
