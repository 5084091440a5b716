#include "sqlite/sqlite_files.h"
#include "store/attempt.h"
#include "store/record_store.h"
#include "store/salvage.h"
#include "store/store_format.h"
#include "store/store_lock.h"

// What the commands do with a store that is not open, or that another process has open.

namespace fairlead {
namespace {

namespace fs = std::filesystem;

void require_file(const fs::path& file) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) {
    throw Refused{{ReasonCode::kServerUnavailable, "there is no " + file.string()}};
  }
}

RecordStore::Sizes sizes_of(SqliteConnection& connection, const fs::path& file) {
  RecordStore::Sizes sizes;
  std::error_code error;
  for (const fs::path& each : {file, log_of(file)}) {
    if (const auto bytes = fs::file_size(each, error); !error) sizes.file_bytes += bytes;
  }
  sizes.free_bytes = static_cast<uint64_t>(connection.number("PRAGMA freelist_count") *
                                           connection.number("PRAGMA page_size"));
  return sizes;
}

RecordStore::Report read_all(const fs::path& file) {
  SqliteConnection connection(file, SqliteConnection::Mode::kExisting);
  SqliteTransaction moment(connection, TransactionKind::kRead);
  RecordStore::Report report;
  const Format format = find_format(connection);
  if (format.state == FormatState::kNewer) throw Refused{newer_format(file, format.version)};
  if (format.state != FormatState::kCurrent) {
    throw SqliteError("this is not a store of Fairlead", SqliteTrouble::kDamaged);
  }
  report.format = static_cast<uint64_t>(format.version);
  std::array<uint64_t, kTableCount> counts{};
  report.problems = find_problems(connection, counts);
  for (std::size_t i = 0; i < kTableCount; ++i) {
    report.counts.emplace_back(kTableNames[i], counts[i]);
  }
  report.sizes = sizes_of(connection, file);
  moment.commit();
  return report;
}

void require_sound_file(const fs::path& file) {
  auto report = RecordStore::check(file);
  if (!report) throw Refused{report.error()};
  if (!report->problems.empty()) {
    throw Refused{
        {ReasonCode::kUnspecifiedError, file.string() + " is damaged: " + report->problems[0]}};
  }
}

}  // namespace

Result<RecordStore::Report> RecordStore::check(const fs::path& file) {
  return attempt(file, [&] {
    require_file(file);
    try {
      return read_all(file);
    } catch (const SqliteError& error) {
      if (error.trouble() != SqliteTrouble::kDamaged) throw;
      Report report;
      report.problems.push_back(std::string("The file is damaged: ").append(error.what()) + ".");
      return report;
    }
  });
}

Result<RecordStore::Sizes> RecordStore::compact(const fs::path& data_dir) {
  const fs::path file = file_in(data_dir);
  return attempt(file, [&] {
    require_file(file);
    auto lock = StoreLock::take(data_dir);
    if (!lock) throw Refused{lock.error()};
    require(finish_replacement(file));
    require_sound_file(file);
    SqliteConnection connection(file);
    // All of it goes through the log, so that a crash leaves the old file or the new one.
    connection.run("PRAGMA synchronous = FULL; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)");
    return sizes_of(connection, file);
  });
}

Status RecordStore::backup(const fs::path& data_dir, const fs::path& to) {
  const fs::path file = file_in(data_dir);
  return attempt(file, [&] {
    require_file(file);
    require(copy_database(file, to));
    try {
      require_sound_file(to);
    } catch (const Refused&) {
      remove_with_log(to);
      throw;
    }
  });
}

Result<RecordStore::Restored> RecordStore::restore(const fs::path& data_dir, const fs::path& from) {
  const fs::path file = file_in(data_dir);
  return attempt(file, [&] {
    auto lock = StoreLock::take(data_dir);
    if (!lock) throw Refused{lock.error()};
    require_sound_file(from);
    require(finish_replacement(file));
    require(copy_database(from, building_file(file)));
    Restored restored;
    std::error_code ignored;
    const fs::path aside = free_name(file, "before-restore");
    if (fs::exists(file, ignored)) restored.kept = aside;
    require(replace_database(file, aside));
    return restored;
  });
}

}  // namespace fairlead
