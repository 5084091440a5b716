#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "app/doctor.h"
#include "app/output.h"
#include "app/text_file.h"
#include "app/tls_keeper.h"
#include "net/certificate.h"
#include "net/certificate_check.h"
#include "net/tcp.h"
#include "net/unique_fd.h"
#include "registry/database.h"
#include "store/record_store.h"

// The data directory, what is in it, and the disk below it; certificates.

namespace fairlead {
namespace {

namespace fs = std::filesystem;

// Where it will be, when it is not there yet.
fs::path nearest_directory(const fs::path& path) {
  std::error_code ignored;
  fs::path at = fs::absolute(path, ignored);
  while (!is_there(at) && at.has_relative_path()) at = at.parent_path();
  return at;
}

// Files and directories that others than the owner can read or write, and should not.
std::vector<std::string> open_to_others(const fs::path& data_dir) {
  std::vector<std::string> open;
  const auto look = [&open](const fs::path& path) {
    struct stat found {};
    if (::stat(path.c_str(), &found) == 0 && (found.st_mode & 077) != 0) open.push_back(path);
  };
  look(data_dir);
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(data_dir, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("store.db") || name.starts_with("registry.db")) look(entry.path());
  }
  for (const auto& entry : fs::directory_iterator(data_dir / "certs", ignored)) {
    if (entry.path().extension() == ".key") look(entry.path());
  }
  std::ranges::sort(open);
  return open;
}

Finding examine_directory(const fs::path& data_dir) {
  Finding finding{.check = "data-directory",
                  .what =
                      "Where devices' secrets, sessions and messages are kept, for the "
                      "server's user alone."};
  finding.wanted = "a directory of this user with mode 0700, files with mode 0600";
  const std::string path = shell_word(data_dir.string());
  if (!is_there(data_dir)) {
    finding.verdict = Verdict::kWarning;
    finding.found = path + " is not there yet; the server makes it";
    finding.remedy = "if that is not the place: --data-dir or FAIRLEAD_DATA_DIR";
    return finding;
  }
  finding.found = path;
  if (!fs::is_directory(data_dir) || ::access(data_dir.c_str(), R_OK | W_OK | X_OK) != 0) {
    finding.verdict = Verdict::kProblem;
    finding.found += " is no directory that this user may write to";
    finding.remedy = "as the server's user: sudo -u fairlead fairlead doctor, or chown -R " +
                     std::to_string(::geteuid()) + " " + path;
    return finding;
  }
  const std::vector<std::string> open = open_to_others(data_dir);
  if (open.empty()) return finding;
  // A directory that others may look into holds files that they may not.
  const bool only_directory = open.size() == 1 && open.front() == data_dir.string();
  finding.verdict = only_directory ? Verdict::kWarning : Verdict::kProblem;
  finding.found = "open to other users:";
  std::string command = "chmod go-rwx";
  for (const std::string& each : open) {
    finding.found += " " + shell_word(each);
    command += " " + shell_word(each);
  }
  finding.remedy = command;
  return finding;
}

Finding examine_space(const fs::path& place, const DoctorRequest& request) {
  constexpr uint64_t kLeast = uint64_t{256} << 20;
  Finding finding{.check = "free-space",
                  .what =
                      "Room for what waits and what is retained; on a full disk the server "
                      "refuses what must be durable."};
  const ServerOptions& options = request.config.server;
  const uint64_t wanted =
      kLeast + options.total_queue_bytes_max + uint64_t{options.retained.bytes_max};
  finding.wanted = size_text(wanted) + ": session.total_queue_bytes and retained.bytes, and some";
  std::error_code error;
  const fs::space_info space = fs::space(place, error);
  if (error) {
    return skipped(std::move(finding), "the file system does not tell");
  }
  finding.found = size_text(space.available) + " free";
  if (space.available >= wanted) return finding;
  finding.verdict = space.available < kLeast ? Verdict::kProblem : Verdict::kWarning;
  finding.remedy = "a larger disk, or in the configuration file: session.total_queue_bytes = " +
                   std::to_string(std::max(space.available / 2, uint64_t{1} << 20)) +
                   " and retained.bytes = " + std::to_string(space.available / 4);
  return finding;
}

// Of several writes of 4 KiB that are on disk, how long the middle one took. They go where bytes
// were before, as those of the log of a store do.
Result<std::chrono::microseconds> measure_sync(const fs::path& directory) {
  using std::chrono::steady_clock;
  constexpr std::size_t kWrites = 15;
  constexpr std::size_t kBytes = 4'096;
  const auto failed = [](const char* what) {
    return Reject{ReasonCode::kUnspecifiedError, std::string(what) + ": " + error_text(errno)};
  };
  std::string name = (directory / ".doctor-XXXXXX").string();
  const UniqueFd file(::mkostemp(name.data(), O_CLOEXEC));
  if (!file.valid()) return failed("cannot create a file there");
  ::unlink(name.c_str());
  const std::array<char, kBytes> block{};
  const auto write = [&](std::size_t at) {
    return ::pwrite(file.get(), block.data(), kBytes, static_cast<off_t>(at * kBytes)) ==
           static_cast<ssize_t>(kBytes);
  };
  for (std::size_t i = 0; i < kWrites; ++i) {
    if (!write(i)) return failed("cannot write there");
  }
  if (::fsync(file.get()) != 0) return failed("cannot sync there");
  std::array<steady_clock::duration, kWrites> took{};
  for (std::size_t i = 0; i < kWrites; ++i) {
    const auto before = steady_clock::now();
    if (!write(i) || ::fdatasync(file.get()) != 0) return failed("cannot sync there");
    took[i] = steady_clock::now() - before;
  }
  std::ranges::nth_element(took, took.begin() + kWrites / 2);
  return std::chrono::duration_cast<std::chrono::microseconds>(took[kWrites / 2]);
}

Finding examine_disk(const DoctorRequest& request) {
  if (is_there(request.data_dir)) {
    const auto median = measure_sync(request.data_dir);
    if (median) return examine_sync_speed(*median, request.config.store);
    return {.check = "sync-speed",
            .what = "How long a write takes to be on disk.",
            .verdict = Verdict::kProblem,
            .found = median.error().sentence,
            .remedy = "let the server's user write to " + request.data_dir.string()};
  }
  return {.check = "sync-speed",
          .what = "How long a write takes to be on disk.",
          .verdict = Verdict::kSkipped,
          .found = "the data directory is not there yet"};
}

// Beside a server a store is not read: all of it would be, and the server has done so.
template <class Check>
Finding examine_database(Finding finding, const fs::path& file, const DoctorRequest& request,
                         Check check) {
  finding.wanted = "opens, and is sound";
  if (request.server_process) {
    return skipped(std::move(finding),
                   "in use by the server, process " + std::to_string(*request.server_process));
  }
  if (!is_there(file)) {
    finding.found = "not there yet; the server makes it";
    return finding;
  }
  finding.found = check();
  if (finding.found.empty()) {
    finding.found = "sound";
    return finding;
  }
  finding.verdict = Verdict::kProblem;
  finding.remedy = "restore a backup, see docs/BACKUP.md: fairlead store restore";
  return finding;
}

std::string store_trouble(const fs::path& file) {
  const auto report = RecordStore::check(file);
  if (!report) return report.error().sentence;
  std::string trouble;
  for (const std::string& each : report->problems) trouble += (trouble.empty() ? "" : " ") + each;
  return trouble;
}

std::string registry_trouble(const fs::path& file) {
  const Status status = Database::check_file(file);
  return status ? "" : status.error().sentence;
}

std::vector<TlsKeyPair> certificates_in_use(const DoctorRequest& request) {
  std::vector<TlsKeyPair> pairs;
  for (const CertificateConfig& set : request.config.tls.certificates) {
    for (std::size_t i = 0; i < set.certificate_files.size(); ++i) {
      pairs.push_back({set.certificate_files[i], set.key_files[i]});
    }
  }
  if (!pairs.empty()) return pairs;
  const CertificateFiles own = certificate_files((request.data_dir / "certs").string());
  for (const TlsKeyPair& each :
       {TlsKeyPair{own.rsa_certificate, own.rsa_key}, TlsKeyPair{own.ec_certificate, own.ec_key}}) {
    if (is_there(each.certificate_file)) pairs.push_back(each);
  }
  return pairs;
}

Finding examine_certificate(const TlsKeyPair& pair, const std::string& root_file) {
  constexpr milliseconds kDay = std::chrono::hours{24};
  Finding finding{.check = "certificate",
                  .what = "What clients of wss and TLS are shown; an expired one locks all out."};
  finding.wanted = "valid for 30 days at least, with its key and a whole chain";
  const auto certificate = describe_certificate(pair.certificate_file);
  if (!certificate) {
    finding.verdict = Verdict::kProblem;
    finding.found = certificate.error().sentence;
    finding.remedy = "fairlead cert show, and fairlead cert init for certificates of its own";
    return finding;
  }
  const milliseconds now = wall_clock_now();
  const milliseconds left = certificate->not_after - now;
  finding.found = pair.certificate_file + " ends " + format_time(certificate->not_after.count()) +
                  ", in " + std::to_string(std::max(left, milliseconds{0}) / kDay) + " days";
  for (const std::string& each :
       check_certificate(pair.certificate_file, pair.key_file, root_file, now)) {
    finding.verdict = Verdict::kProblem;
    finding.found += "; " + each;
  }
  const auto level = expiry_level(TlsExpiry::Kind::kServer, left);
  if (level == LogLevel::kError) finding.verdict = Verdict::kProblem;
  if (level && finding.verdict == Verdict::kOk) finding.verdict = Verdict::kWarning;
  if (finding.verdict != Verdict::kOk) {
    finding.remedy = "renew it; one of the server's own: fairlead cert init --host NAME";
  }
  return finding;
}

std::vector<Finding> examine_certificates(const DoctorRequest& request) {
  const auto note = [](Verdict verdict, std::string found) {
    return Finding{.check = "certificate",
                   .what = "What clients of wss and TLS are shown.",
                   .verdict = verdict,
                   .found = std::move(found)};
  };
  if (!takes_tls(request)) return {note(Verdict::kOk, "no listener takes TLS")};
  const auto pairs = certificates_in_use(request);
  if (pairs.empty()) return {note(Verdict::kOk, "none yet; the server makes its own")};
  const std::string root = certificate_files((request.data_dir / "certs").string()).ca_certificate;
  std::vector<Finding> findings;
  for (const TlsKeyPair& pair : pairs) findings.push_back(examine_certificate(pair, root));
  return findings;
}

Finding examine_place(const fs::path& place, const StoreConfig& store) {
  struct statfs found {};
  if (::statfs(place.c_str(), &found) == 0) {
    return examine_file_system(static_cast<uint32_t>(found.f_type), store);
  }
  return {.check = "file-system",
          .what = "What the data directory is on.",
          .verdict = Verdict::kSkipped,
          .found = "it does not tell: " + error_text(errno)};
}

}  // namespace

Finding examine_file_system(uint64_t type, const StoreConfig& store) {
  Finding finding{.check = "file-system",
                  .what =
                      "What the data directory is on: the databases need a disk of this "
                      "machine that keeps what it has acknowledged."};
  finding.wanted = "a local one, such as ext4, xfs or btrfs";
  const auto is = [&](Verdict verdict, const char* found) {
    finding.verdict = verdict;
    finding.found = found;
    finding.remedy = "--data-dir, or FAIRLEAD_DATA_DIR, on a local disk";
    return finding;
  };
  constexpr uint64_t kRamFs = 0x858458f6, kCifs = 0xff534d42, kSmb2 = 0xfe534d42;
  constexpr uint64_t kFuse = 0x65735546, kNinePin = 0x01021997, kXfs = 0x58465342;
  const bool must_be_durable = store.enabled && store.options.sync == SyncPolicy::kAlways;
  switch (type) {
    case TMPFS_MAGIC:
    case kRamFs:
      return is(must_be_durable ? Verdict::kProblem : Verdict::kWarning,
                "tmpfs: memory, which a restart of the machine empties");
    case OVERLAYFS_SUPER_MAGIC:
      return is(Verdict::kWarning, "overlay: goes with the container; mount a volume there");
    case NFS_SUPER_MAGIC:
    case kCifs:
    case kSmb2:
      return is(Verdict::kProblem,
                "of another machine (NFS, SMB): the databases share memory beside their files, "
                "which does not work there");
    case kFuse:
    case kNinePin:
      return is(Verdict::kWarning,
                "behind a program (FUSE, 9p): whether a sync reaches a disk is that one's affair");
    case EXT4_SUPER_MAGIC:
      finding.found = "ext4";
      return finding;
    case kXfs:
      finding.found = "xfs";
      return finding;
    case BTRFS_SUPER_MAGIC:
      finding.found = "btrfs";
      return finding;
    default:
      char text[32];
      std::snprintf(text, sizeof text, "of type 0x%llx", static_cast<unsigned long long>(type));
      finding.found = text;
      return finding;
  }
}

Finding examine_sync_speed(std::chrono::microseconds median, const StoreConfig& store) {
  // Slower, and a message of QoS 1 waits noticeably; faster, and no disk can have been asked.
  constexpr std::chrono::microseconds kSlow{20'000}, kFasterThanDisks{30};
  Finding finding{.check = "sync-speed",
                  .what =
                      "How long a write of 4 KiB takes to be on disk: with store.sync = "
                      "always, what an acknowledgement waits for. All messages of the moment "
                      "share one."};
  const auto micros = static_cast<uint64_t>(std::max<int64_t>(1, median.count()));
  finding.found =
      grouped(micros) + " us, so about " + grouped(1'000'000 / micros) + " commits per second";
  finding.wanted = "at most " + grouped(static_cast<uint64_t>(kSlow.count())) + " us";
  const bool always = store.enabled && store.options.sync == SyncPolicy::kAlways;
  if (always && median > kSlow) {
    finding.verdict = Verdict::kWarning;
    finding.remedy =
        "a disk with power-loss protection; or, if a power cut may take the last second, in the "
        "configuration file: store.sync = \"interval\"";
  } else if (median < kFasterThanDisks) {
    finding.found +=
        "; that is memory, or a disk that answers before it has written: see that it "
        "is protected against power loss";
  }
  return finding;
}

std::vector<Finding> examine_data(const DoctorRequest& request) {
  const fs::path place = nearest_directory(request.data_dir);
  const fs::path store = RecordStore::file_in(request.data_dir);
  const fs::path registry = Database::file_in(request.data_dir);
  std::vector<Finding> findings;
  findings.push_back(examine_directory(request.data_dir));
  findings.push_back(examine_place(place, request.config.store));
  findings.push_back(examine_space(place, request));
  findings.push_back(examine_disk(request));
  findings.push_back(examine_database(
      {.check = "store", .what = "Sessions, queues and retained messages: all of it is read."},
      store, request, [&] { return store_trouble(store); }));
  findings.push_back(
      examine_database({.check = "registry", .what = "Products, devices and applications."},
                       registry, request, [&] { return registry_trouble(registry); }));
  for (Finding& each : examine_certificates(request)) findings.push_back(std::move(each));
  return findings;
}

}  // namespace fairlead
