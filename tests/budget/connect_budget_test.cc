#include <gtest/gtest.h>

#include "budget/budget_clients.h"

// What it costs to come and to go: from accept to CONNACK, and from DISCONNECT to the end.

namespace fairlead::testing {
namespace {

enum class Credentials : uint8_t { kNone, kThreeTuple };

struct Case {
  std::string_view name;
  Transport transport;
  Credentials credentials;
  // What one that comes may cost, at most.
  uint64_t receives;
  uint64_t sends;
  uint64_t allocations;
  uint64_t allocated_bytes;
};

class ConnectBudget : public ::testing::TestWithParam<Case> {
 protected:
  static constexpr uint64_t kCount = 50;

  void connect(TestClient& client) {
    if (GetParam().credentials == Credentials::kNone) {
      client.connect(unique("c"));
    } else {
      const mqtt::ConnectPacket hello = client.device_hello({.name = "d1"});
      client.connect(hello);
    }
  }
  // They come and go one after the other.
  void measure() {
    TestServer server(quiet_server(TestStore::kNone));
    for (uint64_t i = 0; i < kCount + 5; ++i) {
      server.settle();
      const Counts before = shard_counts();
      TestClient client(server, GetParam().transport);
      connect(client);
      server.settle();
      const Counts between = shard_counts();
      client.disconnect();
      client.expect_closed();
      client.wire().finish_sending();
      server.settle();
      if (i < 5) continue;  // tables and pools have their first size
      add(coming, between - before);
      add(going, shard_counts() - between);
    }
  }
  static void add(Counts& sum, const Counts& more) { sum = sum - (Counts() - more); }
  static void print(const char* what, const Counts& c) {
    std::printf(
        "%s: accept %.2f, epoll_ctl %.2f, recv %.2f, send %.2f, close %.2f; %.2f allocations, %.0f "
        "bytes\n",
        what, each(c.accepts, kCount), each(c.interests, kCount), each(c.receives, kCount),
        each(c.sends, kCount), each(c.closes, kCount), each(c.allocations, kCount),
        each(c.allocated_bytes, kCount));
  }

  Counts coming;
  Counts going;
};

// Anonymous over tcp there are the Connection, the session and two texts of it; the upgrade takes
// 9 for its head, its answer and the parsers. A signature is one of four, each with its text and
// its fields in order. A TLS handshake is OpenSSL's alone.
INSTANTIATE_TEST_SUITE_P(
    All, ConnectBudget,
    ::testing::Values(
        Case{"tcp_anonymous", Transport::kTcp, Credentials::kNone, 1, 1, 4, 1'250},
        Case{"tcp_three_tuple", Transport::kTcp, Credentials::kThreeTuple, 1, 1, 36, 3'550},
        Case{"ws_anonymous", Transport::kWs, Credentials::kNone, 2, 2, 13, 1'850},
        Case{"ws_three_tuple", Transport::kWs, Credentials::kThreeTuple, 2, 2, 45, 4'150},
        Case{"wss_three_tuple", Transport::kWss, Credentials::kThreeTuple, 4, 4, 780, 430'000}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_P(ConnectBudget, OfOneThatComesAndGoes) {
  measure();
  print("coming", coming);
  print("going", going);
  EXPECT_EQ(coming.accepts, 2 * kCount) << "the second one finds nobody";
  EXPECT_EQ(coming.interests, kCount);
  EXPECT_EQ(coming.socket_options, 0u);
  EXPECT_EQ(coming.closes, 0u);
  EXPECT_LE(coming.receives, GetParam().receives * kCount);
  EXPECT_LE(coming.sends, GetParam().sends * kCount);
  EXPECT_GT(coming.timers_placed, 0u) << "TimerWheel::place is not counted any more";
  EXPECT_LE(coming.allocations, GetParam().allocations * kCount + 10);
  EXPECT_LE(coming.allocated_bytes, GetParam().allocated_bytes * kCount);
  // DISCONNECT is received; a close frame is sent, and TLS has its own last word.
  EXPECT_EQ(going.interests, 0u) << "a descriptor that is closed leaves epoll by itself";
  EXPECT_LE(going.receives, 2 * kCount);
  EXPECT_LE(going.sends, kCount * (is_tls(GetParam().transport) ? 2 : 1));
  EXPECT_LE(going.closes, 2 * kCount);
  EXPECT_LE(going.allocations, kCount * (is_tls(GetParam().transport) ? 10 : 0) + 10);
  // What came is gone again, but for a few things that the next one uses.
  EXPECT_LE(coming.held_bytes + going.held_bytes, int64_t{kCount} * 64);
}

}  // namespace
}  // namespace fairlead::testing
