#pragma once

#include <filesystem>

#include "base/result.h"

namespace fairlead {

// The one process that may write to the store: a lock on `store.lock`. The kernel gives it back
// however the process ends.
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

}  // namespace fairlead
