#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace fairlead {

// One command for a shell to complete: "device create", its sub-commands and its options.
struct CompletionWords {
  std::string path;  // empty: the program itself
  std::vector<std::string> commands;
  std::vector<std::string> options;
};

// All commands below `app`, the outermost first. Options of the program count for each of them.
[[nodiscard]] std::vector<CompletionWords> completion_words(const CLI::App& app);

enum class Shell : unsigned char { kBash, kZsh, kFish };
// The script that a shell reads.
[[nodiscard]] std::string completion_script(Shell shell, const std::vector<CompletionWords>& words);

}  // namespace fairlead
