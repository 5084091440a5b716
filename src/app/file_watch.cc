#include "app/file_watch.h"

#include <sys/stat.h>

#include <utility>

namespace fairlead {
namespace {

int64_t nanoseconds(const timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; }

}  // namespace

void FileWatch::begin(std::vector<std::string> files) {
  files_ = std::move(files);
  known_ = latest_ = look();
}

bool FileWatch::settled_change() {
  std::vector<Mark> now = look();
  const bool settled = now == latest_;
  latest_ = std::move(now);
  if (!settled || latest_ == known_) return false;
  known_ = latest_;
  return true;
}

std::vector<FileWatch::Mark> FileWatch::look() const {
  std::vector<Mark> marks;
  for (const std::string& file : files_) {
    Mark& mark = marks.emplace_back();
    struct stat status {};
    if (::stat(file.c_str(), &status) != 0) continue;
    mark = {status.st_dev, status.st_ino, status.st_size, nanoseconds(status.st_mtim),
            nanoseconds(status.st_ctim)};
  }
  return marks;
}

}  // namespace fairlead
