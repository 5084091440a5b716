#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/config.h"
#include "app/system_files.h"

// What bounds one Fairlead on this machine, and what changes it: `fairlead doctor`. It changes
// nothing itself but a file of its own in the data directory, which is gone afterwards.

namespace fairlead {

enum class Verdict : uint8_t {
  kOk,
  kWarning,  // works, but slower or less safely than it could
  kProblem,  // that many connections, or what is configured, will not work
  kSkipped,  // cannot be told here; `found` says why
};
[[nodiscard]] std::string_view verdict_name(Verdict verdict);  // "ok"

struct Finding {
  std::string_view check;  // the same in all versions, for scripts: "open-files"
  std::string_view what;   // what it is and why it matters, in a sentence
  Verdict verdict = Verdict::kOk;
  std::string found;
  std::string wanted{};  // what it should be, and why so much
  std::string remedy{};  // the command or the line that changes it; empty when nothing has to
};

struct DoctorRequest {
  uint64_t connection_count = 100'000;
  Config config;
  std::vector<ListenerOptions> listeners;
  unsigned shard_count = 1;
  std::filesystem::path data_dir;
  std::optional<int> server_process{};  // of the server that works on the data directory now
};

// What an idle connection with one subscription takes. Private memory as bench/RESULTS.md has it;
// the kernel's part, as Linux 6.18 takes it for a socket that is watched and has no bytes on their
// way, is its socket, file, inode, directory entry and epoll entry.
constexpr uint64_t kWsConnectionBytes = 1'024;
constexpr uint64_t kWssConnectionBytes = 15'155;
constexpr uint64_t kKernelConnectionBytes = 4'197;
// The program itself, with a registry and a router that are nearly empty.
constexpr uint64_t kServerBytes = uint64_t{64} << 20;

// Descriptors, the sizes of queues, ports: what the kernel allows. doctor_limits.cc
[[nodiscard]] std::vector<Finding> examine_limits(const SystemFiles& files,
                                                  const DoctorRequest& request);
// Memory, processors, kernel. doctor_machine.cc
[[nodiscard]] std::vector<Finding> examine_machine(const SystemFiles& files,
                                                   const DoctorRequest& request);

enum class ClockState : uint8_t { kSynchronised, kFree, kUnknown };
[[nodiscard]] ClockState clock_state();
[[nodiscard]] Finding examine_clock(ClockState state);

// The data directory and what is in it, the disk below it, certificates. doctor_data.cc
[[nodiscard]] std::vector<Finding> examine_data(const DoctorRequest& request);
// `type` is what statfs() calls it.
[[nodiscard]] Finding examine_file_system(uint64_t type, const StoreConfig& store);
// `median`: of a write of 4 KiB that is on disk.
[[nodiscard]] Finding examine_sync_speed(std::chrono::microseconds median,
                                         const StoreConfig& store);

// All of them.
[[nodiscard]] std::vector<Finding> examine(const SystemFiles& files, const DoctorRequest& request);

// --- Words that the findings share ------------------------------------------------------------

// It cannot be told here, for that reason.
[[nodiscard]] Finding skipped(Finding finding, std::string why);
[[nodiscard]] bool takes_tls(const DoctorRequest& request);
[[nodiscard]] std::string size_text(uint64_t bytes);  // "14.8 KiB"
// For good: a file that the machine reads at each start.
[[nodiscard]] std::string set_kernel_value(std::string_view key, const std::string& value);

}  // namespace fairlead
