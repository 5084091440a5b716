#include <algorithm>

#include "hostile/hostile.h"

// Every packet in every state: before CONNECT, after it, from the wrong side, at the wrong step.

namespace fairlead::testing {
namespace {

using namespace std::string_literals;
using raw::text;

constexpr std::string_view kAckTypes = "\x40\x50\x62\x70";

class PacketStates : public HostileTest {
 protected:
  [[nodiscard]] std::string none() const { return raw::properties(version()); }

  // One well-formed packet of each type that this version has, but CONNECT.
  [[nodiscard]] std::vector<std::string> every_packet() const {
    const std::string id = raw::u16(1);
    std::vector<std::string> all{raw::packet(0x20, "\0\0"s + none()),
                                 raw::packet(0x30, text("t") + none() + "x"),
                                 raw::packet(0x32, text("t") + id + none() + "x"),
                                 raw::packet(0x34, text("t") + id + none() + "x"),
                                 raw::packet(0x82, id + none() + text("t") + "\0"s),
                                 raw::packet(0x90, id + none() + "\0"s),
                                 raw::packet(0xa2, id + none() + text("t")),
                                 raw::packet(0xb0, is_v5() ? id + none() + "\0"s : id),
                                 raw::packet(0xc0, ""),
                                 raw::packet(0xd0, ""),
                                 raw::packet(0xe0, "")};
    for (const char type : kAckTypes) {
      all.push_back(raw::packet(static_cast<unsigned char>(type), id));
    }
    if (is_v5()) {
      all.push_back(raw::packet(0xf0, ""));
      all.push_back(raw::packet(0xf0, "\x18"s + raw::properties(version(), "\x15" + text("m"))));
    }
    return all;
  }
  // A client that has a message of `qos` in flight to it, under identifier 1.
  TestClient receiver(const std::string& topic, Qos qos) {
    TestClient made = connected();
    made.subscribe(topic, kQos2);
    TestClient publisher = connected();
    publisher.publish(topic, "first", qos);
    made.expect("PUBLISH " + topic + " first q" + std::to_string(static_cast<int>(qos)));
    return made;
  }
  // Nothing is in flight to it any more: as many again as its window are sent to it at once.
  void expect_free_window(TestClient& client, const std::string& topic) {
    TestClient publisher = connected();
    for (int i = 0; i < 100; ++i) publisher.publish(topic, "more", kQos1);
    for (int i = 0; i < 100; ++i) client.expect("PUBLISH " + topic + " more q1");
  }
};
FL_EVERY_VERSION(PacketStates);

TEST_P(PacketStates, NothingButConnectIsTakenBeforeConnect) {
  const uint64_t accepted = server().engine().counters().connects_accepted;
  for (const std::string& packet : every_packet()) {
    // Without WebSocket PUBREC, whose first byte is a P, is refused in the words of HTTP: see
    // OnePortHttp.PubrecIsRefusedAtOnce.
    if (!is_ws(transport()) && packet[0] == 'P') continue;
    TestClient peer = client();
    // What follows is not looked at any more.
    peer.send_bytes(packet + raw::connect(version(), raw::kClean, text(unique("c"))));
    peer.expect_closed();
  }
  EXPECT_EQ(server().engine().counters().connects_accepted, accepted);
}

TEST_P(PacketStates, SecondConnectEndsTheConnection) {
  const std::string id = unique("c");
  for (const std::string& name : {id, unique("other")}) {
    TestClient peer = connected(id);
    peer.send(peer.hello(name));
    peer.expect_disconnect(ReasonCode::kProtocolError);
  }
}

TEST_P(PacketStates, SecondConnectBehindTheFirst) {
  TestClient peer = client();
  const std::string connect = raw::connect(version(), raw::kClean, text(unique("c")));
  peer.send_bytes(connect + connect);
  peer.expect("CONNACK 0");
  peer.expect_disconnect(ReasonCode::kProtocolError);
}

TEST_P(PacketStates, WhatOnlyAServerSendsEndsTheConnection) {
  const std::string id = raw::u16(1);
  for (const std::string& packet :
       {raw::packet(0x20, "\0\0"s + none()), raw::packet(0x90, id + none() + "\0"s),
        raw::packet(0xb0, is_v5() ? id + none() + "\0"s : id), raw::packet(0xd0, "")}) {
    TestClient peer = connected();
    peer.send_bytes(packet);
    peer.expect_disconnect(ReasonCode::kProtocolError);
  }
}

TEST_P(PacketStates, AuthWithoutAMethodInConnect) {
  TestClient peer = connected();
  peer.send_bytes(is_v5() ? raw::packet(0xf0, "\x18"s + raw::properties(version(), "\x15\0\1m"s))
                          : raw::packet(0xf0, ""));
  peer.expect_disconnect(ReasonCode::kProtocolError);
}

class ReservedFlags : public PacketStates {};  // 3.1 leaves them unspecified
FL_ONLY(ReservedFlags, ProtocolVersion::k311, ProtocolVersion::k5);

TEST_P(ReservedFlags, EndTheConnection) {
  for (const std::string& packet : every_packet()) {
    if ((packet[0] & 0xf0) == 0x30) continue;  // PUBLISH has a meaning for each
    std::string changed = packet;
    changed[0] = static_cast<char>(changed[0] ^ 1);
    TestClient peer = connected();
    peer.send_bytes(changed);
    peer.expect_disconnect(ReasonCode::kMalformedPacket);
  }
}

TEST_P(PacketStates, PublishOfQos3OrDupAtQos0) {
  for (const unsigned first : {0x36u, 0x37u, 0x3eu, 0x38u}) {
    TestClient peer = connected();
    peer.send_bytes(raw::packet(first, text("t") + raw::u16(1) + none()));
    peer.expect_disconnect(ReasonCode::kMalformedPacket);
  }
}

// --- Acknowledgements ----------------------------------------------------------------------------

TEST_P(PacketStates, AcknowledgementsOfNothing) {
  TestClient peer = connected();
  for (const uint16_t id : {uint16_t{1}, uint16_t{77}, uint16_t{65'535}}) {
    const std::string number = std::to_string(id);
    peer.ack(PacketType::kPuback, id);
    peer.ack(PacketType::kPubcomp, id);
    peer.ping();
    peer.expect("PINGRESP");
    peer.ack(PacketType::kPubrec, id);
    peer.expect("PUBREL " + number + (is_v5() ? " 0x92" : ""));
    peer.ack(PacketType::kPubrel, id);
    peer.expect("PUBCOMP " + number + (is_v5() ? " 0x92" : ""));
  }
}

TEST_P(PacketStates, PubackForQos2ChangesNothing) {
  const std::string topic = unique("t");
  TestClient peer = receiver(topic, kQos2);
  peer.ack(PacketType::kPuback, 1);
  peer.ack(PacketType::kPubcomp, 1);  // before PUBREC
  peer.ping();
  peer.expect("PINGRESP");
  peer.ack(PacketType::kPubrec, 1);
  peer.expect("PUBREL 1");
  peer.ack(PacketType::kPuback, 1);
  peer.ping();
  peer.expect("PINGRESP");
  peer.ack(PacketType::kPubcomp, 1);
  expect_free_window(peer, topic);
}

TEST_P(PacketStates, PubrecForQos1ChangesNothing) {
  const std::string topic = unique("t");
  TestClient peer = receiver(topic, kQos1);
  peer.ack(PacketType::kPubrec, 1);
  peer.ack(PacketType::kPubcomp, 1);
  peer.ping();
  peer.expect("PINGRESP");
  peer.ack(PacketType::kPuback, 1);
  expect_free_window(peer, topic);
}

TEST_P(PacketStates, EveryAcknowledgementTwice) {
  const std::string topic = unique("t");
  TestClient peer = receiver(topic, kQos2);
  peer.ack(PacketType::kPubrec, 1);
  peer.ack(PacketType::kPubrec, 1);
  peer.expect("PUBREL 1");
  peer.expect("PUBREL 1");
  peer.ack(PacketType::kPubcomp, 1);
  peer.ack(PacketType::kPubcomp, 1);
  expect_free_window(peer, topic);
}

TEST_P(PacketStates, PubrecWithAnErrorEndsTheExchange) {
  const std::string topic = unique("t");
  TestClient peer = receiver(topic, kQos2);
  peer.ack(PacketType::kPubrec, 1, is_v5() ? ReasonCode::kQuotaExceeded : ReasonCode::kSuccess);
  if (is_v5()) {
    expect_free_window(peer, topic);
  } else {
    peer.expect("PUBREL 1");  // 3.x has no errors there
  }
}

TEST_P(PacketStates, SomebodyElsesIdentifiersSettleNothing) {
  const std::string topic = unique("t");
  TestClient peer = receiver(topic, kQos1);
  TestClient other = connected();
  other.ack(PacketType::kPuback, 1);
  other.ping();
  other.expect("PINGRESP");
  peer.ack(PacketType::kPuback, 1);
  expect_free_window(peer, topic);
}

// --- Packet identifiers --------------------------------------------------------------------------

TEST_P(PacketStates, PacketIdentifierZero) {
  const std::string id = raw::u16(0);
  std::vector<std::string> packets{raw::packet(0x32, text("t") + id + none()),
                                   raw::packet(0x34, text("t") + id + none()),
                                   raw::packet(0x82, id + none() + text("t") + "\0"s),
                                   raw::packet(0xa2, id + none() + text("t"))};
  for (const char type : kAckTypes) {
    packets.push_back(raw::packet(static_cast<unsigned char>(type), id));
  }
  for (const std::string& packet : packets) {
    TestClient peer = connected();
    peer.send_bytes(packet);
    const std::string line = peer.next();
    EXPECT_TRUE(line == (is_v5() ? "DISCONNECT 0x82" : "CLOSED")) << line;
  }
}

TEST_P(PacketStates, IdentifierInUseAtQos2IsTheSameMessage) {
  const std::string topic = unique("t");
  TestClient watcher = connected();
  watcher.subscribe(topic, kQos2);
  TestClient peer = connected();
  const std::string packet = raw::packet(0x34, text(topic) + raw::u16(7) + none() + "once");
  const std::string other = raw::packet(0x34, text(topic) + raw::u16(7) + none() + "another");
  peer.send_bytes(packet);
  peer.expect("PUBREC 7");
  peer.send_bytes(other);  // without PUBREL it is a repetition, whatever it says
  peer.expect("PUBREC 7");
  watcher.expect_receive("PUBLISH " + topic + " once q2");
  watcher.expect_silence(server());
  peer.ack(PacketType::kPubrel, 7);
  peer.expect("PUBCOMP 7");
  peer.send_bytes(other);
  peer.expect("PUBREC 7");
  watcher.expect_receive("PUBLISH " + topic + " another q2");
}

TEST_P(PacketStates, IdentifierOfQos2ServesOtherPacketsToo) {
  const std::string topic = unique("t");
  TestClient peer = connected();
  peer.send_bytes(raw::packet(0x34, text(topic) + raw::u16(7) + none()));
  peer.expect("PUBREC 7");
  peer.send_bytes(raw::packet(0x32, text(topic) + raw::u16(7) + none()));
  peer.expect("PUBACK 7");
  peer.send_bytes(raw::packet(0x82, raw::u16(7) + none() + text(topic) + "\0"s));
  peer.expect("SUBACK 7 00");
  peer.ack(PacketType::kPubrel, 7);
  peer.expect("PUBCOMP 7");
}

TEST_P(PacketStates, Qos1TwiceWithOneIdentifierIsTwoMessages) {
  const std::string topic = unique("t");
  TestClient watcher = connected();
  watcher.subscribe(topic, kQos1);
  TestClient peer = connected();
  const std::string packet = raw::packet(0x32, text(topic) + raw::u16(7) + none() + "again");
  peer.send_bytes(packet + packet);
  peer.expect("PUBACK 7");
  peer.expect("PUBACK 7");
  watcher.expect_receive("PUBLISH " + topic + " again q1");
  watcher.expect_receive("PUBLISH " + topic + " again q1");
}

// --- Bodies --------------------------------------------------------------------------------------

TEST_P(PacketStates, EmptyBodies) {
  for (const unsigned first : {0x30u, 0x32u, 0x34u, 0x40u, 0x50u, 0x62u, 0x70u, 0x82u, 0xa2u}) {
    TestClient peer = connected();
    peer.send_bytes(raw::packet(first, ""));
    peer.expect_disconnect(ReasonCode::kMalformedPacket);
  }
  TestClient suspect = client();
  suspect.send_bytes(raw::packet(0x10, ""));
  suspect.expect_closed();
}

TEST_P(PacketStates, BytesBehindTheEndOfAPacket) {
  for (const std::string& packet :
       {raw::packet(0xc0, "x"), raw::packet(0x40, "\0\1\0\0xyz"s), raw::packet(0xe0, "\0\0xyz"s)}) {
    TestClient peer = connected();
    peer.send_bytes(packet);
    peer.expect_disconnect(ReasonCode::kMalformedPacket);
  }
}

TEST_P(PacketStates, SubscribeAndUnsubscribeOfNothing) {
  for (const unsigned first : {0x82u, 0xa2u}) {
    TestClient peer = connected();
    peer.send_bytes(raw::packet(first, raw::u16(1) + none()));
    peer.expect_disconnect(ReasonCode::kProtocolError);
  }
}

TEST_P(PacketStates, NothingBehindDisconnectIsHeard) {
  const std::string topic = unique("t");
  TestClient watcher = connected();
  watcher.subscribe(topic, kQos0);
  TestClient peer = connected();
  peer.send_bytes(raw::packet(0xe0, "") + raw::packet(0x30, text(topic) + none() + "late") +
                  raw::connect(version(), raw::kClean, text(unique("c"))));
  peer.expect_closed();
  watcher.expect_silence(server());
}

}  // namespace
}  // namespace fairlead::testing
