#include "app/doctor.h"
#include "app/output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <stdexcept>

#include "app/system_tree_for_test.h"
#include "net/certificate.h"
#include "registry/database.h"
#include "store/record_store.h"

namespace fairlead {
namespace {

using std::chrono::microseconds;
using testing::HasSubstr;

ListenerOptions listener(uint16_t port, ListenerProtocols protocols = {}) {
  ListenerOptions options;
  options.address = *SocketAddress::parse("0.0.0.0", port);
  options.protocols = protocols;
  return options;
}

class Doctor : public testing::Test {
 protected:
  Doctor() {
    request_.listeners = {listener(8443)};
    request_.data_dir = dir_.path();
    ::chmod(dir_.path().c_str(), 0700);
  }

  void limit_open_files(std::string_view limits) {
    tree_.put("proc/self/limits",
              "Limit          Soft Limit   Hard Limit   Units\nMax open files " +
                  std::string(limits) + " files\n");
  }
  // One that does all that 100,000 connections need.
  void put_good_machine() {
    limit_open_files("1024 1048576");
    tree_.put("proc/sys/fs/nr_open", "1048576\n");
    tree_.put("proc/sys/fs/file-max", "9223372036854775807\n");
    tree_.put("proc/sys/net/core/somaxconn", "4096\n");
    tree_.put("proc/sys/net/ipv4/tcp_max_syn_backlog", "4096\n");
    tree_.put("proc/sys/net/ipv4/tcp_mem", "200000\t300000\t400000\n");
    tree_.put("proc/meminfo", "MemTotal: 16777216 kB\n");
    tree_.put("proc/sys/vm/overcommit_memory", "0\n");
    tree_.put("proc/swaps", "Filename Type Size Used Priority\n");
    tree_.put("sys/devices/system/cpu/online", "0-3\n");
    tree_.put("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n");
    tree_.put("proc/sys/kernel/osrelease", "6.1.0-18-amd64\n");
  }

  // The first about `check`.
  Finding finding(std::string_view check) const {
    for (const auto& part : {&Doctor::limits, &Doctor::machine, &Doctor::data}) {
      const std::vector<Finding> found = (this->*part)();
      const auto at = std::ranges::find(found, check, &Finding::check);
      if (at != found.end()) return *at;
    }
    throw std::out_of_range(std::string(check));
  }
  std::vector<Finding> limits() const { return examine_limits(tree_.files(), request_); }
  std::vector<Finding> machine() const { return examine_machine(tree_.files(), request_); }
  std::vector<Finding> data() const { return examine_data(request_); }
  Verdict verdict(std::string_view check) const { return finding(check).verdict; }
  Finding port(std::string_view number) const {
    for (const Finding& each : limits()) {
      if (each.check == "port" && each.found.starts_with(number)) return each;
    }
    throw std::out_of_range(std::string(number));
  }

  TempDir dir_;
  SystemTree tree_;
  DoctorRequest request_;
};

TEST_F(Doctor, AGoodMachineHasNoProblem) {
  put_good_machine();
  for (const auto& all : {limits(), machine()}) {
    for (const Finding& each : all) {
      EXPECT_EQ(each.verdict, Verdict::kOk) << each.check << ": " << each.found;
      EXPECT_EQ(each.remedy, "") << each.check;
    }
  }
}

TEST_F(Doctor, AMachineThatTellsNothingIsNoProblem) {
  for (const auto& all : {limits(), machine()}) {
    for (const Finding& each : all) {
      EXPECT_TRUE(each.verdict == Verdict::kOk || each.verdict == Verdict::kSkipped) << each.check;
      EXPECT_NE(each.found, "") << each.check;
    }
  }
  EXPECT_EQ(verdict("open-files"), Verdict::kSkipped);
  EXPECT_EQ(verdict("memory"), Verdict::kSkipped);
  EXPECT_EQ(verdict("conntrack"), Verdict::kOk) << "a module that is not loaded tracks nothing";
}

TEST_F(Doctor, LowLimitsAreNamedWithTheLineThatRaisesThem) {
  put_good_machine();
  limit_open_files("1024 4096");
  tree_.put("proc/sys/fs/nr_open", "65536\n");
  tree_.put("proc/sys/fs/file-max", "100000\n");
  tree_.put("proc/sys/net/core/somaxconn", "128\n");
  tree_.put("proc/sys/net/ipv4/tcp_mem", "100 200 300\n");
  EXPECT_EQ(verdict("open-files"), Verdict::kProblem);
  EXPECT_THAT(finding("open-files").remedy, HasSubstr("LimitNOFILE=101000"));
  EXPECT_EQ(verdict("nr-open"), Verdict::kProblem);
  EXPECT_EQ(finding("nr-open").remedy,
            "echo 'fs.nr_open = 101000' >> /etc/sysctl.d/60-fairlead.conf && sysctl --system");
  EXPECT_EQ(verdict("file-max"), Verdict::kProblem);
  EXPECT_EQ(verdict("somaxconn"), Verdict::kWarning);
  EXPECT_EQ(verdict("tcp-memory"), Verdict::kWarning);
  EXPECT_THAT(finding("tcp-memory").remedy, HasSubstr("net.ipv4.tcp_mem = 75000 100000 150000"));
}

TEST_F(Doctor, WhatSufficesForAFewDoesNotForAMillion) {
  put_good_machine();
  request_.connection_count = 1'000'000;
  EXPECT_EQ(verdict("open-files"), Verdict::kOk);
  EXPECT_EQ(verdict("configuration"), Verdict::kOk);
  EXPECT_EQ(verdict("tcp-memory"), Verdict::kWarning);
  EXPECT_EQ(verdict("memory"), Verdict::kProblem);
  request_.connection_count = 1'100'000;
  EXPECT_EQ(verdict("open-files"), Verdict::kProblem);
  EXPECT_EQ(verdict("configuration"), Verdict::kProblem);
  EXPECT_THAT(finding("configuration").remedy, HasSubstr("limits.connections = 1100000"));
}

TEST_F(Doctor, ARunningServerIsAskedForItsOwnLimits) {
  put_good_machine();
  request_.server_process = 77;
  tree_.put("proc/77/limits",
            "Max open files            1024                 2048          files\n");
  EXPECT_EQ(verdict("open-files"), Verdict::kProblem);
  EXPECT_THAT(finding("open-files").found, HasSubstr("process 77"));
  EXPECT_EQ(verdict("store"), Verdict::kSkipped);
  EXPECT_EQ(verdict("registry"), Verdict::kSkipped);
}

TEST_F(Doctor, SynCookiesMakeTheHalfOpenQueueHarmless) {
  tree_.put("proc/sys/net/ipv4/tcp_max_syn_backlog", "128\n");
  EXPECT_EQ(verdict("syn-backlog"), Verdict::kWarning);
  tree_.put("proc/sys/net/ipv4/tcp_syncookies", "1\n");
  EXPECT_EQ(verdict("syn-backlog"), Verdict::kOk);
  EXPECT_EQ(finding("syn-backlog").remedy, "");
}

TEST_F(Doctor, MemoryIsReckonedByConnectionAndProtocol) {
  tree_.put("proc/meminfo", "MemTotal: 1048576 kB\n");
  EXPECT_EQ(verdict("memory"), Verdict::kProblem) << "1 GiB, and 100,000 take 1.9 GiB with TLS";
  EXPECT_THAT(finding("memory").wanted, HasSubstr("100,000 x (14.8 KiB for a wss connection + "));
  request_.listeners = {listener(8443, {.mqtt = true, .mqtts = false, .ws = true, .wss = false})};
  EXPECT_EQ(verdict("memory"), Verdict::kWarning) << "queues may take 4 GiB";
  EXPECT_THAT(finding("memory").remedy, HasSubstr("session.total_queue_bytes = "));
  request_.config.server.total_queue_bytes_max = uint64_t{100} << 20;
  request_.config.server.retained.bytes_max = std::size_t{10} << 20;
  EXPECT_EQ(verdict("memory"), Verdict::kOk);
}

TEST_F(Doctor, StrictOvercommitMustHaveRoom) {
  tree_.put("proc/sys/vm/overcommit_memory", "2\n");
  tree_.put("proc/meminfo", "CommitLimit: 2097152 kB\nCommitted_AS: 1048576 kB\n");
  EXPECT_EQ(verdict("overcommit"), Verdict::kWarning);
  tree_.put("proc/meminfo", "CommitLimit: 8388608 kB\nCommitted_AS: 1048576 kB\n");
  EXPECT_EQ(verdict("overcommit"), Verdict::kOk);
}

TEST_F(Doctor, SwapIsForHardTimesOnly) {
  tree_.put("proc/swaps", "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n");
  tree_.put("proc/sys/vm/swappiness", "60\n");
  EXPECT_EQ(verdict("swap"), Verdict::kWarning);
  tree_.put("proc/sys/vm/swappiness", "1\n");
  EXPECT_EQ(verdict("swap"), Verdict::kOk);
}

TEST_F(Doctor, MoreShardsThanCoresAreTooMany) {
  tree_.put("sys/devices/system/cpu/online", "0-1\n");
  request_.shard_count = 2;
  EXPECT_EQ(verdict("cores"), Verdict::kOk);
  EXPECT_THAT(finding("cores").wanted, HasSubstr("100,000 full handshakes take about 25 s"));
  request_.shard_count = 8;
  EXPECT_EQ(verdict("cores"), Verdict::kWarning);
  EXPECT_THAT(finding("cores").remedy, HasSubstr("server.shards = 2"));
}

TEST_F(Doctor, PowersaveMeansSlowExceptWhereTheDriverDecides) {
  const std::string folder = "sys/devices/system/cpu/cpu0/cpufreq/";
  EXPECT_EQ(verdict("cpu-governor"), Verdict::kSkipped);
  tree_.put(folder + "scaling_governor", "powersave\n");
  EXPECT_EQ(verdict("cpu-governor"), Verdict::kWarning);
  tree_.put(folder + "scaling_driver", "intel_pstate\n");
  EXPECT_EQ(verdict("cpu-governor"), Verdict::kOk);
}

TEST_F(Doctor, ATrackingTableMustHoldAllConnections) {
  tree_.put("proc/sys/net/netfilter/nf_conntrack_max", "65536\n");
  tree_.put("proc/sys/net/netfilter/nf_conntrack_count", "0\n");
  EXPECT_EQ(verdict("conntrack"), Verdict::kWarning) << "loaded, but it tracks nothing";
  tree_.put("proc/sys/net/netfilter/nf_conntrack_count", "12\n");
  EXPECT_EQ(verdict("conntrack"), Verdict::kProblem);
  EXPECT_THAT(finding("conntrack").remedy, HasSubstr("nf_conntrack_max = 125000"));
  tree_.put("proc/sys/net/netfilter/nf_conntrack_max", "110000\n");
  EXPECT_EQ(verdict("conntrack"), Verdict::kWarning);
}

TEST_F(Doctor, KernelsAreComparedByNumberNotByText) {
  for (const auto& [release, expected] :
       {std::pair{"6.1.0-18-amd64", Verdict::kOk}, std::pair{"5.10.0", Verdict::kOk},
        std::pair{"5.4.0-100-generic", Verdict::kWarning}, std::pair{"3.10.0", Verdict::kProblem},
        std::pair{"strange", Verdict::kSkipped}}) {
    tree_.put("proc/sys/kernel/osrelease", release);
    EXPECT_EQ(verdict("kernel"), expected) << release;
  }
}

TEST_F(Doctor, AFreeRunningClockIsAWarning) {
  EXPECT_EQ(examine_clock(ClockState::kSynchronised).verdict, Verdict::kOk);
  EXPECT_EQ(examine_clock(ClockState::kFree).verdict, Verdict::kWarning);
  EXPECT_EQ(examine_clock(ClockState::kUnknown).verdict, Verdict::kSkipped);
}

TEST_F(Doctor, APortThatIsTakenMattersWhenItIsConfigured) {
  tree_.put("proc/net/tcp",
            "   0: 00000000:20FB 00000000:0000 0A 0\n   1: 00000000:075B 00000000:0000 0A 0\n");
  EXPECT_EQ(port("8443").verdict, Verdict::kProblem);
  EXPECT_EQ(port("1883").verdict, Verdict::kOk);
  EXPECT_THAT(port("1883").found, HasSubstr("taken"));
  EXPECT_EQ(port("443").verdict, Verdict::kOk) << "may not be opened, and need not";
  request_.listeners = {listener(443)};
  EXPECT_EQ(port("443").verdict, Verdict::kWarning);
  EXPECT_THAT(port("443").remedy, HasSubstr("CAP_NET_BIND_SERVICE"));
}

TEST_F(Doctor, FilesThatOthersMayReadAreNamed) {
  EXPECT_EQ(verdict("data-directory"), Verdict::kOk);
  const std::string file = dir_.path() / "registry.db";
  std::ofstream(file) << "x";
  ::chmod(file.c_str(), 0644);
  EXPECT_EQ(verdict("data-directory"), Verdict::kProblem);
  EXPECT_EQ(finding("data-directory").remedy, "chmod go-rwx " + file);
  ::chmod(file.c_str(), 0600);
  ::chmod(dir_.path().c_str(), 0755);
  EXPECT_EQ(verdict("data-directory"), Verdict::kWarning);
}

TEST_F(Doctor, ADirectoryThatIsNotThereIsNotMade) {
  request_.data_dir = dir_.path() / "later";
  EXPECT_EQ(verdict("data-directory"), Verdict::kWarning);
  EXPECT_EQ(verdict("sync-speed"), Verdict::kSkipped);
  EXPECT_NE(verdict("free-space"), Verdict::kSkipped) << "that of the disk it will be on";
  EXPECT_FALSE(std::filesystem::exists(request_.data_dir));
}

TEST_F(Doctor, ExaminingLeavesNothingBehind) {
  EXPECT_NE(verdict("sync-speed"), Verdict::kSkipped);
  EXPECT_TRUE(std::filesystem::is_empty(dir_.path()));
}

TEST_F(Doctor, StoreAndRegistryAreOpenedWhenNoServerHasThem) {
  EXPECT_EQ(verdict("store"), Verdict::kOk) << "the server makes it";
  {
    RecordStore::Opened opened;
    ASSERT_TRUE(RecordStore::open(dir_.path(), {}, opened));
    ASSERT_TRUE(Database::open(dir_.path()));
  }
  EXPECT_EQ(finding("store").found, "sound");
  EXPECT_EQ(finding("registry").found, "sound");
  for (const auto& file : {RecordStore::file_in(dir_.path()), Database::file_in(dir_.path())}) {
    std::ofstream(file) << std::string(8'192, 'x');
  }
  EXPECT_EQ(verdict("store"), Verdict::kProblem);
  EXPECT_EQ(verdict("registry"), Verdict::kProblem);
}

TEST_F(Doctor, CertificatesOfItsOwnAreExamined) {
  EXPECT_EQ(verdict("certificate"), Verdict::kOk) << "the server makes them";
  CertificateRequest wanted{.directory = dir_.path() / "certs", .hosts = {"localhost"}};
  const auto files = create_certificates(wanted);
  ASSERT_TRUE(files);
  EXPECT_EQ(verdict("certificate"), Verdict::kOk) << finding("certificate").found;
  std::filesystem::remove(files->rsa_key);
  EXPECT_EQ(verdict("certificate"), Verdict::kProblem);
  request_.listeners = {listener(1883, {.mqtt = true, .mqtts = false, .ws = true, .wss = false})};
  EXPECT_EQ(verdict("certificate"), Verdict::kOk) << "nobody is shown one";
}

TEST_F(Doctor, MemoryAndOtherMachinesAreNoDisks) {
  StoreConfig store;
  EXPECT_EQ(examine_file_system(EXT4_SUPER_MAGIC, store).verdict, Verdict::kOk);
  EXPECT_EQ(examine_file_system(0x12345, store).verdict, Verdict::kOk);
  EXPECT_EQ(examine_file_system(OVERLAYFS_SUPER_MAGIC, store).verdict, Verdict::kWarning);
  EXPECT_EQ(examine_file_system(NFS_SUPER_MAGIC, store).verdict, Verdict::kProblem);
  EXPECT_EQ(examine_file_system(TMPFS_MAGIC, store).verdict, Verdict::kProblem);
  store.options.sync = SyncPolicy::kNever;
  EXPECT_EQ(examine_file_system(TMPFS_MAGIC, store).verdict, Verdict::kWarning);
}

TEST_F(Doctor, ASlowDiskMattersWhenEachAcknowledgementWaitsForIt) {
  StoreConfig store;
  EXPECT_THAT(examine_sync_speed(microseconds{500}, store).found,
              HasSubstr("2,000 commits per second"));
  EXPECT_EQ(examine_sync_speed(microseconds{500}, store).verdict, Verdict::kOk);
  EXPECT_EQ(examine_sync_speed(microseconds{50'000}, store).verdict, Verdict::kWarning);
  EXPECT_THAT(examine_sync_speed(microseconds{0}, store).found, HasSubstr("power loss"));
  store.options.sync = SyncPolicy::kInterval;
  EXPECT_EQ(examine_sync_speed(microseconds{50'000}, store).verdict, Verdict::kOk);
}

TEST_F(Doctor, OnThisMachineEveryCheckIsPresent) {
  std::set<std::string_view> checks;
  for (const Finding& each : examine(SystemFiles(), request_)) {
    checks.insert(each.check);
    EXPECT_NE(each.what, "") << each.check;
    EXPECT_NE(each.found, "") << each.check;
    EXPECT_EQ(each.verdict == Verdict::kWarning || each.verdict == Verdict::kProblem,
              !each.remedy.empty())
        << each.check;
  }
  EXPECT_THAT(checks,
              testing::UnorderedElementsAre(
                  "configuration", "open-files", "nr-open", "file-max", "somaxconn", "syn-backlog",
                  "tcp-memory", "conntrack", "port", "memory", "overcommit", "swap", "cores",
                  "cpu-governor", "kernel", "clock", "data-directory", "file-system", "free-space",
                  "sync-speed", "store", "registry", "certificate"));
}

TEST(DoctorWords, NumbersAndSizesAreReadable) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1'000), "1,000");
  EXPECT_EQ(grouped(1'048'576), "1,048,576");
  EXPECT_EQ(size_text(12), "12 bytes");
  EXPECT_EQ(size_text(kWssConnectionBytes), "14.8 KiB");
  EXPECT_EQ(size_text(uint64_t{3} << 30), "3.0 GiB");
}

}  // namespace
}  // namespace fairlead
