#include "bench/process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

namespace fairlead::bench {
namespace {

std::string read_proc(int pid, const std::string& name) {
  const std::string path = "/proc/" + std::to_string(pid) + "/" + name;
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

double cpu_seconds(int pid) {
  const std::string stat = read_proc(pid, "stat");
  std::istringstream fields(stat.substr(stat.rfind(')') + 2));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;  // proc(5): utime is field 14
  double user_ticks = 0;
  double system_ticks = 0;
  if (!(fields >> user_ticks >> system_ticks)) throw std::runtime_error("odd stat of a process");
  return (user_ticks + system_ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double own_cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

Stretch::Stretch(int broker_pid)
    : broker_pid_(broker_pid),
      broker_before_(cpu_seconds(broker_pid)),
      own_before_(own_cpu_seconds()),
      began_(MonotonicClock::now()) {}

Stretch::Cost Stretch::so_far() const {
  return {.wall = static_cast<double>((MonotonicClock::now() - began_).count()) / 1000,
          .broker_cpu = cpu_seconds(broker_pid_) - broker_before_,
          .own_cpu = own_cpu_seconds() - own_before_};
}

int64_t private_bytes(int pid) {
  std::istringstream lines(read_proc(pid, "smaps_rollup"));
  int64_t kilobytes = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("Private_Clean:") || line.starts_with("Private_Dirty:")) {
      kilobytes += std::stoll(line.substr(line.find(':') + 1));
    }
  }
  return kilobytes * 1024;
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace fairlead::bench
