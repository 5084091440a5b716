#include <sys/timex.h>

#include <algorithm>
#include <utility>

#include "app/doctor.h"
#include "app/output.h"

// Memory, processors, kernel and clock.

namespace fairlead {
namespace {

// What N connections take, idle: kServerBytes + N x (private memory + the kernel's part).
struct MemoryNeed {
  uint64_t bytes = 0;
  std::string formula;
};
MemoryNeed memory_need(const DoctorRequest& request) {
  const bool tls = takes_tls(request);
  const uint64_t each = tls ? kWssConnectionBytes : kWsConnectionBytes;
  MemoryNeed need;
  need.bytes = kServerBytes + request.connection_count * (each + kKernelConnectionBytes);
  need.formula = size_text(kServerBytes) + " + " + grouped(request.connection_count) + " x (" +
                 size_text(each) + (tls ? " for a wss" : " for a ws") + " connection + " +
                 size_text(kKernelConnectionBytes) + " of the kernel) = " + size_text(need.bytes);
  return need;
}

// What may wait for offline clients, and what is retained: bounded, but by large values.
uint64_t bytes_for_messages(const DoctorRequest& request) {
  return request.config.server.total_queue_bytes_max +
         uint64_t{request.config.server.retained.bytes_max};
}

Finding examine_memory(const SystemFiles& files, const DoctorRequest& request) {
  Finding finding{.check = "memory",
                  .what =
                      "Memory of the machine, or of this container or service, against "
                      "connections that are idle."};
  const MemoryNeed need = memory_need(request);
  const uint64_t messages = bytes_for_messages(request);
  finding.wanted = need.formula + "; besides, messages up to " + size_text(messages) +
                   " (session.total_queue_bytes and retained.bytes)";
  const auto limit = memory_limit(files);
  if (!limit) {
    return skipped(std::move(finding), "/proc/meminfo cannot be read here");
  }
  finding.found = size_text(*limit);
  if (need.bytes > *limit) {
    finding.verdict = Verdict::kProblem;
    finding.remedy =
        "more memory, or fewer connections: limits.connections = " +
        std::to_string(request.connection_count * (*limit / 1024) / (need.bytes / 1024));
  } else if (messages > *limit - need.bytes) {
    finding.verdict = Verdict::kWarning;
    const uint64_t half = (*limit - need.bytes) / 2;
    finding.remedy = "in the configuration file: session.total_queue_bytes = " +
                     std::to_string(std::max(half, uint64_t{1} << 20)) +
                     " and retained.bytes = " + std::to_string(half);
  }
  return finding;
}

Finding examine_overcommit(const SystemFiles& files, const DoctorRequest& request) {
  Finding finding{.check = "overcommit",
                  .what = "Whether the kernel gives memory only while all that is promised fits."};
  const auto mode = files.number("proc/sys/vm/overcommit_memory");
  if (!mode) {
    return skipped(std::move(finding), "/proc/sys/vm/overcommit_memory cannot be read here");
  }
  finding.found = "vm.overcommit_memory = " + std::to_string(*mode);
  constexpr uint64_t kStrict = 2;
  if (*mode != kStrict) return finding;
  const auto kibibytes = [&files](std::string_view name) {
    const auto found = leading_numbers(files.line("proc/meminfo", name).value_or(""));
    return found.empty() ? 0 : found.front();
  };
  const uint64_t limit = kibibytes("CommitLimit:") * 1024;
  const uint64_t promised = kibibytes("Committed_AS:") * 1024;
  const uint64_t left = limit - std::min(limit, promised);
  const MemoryNeed need = memory_need(request);
  finding.found += ", " + size_text(left) + " left to promise";
  finding.wanted = size_text(need.bytes) + " left, or 0";
  if (left >= need.bytes) return finding;
  finding.verdict = Verdict::kWarning;
  finding.remedy = set_kernel_value("vm.overcommit_memory", "0");
  return finding;
}

Finding examine_swap(const SystemFiles& files) {
  constexpr uint64_t kSwappinessMax = 10;
  Finding finding{.check = "swap",
                  .what = "A shard that waits for swapped memory lets all its clients wait."};
  finding.wanted = "none, or vm.swappiness of at most " + std::to_string(kSwappinessMax);
  const auto swaps = files.text("proc/swaps");
  if (!swaps || swaps->find('\n') == std::string::npos) {
    finding.found = "none";
    return finding;
  }
  const auto swappiness = files.number("proc/sys/vm/swappiness");
  finding.found = "on, vm.swappiness = " + (swappiness ? std::to_string(*swappiness) : "unknown");
  if (!swappiness || *swappiness <= kSwappinessMax) return finding;
  finding.verdict = Verdict::kWarning;
  finding.remedy = set_kernel_value("vm.swappiness", "1");
  return finding;
}

Finding examine_cores(const SystemFiles& files, const DoctorRequest& request) {
  // Full handshakes with ECDSA P-256 of one core in a second: half of what a current one can do, as
  // whoever is back wants to be served, too.
  constexpr uint64_t kHandshakesPerSecond = 2'000;
  Finding finding{.check = "cores",
                  .what =
                      "Processors for the server's threads, server.shards of them; TLS "
                      "handshakes after a restart are what takes longest."};
  const auto cores = processor_count(files);
  if (!cores) {
    return skipped(std::move(finding), "/sys/devices/system/cpu/online cannot be read here");
  }
  finding.found = grouped(*cores) + (*cores == 1 ? " core, " : " cores, ") +
                  grouped(request.shard_count) + (request.shard_count == 1 ? " shard" : " shards");
  finding.wanted = "a core for each shard";
  if (takes_tls(request)) {
    const uint64_t busy = std::max<uint64_t>(1, std::min<uint64_t>(*cores, request.shard_count));
    finding.wanted +=
        "; " + grouped(request.connection_count) + " full handshakes take about " +
        grouped(request.connection_count / (kHandshakesPerSecond * busy)) +
        " s on these, resumed ones four fifths of it with TLS 1.3, two fifths with 1.2";
  }
  if (request.shard_count <= *cores) return finding;
  finding.verdict = Verdict::kWarning;
  finding.remedy = "in the configuration file: server.shards = " + std::to_string(*cores);
  return finding;
}

Finding examine_governor(const SystemFiles& files) {
  Finding finding{.check = "cpu-governor", .what = "How the processors choose their speed."};
  const std::string folder = "sys/devices/system/cpu/cpu0/cpufreq/";
  const auto governor = files.text(folder + "scaling_governor");
  if (!governor) {
    return skipped(std::move(finding), "the machine does not tell, as most virtual ones do not");
  }
  finding.found = *governor;
  finding.wanted = "performance or schedutil";
  // These drivers choose by load whatever the governor is called.
  const std::string driver = files.text(folder + "scaling_driver").value_or("");
  const bool by_load = driver == "intel_pstate" || driver.starts_with("amd-pstate");
  if ((*governor != "powersave" && *governor != "conservative") || by_load) return finding;
  finding.verdict = Verdict::kWarning;
  finding.remedy = "echo performance | tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor";
  return finding;
}

Finding examine_kernel(const SystemFiles& files) {
  // Locks of open files came with 3.15; SO_REUSEPORT and epoll are older. What is older than 5.10
  // gets no corrections any more.
  constexpr uint64_t kOldest[] = {3, 15};
  constexpr uint64_t kMaintained[] = {5, 10};
  Finding finding{.check = "kernel",
                  .what = "The server needs epoll, SO_REUSEPORT and locks of open files."};
  finding.wanted = "5.10 or later; 3.15 at least";
  const auto release = files.text("proc/sys/kernel/osrelease");
  const auto dot = release ? release->find('.') : std::string::npos;
  const auto major = leading_numbers(release.value_or(""));
  const auto minor = leading_numbers(
      dot == std::string::npos ? std::string_view() : std::string_view(*release).substr(dot + 1));
  if (major.empty() || minor.empty()) {
    return skipped(std::move(finding), "/proc/sys/kernel/osrelease cannot be read here");
  }
  finding.found = "Linux " + *release;
  const auto older = [&](const uint64_t(&than)[2]) {
    return std::pair(major[0], minor[0]) < std::pair(than[0], than[1]);
  };
  if (older(kMaintained)) finding.verdict = Verdict::kWarning;
  if (older(kOldest)) finding.verdict = Verdict::kProblem;
  if (finding.verdict != Verdict::kOk) finding.remedy = "a newer kernel, as in Debian 12: 6.1";
  return finding;
}

}  // namespace

ClockState clock_state() {
  timex reading{};
  const int state = ::adjtimex(&reading);
  if (state < 0) return ClockState::kUnknown;
  const bool is_free = state == TIME_ERROR || (reading.status & STA_UNSYNC) != 0;
  return is_free ? ClockState::kFree : ClockState::kSynchronised;
}

Finding examine_clock(ClockState state) {
  Finding finding{.check = "clock",
                  .what = "Certificates and the times in messages are right only with the clock."};
  finding.wanted = "synchronised";
  switch (state) {
    case ClockState::kSynchronised:
      finding.found = "synchronised";
      return finding;
    case ClockState::kFree:
      finding.verdict = Verdict::kWarning;
      finding.found = "not synchronised";
      finding.remedy = "apt-get install chrony, or timedatectl set-ntp true";
      return finding;
    case ClockState::kUnknown:
      return skipped(std::move(finding), "the kernel does not tell here");
  }
  unreachable();
}

std::vector<Finding> examine_machine(const SystemFiles& files, const DoctorRequest& request) {
  return {examine_memory(files, request),
          examine_overcommit(files, request),
          examine_swap(files),
          examine_cores(files, request),
          examine_governor(files),
          examine_kernel(files)};
}

}  // namespace fairlead
