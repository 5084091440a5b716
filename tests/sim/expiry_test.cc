#include <gtest/gtest.h>

#include <string>

#include "base/log.h"
#include "proto/mqtt/writer.h"
#include "sim_server.h"

// A great many things that expire at once are ended in slices, whose lateness is counted; and what
// waits for a session that is away is dropped when its time is over, not when somebody asks.

namespace fairlead::sim {
namespace {

using mqtt::ConnectPacket;
using mqtt::PacketId;
using mqtt::ProtocolVersion;
using mqtt::Qos;

class ExpiryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    set_log_level(LogLevel::kOff);
    ASSERT_TRUE(server_.start(1, 10));
  }

  UniqueFd client(const std::string& id, uint32_t expiry_seconds, const std::string& filter = {}) {
    UniqueFd fd = server_.connect(0);
    ByteBuffer out;
    ConnectPacket connect;
    connect.version = ProtocolVersion::k5;
    connect.client_id = id;
    connect.properties.session_expiry_seconds = expiry_seconds;
    mqtt::write(out, connect);
    if (!filter.empty()) {
      mqtt::SubscribePacket subscribe;
      subscribe.packet_id = PacketId{1};
      subscribe.requests = {{.filter = filter, .options = {.qos = Qos::kAtLeastOnce}}};
      mqtt::write(out, ProtocolVersion::k5, subscribe);
    }
    send(fd, out);
    return fd;
  }
  void publish(const UniqueFd& fd, const std::string& topic, uint16_t id, uint32_t expiry_seconds) {
    ByteBuffer out;
    mqtt::PublishPacket packet;
    packet.topic = topic;
    packet.payload = as_bytes("x");
    packet.qos = Qos::kAtLeastOnce;
    packet.packet_id = PacketId{id};
    packet.properties.message_expiry_seconds = expiry_seconds;
    mqtt::write(out, ProtocolVersion::k5, packet);
    send(fd, out);
  }
  void send(const UniqueFd& fd, const ByteBuffer& out) {
    const Bytes bytes = out.view();
    ASSERT_EQ(::write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    settle();
  }
  // Until the shard and the disk have done what there is to be done.
  void settle() {
    for (int i = 0; i < 10; ++i) {
      server_.turn(0);
      server_.commit_step();
    }
  }
  [[nodiscard]] const ShardCounters& counters() const { return server_.shard(0).counters(); }

  SimServer server_{1};
};

TEST_F(ExpiryTest, SessionsThatEndTogetherEndInSlices) {
  constexpr uint64_t kSessions = 1000;
  for (uint64_t i = 0; i < kSessions; ++i) (void)client("c" + std::to_string(i), 10);
  settle();
  ASSERT_EQ(counters().sessions_now.get(), kSessions);
  ASSERT_EQ(counters().clients_now.get(), 0u);
  EXPECT_EQ(server_.records(Table::kSession), kSessions);

  server_.clock.at += seconds(15);
  unsigned turns = 0;
  for (uint64_t before = kSessions; before > 0 && turns < 100; ++turns) {
    server_.turn(0);
    const uint64_t now = counters().sessions_now.get();
    EXPECT_LE(before - now, 256u);
    before = now;
    server_.clock.at += milliseconds(1);
  }
  EXPECT_EQ(counters().sessions_now.get(), 0u);
  EXPECT_LE(turns, 10u);
  EXPECT_GE(counters().expiry_lag_ms.get(), 5'000u);
  EXPECT_LT(counters().expiry_lag_ms.get(), 6'000u);
  settle();
  EXPECT_EQ(server_.records(Table::kSession), 0u);

  // A lag is forgotten after two minutes without one.
  for (int minute = 0; minute < 3; ++minute) {
    server_.clock.at += std::chrono::minutes(1);
    server_.turn(0);
  }
  EXPECT_EQ(counters().expiry_lag_ms.get(), 0u);
}

TEST_F(ExpiryTest, MessagesThatWaitAreDroppedWhenTheirTimeIsOver) {
  constexpr uint16_t kMessages = 50;
  (void)client("away", 3600, "a/#");
  const UniqueFd publisher = client("publisher", 0);
  for (uint16_t i = 1; i <= kMessages; ++i) publish(publisher, "a/b", i, i % 2 == 0 ? 10 : 1000);
  settle();
  ASSERT_EQ(server_.shard(0).queue_total().messages(), kMessages);
  EXPECT_EQ(server_.records(Table::kEntry), kMessages);

  server_.clock.at += seconds(11);
  settle();
  EXPECT_EQ(server_.shard(0).queue_total().messages(), kMessages / 2);
  EXPECT_EQ(server_.records(Table::kEntry), kMessages / 2);
  EXPECT_GE(counters().expiry_lag_ms.get(), 1'000u);

  server_.clock.at += seconds(1000);
  settle();
  EXPECT_EQ(server_.shard(0).queue_total().messages(), 0u);
  EXPECT_EQ(server_.shard(0).queue_total().bytes(), 0u);
  EXPECT_EQ(server_.records(Table::kEntry), 0u);
}

}  // namespace
}  // namespace fairlead::sim
