#include "hostile/hostile.h"

// Lengths that are announced and never come: nothing is reserved for them, and one that cannot be
// is refused when it is read.

namespace fairlead::testing {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

constexpr std::size_t kPeers = 16;
constexpr std::size_t kKiB = 1024;

// More than all that a few connections may take, far less than what they announce.
constexpr std::size_t kHeapSlack = 64 * kKiB;

class AnnouncedLengths : public HostileTest {
 protected:
  // Each of `peers` says `bytes`; when the server has read them the heap has grown by less.
  void expect_cost_below(std::size_t limit, std::vector<std::unique_ptr<TestClient>>& peers,
                         std::string_view bytes) {
    server().settle();
    const HeapGrowth growth;
    for (auto& peer : peers) peer->send_bytes(bytes);
    server().settle();
    growth.expect_below(limit);
  }

  std::vector<std::unique_ptr<TestClient>> peers(bool with_connect) {
    std::vector<std::unique_ptr<TestClient>> all;
    for (std::size_t i = 0; i < kPeers; ++i) {
      all.push_back(std::make_unique<TestClient>(client()));
      if (with_connect) all.back()->connect(unique("c"));
    }
    return all;
  }
};
FL_EVERY_VERSION(AnnouncedLengths);

TEST_P(AnnouncedLengths, PublishOfWhichLittleComesTakesLittle) {
  auto all = peers(true);
  const std::string start = "\x30"s + raw::varint(262'000) + raw::text("topic") + "begin";
  expect_cost_below(kHeapSlack, all, start);
  for (auto& peer : all) peer->wire().reset();
}

TEST_P(AnnouncedLengths, ConnectOfWhichLittleComesTakesLittle) {
  auto all = peers(false);
  const std::string whole =
      raw::connect(version(), raw::kClean, raw::text(std::string(16'000, 'c')));
  expect_cost_below(kHeapSlack, all, std::string_view(whole).substr(0, 30));
  for (auto& peer : all) peer->wire().reset();
}

TEST_P(AnnouncedLengths, WhatASuspectHoldsIsBounded) {
  auto all = peers(false);
  const std::string whole =
      raw::connect(version(), raw::kClean, raw::text(std::string(16'300, 'c')));
  ASSERT_LE(whole.size(), 16 * kKiB);
  // All but its last byte: as much as there can be before a CONNECT is accepted.
  expect_cost_below(kPeers * 18 * kKiB + kHeapSlack, all,
                    std::string_view(whole).substr(0, whole.size() - 1));
  for (auto& peer : all) peer->wire().reset();
}

TEST_P(AnnouncedLengths, ConnectOverTheLimitIsRefusedByItsHeader) {
  for (const std::size_t size : {16 * kKiB, 256 * kKiB, std::size_t{268'435'455}}) {
    TestClient peer = client();
    peer.send_bytes("\x10"s + raw::varint(size));
    peer.expect_closed();
  }
}

TEST_P(AnnouncedLengths, PublishOverTheLimitIsRefusedByItsHeader) {
  for (const std::size_t size : {std::size_t{262'144}, std::size_t{268'435'455}}) {
    TestClient peer = connected();
    peer.send_bytes("\x30"s + raw::varint(size));
    peer.expect_disconnect(ReasonCode::kPacketTooLarge);
  }
}

TEST_P(AnnouncedLengths, RemainingLengthOfFiveBytes) {
  for (const std::string_view length : {"\xff\xff\xff\xff\x01"sv, "\x80\x80\x80\x80\x01"sv,
                                        "\x80\x80\x80\x80\x00"sv, "\xff\xff\xff\xff\xff"sv}) {
    TestClient suspect = client();
    suspect.send_bytes("\x10"s.append(length));
    suspect.expect_closed();
    TestClient peer = connected();
    peer.send_bytes("\x30"s.append(length));
    peer.expect_disconnect(ReasonCode::kMalformedPacket);
  }
}

TEST_P(AnnouncedLengths, TextsLongerThanTheirPacket) {
  const std::string cut = raw::u16(65'535) + "cut";
  TestClient suspect = client();
  suspect.send_bytes(raw::connect(version(), raw::kClean, cut));
  expect_connect_refused(suspect, ReasonCode::kMalformedPacket);
  const std::string id = raw::u16(1);
  const std::string none = raw::properties(version());
  for (const std::string& packet :
       {raw::packet(0x30, cut), raw::packet(0x32, cut), raw::packet(0x82, id + none + cut),
        raw::packet(0xa2, id + none + cut),
        // The second filter is the one that is cut.
        raw::packet(0x82, id + none + raw::text("a") + "\x01" + cut)}) {
    TestClient peer = connected();
    peer.send_bytes(packet);
    peer.expect_disconnect(ReasonCode::kMalformedPacket);
  }
}

class AnnouncedProperties : public HostileTest {};
FL_ONLY(AnnouncedProperties, ProtocolVersion::k5);

TEST_P(AnnouncedProperties, LongerThanTheirPacket) {
  for (const std::string_view length :
       {"\x7f"sv, "\xff\xff\xff\x7f"sv, "\xff\xff\xff\xff\x01"sv, "\x80"sv}) {
    const std::string head = raw::text("MQTT") + "\x05\x02" + raw::u16(300);
    TestClient suspect = client();
    suspect.send_bytes(raw::packet(0x10, head + std::string(length)));
    expect_connect_refused(suspect, ReasonCode::kMalformedPacket);
    TestClient peer = connected();
    peer.send_bytes(raw::packet(0x30, raw::text("t") + std::string(length)));
    peer.expect_disconnect(ReasonCode::kMalformedPacket);
  }
}

TEST_P(AnnouncedProperties, SubscriptionIdentifierOfFiveBytes) {
  TestClient peer = connected();
  const std::string block = "\x0b\xff\xff\xff\xff\x01"s;
  peer.send_bytes(raw::packet(
      0x82, raw::u16(1) + raw::properties(version(), block) + raw::text("t") + "\x01"s));
  peer.expect_disconnect(ReasonCode::kMalformedPacket);
}

// --- WebSocket -----------------------------------------------------------------------------------

class AnnouncedFrames : public HostileTest {
 protected:
  // A masked binary frame's head with a length of 64 bits, and nothing behind it.
  static std::string head(uint64_t size) {
    std::string bytes = "\x82\xff"s;
    for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(size >> shift));
    return bytes + "mask";
  }
};
FL_OVER_WEBSOCKET(AnnouncedFrames);

TEST_P(AnnouncedFrames, TopBitOf64IsAProtocolError) {
  for (const uint64_t size : {uint64_t{1} << 63, ~uint64_t{0}, (uint64_t{1} << 63) + 10}) {
    TestClient suspect = client();
    suspect.wire().send_plain(as_bytes(head(size)));
    EXPECT_EQ(suspect.close_code(), 1002);
    TestClient peer = connected();
    peer.wire().send_plain(as_bytes(head(size)));
    EXPECT_EQ(peer.close_code(), 1002);
  }
}

TEST_P(AnnouncedFrames, OverTheLimitIsRefusedByItsHead) {
  for (const uint64_t size : {(uint64_t{1} << 63) - 1, uint64_t{1} << 32, uint64_t{262'161}}) {
    TestClient suspect = client();
    suspect.wire().send_plain(as_bytes(head(size)));
    EXPECT_EQ(suspect.close_code(), 1009);
    TestClient peer = connected();
    peer.wire().send_plain(as_bytes(head(size)));
    EXPECT_EQ(peer.close_code(), 1009);
  }
}

TEST_P(AnnouncedFrames, OfWhichLittleComesTakesLittle) {
  std::vector<std::unique_ptr<TestClient>> all;
  for (std::size_t i = 0; i < kPeers; ++i) all.push_back(std::make_unique<TestClient>(connected()));
  server().settle();
  const HeapGrowth growth;
  const std::string frame = head(262'000) + "\x5d\x61\x73\x6b";  // "\x30" is all that comes
  for (auto& peer : all) peer->wire().send_plain(as_bytes(frame.substr(0, frame.size() - 3)));
  server().settle();
  growth.expect_below(kHeapSlack);
  for (auto& peer : all) peer->wire().reset();
}

// A message of frames without end, each of which says that more will follow.
TEST_P(AnnouncedFrames, FragmentsWithoutEndAreBoundedAsOneMessage) {
  TestClient peer = connected();
  const std::string piece(60'000, 'x');
  const std::string start =
      "\x30"s + raw::varint(262'000) + raw::text("topic") + raw::properties(version());
  peer.wire().send_frame(Opcode::kBinary, as_bytes(start), Fragment::kMoreFollow);
  for (int i = 0; i < 5; ++i) {
    peer.wire().send_frame(Opcode::kContinuation, as_bytes(piece), Fragment::kMoreFollow);
  }
  EXPECT_EQ(peer.close_code(), 1009);
}

// A ping costs the sender nothing to have answered; before CONNECT nobody is owed much.
TEST_P(AnnouncedFrames, PongsThatASuspectDoesNotReadAreBounded) {
  TestServer own({.shard_count = 1});
  server().settle();
  own.settle();
  Wire suspect(own.address(), transport());
  const HeapGrowth growth;
  ByteBuffer pings;
  const std::string payload(125, 'p');
  for (int i = 0; i < 400; ++i) append_ping(pings, as_bytes(payload), MaskKey{std::byte{1}});
  flood(own, suspect, pings.view());
  growth.expect_below(256 * kKiB);
}

}  // namespace
}  // namespace fairlead::testing
