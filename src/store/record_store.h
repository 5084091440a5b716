#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "session/record_id.h"

namespace fairlead {

// What a record is about; a number is unique within its table.
enum class Table : uint8_t {
  kSession,
  kSubscription,
  kBody,      // a message that several sessions wait for
  kEntry,     // a message that one session waits for, or refers to a body
  kInflight,  // what became of an entry, under the entry's number
  kReceived,  // a packet identifier of QoS 2
  kRetained,
};
constexpr std::size_t kTableCount = 7;

// Changes that become durable together. Puts are applied in their order (a later one of the same
// number replaces an earlier one), then erasures; erasing what is not there is fine.
class RecordBatch {
 public:
  struct Put {
    Table table;
    RecordId id;
    uint32_t size;
    std::size_t offset;
  };
  struct Erase {
    Table table;
    RecordId id;
  };

  void put(Table table, RecordId id, Bytes data) {
    puts_.push_back({table, id, static_cast<uint32_t>(data.size()), data_.size()});
    data_.append(data);
  }
  void erase(Table table, RecordId id) { erasures_.push_back({table, id}); }
  // One that was to be put has become void before.
  void note_struck() { ++struck_; }
  void clear() {
    struck_ = 0;
    puts_.clear();
    erasures_.clear();
    data_.clear();
  }
  [[nodiscard]] bool empty() const { return puts_.empty() && erasures_.empty(); }
  [[nodiscard]] std::size_t bytes() const { return data_.size(); }
  [[nodiscard]] std::size_t struck() const { return struck_; }
  [[nodiscard]] const std::vector<Put>& puts() const { return puts_; }
  [[nodiscard]] const std::vector<Erase>& erasures() const { return erasures_; }
  [[nodiscard]] Bytes data(const Put& put) const {
    return data_.view().subspan(put.offset, put.size);
  }

 private:
  std::size_t struck_ = 0;
  std::vector<Put> puts_;
  std::vector<Erase> erasures_;
  ByteBuffer data_;
};

// What commit() has done when it returns, besides having told the operating system: after that, the
// end of the process loses nothing whatever the policy.
enum class SyncPolicy : uint8_t {
  kAlways,    // on disk
  kInterval,  // on disk after sync_interval at the latest: what a power cut may take
  kNever,     // on disk when the system sees fit; a power cut takes us back to an earlier commit
};

struct StoreOptions {
  SyncPolicy sync = SyncPolicy::kAlways;
  std::chrono::milliseconds sync_interval{1000};
  // The log is worked into the file when it has so many pages of 4 KiB.
  uint32_t checkpoint_pages = 2000;
  std::string vfs = {};  // SQLite's file system to use; empty: the usual one. For tests.
};

// The records on disk: `<data_dir>/store.db`, SQLite in WAL mode, mode 0600. One process at a time
// writes (a lock file beside it tells a second one off); backup() works beside it. Each record
// carries a checksum.
// One thread at a time. After a Reject nothing has changed, and the call may be repeated: a full
// disk is not the end.
class RecordStore {
 public:
  // What was found when a store was opened.
  struct Opened {
    bool created = false;
    // Not empty: the file was damaged. It was moved here, and what could be read of it is in a new
    // one; `lost` describes what could not.
    std::filesystem::path quarantine = {};
    std::string damage = {};     // what was wrong with it
    std::string lost = {};       // may be empty: nothing is known to be lost
    uint64_t migrated_from = 0;  // the format version that it had, when that was an older one
  };

  // Creates what is not there, brings an older format up to date. Refuses a newer format, and a
  // store that another process has open. Reads all of it, to find damage: half a second for a
  // million records of 128 bytes.
  [[nodiscard]] static Result<RecordStore> open(const std::filesystem::path& data_dir,
                                                const StoreOptions& options, Opened& opened);
  RecordStore(RecordStore&&) noexcept;
  RecordStore& operator=(RecordStore&&) noexcept;
  ~RecordStore();

  // One transaction of all the batches; durable, as the policy says, on return.
  [[nodiscard]] Status commit(const std::vector<RecordBatch*>& batches);
  // To be called when sync_due() has come, if no commit() came before: makes durable what is not.
  [[nodiscard]] Status sync();
  [[nodiscard]] std::chrono::steady_clock::time_point sync_due() const;  // max(): nothing to sync
  // Housekeeping in small steps, when there is time: gives free pages back to the file system.
  [[nodiscard]] Status tidy();

  // Calls visit(id, data) for each record of the table, in the order of their numbers. A record
  // whose checksum is wrong, or whose page cannot be read, does not occur: open() has seen to it.
  [[nodiscard]] Status for_each(Table table,
                                const std::function<void(RecordId, Bytes)>& visit) const;
  [[nodiscard]] Result<uint64_t> count(Table table) const;
  // No record was ever given a higher epoch here. After a start it may be up to a thousand above
  // the highest one that was.
  [[nodiscard]] Result<uint64_t> last_epoch() const;

  struct Sizes {
    uint64_t file_bytes = 0;  // with its log
    uint64_t free_bytes = 0;  // of it, not in use
  };
  [[nodiscard]] Sizes sizes() const;

  // --- Commands; none of them needs an instance --------------------------------------------------

  struct Report {
    uint64_t format = 0;
    std::vector<std::pair<std::string_view, uint64_t>> counts;  // by table
    std::vector<std::string> problems;                          // complete sentences; empty: sound
    Sizes sizes;
  };
  [[nodiscard]] static std::filesystem::path file_in(const std::filesystem::path& data_dir);
  // Reads all of it. Beside a running server too. kServerUnavailable: there is no such file.
  [[nodiscard]] static Result<Report> check(const std::filesystem::path& file);
  // Rewrites the file without free pages. Refused while a server has the store open.
  [[nodiscard]] static Result<Sizes> compact(const std::filesystem::path& data_dir);
  // A consistent copy, of one moment, in a new file; beside a running server too. The copy has been
  // read and found sound.
  [[nodiscard]] static Status backup(const std::filesystem::path& data_dir,
                                     const std::filesystem::path& to);
  struct Restored {
    std::filesystem::path
        kept;  // `store.db.before-restore-20260131-120000`; empty: nothing was there
  };
  // Puts a copy in the place of the store; what was there is kept as `kept`.
  // Refused while a server has the store open, and when the copy is not sound.
  [[nodiscard]] static Result<Restored> restore(const std::filesystem::path& data_dir,
                                                const std::filesystem::path& from);

 private:
  struct Impl;
  explicit RecordStore(std::unique_ptr<Impl> impl);
  static std::unique_ptr<Impl> open_sound(const std::filesystem::path& file,
                                          const StoreOptions& options, Opened& opened);
  static void set_aside(const std::filesystem::path& file, Opened& opened);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fairlead
