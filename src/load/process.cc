#include "load/process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

namespace fairlead::load {
namespace {

constexpr double kBusy = 0.9;  // of a core

std::string proc_path(int pid, const std::string& name) {
  return "/proc/" + std::to_string(pid) + "/" + name;
}

std::optional<std::string> read_proc(int pid, const std::string& name) {
  if (pid == 0) return std::nullopt;
  std::ifstream file(proc_path(pid, name));
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) return std::nullopt;
  return text.str();
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// The sum of the lines "NAME:   123 kB".
template <class Wanted>
std::optional<int64_t> sum_of_lines(const std::optional<std::string>& text, Wanted&& wanted) {
  if (!text) return std::nullopt;
  std::istringstream lines(*text);
  int64_t kilobytes = 0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name;
    int64_t value = 0;
    if (words >> name && wanted(name) && words >> value) kilobytes += value;
  }
  return kilobytes * 1024;
}

}  // namespace

std::optional<double> cpu_seconds(int pid) {
  const auto stat = read_proc(pid, "stat");
  if (!stat || stat->rfind(')') == std::string::npos) return std::nullopt;
  std::istringstream fields(stat->substr(stat->rfind(')') + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;  // proc(5): utime is field 14
  double user_ticks = 0;
  double system_ticks = 0;
  if (!(fields >> user_ticks >> system_ticks)) return std::nullopt;
  return (user_ticks + system_ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double own_cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

std::optional<int64_t> private_bytes(int pid) {
  return sum_of_lines(read_proc(pid, "smaps_rollup"), [](const std::string& name) {
    return name == "Private_Clean:" || name == "Private_Dirty:";
  });
}

std::optional<int64_t> resident_bytes(int pid) {
  return sum_of_lines(read_proc(pid, "status"),
                      [](const std::string& name) { return name == "VmRSS:"; });
}

Status check_process(int pid) {
  for (const char* name : {"stat", "status", "smaps_rollup"}) {
    const auto text = read_proc(pid, name);
    if (text && !text->empty()) continue;
    return Reject{ReasonCode::kUnspecifiedError,
                  "cannot read " + proc_path(pid, name) +
                      "; the broker's process must run here, as the same user"};
  }
  return Done{};
}

bool generator_was_bottleneck(const Cost& cost) {
  const bool busy = cost.own_cpu > kBusy * cost.wall;
  return busy && cost.broker_cpu.value_or(0) < cost.own_cpu;
}

Stretch::Stretch(int broker_pid)
    : broker_pid_(broker_pid),
      broker_before_(cpu_seconds(broker_pid)),
      own_before_(own_cpu_seconds()),
      began_(MonotonicClock::now()) {}

Cost Stretch::so_far() const {
  Cost cost{.wall = static_cast<double>((MonotonicClock::now() - began_).count()) / 1000,
            .own_cpu = own_cpu_seconds() - own_before_};
  const auto broker_now = cpu_seconds(broker_pid_);
  if (broker_now && broker_before_) cost.broker_cpu = *broker_now - *broker_before_;
  return cost;
}

uint64_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

}  // namespace fairlead::load
