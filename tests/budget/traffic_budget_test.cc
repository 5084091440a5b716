#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "budget/budget_clients.h"

// What a message costs on its way through one shard.

namespace fairlead::testing {
namespace {

using Case = std::tuple<Transport, Qos>;

std::string case_name(const ::testing::TestParamInfo<Case>& info) {
  return std::string(transport_name(std::get<0>(info.param))) + "_qos" +
         std::to_string(static_cast<int>(std::get<1>(info.param)));
}

// How often the server hears of a window, and how often it says something: what comes together is
// received at once and answered at once. QoS 1: PUBLISH and PUBACK; QoS 2: PUBLISH, PUBREL, PUBREC,
// PUBCOMP.
uint64_t ways_of(Qos qos) { return qos == kQos0 ? 1 : qos == kQos1 ? 2 : 4; }

class PairBudget : public ::testing::TestWithParam<Case> {
 protected:
  [[nodiscard]] Transport transport() const { return std::get<0>(GetParam()); }
  [[nodiscard]] Qos qos() const { return std::get<1>(GetParam()); }
  // What kWindows windows cost, after some that fill tables and pools.
  Counts cost() {
    TestServer server(quiet_server(TestStore::kNone));
    Pair pair(server, transport(), qos());
    for (int i = 0; i < 20; ++i) pair.window();
    server.settle();
    const Counts before = shard_counts();
    for (uint64_t i = 0; i < kWindows; ++i) pair.window();
    server.settle();
    return shard_counts() - before;
  }

  static constexpr uint64_t kWindows = 40;
  static constexpr uint64_t kMessages = kWindows * kWindow;
};
INSTANTIATE_TEST_SUITE_P(All, PairBudget,
                         ::testing::Combine(::testing::ValuesIn(kAllTransports),
                                            ::testing::Values(kQos0, kQos1, kQos2)),
                         case_name);

TEST_P(PairBudget, SystemCallsOfAWindow) {
  const Counts cost = this->cost();
  const uint64_t each_way = ways_of(qos());
  EXPECT_EQ(cost.receives, each_way * kWindows);
  EXPECT_EQ(cost.sends, each_way * kWindows);
  // A wait can bring several connections; and there is the housekeeping, and the end of the test.
  EXPECT_LE(cost.waits, each_way * kWindows + 30);
  EXPECT_EQ(cost.interests, 0u) << "writability is watched after a short write only";
  EXPECT_EQ(cost.wakes, 0u);
  EXPECT_EQ(cost.socket_options, 0u);
}

TEST_P(PairBudget, WorkOfAWindow) {
  const Counts cost = this->cost();
  EXPECT_EQ(cost.encodings, kMessages);
  // Keep-alive and silence only note a later deadline; what remains is the housekeeping.
  EXPECT_LE(cost.timers_placed, 30u);
  std::printf("a message: %.2f allocations, %.0f bytes\n", each(cost.allocations, kMessages),
              each(cost.allocated_bytes, kMessages));
  // One is the Message, of 121 bytes with topic and payload. What is in flight has no memory while
  // there is nothing: the lists of a window grow anew in steps, 2 at QoS 1 and 3 at QoS 2, of
  // 870 and 1,240 bytes. OpenSSL, too, lets go of its buffers when it has worked one off: 3 are
  // allocated for what is received, 4 for what is sent, with 50 KB in all.
  const uint64_t lists = qos() == kQos0 ? 0 : qos() == kQos1 ? 2 : 3;
  const uint64_t list_bytes = qos() == kQos0 ? 0 : qos() == kQos1 ? 900 : 1'260;
  const uint64_t ways = is_tls(transport()) ? ways_of(qos()) : 0;
  EXPECT_LE(cost.allocations, kMessages + kWindows * (lists + 7 * ways) + 20);
  EXPECT_LE(cost.allocated_bytes,
            122 * kMessages + kWindows * (list_bytes + 50'400 * ways) + 5'000);
}

class FanOutBudget : public ::testing::TestWithParam<Transport> {};
INSTANTIATE_TEST_SUITE_P(All, FanOutBudget, ::testing::ValuesIn(kAllTransports),
                         [](const auto& test) { return std::string(transport_name(test.param)); });

TEST_P(FanOutBudget, OneMessageAndOneEncodingForAllAndOneSendForEach) {
  constexpr uint64_t kReceivers = 100;
  constexpr uint64_t kWindows = 5;
  constexpr uint64_t kMessages = kWindows * kWindow;
  TestServer server(quiet_server(TestStore::kNone));
  std::vector<std::unique_ptr<TestClient>> receivers;
  for (uint64_t i = 0; i < kReceivers; ++i) {
    receivers.push_back(std::make_unique<TestClient>(server, GetParam()));
    receivers.back()->connect(unique("r"));
    receivers.back()->subscribe("/fan/out", kQos0);
  }
  TestClient publisher(server, GetParam());
  publisher.connect("publisher");
  auto window = [&] {
    Together messages(publisher, GetParam());
    for (int i = 0; i < kWindow; ++i) {
      messages.add(mqtt::PublishPacket{
          .topic = "/fan/out", .payload = as_bytes(kPayload), .properties = {}});
    }
    messages.send();
    for (auto& receiver : receivers) {
      for (int i = 0; i < kWindow; ++i) EXPECT_EQ(receiver->next().substr(0, 7), "PUBLISH");
    }
  };
  for (int i = 0; i < 5; ++i) window();
  server.settle();
  const Counts before = shard_counts();
  for (uint64_t i = 0; i < kWindows; ++i) window();
  server.settle();
  const Counts cost = shard_counts() - before;
  EXPECT_EQ(cost.receives, kWindows);
  EXPECT_EQ(cost.sends, kWindows * kReceivers);
  EXPECT_EQ(cost.interests, 0u);
  EXPECT_EQ(cost.encodings, kMessages);
  std::printf("a message to 100: %.2f allocations, %.0f bytes\n", each(cost.allocations, kMessages),
              each(cost.allocated_bytes, kMessages));
  // The Message, of 112 bytes; and OpenSSL's buffers, see above.
  const uint64_t sealed = is_tls(GetParam()) ? kWindows * kReceivers : 0;
  EXPECT_LE(cost.allocations, kMessages + 4 * sealed + 3 * kWindows + 10);
  EXPECT_LE(cost.allocated_bytes, 115 * kMessages + 17'200 * sealed + 2'000);
}

TEST(FanInBudget, OneSendForTheReceiverOfAllThatComeTogether) {
  constexpr uint64_t kPublishers = 64;
  TestServer server(quiet_server(TestStore::kNone));
  TestClient receiver(server, Transport::kWs);
  receiver.connect("receiver");
  receiver.subscribe("/fan/in", kQos1);
  std::vector<std::unique_ptr<TestClient>> publishers;
  for (uint64_t i = 0; i < kPublishers; ++i) {
    publishers.push_back(std::make_unique<TestClient>(server, Transport::kWs));
    publishers.back()->connect(unique("p"));
  }
  Counts before;
  auto round = [&] {
    {
      const HeldShard held;
      for (auto& publisher : publishers) publisher->send_publish("/fan/in", kPayload, kQos1);
      before = shard_counts();
    }
    Together acks(receiver, Transport::kWs);
    for (uint64_t i = 0; i < kPublishers; ++i) {
      EXPECT_EQ(receiver.next().substr(0, 7), "PUBLISH");
      acks.ack(PacketType::kPuback, receiver.last_id());
    }
    for (auto& publisher : publishers) EXPECT_EQ(publisher->next().substr(0, 6), "PUBACK");
    acks.send();
    server.settle();
  };
  for (int i = 0; i < 5; ++i) round();
  const Counts cost = shard_counts() - before;  // of the last one
  // A PUBLISH from each, and the acknowledgements of the receiver; a PUBACK to each, and all
  // messages to the receiver.
  EXPECT_EQ(cost.receives, kPublishers + 1);
  EXPECT_EQ(cost.sends, kPublishers + 1);
  EXPECT_EQ(cost.interests, 0u);
  EXPECT_LE(cost.waits, 20u) << "one for all publishers; and the end of the test";
  std::printf("a message of 64: %.2f allocations, %.0f bytes, %llu waits for all\n",
              each(cost.allocations, kPublishers), each(cost.allocated_bytes, kPublishers),
              static_cast<unsigned long long>(cost.waits));
  // The Message, and the steps in which the receiver's list of what is in flight grows to 64.
  EXPECT_LE(cost.allocations, kPublishers + 8);
  EXPECT_LE(cost.allocated_bytes, 195 * kPublishers);
}

}  // namespace
}  // namespace fairlead::testing
