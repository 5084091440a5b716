#include <unistd.h>

#include <algorithm>
#include <set>
#include <utility>

#include "app/doctor.h"
#include "app/output.h"
#include "net/port_owner.h"

// What the kernel allows: descriptors, lengths of queues, ports.

namespace fairlead {
namespace {

// Besides connections: listeners, databases, the log, loops, and some air for a restart.
constexpr uint64_t kOtherDescriptors = 1'000;
// What other programs of a machine have open.
constexpr uint64_t kOtherPrograms = 10'000;
// Connections that the server lets the kernel hold for each listener and shard until it takes them;
// the kernel cuts it down to net.core.somaxconn.
constexpr uint64_t kBacklog = 4'096;

std::string for_connections(const DoctorRequest& request) {
  return " for " + grouped(request.connection_count) + " connections";
}

struct KernelValue {
  std::string_view check;
  std::string_view what;
  std::string_view key;   // "fs.nr_open"
  std::string_view path;  // "proc/sys/fs/nr_open"
  uint64_t wanted;
  std::string why;
  Verdict too_low;
};

Finding examine_value(const SystemFiles& files, const KernelValue& value) {
  Finding finding{.check = value.check, .what = value.what};
  finding.wanted = "at least " + grouped(value.wanted) + value.why;
  const auto found = files.number(value.path);
  if (!found) {
    return skipped(std::move(finding), "/" + std::string(value.path) + " cannot be read here");
  }
  finding.found = grouped(*found);
  if (*found >= value.wanted) return finding;
  finding.verdict = value.too_low;
  finding.remedy = set_kernel_value(value.key, std::to_string(value.wanted));
  return finding;
}

Finding examine_open_files(const SystemFiles& files, const DoctorRequest& request) {
  Finding finding{.check = "open-files",
                  .what =
                      "Descriptors that the server may have: each connection is one. It raises "
                      "its soft limit to the hard one."};
  const uint64_t wanted = request.connection_count + kOtherDescriptors;
  finding.wanted = "hard limit at least " + grouped(wanted) + for_connections(request);
  const std::string process =
      request.server_process ? std::to_string(*request.server_process) : "self";
  const auto line = files.line("proc/" + process + "/limits", "Max open files");
  const bool unlimited = line && line->find("unlimited") != std::string::npos;
  const auto limits = leading_numbers(line.value_or(""));
  if (!unlimited && limits.size() < 2) {
    return skipped(std::move(finding), "/proc/" + process + "/limits cannot be read here");
  }
  const std::string whose = request.server_process ? " of process " + process : "";
  finding.found = unlimited ? "unlimited"
                            : "soft " + grouped(limits[0]) + ", hard " + grouped(limits[1]) + whose;
  if (unlimited || limits[1] >= wanted) return finding;
  finding.verdict = Verdict::kProblem;
  finding.remedy = "in the service's [Service] section: LimitNOFILE=" + std::to_string(wanted) +
                   "; for a shell, as root: ulimit -n " + std::to_string(wanted);
  return finding;
}

// The kernel keeps half-open connections in the listener's queue, and sends cookies when that is
// full: with them this value means nothing.
Finding examine_half_open(const SystemFiles& files) {
  Finding finding = examine_value(files, {.check = "syn-backlog",
                                          .what = "Half-open connections per listener in a storm.",
                                          .key = "net.ipv4.tcp_max_syn_backlog",
                                          .path = "proc/sys/net/ipv4/tcp_max_syn_backlog",
                                          .wanted = kBacklog,
                                          .why = ", or net.ipv4.tcp_syncookies = 1",
                                          .too_low = Verdict::kWarning});
  if (finding.verdict != Verdict::kWarning) return finding;
  if (files.number("proc/sys/net/ipv4/tcp_syncookies").value_or(0) == 0) return finding;
  finding.verdict = Verdict::kOk;
  finding.found += ", of no effect with net.ipv4.tcp_syncookies = 1";
  finding.remedy.clear();
  return finding;
}

// An idle connection has no bytes in the kernel. In a storm, and when something is sent to all,
// each has some, in its smallest unit: a page.
Finding examine_buffers(const SystemFiles& files, const DoctorRequest& request) {
  Finding finding{.check = "tcp-memory",
                  .what =
                      "Pages for the bytes in all TCP sockets; from the second value on the "
                      "kernel shrinks windows, at the third it drops."};
  const uint64_t pages = request.connection_count;
  const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  finding.wanted = "second value at least " + grouped(pages) + " pages (" +
                   size_text(pages * page) + "): one for each connection, as in a storm";
  const auto found = files.numbers("proc/sys/net/ipv4/tcp_mem");
  if (found.size() != 3) {
    return skipped(std::move(finding), "/proc/sys/net/ipv4/tcp_mem cannot be read here");
  }
  finding.found = grouped(found[0]) + " " + grouped(found[1]) + " " + grouped(found[2]) +
                  " pages (up to " + size_text(found[2] * page) + ")";
  if (found[1] >= pages) return finding;
  finding.verdict = Verdict::kWarning;
  finding.remedy = set_kernel_value("net.ipv4.tcp_mem", std::to_string(pages * 3 / 4) + " " +
                                                            std::to_string(pages) + " " +
                                                            std::to_string(pages * 3 / 2));
  return finding;
}

Finding examine_tracking(const SystemFiles& files, const DoctorRequest& request) {
  Finding finding{.check = "conntrack",
                  .what =
                      "Connections that the firewall tracks; when the table is full, new ones "
                      "are dropped without a word."};
  const auto found = files.number("proc/sys/net/netfilter/nf_conntrack_max");
  if (!found) {
    finding.found = "the module is not loaded: nothing is tracked";
    return finding;
  }
  // Those that have ended stay for a while.
  const uint64_t wanted = request.connection_count + request.connection_count / 4;
  const auto used = files.number("proc/sys/net/netfilter/nf_conntrack_count").value_or(0);
  finding.found = grouped(*found) + ", " + grouped(used) + " of them in use";
  finding.wanted = "at least " + grouped(wanted) + ": a quarter more than connections";
  if (*found >= wanted) return finding;
  // The module may be loaded without a rule that uses it.
  const bool tracks = used > 0;
  finding.verdict =
      tracks && *found < request.connection_count ? Verdict::kProblem : Verdict::kWarning;
  finding.remedy = set_kernel_value("net.netfilter.nf_conntrack_max", std::to_string(wanted));
  return finding;
}

bool is_configured(const DoctorRequest& request, uint16_t port) {
  return std::ranges::any_of(request.listeners,
                             [port](const auto& each) { return each.address.port() == port; });
}

Finding examine_port(const SystemFiles& files, const DoctorRequest& request, uint16_t port,
                     bool taken) {
  const bool wanted = is_configured(request, port);
  Finding finding{.check = "port",
                  .what = "Whether a usual or configured port is free, and this user may open it."};
  finding.found = std::to_string(port) + " is free";
  finding.wanted = std::to_string(port) + (wanted ? " is configured" : " is not configured");
  if (taken) {
    const std::string owner = describe_port_owner(port);
    finding.found = std::to_string(port) + " is taken by " + owner;
    const bool own =
        request.server_process &&
        owner.find("(pid " + std::to_string(*request.server_process) + ")") != std::string::npos;
    if (own) {
      finding.found += ", the server of this data directory";
    } else if (wanted) {
      finding.verdict = Verdict::kProblem;
      finding.remedy = "stop that program, or choose another port: fairlead serve --listen :8444";
    }
    return finding;
  }
  if (may_open_port(files, port)) return finding;
  finding.found += ", but this user may not open it";
  // A service has rights of its own, which a shell does not.
  finding.verdict = wanted ? Verdict::kWarning : Verdict::kOk;
  finding.remedy =
      wanted ? "in the service's [Service] section: "
               "AmbientCapabilities=CAP_NET_BIND_SERVICE; for everybody: " +
                   set_kernel_value("net.ipv4.ip_unprivileged_port_start", std::to_string(port))
             : "";
  return finding;
}

// What the program's own configuration allows.
Finding examine_configuration(const DoctorRequest& request) {
  const ServerOptions& options = request.config.server;
  const uint64_t wanted = request.connection_count;
  Finding finding{.check = "configuration",
                  .what = "The server's own limits of connections and sessions."};
  finding.found = "limits.connections = " + grouped(options.connection.count_max) +
                  ", session.count = " + grouped(options.session_count_max);
  finding.wanted = "both at least " + grouped(wanted);
  if (options.connection.count_max >= wanted && options.session_count_max >= wanted) return finding;
  finding.verdict = Verdict::kProblem;
  finding.remedy = "in the configuration file: limits.connections = " + std::to_string(wanted) +
                   " and session.count = " + std::to_string(wanted);
  return finding;
}

}  // namespace

std::vector<Finding> examine_limits(const SystemFiles& files, const DoctorRequest& request) {
  const uint64_t descriptors = request.connection_count + kOtherDescriptors;
  std::vector<Finding> findings;
  findings.push_back(examine_configuration(request));
  findings.push_back(examine_open_files(files, request));
  findings.push_back(
      examine_value(files, {.check = "nr-open",
                            .what = "The highest hard limit of open files that a process can get.",
                            .key = "fs.nr_open",
                            .path = "proc/sys/fs/nr_open",
                            .wanted = descriptors,
                            .why = for_connections(request),
                            .too_low = Verdict::kProblem}));
  findings.push_back(examine_value(files, {.check = "file-max",
                                           .what = "Open files of the whole machine.",
                                           .key = "fs.file-max",
                                           .path = "proc/sys/fs/file-max",
                                           .wanted = descriptors + kOtherPrograms,
                                           .why = for_connections(request) + " and other programs",
                                           .too_low = Verdict::kProblem}));
  findings.push_back(
      examine_value(files, {.check = "somaxconn",
                            .what = "Connections that wait to be taken, for each listener and "
                                    "shard; beyond it clients try again, seconds later.",
                            .key = "net.core.somaxconn",
                            .path = "proc/sys/net/core/somaxconn",
                            .wanted = kBacklog,
                            .why = ", what the server asks for",
                            .too_low = Verdict::kWarning}));
  findings.push_back(examine_half_open(files));
  findings.push_back(examine_buffers(files, request));
  findings.push_back(examine_tracking(files, request));
  std::set<uint16_t> ports = {443, 1883, 8443};
  for (const ListenerOptions& each : request.listeners) {
    if (each.address.port() != 0) ports.insert(each.address.port());
  }
  const std::set<uint16_t> taken = listening_ports(files);
  for (const uint16_t port : ports) {
    findings.push_back(examine_port(files, request, port, taken.contains(port)));
  }
  return findings;
}

}  // namespace fairlead
