#include "net/durable_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/random.h"
#include "net/tcp.h"
#include "net/unique_fd.h"

namespace fairlead {
namespace {

bool write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t count = ::write(fd, content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    content.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

bool sync_directory(const std::string& path) {
  const auto parent = std::filesystem::path(path).parent_path();
  const UniqueFd fd(
      ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return fd.valid() && ::fsync(fd.get()) == 0;
}

}  // namespace

Status write_file_atomically(const std::string& path, std::string_view content,
                             FilePrivacy privacy) {
  const std::string temporary = path + ".new-" + random_text(8);
  const auto mode = static_cast<mode_t>(privacy);
  const UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  const bool written = fd.valid() && ::fchmod(fd.get(), mode) == 0 &&
                       write_all(fd.get(), content) && ::fsync(fd.get()) == 0 &&
                       ::rename(temporary.c_str(), path.c_str()) == 0 && sync_directory(path);
  if (written) return Done{};
  const int error_number = errno;
  if (fd.valid()) ::unlink(temporary.c_str());
  return Reject{ReasonCode::kUnspecifiedError,
                "cannot write " + path + ": " + error_text(error_number)};
}

}  // namespace fairlead
