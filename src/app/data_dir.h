#pragma once

#include <filesystem>
#include <optional>

#include "base/result.h"
#include "net/unique_fd.h"

namespace fairlead {

// Creates the data directory, for its owner only, when it is not there.
[[nodiscard]] Status prepare_data_dir(const std::filesystem::path& data_dir);

// One server at a time works on a data directory: it holds a lock on `server.lock`, which the
// kernel gives back however the process ends. The file holds the process id, for messages.
class DataDirLock {
 public:
  // Rejects with kServerBusy when another server has it; the sentence names that process.
  [[nodiscard]] static Result<DataDirLock> take(const std::filesystem::path& data_dir);

 private:
  explicit DataDirLock(UniqueFd file) : file_(std::move(file)) {}
  UniqueFd file_;
};

// The process id of the server that works on the data directory, if one does.
[[nodiscard]] std::optional<int> running_server(const std::filesystem::path& data_dir);

}  // namespace fairlead
