#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

// Whole files of the command line. `-` is standard input, or standard output. The sentence of an
// error names the file.

namespace fairlead {

// False where it cannot be told, too.
[[nodiscard]] bool is_there(const std::filesystem::path& path);

[[nodiscard]] Result<std::string> read_text_file(const std::string& path);

// Created with mode 0600 and replaced whole or not at all: what is written here holds secrets.
[[nodiscard]] Status write_secret_file(const std::string& path, std::string_view text);

// The first line of a file, for passwords.
[[nodiscard]] Result<std::string> read_first_line(const std::string& path);

}  // namespace fairlead
