#include "proto/ws/frame_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "proto/ws/deflate.h"
#include "proto/ws/frame_log.h"
#include "proto/ws/frame_writer.h"

namespace fairlead {
namespace {

using namespace std::string_literals;

constexpr MaskKey kKey{std::byte{0x37}, std::byte{0xfa}, std::byte{0x21}, std::byte{0x3d}};
constexpr FrameReader::Limits kMqtt{.message_bytes_max = 1000, .text = TextFrames::kRefuse};
constexpr FrameReader::Limits kEcho{.message_bytes_max = 1000, .text = TextFrames::kAccept};

std::vector<std::byte> bytes_of(std::string_view text) {
  return {as_bytes(text).begin(), as_bytes(text).end()};
}

// Feeds whole and byte by byte; both must tell the same.
std::string events(std::string_view wire, FrameReader::Limits limits = kMqtt,
                   Role role = Role::kServer, Compression compression = Compression::kNone) {
  FrameLog whole;
  auto bytes = bytes_of(wire);
  FrameReader reader(role, limits);
  reader.set_compression(compression);
  whole.verdict(reader.feed(bytes, whole));

  FrameLog dripped;
  bytes = bytes_of(wire);
  FrameReader drip_reader(role, limits);
  drip_reader.set_compression(compression);
  std::optional<CloseCode> code;
  for (std::byte& b : bytes) {
    if (!code) code = drip_reader.feed({&b, 1}, dripped);
  }
  dripped.verdict(code);
  EXPECT_EQ(dripped.text(), whole.text());
  return whole.text();
}

std::string frame(Opcode opcode, std::string_view payload, Fragment fragment = Fragment::kFinal) {
  ByteBuffer out;
  append_frame(out, opcode, as_bytes(payload), kKey, fragment);
  return std::string(as_text(out.view()));
}
std::string binary(std::string_view payload) { return frame(Opcode::kBinary, payload); }
std::string text(std::string_view payload) { return frame(Opcode::kText, payload); }
std::string close_frame(uint16_t code, std::string_view reason) {
  std::string payload{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
  return frame(Opcode::kClose, payload.append(reason));
}

TEST(FrameReader, UnmasksBinaryMessages) {
  EXPECT_EQ(events(binary("one") + binary("two")), "data:one;end:binary;data:two;end:binary;");
  for (size_t size : {125u, 126u, 127u, 999u, 1000u}) {
    const std::string payload(size, 'x');
    EXPECT_EQ(events(binary(payload)), "data:" + payload + ";end:binary;") << size;
  }
}

TEST(FrameReader, ReadsSixtyFourBitLengths) {
  const std::string payload(70000, 'x');
  EXPECT_EQ(events(binary(payload), {.message_bytes_max = 70000}),
            "data:" + payload + ";end:binary;");
}

TEST(FrameReader, EmptyMessageHasOnlyItsEnd) {
  EXPECT_EQ(events(binary("") + binary("a")), "end:binary;data:a;end:binary;");
}

TEST(FrameReader, JoinsFragmentsAndLetsControlFramesBetweenThem) {
  const std::string wire = frame(Opcode::kBinary, "a", Fragment::kMoreFollow) +
                           frame(Opcode::kPing, "p") +
                           frame(Opcode::kContinuation, "", Fragment::kMoreFollow) +
                           frame(Opcode::kContinuation, "b") + binary("c");
  EXPECT_EQ(events(wire), "data:a;ping:p;data:b;end:binary;data:c;end:binary;");
}

TEST(FrameReader, GivesPingAndPongWhole) {
  EXPECT_EQ(events(frame(Opcode::kPing, "") + frame(Opcode::kPong, std::string(125, 'x'))),
            "ping:;pong:" + std::string(125, 'x') + ";");
}

TEST(FrameReader, ServerRefusesUnmaskedFrames) {
  EXPECT_EQ(events("\x82\x01x"s), "broken:1002;");
  EXPECT_EQ(events("\x82\x7e"s), "broken:1002;");
  EXPECT_EQ(events("\x89\x00"s), "broken:1002;");
}

TEST(FrameReader, ClientRefusesMaskedFrames) {
  EXPECT_EQ(events("\x82\x01x"s, kMqtt, Role::kClient), "data:x;end:binary;");
  EXPECT_EQ(events(binary("x"), kMqtt, Role::kClient), "broken:1002;");
  EXPECT_EQ(events(binary(std::string(200, 'x')), kMqtt, Role::kClient), "broken:1002;");
}

TEST(FrameReader, RefusesReservedBits) {
  for (std::string_view first : {"\xc2", "\xa2", "\x92", "\xc1", "\xf2"}) {
    EXPECT_EQ(events(first, kEcho), "broken:1002;");
  }
}

std::string compressed(std::string frame) {
  frame[0] = static_cast<char>(frame[0] | 0x40);
  return frame;
}

std::string deflate_events(std::string_view wire) {
  return events(wire, kEcho, Role::kServer, Compression::kNegotiated);
}

TEST(FrameReader, CompressedMessagesAreGivenAsTheyAreWhereThatWasAgreedOn) {
  EXPECT_EQ(deflate_events(compressed(binary("abc")) + binary("d") + compressed(text("\xff"))),
            "data:abc;deflated:binary;data:d;end:binary;data:\xff;deflated:text;");
  EXPECT_EQ(deflate_events(compressed(frame(Opcode::kBinary, "a", Fragment::kMoreFollow)) +
                           frame(Opcode::kPing, "p") +
                           frame(Opcode::kContinuation, "b", Fragment::kMoreFollow) +
                           frame(Opcode::kContinuation, "") + binary("c")),
            "data:a;ping:p;data:b;deflated:binary;data:c;end:binary;");
  EXPECT_EQ(deflate_events(compressed(binary(""))), "deflated:binary;");
  EXPECT_EQ(events(compressed(binary("abc"))), "broken:1002;");
}

TEST(FrameReader, RefusesTheBitOfCompressionElsewhereThanOnAFirstFrame) {
  for (Opcode opcode : {Opcode::kPing, Opcode::kPong, Opcode::kClose}) {
    EXPECT_EQ(deflate_events(compressed(frame(opcode, ""))), "broken:1002;");
  }
  for (const std::string& first :
       {frame(Opcode::kBinary, "a", Fragment::kMoreFollow),
        compressed(frame(Opcode::kBinary, "a", Fragment::kMoreFollow))}) {
    EXPECT_EQ(deflate_events(first + compressed(frame(Opcode::kContinuation, "b"))),
              "data:a;broken:1002;");
  }
  std::string both = compressed(binary("a"));
  both[0] = static_cast<char>(both[0] | 0x20);
  EXPECT_EQ(deflate_events(both), "broken:1002;");
}

TEST(FrameReader, CompressedMessagesMayBeALittleLargerOnTheWire) {
  const std::size_t most = compressed_bytes_max(kEcho.message_bytes_max);
  EXPECT_GT(most, 1000u);
  EXPECT_TRUE(deflate_events(compressed(binary(std::string(most, 'x')))).ends_with("binary;"));
  EXPECT_EQ(deflate_events(compressed(binary(std::string(most + 1, 'x')))), "broken:1009;");
  EXPECT_EQ(deflate_events(binary(std::string(1001, 'x'))), "broken:1009;");
}

TEST(FrameReader, RefusesUnknownOpcodes) {
  for (int opcode : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15}) {
    EXPECT_EQ(events(std::string(1, static_cast<char>(0x80 | opcode))), "broken:1002;") << opcode;
  }
}

TEST(FrameReader, RefusesFragmentedOrLongControlFrames) {
  for (int opcode : {8, 9, 10}) {
    EXPECT_EQ(events(std::string(1, static_cast<char>(opcode))), "broken:1002;");
    EXPECT_EQ(events(std::string{static_cast<char>(0x80 | opcode), static_cast<char>(0x80 | 126)}),
              "broken:1002;");
    EXPECT_EQ(events(std::string{static_cast<char>(0x80 | opcode), static_cast<char>(0x80 | 127)}),
              "broken:1002;");
  }
}

TEST(FrameReader, RefusesContinuationOfNothingAndAMessageWithinAMessage) {
  EXPECT_EQ(events(frame(Opcode::kContinuation, "a")), "broken:1002;");
  const std::string begun = frame(Opcode::kBinary, "a", Fragment::kMoreFollow);
  EXPECT_EQ(events(begun + binary("b")), "data:a;broken:1002;");
  EXPECT_EQ(events(begun + text("b"), kEcho), "data:a;broken:1002;");
  EXPECT_EQ(events(binary("a") + frame(Opcode::kContinuation, "b")),
            "data:a;end:binary;broken:1002;");
}

TEST(FrameReader, RefusesLengthsThatAreNotMinimalOrNegative) {
  EXPECT_EQ(events("\x82\xfe\x00\x7d"s), "broken:1002;");
  EXPECT_EQ(events("\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff"s), "broken:1002;");
  EXPECT_EQ(events("\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00"s), "broken:1002;");
}

TEST(FrameReader, RefusesTooLargeMessagesAsSoonAsTheirLengthIsAnnounced) {
  EXPECT_EQ(events("\x82\xfe\x03\xe9"s), "broken:1009;");
  EXPECT_EQ(events("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff"s), "broken:1009;");
  const std::string part(600, 'x');
  const std::string begun = frame(Opcode::kBinary, part, Fragment::kMoreFollow);
  EXPECT_EQ(events(begun + frame(Opcode::kContinuation, std::string(400, 'x'))),
            "data:" + std::string(1000, 'x') + ";end:binary;");
  EXPECT_EQ(events(begun + "\x80\xfe\x01\x91"s), "data:" + part + ";broken:1009;");
  EXPECT_EQ(events("\x82\x81"s, {.message_bytes_max = 0}), "broken:1009;");
}

TEST(FrameReader, SizeOfAMessageDoesNotCountForTheNext) {
  const std::string payload(1000, 'x');
  EXPECT_EQ(events(binary(payload) + binary(payload)),
            "data:" + payload + ";end:binary;data:" + payload + ";end:binary;");
}

TEST(FrameReader, LimitCanBeRaisedBetweenMessages) {
  FrameReader reader(Role::kServer, {.message_bytes_max = 2});
  FrameLog log;
  auto bytes = bytes_of(binary("ab"));
  EXPECT_EQ(reader.feed(bytes, log), std::nullopt);
  reader.set_message_bytes_max(3);
  bytes = bytes_of(binary("abc"));
  EXPECT_EQ(reader.feed(bytes, log), std::nullopt);
}

TEST(FrameReader, RefusesTextWhereMqttIsSpoken) {
  EXPECT_EQ(events(text("hello")), "broken:1003;");
  EXPECT_EQ(events("\x01"s), "broken:1003;");
}

TEST(FrameReader, ChecksThatTextIsUtf8AcrossFragments) {
  EXPECT_EQ(events(text("gr\xc3\xbc\xc3\x9f"), kEcho), "data:gr\xc3\xbc\xc3\x9f;end:text;");
  EXPECT_EQ(events(frame(Opcode::kText, "\xf0\x9f", Fragment::kMoreFollow) +
                       frame(Opcode::kPing, "") + frame(Opcode::kContinuation, "\x98\x80"),
                   kEcho),
            "data:\xf0\x9f;ping:;data:\x98\x80;end:text;");
  EXPECT_EQ(events(text("ab\xff"
                        "cd"),
                   kEcho),
            "data:ab;broken:1007;");
  EXPECT_EQ(events(text("\xc3"), kEcho), "data:\xc3;broken:1007;");
  EXPECT_EQ(events(binary("\xff"), kEcho), "data:\xff;end:binary;");
  EXPECT_EQ(events(text("a") + text(""), kEcho), "data:a;end:text;end:text;");
}

TEST(FrameReader, GivesCloseCodeAndReasonAndIgnoresWhatFollows) {
  EXPECT_EQ(events(close_frame(1000, "bye") + binary("x")), "close:1000:bye;");
  EXPECT_EQ(events(frame(Opcode::kClose, "") + "\xff\xff"), "close:1005:;");
}

TEST(FrameReader, AcceptsTheCloseCodesThatMayBeSentAndNoOthers) {
  for (int code : {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000,
                   3999, 4000, 4999}) {
    EXPECT_EQ(events(close_frame(static_cast<uint16_t>(code), "")),
              "close:" + std::to_string(code) + ":;");
  }
  for (int code : {0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535}) {
    EXPECT_EQ(events(close_frame(static_cast<uint16_t>(code), "")), "broken:1002;") << code;
  }
}

TEST(FrameReader, RefusesBrokenCloseFrames) {
  EXPECT_EQ(events(frame(Opcode::kClose, "\x03")), "broken:1002;");
  EXPECT_EQ(events(close_frame(1000, "\xff")), "broken:1007;");
  EXPECT_EQ(events(close_frame(1000, "\xc3")), "broken:1007;");
}

TEST(FrameReader, StopsAtOnceAndGoesOnWhereItStopped) {
  const std::string wire = binary("first") + binary("second") + frame(Opcode::kPing, "p") +
                           binary(std::string(300, 'x'));
  auto bytes = bytes_of(wire);
  MutableBytes rest = bytes;
  FrameLog log;
  log.stop_always();
  auto reader = std::make_unique<FrameReader>(Role::kServer, kMqtt);
  for (size_t calls = 1; !rest.empty() || !reader->at_rest(); ++calls) {
    EXPECT_EQ(reader->feed_some(rest, log), std::nullopt);
    ASSERT_EQ(log.count(), calls);
    reader = std::make_unique<FrameReader>(std::move(*reader));  // handed over in between
    if (calls == 1) {
      EXPECT_EQ(rest.size(), wire.size() - binary("first").size());
      EXPECT_FALSE(reader->at_rest());
    }
  }
  log.verdict(std::nullopt);
  EXPECT_EQ(log.text(), "data:first;end:binary;data:second;end:binary;ping:p;data:" +
                            std::string(300, 'x') + ";end:binary;");
  EXPECT_TRUE(reader->at_rest());
}

TEST(FrameReader, AfterAStopTheRestOfFeedIsIgnored) {
  auto bytes = bytes_of(binary("a") + "\xff\xff");
  FrameLog log;
  log.stop_always();
  FrameReader reader(Role::kServer, kMqtt);
  EXPECT_EQ(reader.feed(bytes, log), std::nullopt);
}

TEST(FrameReader, IsSmallWhileIdle) { EXPECT_LE(sizeof(FrameReader), 48u); }

}  // namespace
}  // namespace fairlead
