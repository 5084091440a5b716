#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

namespace fairlead {

// A backup is a directory with all of the data directory that cannot be made again: `store.db`,
// `registry.db`, `certs/` and `fairlead.toml`, as far as they are there. Each file can be used by
// itself. It holds every secret, and is for its owner only.
struct BackupDone {
  std::vector<std::string> files;  // names in the backup
  uint64_t bytes = 0;
};
// Beside a running server too: each database is of one moment. The directory is there when all of
// it is on disk, or not at all; one that exists is refused.
[[nodiscard]] Result<BackupDone> make_backup(const std::filesystem::path& data_dir,
                                             const std::filesystem::path& to);

struct RestoreDone {
  std::vector<std::string> restored;   // names in the data directory
  std::vector<std::string> kept;       // what was there before, under new names
  std::vector<std::string> untouched;  // was there, and stays: configuration and certificates
};
// Nothing is changed before all of the backup has been read and found sound. No server may run.
[[nodiscard]] Result<RestoreDone> restore_backup(const std::filesystem::path& data_dir,
                                                 const std::filesystem::path& from);

}  // namespace fairlead
