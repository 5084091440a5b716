#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "sqlite/sqlite.h"
#include "store/record_store.h"

// Finding damage, and what can be kept in spite of it.

namespace fairlead {

// Reads all of it: SQLite's own structures, and every record's checksum. Throws SqliteError, of
// kDamaged when something is wrong. Cost: 0.4 s for a million records of 128 bytes.
void require_sound(SqliteConnection& connection);

// What is wrong, as complete sentences; empty: nothing. Counts the records on the way, by Table.
std::vector<std::string> find_problems(SqliteConnection& connection,
                                       std::array<uint64_t, kTableCount>& counts);

// Copies every record that can be read out of `damaged`, which stays as it is, into `fresh`, which
// is made. Answers what is known to be lost, as a sentence; empty: nothing. Throws SqliteError when
// `fresh` cannot be written.
[[nodiscard]] std::string salvage(const std::filesystem::path& damaged,
                                  const std::filesystem::path& fresh);

}  // namespace fairlead
