#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "budget/budget_clients.h"
#include "shard/connection.h"
#include "shard/hosted_session.h"

// What is held of the heap, by counting what the shards allocate and free. A table or a pool grows
// in steps: what it has in reserve is in these figures, too.

namespace fairlead::testing {
namespace {

static_assert(sizeof(Connection) <= 480, "times a million");
static_assert(sizeof(HostedSession) <= 640, "times a million");

// What one of `count` things costs; `make(i)` makes one.
template <class Make>
int64_t held_by_each(TestServer& server, int64_t count, Make&& make) {
  server.settle();
  const int64_t before = shard_counts().held_bytes;
  for (int64_t i = 0; i < count; ++i) make(i);
  server.settle();
  return (shard_counts().held_bytes - before) / count;
}

void expect_at_most(const char* what, int64_t bytes, int64_t most) {
  std::printf("%s: %lld bytes\n", what, static_cast<long long>(bytes));
  EXPECT_LE(bytes, most) << what;
  EXPECT_GE(bytes, most / 2) << what << ": is it still counted?";
}

std::string device_topic(int64_t device, std::string_view rest) {
  return "/a1B2c3D4e5F/device-" + std::to_string(100'000 + device) + std::string(rest);
}

class IdleMemory : public ::testing::TestWithParam<Transport> {};
INSTANTIATE_TEST_SUITE_P(All, IdleMemory, ::testing::ValuesIn(kAllTransports),
                         [](const auto& test) { return std::string(transport_name(test.param)); });

TEST_P(IdleMemory, OfAConnectionWithASubscription) {
  constexpr int kCount = 448;
  TestServer server(quiet_server(TestStore::kNone));
  std::vector<UniqueFd> descriptors;
  auto add = [&](int64_t i) {
    TestClient client(server, GetParam());
    client.connect(unique("idle"));
    client.subscribe(device_topic(i, "/user/get"), kQos1);
    descriptors.emplace_back(::dup(client.wire().fd()));
  };
  for (int64_t i = 0; i < 64; ++i) add(1'000 + i);
  const int64_t bytes = held_by_each(server, kCount, add);
  EXPECT_EQ(server.engine().counters().clients_now, kCount + 64u);
  // Connection, HostedSession, the texts of both, the subscription in session and tree, and the
  // places in their tables; with TLS OpenSSL's object, of about 14 KB with its buffers released.
  expect_at_most("idle connection", bytes, is_tls(GetParam()) ? 15'500 : 1'200);
}

std::unique_ptr<TestClient> subscriber(TestServer& server) {
  auto client = std::make_unique<TestClient>(server, Transport::kWs);
  client->connect(unique("subscriber"));
  return client;
}

int64_t held_by_a_filter(std::string_view rest) {
  TestServer server(quiet_server(TestStore::kNone));
  const auto client = subscriber(server);
  return held_by_each(server, 2'000, [&](int64_t i) {
    ASSERT_EQ(client->subscribe(device_topic(i, rest), kQos1), "01");
  });
}

TEST(HeldMemory, OfAnExactFilter) {
  // The session has its text and options, the tree a place that finds them by hash.
  expect_at_most("exact filter of 36 characters", held_by_a_filter("/user/get"), 205);
}

TEST(HeldMemory, OfAWildcardFilter) {
  // The tree has two levels that are this filter's alone.
  expect_at_most("wildcard filter of 34 characters", held_by_a_filter("/user/#"), 315);
}

TEST(HeldMemory, OfARetainedMessage) {
  TestServer server(quiet_server(TestStore::kNone));
  const auto client = subscriber(server);
  const int64_t bytes = held_by_each(server, 2'000, [&](int64_t i) {
    client->send_publish(device_topic(i, "/user/get"), kPayload, kQos0, Retain::kYes);
    if (i % 100 == 99) client->publish("/nobody", "x", kQos1);
  });
  EXPECT_EQ(server.engine().counters().retained_now, 2'000u);
  // The Message, of 168 bytes; the topic's levels in the tree, two of them its alone; its expiry.
  expect_at_most("retained message of 64 bytes, topic of 36", bytes, 470);
}

TEST(HeldMemory, OfAKeptSessionWhoseClientIsAway) {
  TestServer server(quiet_server(TestStore::kKept));
  const int64_t bytes = held_by_each(server, 500, [&](int64_t i) {
    TestClient client(server, Transport::kWs);
    client.connect(client.hello(unique("kept"), CleanStart::kNo));
    client.subscribe(device_topic(i, "/user/get"), kQos1);
    client.disconnect();
    client.expect_closed();
  });
  EXPECT_EQ(server.engine().counters().sessions_now, 500u);
  // As an idle connection, without its Connection; and the numbers of two records.
  expect_at_most("kept session with a subscription", bytes, 880);
}

TEST(HeldMemory, OfAMessageThatWaits) {
  TestServer server(quiet_server(TestStore::kKept));
  {
    TestClient client(server, Transport::kWs);
    client.connect(client.hello("kept", CleanStart::kNo));
    client.subscribe("/queued", kQos1);
    client.disconnect();
    client.expect_closed();
  }
  const auto publisher = subscriber(server);
  publisher->publish("/queued", kPayload, kQos1);
  const int64_t bytes =
      held_by_each(server, 900, [&](int64_t) { publisher->publish("/queued", kPayload, kQos1); });
  EXPECT_EQ(server.engine().counters().queued_messages, 901u);
  // The Message, of 136 bytes, and its place in the queue, which grows by doubling.
  expect_at_most("message of 64 bytes that waits", bytes, 175);
}

}  // namespace
}  // namespace fairlead::testing
