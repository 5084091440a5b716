#include <gtest/gtest.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "base/temp_dir_for_test.h"
#include "proto/mqtt/reader.h"
#include "proto/mqtt/writer.h"
#include "shard/hosted_session.h"
#include "shard/shard.h"

// Input that waits for other shards, step by step: two shards whose turns the test takes, so that
// it stands between a SUBSCRIBE and its SUBACK for as long as the test likes.

namespace fairlead::testing {
namespace {

using namespace mqtt;

class ScriptedClock final : public Clock {
 public:
  Instant at{};
  [[nodiscard]] Instant now() const override { return at; }
};

template <class... Packet>
std::string bytes_of(const Packet&... packet) {
  ByteBuffer out;
  (
      [&] {
        if constexpr (requires { mqtt::write(out, ProtocolVersion::k311, packet); }) {
          mqtt::write(out, ProtocolVersion::k311, packet);
        } else {
          mqtt::write(out, packet);
        }
      }(),
      ...);
  return std::string(as_text(out.view()));
}

std::string publish(std::string_view topic, uint16_t id = 0) {
  return bytes_of(PublishPacket{.topic = topic,
                                .payload = as_bytes("x"),
                                .packet_id = PacketId{id},
                                .qos = id > 0 ? Qos::kAtLeastOnce : Qos::kAtMostOnce,
                                .properties = {}});
}
std::string subscribe(uint16_t id, std::string_view filter) {
  return bytes_of(SubscribePacket{.packet_id = PacketId{id},
                                  .requests = {{.filter = filter, .options = {}}},
                                  .properties = {}});
}
std::string ping() { return bytes_of(PingreqPacket{}); }
std::string disconnect() { return bytes_of(DisconnectPacket{}); }

// A client's end.
class Peer {
 public:
  explicit Peer(UniqueFd fd) : fd_(std::move(fd)) {}

  void say(std::string_view bytes) {
    ASSERT_EQ(::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  void end_sending() { ::shutdown(fd_.get(), SHUT_WR); }
  void end_reading() { ::shutdown(fd_.get(), SHUT_RD); }
  void vanish() { fd_.reset(); }

  // The kinds of packets that came: "CONNACK SUBACK".
  std::string heard() {
    ssize_t count = 0;
    do {
      std::byte* at = in_.extend(kReadBytes);
      count = ::recv(fd_.get(), at, kReadBytes, 0);
      in_.truncate(in_.size() - kReadBytes + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    } while (count > 0);
    std::string kinds;
    Bytes left = in_.view();
    for (;;) {
      const auto header = read_fixed_header(left, 1 << 20);
      if (!header || !*header || left.size() < (*header)->packet_size()) break;
      if (!kinds.empty()) kinds += ' ';
      kinds += packet_name((*header)->type);
      left = left.subspan((*header)->packet_size());
    }
    in_.consume(in_.size() - left.size());
    return kinds;
  }

 private:
  static constexpr std::size_t kReadBytes = 64 << 10;
  UniqueFd fd_;
  ByteBuffer in_;
};

class InputHold : public ::testing::Test {
 protected:
  InputHold() {
    options_.shard_count = 2;
    options_.listeners.emplace_back();
    for (uint16_t i = 0; i < 2; ++i) {
      peers_.shards.push_back(std::make_unique<Shard>(i, peers_));
    }
    for (auto& shard : peers_.shards) shard->begin();
    // The client's session is at home where it connects.
    while (home().home_of(key()) != 0) id_ += 'x';
  }

  [[nodiscard]] Shard& home() { return *peers_.shards[0]; }
  void turn_home() { home().turn(milliseconds(0)); }
  void turn_both() {
    for (int i = 0; i < 4; ++i) {
      for (auto& shard : peers_.shards) shard->turn(milliseconds(0));
    }
  }
  [[nodiscard]] std::string key() const { return anonymous_session_key(id_); }
  [[nodiscard]] HostedSession* session() { return home().sessions().find(key()); }
  void retain(int count, std::string_view payload) {
    for (int i = 0; i < count; ++i) {
      home().exchange().publish(Message::make({.topic = "r/" + std::to_string(i),
                                               .payload = as_bytes(payload),
                                               .retain = Retain::kYes}));
    }
    home().settle();
    turn_both();
  }

  Peer open() {
    std::array<int, 2> fds{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()), 0);
    home().add_connection(UniqueFd(fds[0]), *SocketAddress::parse("192.0.2.7", 1000),
                          options_.listeners[0]);
    return Peer(UniqueFd(fds[1]));
  }
  // The client, whose will goes to "will", connected; and a watcher of "will" and "said".
  void connect_both() {
    watcher_ = open();
    ConnectPacket hello{.client_id = "watcher", .properties = {}};
    watcher_.say(bytes_of(hello) + subscribe(1, "will") + subscribe(2, "said"));
    turn_both();
    ASSERT_EQ(watcher_.heard(), "CONNACK SUBACK SUBACK");
    peer_ = open();
    peer_.say(hello_with_will());
    turn_home();
    ASSERT_EQ(peer_.heard(), "CONNACK");
  }
  std::string hello_with_will() {
    ConnectPacket hello{.client_id = id_, .properties = {}};
    hello.keep_alive_seconds = 10;
    hello.will = Will{.topic = "will", .payload = as_bytes("gone"), .properties = {}};
    return bytes_of(hello);
  }

  ScriptedClock clock_;
  ServerOptions options_;
  TempDir folder_;
  Database database_ = std::move(*Database::open(folder_.path()));
  std::unique_ptr<Registry> registry_ = std::move(*Registry::open(folder_.path()));
  Authenticator authenticator_{*registry_, {.anonymous = AnonymousAccess::kAllowed}};
  ShardPeers peers_{.options = options_,
                    .registry = *registry_,
                    .authenticator = authenticator_,
                    .shards = {},
                    .clock = clock_};
  std::string id_ = "c";
  Peer watcher_{UniqueFd()};
  Peer peer_{UniqueFd()};
};

TEST_F(InputHold, NoAnswerOvertakesASuback) {
  connect_both();
  peer_.say(subscribe(1, "a") + ping() + publish("said", 2));
  turn_home();
  EXPECT_EQ(peer_.heard(), "");
  peer_.say(ping());
  turn_home();
  EXPECT_EQ(peer_.heard(), "");
  turn_both();
  EXPECT_EQ(peer_.heard(), "SUBACK PINGRESP PUBACK PINGRESP");
}

TEST_F(InputHold, FurtherSubscribesGoOn) {
  connect_both();
  peer_.say(subscribe(1, "a") + subscribe(2, "b") + ping() + subscribe(3, "c"));
  turn_home();
  EXPECT_EQ(session()->subscribes_pending.size(), 2u);
  turn_both();
  EXPECT_EQ(peer_.heard(), "SUBACK SUBACK PINGRESP SUBACK");
}

TEST_F(InputHold, PendingSubscribesAreBounded) {
  connect_both();
  std::string many;
  for (uint16_t id = 1; id <= 2'000; ++id) many += subscribe(id, "f/" + std::to_string(id));
  peer_.say(many);
  turn_home();
  EXPECT_LE(session()->subscribes_pending.size(), 64u);
  std::size_t subacks = 0;
  for (int i = 0; i < 100; ++i) {
    turn_both();
    subacks += (peer_.heard().size() + 1) / sizeof("SUBACK");
  }
  EXPECT_EQ(subacks, 2'000u);
}

// Bytes that have not been read do not take memory here.
TEST_F(InputHold, ReadingStops) {
  connect_both();
  peer_.say(subscribe(1, "a") + ping());
  turn_home();
  turn_home();
  const uint64_t read = home().counters().bytes_received.get();
  peer_.say(ping() + ping());
  for (int i = 0; i < 3; ++i) turn_home();
  EXPECT_EQ(home().counters().bytes_received.get(), read);
  turn_both();
  EXPECT_EQ(peer_.heard(), "SUBACK PINGRESP PINGRESP PINGRESP");
}

TEST_F(InputHold, PartOfAPacketWaitsToo) {
  connect_both();
  const std::string packet = publish("said", 2);
  peer_.say(subscribe(1, "a") + packet.substr(0, 3));
  turn_home();
  peer_.say(packet.substr(3) + ping());
  turn_home();
  EXPECT_EQ(peer_.heard(), "");
  turn_both();
  EXPECT_EQ(peer_.heard(), "SUBACK PUBACK PINGRESP");
}

TEST_F(InputHold, MalformedPacketDoesNotOvertakeASuback) {
  connect_both();
  peer_.say(subscribe(1, "a") + std::string("\xff\xff\xff\xff\xff", 5));
  turn_home();
  EXPECT_FALSE(session() == nullptr);
  turn_both();
  EXPECT_EQ(peer_.heard(), "SUBACK");
  EXPECT_EQ(session(), nullptr);
  EXPECT_EQ(watcher_.heard(), "PUBLISH");  // the will
}

TEST_F(InputHold, EndOfTheStreamKeepsItsPlace) {
  connect_both();
  peer_.say(subscribe(1, "a") + publish("said") + disconnect());
  peer_.end_sending();
  turn_home();
  turn_home();
  EXPECT_EQ(watcher_.heard(), "");
  turn_both();
  EXPECT_EQ(watcher_.heard(), "PUBLISH");  // what it said, and no will
}

// Nobody is left to wait for: what was said takes effect at once, and in its order.
TEST_F(InputHold, HangUpDoesNotOvertakeWhatCameBefore) {
  connect_both();
  peer_.say(subscribe(1, "a") + publish("said"));
  turn_home();
  peer_.say(publish("said") + disconnect());
  peer_.vanish();
  for (int i = 0; i < 4; ++i) turn_home();
  EXPECT_EQ(session(), nullptr);
  turn_both();
  EXPECT_EQ(watcher_.heard(), "PUBLISH PUBLISH");
}

TEST_F(InputHold, BrokenOutputDoesNotOvertakeWhatCameBefore) {
  connect_both();
  peer_.say(ping());
  peer_.say(subscribe(1, "a"));
  peer_.end_reading();  // answers fail from now on
  turn_both();
  peer_.say(publish("said") + disconnect());
  turn_both();
  EXPECT_EQ(session(), nullptr);
  EXPECT_EQ(watcher_.heard(), "PUBLISH");
}

TEST_F(InputHold, TakeoverDoesNotOvertakeWhatCameBefore) {
  connect_both();
  peer_.say(subscribe(1, "a") + publish("said") + disconnect());
  turn_home();
  Peer second = open();
  second.say(hello_with_will());
  turn_home();
  EXPECT_EQ(second.heard(), "CONNACK");
  turn_both();
  EXPECT_EQ(watcher_.heard(), "PUBLISH");  // what it said, and no will
}

TEST_F(InputHold, ClientWhoseInputWaitsIsAlive) {
  connect_both();
  peer_.say(subscribe(1, "a") + ping());
  turn_home();
  for (int i = 0; i < 10; ++i) {
    clock_.at += seconds(10);
    turn_home();
  }
  turn_both();
  EXPECT_EQ(peer_.heard(), "SUBACK PINGRESP");
  clock_.at += seconds(20);
  turn_both();
  EXPECT_EQ(session(), nullptr);
}

TEST_F(InputHold, SubscribeWaitsWhileItsAnswersAreNotTaken) {
  connect_both();
  retain(20, std::string(64 << 10, 'x'));
  peer_.say(subscribe(1, "r/+"));
  turn_both();
  peer_.say(subscribe(2, "later") + ping());
  turn_both();
  EXPECT_FALSE(session()->subscribes_to("later"));
  std::string all;
  for (int i = 0; i < 30; ++i) {
    all += peer_.heard();
    turn_both();
  }
  EXPECT_TRUE(session()->subscribes_to("later"));
  EXPECT_NE(all.find("SUBACK PINGRESP"), all.npos) << all;
}

// What many SUBSCRIBEs find is found in many turns, one of them at a time.
TEST_F(InputHold, SubscribesThatFindMuchTakeTurns) {
  connect_both();
  retain(1'000, "x");
  std::string many;
  for (uint16_t id = 1; id <= 50; ++id) many += subscribe(id, "r/+");
  peer_.say(many);
  turn_home();
  EXPECT_EQ(session()->subscribes_pending.size(), 1u);
  std::size_t subacks = 0;
  int rounds = 0;
  for (; subacks < 50 && rounds < 1'000; ++rounds) {
    turn_both();
    const std::string kinds = peer_.heard();
    for (auto at = kinds.find("SUBACK"); at != kinds.npos; at = kinds.find("SUBACK", at + 1)) {
      ++subacks;
    }
  }
  EXPECT_EQ(subacks, 50u);
  EXPECT_GT(rounds, 5);
}

// SUBSCRIBEs or UNSUBSCRIBEs with many filters in each, behind each other.
class ManyFilters : public InputHold {
 protected:
  static constexpr int kPackets = 20;
  static constexpr int kFilters = 100;
  static constexpr int kRoundsMax = 1'000;

  static std::string filter(int number) { return "f/" + std::to_string(number); }
  template <class MakePacket>
  static std::string packets(MakePacket&& make) {
    std::string bytes;
    for (int i = 0; i < kPackets; ++i) {
      std::vector<std::string> filters;
      for (int n = 0; n < kFilters; ++n) filters.push_back(filter(i * kFilters + n));
      bytes += make(static_cast<uint16_t>(i + 1), filters);
    }
    return bytes;
  }
  static std::string subscribe_all() {
    return packets([](uint16_t id, const std::vector<std::string>& filters) {
      SubscribePacket packet{.packet_id = PacketId{id}, .requests = {}, .properties = {}};
      for (const std::string& each : filters) packet.requests.push_back({each, {}});
      return bytes_of(packet);
    });
  }
  static std::string unsubscribe_all() {
    return packets([](uint16_t id, const std::vector<std::string>& filters) {
      UnsubscribePacket packet{.packet_id = PacketId{id}, .filters = {}, .user_properties = {}};
      packet.filters.assign(filters.begin(), filters.end());
      return bytes_of(packet);
    });
  }
  [[nodiscard]] bool has_last() {
    return session()->subscribes_to(filter(kPackets * kFilters - 1));
  }
  // Turns until the ping behind all of them is answered.
  std::string heard_in_the_end() {
    std::string all;
    for (int i = 0; i < kRoundsMax && all.find("PINGRESP") == all.npos; ++i) {
      turn_both();
      all += peer_.heard() + ' ';
    }
    return all;
  }
  static int count(const std::string& kinds, const std::string& kind) {
    int found = 0;
    for (auto at = kinds.find(kind); at != kinds.npos; at = kinds.find(kind, at + 1)) ++found;
    return found;
  }
};

// A turn of them all would be as long as all the others had to wait.
TEST_F(ManyFilters, TakeTurns) {
  connect_both();
  peer_.say(subscribe_all() + ping());
  turn_home();
  EXPECT_FALSE(has_last());
  watcher_.say(ping());
  turn_home();
  EXPECT_EQ(watcher_.heard(), "PINGRESP");
  EXPECT_FALSE(has_last());
  const std::string kinds = heard_in_the_end();
  EXPECT_EQ(count(kinds, "SUBACK"), kPackets) << kinds;
  EXPECT_GT(kinds.find("PINGRESP"), kinds.rfind("SUBACK")) << kinds;
  EXPECT_TRUE(has_last());
}

TEST_F(ManyFilters, AreGivenUpInTurns) {
  connect_both();
  peer_.say(subscribe_all() + ping());
  heard_in_the_end();
  peer_.say(unsubscribe_all() + ping());
  turn_home();
  EXPECT_TRUE(has_last());
  watcher_.say(ping());
  turn_home();
  EXPECT_EQ(watcher_.heard(), "PINGRESP");
  EXPECT_TRUE(has_last());
  const std::string kinds = heard_in_the_end();
  EXPECT_EQ(count(kinds, "UNSUBACK"), kPackets) << kinds;
  EXPECT_GT(kinds.find("PINGRESP"), kinds.rfind("UNSUBACK")) << kinds;
  EXPECT_FALSE(has_last());
}

}  // namespace
}  // namespace fairlead::testing
