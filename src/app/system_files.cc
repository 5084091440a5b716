#include "app/system_files.h"

#include <algorithm>
#include <charconv>
#include <sstream>

namespace fairlead {
namespace {

constexpr std::string_view kBlank = " \t\n";

std::string trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(kBlank) + 1 - first));
}

// How many processors a list such as "0-3,8" names.
std::optional<uint64_t> count_of_list(const std::optional<std::string>& list) {
  if (!list || list->empty()) return std::nullopt;
  std::istringstream parts(*list);
  uint64_t count = 0;
  for (std::string part; std::getline(parts, part, ',');) {
    const auto dash = part.find('-');
    const auto first = leading_numbers(part);
    const auto last = dash == std::string::npos ? first : leading_numbers(part.substr(dash + 1));
    if (first.empty() || last.empty() || last[0] < first[0]) return std::nullopt;
    count += last[0] - first[0] + 1;
  }
  return count;
}

// The group of processes that this one is in, as a path: "/system.slice/fairlead.service". An empty
// controller means version 2 of control groups.
std::string control_group(const SystemFiles& files, std::string_view controller) {
  std::istringstream lines(files.text("proc/self/cgroup").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    if (line.substr(first + 1, second - first - 1) == controller) return line.substr(second + 1);
  }
  return "";
}

void lower(std::optional<uint64_t>& limit, std::optional<uint64_t> other) {
  if (other) limit = std::min(limit.value_or(UINT64_MAX), *other);
}

}  // namespace

std::vector<uint64_t> leading_numbers(std::string_view text) {
  std::vector<uint64_t> numbers;
  for (;;) {
    text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{}) return numbers;
    numbers.push_back(number);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  }
}

std::ifstream SystemFiles::open(std::string_view path) const { return std::ifstream(root_ / path); }

std::optional<std::string> SystemFiles::text(std::string_view path) const {
  std::ifstream file = open(path);
  if (!file) return std::nullopt;
  // No such file holds a zero byte. An empty one is no failure, what cannot be read is.
  std::string all;
  std::getline(file, all, '\0');
  if (file.bad()) return std::nullopt;
  return trimmed(all);
}

std::optional<std::string> SystemFiles::line(std::string_view path,
                                             std::string_view beginning) const {
  const auto all = text(path);
  if (!all) return std::nullopt;
  std::istringstream lines(*all);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(beginning)) return trimmed(line.substr(beginning.size()));
  }
  return std::nullopt;
}

std::vector<uint64_t> SystemFiles::numbers(std::string_view path) const {
  return leading_numbers(text(path).value_or(""));
}

std::optional<uint64_t> SystemFiles::number(std::string_view path) const {
  const auto all = numbers(path);
  return all.empty() ? std::nullopt : std::optional(all.front());
}

bool may_open_port(const SystemFiles& files, uint16_t port) {
  constexpr unsigned kCapNetBindService = 10;
  constexpr uint64_t kUsualStart = 1024;
  if (port >= files.number("proc/sys/net/ipv4/ip_unprivileged_port_start").value_or(kUsualStart)) {
    return true;
  }
  const std::string effective = files.line("proc/self/status", "CapEff:").value_or("");
  uint64_t capabilities = 0;
  std::from_chars(effective.data(), effective.data() + effective.size(), capabilities, 16);
  return ((capabilities >> kCapNetBindService) & 1) != 0;
}

std::set<uint16_t> listening_ports(const SystemFiles& files) {
  // A row: "0: 0100007F:20FB 00000000:0000 0A ...": number, local and remote address, state.
  constexpr std::string_view kListening = "0A";
  std::set<uint16_t> ports;
  for (const char* table : {"proc/net/tcp", "proc/net/tcp6"}) {
    std::ifstream rows = files.open(table);
    for (std::string row; std::getline(rows, row);) {
      std::istringstream fields(row);
      std::string number, local, remote, state;
      if (!(fields >> number >> local >> remote >> state) || state != kListening) continue;
      const auto colon = local.rfind(':');
      if (colon == std::string::npos) continue;
      uint16_t port = 0;
      const char* end = local.data() + local.size();
      if (std::from_chars(local.data() + colon + 1, end, port, 16).ec == std::errc{}) {
        ports.insert(port);
      }
    }
  }
  return ports;
}

std::optional<uint64_t> processor_count(const SystemFiles& files) {
  auto count = count_of_list(files.text("sys/devices/system/cpu/online"));
  lower(count, count_of_list(files.line("proc/self/status", "Cpus_allowed_list:")));
  // A share of time: of each period, so many microseconds.
  for (const std::string& group : {control_group(files, ""), std::string()}) {
    const auto share = files.numbers("sys/fs/cgroup" + group + "/cpu.max");
    if (share.size() == 2 && share[1] != 0)
      lower(count, std::max<uint64_t>(1, share[0] / share[1]));
  }
  return count;
}

std::optional<uint64_t> memory_limit(const SystemFiles& files) {
  std::optional<uint64_t> limit;
  const auto total = leading_numbers(files.line("proc/meminfo", "MemTotal:").value_or(""));
  if (!total.empty()) limit = total.front() * 1024;
  // A container may see its own group as the root of them.
  for (const std::string& group : {control_group(files, ""), std::string()}) {
    lower(limit, files.number("sys/fs/cgroup" + group + "/memory.max"));
  }
  for (const std::string& group : {control_group(files, "memory"), std::string()}) {
    lower(limit, files.number("sys/fs/cgroup/memory" + group + "/memory.limit_in_bytes"));
  }
  return limit;
}

}  // namespace fairlead
