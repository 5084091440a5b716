#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace fairlead {

// A disk in memory, as a file system of SQLite's, that does what disks do at the worst moment:
//  - A crash keeps what was synced. Of what was written since, each sector of 512 bytes is kept or
//    not by chance: writes are lost, torn and reordered. A new file that was never synced may go.
//  - A call may fail, and a write that fails may have happened in part. A sync that fails has
//    forgotten what it was about: those writes are never on disk, whatever a later one says.
//  - It may be full.
// One connection at a time.
class SimDisk {
 public:
  explicit SimDisk(uint64_t seed);
  ~SimDisk();
  SimDisk(const SimDisk&) = delete;
  SimDisk& operator=(const SimDisk&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }  // StoreOptions::vfs
  // Calls that may fail, so far.
  [[nodiscard]] uint64_t calls() const { return calls_; }

  void fail_call(uint64_t number) { failing_call_ = number; }    // that one, with EIO
  void spare_syncs() { spare_syncs_ = true; }                    // they are not what fails
  void die_at_call(uint64_t number) { last_call_ = number; }     // and all after it: a crash
  void fill_up_at_write(uint64_t number) { full_at_ = number; }  // writes that need room fail
  void make_room() { full_at_ = UINT64_MAX; }                    // on any thread
  [[nodiscard]] uint64_t writes() const { return writes_; }

  // What becomes of writes that were not synced. Nothing is lost when only the process ends.
  enum class Lost : uint8_t { kNothing, kBySector, kAll };
  // The disk as it is found after the crash, with all faults gone. All connections are closed.
  void crash(Lost lost);

  // --- For the file system's functions ----------------------------------------------------------

  struct Change {
    std::size_t at = 0;
    std::vector<std::byte> data;        // written there,
    std::optional<std::size_t> length;  // or cut to this
  };
  struct File {
    std::vector<std::byte> now;      // as a reader sees it
    std::vector<std::byte> on_disk;  // as of the last sync
    std::vector<Change> unsynced;
    bool is_durable = false;
    std::vector<std::unique_ptr<std::vector<std::byte>>> index;  // "shared memory", by region
  };
  enum class Call : uint8_t { kOpen, kDelete, kRead, kWrite, kSync, kTruncate, kIndex };
  // False: this call fails.
  [[nodiscard]] bool count(Call call);
  [[nodiscard]] bool is_dead() const { return last_call_ && calls_ >= *last_call_; }
  [[nodiscard]] bool is_full() const { return writes_ >= full_at_; }
  std::map<std::string, std::shared_ptr<File>> files;
  std::mt19937_64 random;

 private:
  struct Vfs;
  bool chance() { return random() % 2 == 0; }
  void apply_in_part(std::vector<std::byte>& file, const Change& change);

  std::string name_;
  std::unique_ptr<Vfs> vfs_;
  uint64_t calls_ = 0;
  uint64_t writes_ = 0;
  bool spare_syncs_ = false;
  std::optional<uint64_t> failing_call_;
  std::optional<uint64_t> last_call_;
  std::atomic<uint64_t> full_at_{UINT64_MAX};
};

}  // namespace fairlead
