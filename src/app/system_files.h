#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fairlead {

// What the kernel tells in files: those of /proc and /sys, below a root that is another directory
// in tests. Paths have no slash at their beginning. What is not there, or cannot be read, is
// nullopt: a container shows less than a machine.
class SystemFiles {
 public:
  explicit SystemFiles(std::filesystem::path root = "/") : root_(std::move(root)) {}

  [[nodiscard]] std::ifstream open(std::string_view path) const;
  // Without the white space at its ends.
  [[nodiscard]] std::optional<std::string> text(std::string_view path) const;
  // What follows `beginning` on the first line that has it.
  [[nodiscard]] std::optional<std::string> line(std::string_view path,
                                                std::string_view beginning) const;
  // The numbers at its beginning, until something else comes.
  [[nodiscard]] std::vector<uint64_t> numbers(std::string_view path) const;
  [[nodiscard]] std::optional<uint64_t> number(std::string_view path) const;  // the first of them

 private:
  std::filesystem::path root_;
};

[[nodiscard]] std::vector<uint64_t> leading_numbers(std::string_view text);

// Whether this process may listen on a port such as 443: root, a service with the capability, or a
// machine that allows it to everybody.
[[nodiscard]] bool may_open_port(const SystemFiles& files, uint16_t port);

// The TCP ports that sockets of this machine listen on, on whichever address. Cost: a row of text
// for each connection of the machine.
[[nodiscard]] std::set<uint16_t> listening_ports(const SystemFiles& files);

// How many processors this process may run on, and so how many are worth a shard.
[[nodiscard]] std::optional<uint64_t> processor_count(const SystemFiles& files);

// What this process and its like may have of the machine's memory, in bytes: all of it, or less in
// a container or a service with a limit.
[[nodiscard]] std::optional<uint64_t> memory_limit(const SystemFiles& files);

}  // namespace fairlead
