#include "app/system_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/system_tree_for_test.h"

namespace fairlead {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(SystemFiles, WhatIsNotThereIsNoValueAndNoZero) {
  const SystemTree tree;
  EXPECT_EQ(tree.files().text("proc/meminfo"), std::nullopt);
  EXPECT_EQ(tree.files().number("proc/sys/fs/nr_open"), std::nullopt);
  EXPECT_EQ(tree.files().line("proc/self/status", "CapEff:"), std::nullopt);
  EXPECT_EQ(tree.files().text(""), std::nullopt) << "a directory";
  EXPECT_EQ(processor_count(tree.files()), std::nullopt);
  EXPECT_EQ(memory_limit(tree.files()), std::nullopt);
  EXPECT_THAT(listening_ports(tree.files()), IsEmpty());
}

TEST(SystemFiles, NumbersEndWhereSomethingElseBegins) {
  EXPECT_THAT(leading_numbers("287901\t383868\t575802\n"), ElementsAre(287901, 383868, 575802));
  EXPECT_THAT(leading_numbers("100 max"), ElementsAre(100));
  EXPECT_THAT(leading_numbers("max 100000"), IsEmpty());
  EXPECT_THAT(leading_numbers("-1"), IsEmpty());
  EXPECT_THAT(leading_numbers("99999999999999999999999"), IsEmpty());
  EXPECT_THAT(leading_numbers(""), IsEmpty());
}

TEST(SystemFiles, AnEmptyFileIsThere) {
  SystemTree tree;
  tree.put("proc/swaps", "");
  EXPECT_EQ(tree.files().text("proc/swaps"), "");
}

TEST(SystemFiles, LowPortsAreForThoseWithTheCapability) {
  SystemTree tree;
  tree.put("proc/self/status", "Name:\tx\nCapEff:\t0000000000000000\n");
  EXPECT_FALSE(may_open_port(tree.files(), 443));
  EXPECT_TRUE(may_open_port(tree.files(), 1024));
  tree.put("proc/sys/net/ipv4/ip_unprivileged_port_start", "443\n");
  EXPECT_TRUE(may_open_port(tree.files(), 443));
  EXPECT_FALSE(may_open_port(tree.files(), 442));
  tree.put("proc/self/status", "CapEff:\t0000000000000400\n");
  EXPECT_TRUE(may_open_port(tree.files(), 1));
}

TEST(SystemFiles, OnlyListeningSocketsTakeAPort) {
  SystemTree tree;
  tree.put("proc/net/tcp",
           "  sl  local_address rem_address   st tx_queue rx_queue\n"
           "   0: 0100007F:20FB 00000000:0000 0A 00000000:00000000\n"
           "   1: 0100007F:01BB 0100007F:C350 01 00000000:00000000\n");
  tree.put("proc/net/tcp6",
           "   0: 00000000000000000000000000000000:075B "
           "00000000000000000000000000000000:0000 0A 0\n");
  EXPECT_THAT(listening_ports(tree.files()), ElementsAre(1883, 8443));
}

TEST(SystemFiles, ProcessorsAreThoseThatThisProcessMayUse) {
  SystemTree tree;
  tree.put("sys/devices/system/cpu/online", "0-7\n");
  EXPECT_EQ(processor_count(tree.files()), 8u);
  tree.put("proc/self/status", "Cpus_allowed_list:\t0-1,4\n");
  EXPECT_EQ(processor_count(tree.files()), 3u);
  tree.put("proc/self/cgroup", "0::/a\n");
  tree.put("sys/fs/cgroup/a/cpu.max", "200000 100000\n");
  EXPECT_EQ(processor_count(tree.files()), 2u);
  tree.put("sys/fs/cgroup/a/cpu.max", "max 100000\n");
  EXPECT_EQ(processor_count(tree.files()), 3u);
}

TEST(SystemFiles, MemoryIsThatOfTheMachineOrOfItsLimitedPart) {
  SystemTree tree;
  tree.put("proc/meminfo", "MemTotal:       1048576 kB\nMemFree:  12 kB\n");
  EXPECT_EQ(memory_limit(tree.files()), uint64_t{1} << 30);
  tree.put("proc/self/cgroup", "4:memory:/b\n0::/a\n");
  tree.put("sys/fs/cgroup/memory/b/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(memory_limit(tree.files()), uint64_t{1} << 30);
  tree.put("sys/fs/cgroup/a/memory.max", "536870912\n");
  EXPECT_EQ(memory_limit(tree.files()), uint64_t{512} << 20);
}

}  // namespace
}  // namespace fairlead
