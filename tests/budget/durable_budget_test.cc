#include <gtest/gtest.h>

#include "budget/budget_clients.h"

// What it costs that a message is to outlive the process.

namespace fairlead::testing {
namespace {

// A commit is under way and does not end: whatever comes meanwhile belongs to the next one.
TEST(DurableBudget, NothingIsWrittenOfWhatIsAcknowledgedBeforeTheCommit) {
  constexpr uint64_t kWindows = 40;
  constexpr uint64_t kMessages = kWindows * kWindow;
  TestServer server(quiet_server(TestStore::kKept));
  TestClient other(server, Transport::kWs);
  other.connect("other");
  Pair pair(server, Transport::kWs, kQos1, CleanStart::kNo);
  for (int i = 0; i < 20; ++i) pair.window();
  server.settle();
  const uint64_t records = server.engine().counters().store_records;
  Counts cost;
  {
    HeldDisk held;
    other.send_publish("/retained", "makes a commit", kQos0, Retain::kYes);
    held.await_commit();
    for (int i = 0; i < 5; ++i) pair.window();
    const Counts before = shard_counts();
    for (uint64_t i = 0; i < kWindows; ++i) pair.window();
    cost = shard_counts() - before;
  }
  server.settle();
  EXPECT_EQ(server.engine().counters().store_records, records + 1);
  EXPECT_EQ(cost.receives, 2 * kWindows);
  EXPECT_EQ(cost.sends, 2 * kWindows);
  EXPECT_EQ(cost.interests, 0u);
  std::printf("a kept message, online: %.2f allocations, %.0f bytes\n",
              each(cost.allocations, kMessages), each(cost.allocated_bytes, kMessages));
  // The Message, the Receipt for its publisher, what is in flight (see PairBudget), the answer that
  // waits; and the journal's list, which grows as long as the commit is held.
  EXPECT_LE(cost.allocations, 3 * kMessages + kWindows * 8);
  EXPECT_LE(cost.allocated_bytes, 480 * kMessages);
}

// The subscriber is away.
TEST(DurableBudget, OneRecordForAMessageThatIsKept) {
  TestServer server(quiet_server(TestStore::kKept));
  {
    TestClient client(server, Transport::kWs);
    client.connect(client.hello("kept", CleanStart::kNo));
    client.subscribe("/kept", kQos1);
    client.disconnect();
    client.expect_closed();
  }
  TestClient publisher(server, Transport::kWs);
  publisher.connect("publisher");
  publisher.publish("/kept", kPayload, kQos1);
  server.settle();
  const uint64_t records = server.engine().counters().store_records;
  const Counts before = shard_counts(), writer_before = writer_counts();
  constexpr int kMessages = 640;
  constexpr int kTogether = 64;
  for (int i = 0; i < kMessages / kTogether; ++i) {
    Together messages(publisher, Transport::kWs);
    for (int n = 1; n <= kTogether; ++n) {
      messages.add(mqtt::PublishPacket{.topic = "/kept",
                                       .payload = as_bytes(kPayload),
                                       .packet_id = PacketId{static_cast<uint16_t>(n)},
                                       .qos = kQos1,
                                       .properties = {}});
    }
    messages.send();
    for (int n = 1; n <= kTogether; ++n) publisher.expect("PUBACK " + std::to_string(n));
  }
  server.settle();
  const Counts cost = shard_counts() - before, writer = writer_counts() - writer_before;
  EXPECT_EQ(server.engine().counters().store_records - records, uint64_t{kMessages});
  std::printf(
      "a kept message, offline: %.2f allocations, %.0f bytes; of the writer: %.2f allocations, "
      "%.2f "
      "writes\n",
      each(cost.allocations, kMessages), each(cost.allocated_bytes, kMessages),
      each(writer.allocations, kMessages), each(writer.disk_writes, kMessages));
  // The Message and the Receipt; and lists that grow.
  EXPECT_LE(cost.allocations, kMessages * 5 / 2);
  EXPECT_LE(cost.allocated_bytes, 450 * uint64_t{kMessages});
  // Pages of what came together; how that falls into commits is the scheduler's.
  EXPECT_LE(writer.disk_writes, uint64_t{kMessages});
  EXPECT_LE(writer.allocations, uint64_t{kMessages});
}

}  // namespace
}  // namespace fairlead::testing
