#pragma once

#include <fstream>
#include <string_view>

#include "app/system_files.h"
#include "base/temp_dir_for_test.h"

namespace fairlead {

// A machine of files: what /proc and /sys tell in a test.
class SystemTree {
 public:
  void put(std::string_view path, std::string_view text) {
    const std::filesystem::path file = dir_.path() / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  [[nodiscard]] SystemFiles files() const { return SystemFiles(dir_.path()); }

 private:
  TempDir dir_;
};

}  // namespace fairlead
