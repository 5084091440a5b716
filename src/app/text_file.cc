#include "app/text_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "net/tcp.h"
#include "net/unique_fd.h"

namespace fairlead {
namespace {

Reject failed(const std::string& what, const std::string& path, int error_number) {
  return Reject{ReasonCode::kImplementationSpecificError,
                "cannot " + what + " " + path + ": " + error_text(error_number)};
}

// 0, or the error number.
int write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return 0;
}

}  // namespace

bool is_there(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

Result<std::string> read_text_file(const std::string& path) {
  UniqueFd file;
  if (path != "-") {
    file.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.valid()) return failed("read", path, errno);
  }
  const int fd = path == "-" ? STDIN_FILENO : file.get();
  std::string text;
  char piece[64 * 1024];
  while (true) {
    const ssize_t count = ::read(fd, piece, sizeof piece);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed("read", path, errno);
    if (count == 0) return text;
    text.append(piece, static_cast<std::size_t>(count));
  }
}

Status write_secret_file(const std::string& path, std::string_view text) {
  if (path == "-") {
    if (const int error = write_all(STDOUT_FILENO, text)) return failed("write", path, error);
    return Done{};
  }
  std::string temporary = path + ".XXXXXX";
  UniqueFd file(::mkostemp(temporary.data(), O_CLOEXEC));  // with mode 0600
  if (!file.valid()) return failed("write", path, errno);
  int error = write_all(file.get(), text);
  if (error == 0 && ::fsync(file.get()) != 0) error = errno;
  if (error == 0 && ::rename(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (error == 0) return Done{};
  ::unlink(temporary.c_str());
  return failed("write", path, error);
}

Result<std::string> read_first_line(const std::string& path) {
  auto text = read_text_file(path);
  if (!text) return text.error();
  return text->substr(0, text->find_first_of("\r\n"));
}

}  // namespace fairlead
