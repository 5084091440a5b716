#include "store/salvage.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <queue>
#include <set>
#include <vector>

#include "sqlite/sqlite_files.h"
#include "store/store_format.h"

namespace fairlead {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kIdMax = std::numeric_limits<int64_t>::max();
// How often a stretch that cannot be read is looked at again, in halves, in one table. A page that
// is beyond help costs all of them: some tenths of a second.
constexpr int kProbesMax = 10'000;
constexpr int kProblemsMax = 20;

std::string select_from(std::size_t table, const char* rest) {
  return "SELECT id, data FROM " + std::string(kTableNames[table]) + rest;
}

// What was read of one table of a damaged store, and what was not.
class TableSalvage {
 public:
  TableSalvage(SqliteConnection& damaged, SqliteConnection& fresh, std::size_t table)
      : table_(table),
        insert_(fresh.get(),
                "INSERT OR IGNORE INTO " + std::string(kTableNames[table]) + " VALUES (?1, ?2)"),
        forward_(damaged.get(), select_from(table, " WHERE id >= ?1 ORDER BY id")),
        backward_(damaged.get(), select_from(table, " WHERE id <= ?1 ORDER BY id DESC")) {}

  void run() {
    gaps_.push({0, kIdMax});
    for (int probes = 0; !gaps_.empty() && probes < kProbesMax; ++probes) {
      const Gap gap = gaps_.top();
      gaps_.pop();
      look_into(gap);
    }
  }

  [[nodiscard]] uint64_t highest_epoch() const { return highest_epoch_; }
  [[nodiscard]] std::string lost() const {
    std::string text;
    if (!wrong_.empty()) {
      text = std::to_string(wrong_.size())
                 .append(wrong_.size() == 1 ? " record with a wrong checksum"
                                            : " records with a wrong checksum");
    }
    if (unreadable_) text.append(text.empty() ? "" : " and ").append("pages that cannot be read");
    if (!text.empty()) text.append(" in table ").append(kTableNames[table_]);
    return text;
  }

 private:
  struct Gap {  // both ends are in it
    int64_t first;
    int64_t last;
    [[nodiscard]] uint64_t width() const { return static_cast<uint64_t>(last - first); }
    bool operator<(const Gap& other) const { return width() < other.width(); }
  };

  // Reads the gap from both ends; what is left between has a half each to be looked into.
  void look_into(Gap gap) {
    if (read(forward_, gap)) return;
    unreadable_ = true;
    if (read(backward_, gap)) return;
    if (gap.first >= gap.last) return;
    const int64_t middle = gap.first + (gap.last - gap.first) / 2;
    gaps_.push({gap.first, middle});
    gaps_.push({middle + 1, gap.last});
  }

  // True: nothing is left of the gap. Only a right checksum makes a record's number believable: a
  // wrong one neither moves nor ends the reading.
  bool read(SqliteStatement& rows, Gap& gap) {
    const bool ascending = &rows == &forward_;
    rows.reset();
    rows.bind(1, ascending ? gap.first : gap.last);
    try {
      while (rows.step()) {
        const int64_t id = rows.number(0);
        const Bytes stored = rows.blob(1);
        if (!checked_record(static_cast<Table>(table_), static_cast<RecordId>(id), stored)) {
          wrong_.insert(id);
          continue;
        }
        if (id < gap.first || id > gap.last) break;
        keep(id, stored);
        if (id == (ascending ? gap.last : gap.first)) break;
        (ascending ? gap.first : gap.last) = ascending ? id + 1 : id - 1;
      }
      rows.reset();
      return true;
    } catch (const SqliteError&) {
      return false;
    }
  }

  void keep(int64_t id, Bytes stored) {
    try {
      insert_.bind(1, id).bind(2, stored).run();
    } catch (const SqliteError& error) {
      throw CannotWrite{error};
    }
    highest_epoch_ = std::max(highest_epoch_, epoch_of(static_cast<RecordId>(id)));
  }

 public:
  struct CannotWrite {  // not to be taken for damage
    SqliteError error;
  };

 private:
  std::size_t table_;
  SqliteStatement insert_;
  SqliteStatement forward_;
  SqliteStatement backward_;
  std::priority_queue<Gap> gaps_;  // the widest first
  uint64_t highest_epoch_ = 0;
  std::set<int64_t> wrong_;  // as far as their numbers can be believed
  bool unreadable_ = false;
};

uint64_t epoch_bound_of(SqliteConnection& damaged) {
  try {
    const std::string sql = "SELECT value FROM meta WHERE key = '" + std::string(kEpochKey) + "'";
    return static_cast<uint64_t>(damaged.number(sql.c_str()));
  } catch (const SqliteError&) {
    return 0;  // what has been lost needs no number that is its own
  }
}

bool tables_can_be_found(const fs::path& file) {
  try {
    SqliteConnection connection(file, SqliteConnection::Mode::kExisting);
    return find_format(connection).state == FormatState::kCurrent;
  } catch (const SqliteError&) {
    return false;
  }
}

// The first page says where the tables are; it is the same in each store of a format, but for a
// few numbers. A copy of the damaged file that has it from a fresh one.
class Transplant {
 public:
  Transplant(const fs::path& damaged, const fs::path& fresh) : copy_(fresh.string() + "-copy") {
    remove_with_log(copy_);
    std::error_code error;
    fs::copy_file(damaged, copy_, error);
    if (!error && fs::exists(log_of(damaged), error)) {
      fs::copy_file(log_of(damaged), log_of(copy_), error);
    }
    if (error) {
      const bool full = error == std::errc::no_space_on_device;
      throw SqliteError("cannot copy the damaged store: " + error.message(),
                        full ? SqliteTrouble::kFull : SqliteTrouble::kOther);
    }
    std::vector<char> page(kPageBytes);
    std::ifstream(fresh, std::ios::binary).read(page.data(), kPageBytes);
    page[kWriteVersionAt] = page[kReadVersionAt] = kWithLog;
    std::fill_n(page.begin() + kFreePagesAt, 8, '\0');
    ++page[kValidForAt];  // the number of pages in the header is not to be believed
    std::fstream(copy_, std::ios::binary | std::ios::in | std::ios::out)
        .write(page.data(), kPageBytes);
  }
  Transplant(const Transplant&) = delete;
  Transplant& operator=(const Transplant&) = delete;
  ~Transplant() { remove_with_log(copy_); }
  [[nodiscard]] const fs::path& file() const { return copy_; }

 private:
  // Section 1.3 of SQLite's file format.
  static constexpr std::size_t kWriteVersionAt = 18;
  static constexpr std::size_t kReadVersionAt = 19;
  static constexpr char kWithLog = 2;
  static constexpr std::size_t kFreePagesAt = 32;
  static constexpr std::size_t kValidForAt = 95;
  fs::path copy_;
};

std::string salvage_tables(SqliteConnection& damaged, SqliteConnection& fresh) {
  std::string lost;
  uint64_t bound = epoch_bound_of(damaged);
  SqliteTransaction transaction(fresh, TransactionKind::kWrite);
  for (std::size_t table = 0; table < kTableCount; ++table) {
    std::string lost_here;
    try {
      TableSalvage one(damaged, fresh, table);
      one.run();
      bound = std::max(bound, one.highest_epoch());
      lost_here = one.lost();
    } catch (const SqliteError&) {
      lost_here = "all of table " + std::string(kTableNames[table]);
    }
    if (!lost_here.empty()) lost.append(lost.empty() ? "" : "; ").append(lost_here);
  }
  SqliteStatement set_bound(fresh.get(), "UPDATE meta SET value = ?1 WHERE key = ?2");
  set_bound.bind(1, static_cast<int64_t>(bound)).bind(2, std::string_view(kEpochKey)).run();
  transaction.commit();
  return lost;
}

}  // namespace

std::vector<std::string> find_problems(SqliteConnection& connection,
                                       std::array<uint64_t, kTableCount>& counts) {
  std::vector<std::string> problems;
  counts.fill(0);
  SqliteStatement structure(connection.get(),
                            "PRAGMA quick_check(" + std::to_string(kProblemsMax) + ")");
  while (structure.step()) {
    if (std::string text = structure.text(0); text != "ok") {
      problems.push_back("The file is damaged: " + std::move(text) + ".");
    }
  }
  for (std::size_t table = 0; table < kTableCount; ++table) {
    SqliteStatement rows(connection.get(), select_from(table, ""));
    int64_t previous = -1;
    uint64_t wrong = 0;
    while (rows.step()) {
      const int64_t id = rows.number(0);
      ++counts[table];
      if (id <= previous ||
          !checked_record(static_cast<Table>(table), static_cast<RecordId>(id), rows.blob(1))) {
        ++wrong;
      }
      previous = id;
    }
    if (wrong > 0) {
      problems.push_back("Table " + std::string(kTableNames[table]) + " has " +
                         std::to_string(wrong) + " of " + std::to_string(counts[table]) +
                         " records with a wrong checksum.");
    }
  }
  return problems;
}

void require_sound(SqliteConnection& connection) {
  std::array<uint64_t, kTableCount> counts{};
  const auto problems = find_problems(connection, counts);
  if (!problems.empty()) throw SqliteError(problems.front(), SqliteTrouble::kDamaged);
}

std::string salvage(const fs::path& damaged, const fs::path& fresh) {
  SqliteConnection to(fresh);
  to.run(kNewFileSettings);
  create_store(to);
  // Nobody knows of the file until it is whole and synced.
  to.run("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16384");
  std::optional<Transplant> repaired;
  if (!tables_can_be_found(damaged)) repaired.emplace(damaged, fresh);
  try {
    SqliteConnection from(repaired ? repaired->file() : damaged, SqliteConnection::Mode::kExisting);
    std::string lost = salvage_tables(from, to);
    return lost;
  } catch (const TableSalvage::CannotWrite& cause) {
    throw cause.error;
  }
}

}  // namespace fairlead
