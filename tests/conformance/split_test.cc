#include <random>

#include "conformance/fixture.h"

// Any split or merge of the byte stream gives identical events: the same dialogue, sent whole and
// chopped, over every transport, has the same answers.

namespace fairlead::testing {
namespace {

class Split : public ConformanceTest {
 protected:
  // What a client says after CONNECT, all at once, and what it gets.
  std::vector<std::string> dialogue(const std::string& root, std::optional<uint64_t> chop) {
    TestClient client(server(), transport(), version(), {.chop_seed = chop});
    client.send(client.hello(unique("c")));
    ByteBuffer all;
    const std::string filter = root + "/#";
    auto write = [&](const auto& packet) { mqtt::write(all, version(), packet); };
    write(mqtt::SubscribePacket{.packet_id = PacketId{1},
                                .requests = {{.filter = filter, .options = {.qos = kQos2}},
                                             {.filter = "bad/#/filter", .options = {.qos = kQos0}}},
                                .properties = {}});
    // The SUBACK comes when every shard knows: nothing is published before.
    client.wire().send(all.view());
    std::vector<std::string> lines{client.next(), client.next()};
    all.clear();
    const std::string large(3000, 'L');
    for (uint16_t i = 0; i < 6; ++i) {
      const std::string topic = root + "/" + std::to_string(i);
      write(mqtt::PublishPacket{.topic = topic,
                                .payload = as_bytes(i == 3 ? large : topic),
                                .packet_id = PacketId{static_cast<uint16_t>(i % 3 ? 10 + i : 0)},
                                .qos = static_cast<Qos>(i % 3),
                                .properties = {}});
      if (i % 3 == 2) {
        write(mqtt::AckPacket{.type = PacketType::kPubrel,
                              .packet_id = PacketId{static_cast<uint16_t>(10 + i)},
                              .properties = {}});
      }
      mqtt::write(all, mqtt::PingreqPacket{});
    }
    write(mqtt::UnsubscribePacket{
        .packet_id = PacketId{2}, .filters = {filter}, .user_properties = {}});
    mqtt::write(all, mqtt::PingreqPacket{});
    client.wire().send(all.view());
    // 6 own messages, 4 acknowledgements, 2 PUBCOMP, 7 PINGRESP, 1 UNSUBACK.
    for (int i = 0; i < 20; ++i) lines.push_back(strip(client.next(), root));
    client.disconnect();
    lines.push_back(client.next());
    return lines;
  }

  static std::string strip(std::string line, const std::string& root) {
    for (std::size_t at; (at = line.find(root)) != std::string::npos;) line.erase(at, root.size());
    return line;
  }

  // A client's own acknowledgements and its messages are told apart from timing: where a message
  // falls among the answers depends on how many packets came in one read. Per kind the order is
  // fixed.
  static std::vector<std::string> by_kind(std::vector<std::string> lines) {
    std::stable_sort(lines.begin(), lines.end(), [](const auto& a, const auto& b) {
      return a.substr(0, a.find(' ')) < b.substr(0, b.find(' '));
    });
    return lines;
  }
};
FL_EVERY_VERSION(Split);

TEST_P(Split, ChoppedStreamGivesTheSameAnswers) {
  const auto whole = by_kind(dialogue(unique("t"), std::nullopt));
  EXPECT_EQ(whole.back(), "UNSUBACK 2" + std::string(is_v5() ? " 00" : ""));
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    EXPECT_EQ(by_kind(dialogue(unique("t"), seed)), whole) << "seed " << seed;
  }
}

TEST_P(Split, EverythingAtOnceWithConnect) {
  const std::string topic = unique("t");
  TestClient client = this->client();
  ByteBuffer all;
  mqtt::write(all, client.hello(unique("c")));
  mqtt::write(all, version(),
              mqtt::SubscribePacket{.packet_id = PacketId{1},
                                    .requests = {{.filter = topic, .options = {.qos = kQos1}}},
                                    .properties = {}});
  for (int i = 0; i < 5; ++i) mqtt::write(all, mqtt::PingreqPacket{});
  client.wire().send(all.view());
  std::vector<std::string> lines;
  for (int i = 0; i < 7; ++i) lines.push_back(client.next());
  EXPECT_EQ(lines.front(), "CONNACK 0");
  EXPECT_EQ(std::count(lines.begin(), lines.end(), "PINGRESP"), 5);
  EXPECT_EQ(std::count(lines.begin(), lines.end(), "SUBACK 1 01"), 1);
}

// The server has read each byte before the next is sent: settle() comes back after a turn.
TEST_P(Split, EveryByteInAReadOfItsOwn) {
  const std::string topic = unique("t");
  TestClient client = this->client();
  auto say = [&](const auto& packet) {
    ByteBuffer bytes;
    if constexpr (requires { mqtt::write(bytes, version(), packet); }) {
      mqtt::write(bytes, version(), packet);
    } else {
      mqtt::write(bytes, packet);
    }
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      client.wire().send(bytes.view().subspan(i, 1));
      server().settle(1);
    }
  };
  say(client.hello(unique("c")));
  client.expect("CONNACK 0");
  say(mqtt::PingreqPacket{});
  client.expect("PINGRESP");
  say(mqtt::SubscribePacket{.packet_id = PacketId{1},
                            .requests = {{.filter = topic, .options = {.qos = kQos0}}},
                            .properties = {}});
  client.expect("SUBACK 1 00");
  say(mqtt::PublishPacket{.topic = topic,
                          .payload = as_bytes(std::string_view("payload")),
                          .packet_id = PacketId{2},
                          .qos = kQos1,
                          .properties = {}});
  std::set<std::string> answers{client.next(), client.next()};
  EXPECT_EQ(answers, (std::set<std::string>{"PUBACK 2", "PUBLISH " + topic + " payload q0"}));
  say(mqtt::PingreqPacket{});
  client.expect("PINGRESP");
}

// The handover to the session's home takes along what was read, and what was not: over many
// clients, each with its CONNECT cut elsewhere.
TEST_P(Split, HandoverLosesNothing) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 24; ++i) {
    TestClient client = this->client();
    ByteBuffer all;
    mqtt::write(all, client.hello(unique("c")));
    for (int n = 0; n < 20; ++n) mqtt::write(all, mqtt::PingreqPacket{});
    const std::size_t cut = random() % all.size();
    if (cut > 0) client.wire().send(all.view().first(cut));
    client.wire().send(all.view().subspan(cut));
    client.expect("CONNACK 0");
    for (int n = 0; n < 20; ++n) client.expect("PINGRESP");
  }
}

}  // namespace
}  // namespace fairlead::testing
