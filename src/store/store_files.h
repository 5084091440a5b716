#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

// The files of a store, as files: names, lock, mode, and putting another one in its place.

namespace fairlead {

[[nodiscard]] std::filesystem::path store_file(const std::filesystem::path& data_dir);

// The one process that may write. The kernel gives the lock back however the process ends.
class StoreLock {
 public:
  // Rejects with kServerBusy when another process has it.
  [[nodiscard]] static Result<StoreLock> take(const std::filesystem::path& data_dir);
  StoreLock(StoreLock&& other) noexcept;
  StoreLock& operator=(StoreLock&& other) noexcept;
  ~StoreLock();

 private:
  explicit StoreLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

// Makes the file when it is not there, and its mode 0600 in any case. SQLite gives its log and the
// log's index the mode of the file.
[[nodiscard]] Status make_private_file(const std::filesystem::path& file);
// What SQLite keeps beside a file.
[[nodiscard]] std::filesystem::path log_of(const std::filesystem::path& file);
[[nodiscard]] std::filesystem::path log_index_of(const std::filesystem::path& file);
void remove_with_log(const std::filesystem::path& file);

// A new store takes the place of the old one in two steps, and a crash between or within them
// leaves one or the other, never a file with the log of another:
//   1. The new one is written to building_file(), whole and closed.
//   2. replace_store() names it staged, moves the old one and its log to `aside`, and gives the
//      staged one the store's name.
// finish_replacement() completes the second step, or forgets the first, when a crash came.
[[nodiscard]] std::filesystem::path building_file(const std::filesystem::path& data_dir);
[[nodiscard]] Status replace_store(const std::filesystem::path& data_dir,
                                   const std::filesystem::path& aside);
[[nodiscard]] Status finish_replacement(const std::filesystem::path& data_dir);

// A name beside the store that is not taken: "store.db.damaged-20260131-120000", "…-2", …
[[nodiscard]] std::filesystem::path free_name(const std::filesystem::path& data_dir,
                                              std::string_view why);

}  // namespace fairlead
