#include "hostile/hostile.h"

// A client's whole life, cut after each of its bytes, by a broken connection or by another client
// with its identity. A will goes out when it should and once; nothing is left behind.

namespace fairlead::testing {
namespace {

using namespace std::string_literals;
using raw::text;

class Cut : public HostileTest {
 protected:
  // The packets of a life, in order: CONNECT first, DISCONNECT last.
  [[nodiscard]] std::vector<std::string> life(const std::string& id, const std::string& topic,
                                              CleanStart clean) const {
    const std::string none = raw::properties(version());
    const unsigned flags =
        raw::kWill | (clean == CleanStart::kYes ? unsigned{raw::kClean} : 0u) | 0x08u;  // QoS 1
    const std::string expiry = clean == CleanStart::kYes ? ""s : "\x11\0\0\x0e\x10"s;
    return {
        raw::connect(version(), flags, text(id) + none + text(topic + "/will") + text(id), expiry),
        raw::packet(0x82, raw::u16(1) + none + text(topic) + "\2"s),
        raw::packet(0x30, text(topic) + none + "zero"),
        raw::packet(0x32, text(topic) + raw::u16(2) + none + "one"),
        raw::packet(0x34, text(topic) + raw::u16(3) + none + "two"),
        raw::packet(0x62, raw::u16(3)),
        raw::packet(0x31, text(topic + "/kept") + none + "kept"),
        raw::packet(0xc0, ""),
        raw::packet(0xe0, "")};
  }
  // As they stand below WebSocket, each in a message of its own; where the first ends is `first`.
  [[nodiscard]] std::string framed(const std::vector<std::string>& packets,
                                   std::size_t* first) const {
    ByteBuffer out;
    for (const std::string& packet : packets) {
      if (is_ws(transport())) {
        append_frame(out, Opcode::kBinary, as_bytes(packet), MaskKey{std::byte{3}});
      } else {
        out.append(packet);
      }
      if (&packet == &packets.front()) *first = out.size();
    }
    return std::string(as_text(out.view()));
  }
  // Each byte where a connection is cheap; with TLS and under a sanitizer, some of them.
  [[nodiscard]] std::size_t stride() const {
    return (is_tls(transport()) ? 11u : 1u) * (under_sanitizer() ? 3u : 1u);
  }
  // Everything that the server counts is as it was.
  void expect_nothing_left(const ServerCounters& before) {
    wait_until(server(), "sessions and connections are gone", [&] {
      const ServerCounters now = server().engine().counters();
      return now.connections_now == before.connections_now &&
             now.sessions_now == before.sessions_now &&
             now.subscriptions_now == before.subscriptions_now;
    });
  }
};
FL_EVERY_VERSION(Cut);

TEST_P(Cut, AfterEachByteOfALife) {
  const std::string topic = unique("life");
  TestClient watcher(server(), Transport::kTcp, version());
  watcher.connect(unique("watcher"));
  watcher.subscribe(topic + "/will", kQos0);
  const ServerCounters before = server().engine().counters();
  std::size_t connected_at = 0;
  const std::size_t total = framed(life("0000", topic, CleanStart::kYes), &connected_at).size();
  for (std::size_t count = 0; count <= total; count += stride()) {
    const std::string id = std::to_string(1'000 + count);
    const std::string bytes = framed(life(id, topic, CleanStart::kYes), &connected_at);
    TestClient peer = client();
    peer.wire().send_plain(as_bytes(bytes).first(count));
    server().settle(1);
    if (count % 2 == 0) {
      peer.wire().reset();
    } else {
      peer.wire().finish_sending();
    }
    if (count >= connected_at && count < total) {
      watcher.expect("PUBLISH " + topic + "/will " + id + " q0");
    }
  }
  watcher.expect_silence(server());
  expect_nothing_left(before);
  watcher.publish(topic + "/kept", "", kQos0, Retain::kYes);
}

TEST_P(Cut, AnotherTakesOverAfterEachByte) {
  const std::string topic = unique("life");
  TestClient watcher(server(), Transport::kTcp, version());
  watcher.connect(unique("watcher"));
  watcher.subscribe(topic + "/will", kQos0);
  const ServerCounters before = server().engine().counters();
  std::size_t connected_at = 0;
  const std::size_t total = framed(life("0000", topic, CleanStart::kYes), &connected_at).size();
  for (std::size_t count = 0; count <= total; count += stride()) {
    const std::string id = std::to_string(1'000 + count);
    const std::string bytes = framed(life(id, topic, CleanStart::kYes), &connected_at);
    TestClient peer = client();
    peer.wire().send_plain(as_bytes(bytes).first(count));
    server().settle();  // its session is where it belongs, before the other one comes
    TestClient heir(server(), Transport::kTcp, version());
    heir.connect(id);
    if (count >= connected_at && count < total) {
      watcher.expect("PUBLISH " + topic + "/will " + id + " q0");
      std::string line = peer.next();
      while (line != "CLOSED" && !line.starts_with("DISCONNECT")) line = peer.next();
      EXPECT_EQ(line, is_v5() ? "DISCONNECT 0x8e" : "CLOSED") << "after " << count << " bytes";
    }
    peer.wire().reset();
    heir.ping();
    heir.expect("PINGRESP");
  }
  watcher.expect_silence(server());
  expect_nothing_left(before);
  watcher.publish(topic + "/kept", "", kQos0, Retain::kYes);
}

// The heir of a session goes on with the ladder wherever it was: the message comes once.
TEST_P(Cut, HeirOfASessionEndsTheLadder) {
  const std::string topic = unique("life");
  TestClient watcher(server(), Transport::kTcp, version());
  watcher.connect(unique("watcher"));
  watcher.subscribe(topic, kQos2);
  for (std::size_t steps = 1; steps <= 9; ++steps) {
    const std::string id = unique("heir");
    const auto packets = life(id, topic, CleanStart::kNo);
    TestClient peer = client();
    for (std::size_t i = 0; i < steps; ++i) peer.send_bytes(packets[i]);
    // CONNACK and SUBACK wait for a commit each, and what came behind them for these.
    for (int waits = 0; waits < 3; ++waits) server().settle();
    TestClient heir = client();
    const auto connack = heir.connect(heir.hello(id, CleanStart::kNo));
    if (version() != ProtocolVersion::k31) {
      EXPECT_EQ(connack.session_present, mqtt::ConnackPacket::SessionPresent::kYes) << steps;
    }
    if (steps < 6) {  // its PUBREL has not been sent: it begins anew, with DUP
      std::string again = packets[4];
      again[0] = '\x3c';
      heir.send_bytes(again);
    }
    heir.send_bytes(packets[5]);
    std::string line = heir.next();
    while (!line.starts_with("PUBCOMP 3")) line = heir.next();
    if (steps < 6) {
      EXPECT_EQ(line, "PUBCOMP 3");
    }
    if (steps >= 3) watcher.expect_receive("PUBLISH " + topic + " zero q0");
    if (steps >= 4) watcher.expect_receive("PUBLISH " + topic + " one q1");
    watcher.expect_receive("PUBLISH " + topic + " two q2");
    watcher.expect_silence(server());
    TestClient end = client();
    end.connect(id);  // a clean start: nothing is left
  }
  watcher.publish(topic + "/kept", "", kQos0, Retain::kYes);
}

}  // namespace
}  // namespace fairlead::testing
