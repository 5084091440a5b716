#include "net/port_owner.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>
#include <system_error>

namespace fairlead {
namespace {

namespace fs = std::filesystem;

struct Listener {
  std::string inode;
  std::string user;
};

// A row of /proc/net/tcp: "0: 0100007F:20FB 00000000:0000 0A 0:0 0:0 0 uid 0 inode ...".
std::optional<Listener> parse_row(const std::string& row, uint16_t port) {
  std::istringstream fields(row);
  std::string number, local, remote, state, queues, timer, retransmits, user, timeout, inode;
  if (!(fields >> number >> local >> remote >> state >> queues >> timer >> retransmits >> user >>
        timeout >> inode)) {
    return std::nullopt;
  }
  constexpr std::string_view kListening = "0A";
  const auto colon = local.rfind(':');
  if (state != kListening || colon == std::string::npos) return std::nullopt;
  unsigned row_port = 0;
  const char* end = local.data() + local.size();
  if (std::from_chars(local.data() + colon + 1, end, row_port, 16).ec != std::errc{}) {
    return std::nullopt;
  }
  if (row_port != port) return std::nullopt;
  return Listener{std::move(inode), std::move(user)};
}

std::optional<Listener> find_listener(uint16_t port) {
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream rows(table);
    for (std::string row; std::getline(rows, row);) {
      if (auto listener = parse_row(row, port)) return listener;
    }
  }
  return std::nullopt;
}

bool holds_socket(const fs::path& process, const std::string& link) {
  std::error_code error;
  for (fs::directory_iterator fd(process / "fd", error), end; !error && fd != end;
       fd.increment(error)) {
    std::error_code unreadable;
    if (fs::read_symlink(fd->path(), unreadable).string() == link) return true;
  }
  return false;
}

}  // namespace

std::string describe_port_owner(uint16_t port) {
  const auto listener = find_listener(port);
  if (!listener) return "another process";
  const std::string link = "socket:[" + listener->inode + "]";
  std::error_code error;
  for (fs::directory_iterator entry("/proc", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string pid = entry->path().filename().string();
    const bool is_process = std::all_of(pid.begin(), pid.end(), [](unsigned char character) {
      return std::isdigit(character) != 0;
    });
    if (!is_process || !holds_socket(entry->path(), link)) continue;
    std::string name;
    std::ifstream comm(entry->path() / "comm");
    if (!std::getline(comm, name) || name.empty()) name = std::string("?");
    return "process " + name + " (pid " + pid + ")";
  }
  return "a process of user " + listener->user;
}

}  // namespace fairlead
