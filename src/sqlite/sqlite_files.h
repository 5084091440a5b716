#pragma once

#include <filesystem>
#include <string_view>

#include "base/result.h"

// A database as files: mode, what stands beside it, and putting another one in its place.

namespace fairlead {

// "cannot OPEN FILE: WHY", and kQuotaExceeded when the disk is full.
[[nodiscard]] Reject file_error(std::string_view what, const std::filesystem::path& file,
                                int error);

// Makes the file when it is not there, and its mode 0600 in any case. SQLite gives its log and the
// log's index the mode of the file.
[[nodiscard]] Status make_private_file(const std::filesystem::path& file);
// A file or a directory that is on disk itself is on disk under its new name.
[[nodiscard]] Status rename_durably(const std::filesystem::path& from,
                                    const std::filesystem::path& to);
// What SQLite keeps beside a file.
[[nodiscard]] std::filesystem::path log_of(const std::filesystem::path& file);
[[nodiscard]] std::filesystem::path log_index_of(const std::filesystem::path& file);
void remove_with_log(const std::filesystem::path& file);

// A consistent copy, as of one moment, in a new file; beside other users of `from` too. It is
// synced, and it is whole or not there. Refused when `to` exists.
[[nodiscard]] Status copy_database(const std::filesystem::path& from,
                                   const std::filesystem::path& to);

// Everything in `to`, which is made when it is not there, becomes what is in `from`: one
// transaction, so that others may have it open.
[[nodiscard]] Status overwrite_database(const std::filesystem::path& from,
                                        const std::filesystem::path& to);

// A new file takes the place of the old one in two steps, and a crash between or within them
// leaves one or the other, never a file with the log of another:
//   1. The new one is written to building_file(), whole and closed.
//   2. replace_database() names it staged, moves the old one, if there is one, and its log to
//      `aside`, and gives the staged one the old one's name.
// finish_replacement() completes the second step, or forgets the first, when a crash came; whoever
// opens the file for writing calls it before.
[[nodiscard]] std::filesystem::path building_file(const std::filesystem::path& file);
[[nodiscard]] Status replace_database(const std::filesystem::path& file,
                                      const std::filesystem::path& aside);
[[nodiscard]] Status finish_replacement(const std::filesystem::path& file);

// A name beside the file that is not taken: "store.db.damaged-20260131-120000", "…-2", …
[[nodiscard]] std::filesystem::path free_name(const std::filesystem::path& file,
                                              std::string_view why);

}  // namespace fairlead
