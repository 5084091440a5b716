#include "proto/proxy/header.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>

namespace fairlead {
namespace {

using namespace std::string_literals;
using Kind = ProxyHeader::Kind;

const std::string kSignature = "\r\n\r\n\0\r\nQUIT\n"s;

ProxyParse parse(std::string_view text) { return parse_proxy_header(as_bytes(text)); }

std::string complaint(std::string_view text) {
  const ProxyParse parsed = parse(text);
  if (std::holds_alternative<ProxyNeedsMore>(parsed)) return "needs more";
  if (std::holds_alternative<ProxyHeader>(parsed)) return "accepted";
  return std::get<Reject>(parsed).sentence;
}

std::string v2(uint8_t command, uint8_t family, std::string_view body) {
  std::string out = kSignature;
  out += static_cast<char>(0x20 | command);
  out += static_cast<char>(family);
  out += static_cast<char>(body.size() >> 8);
  out += static_cast<char>(body.size() & 0xff);
  return out.append(body);
}

std::string tlv(uint8_t type, std::string_view value) {
  std::string out(1, static_cast<char>(type));
  out += static_cast<char>(value.size() >> 8);
  out += static_cast<char>(value.size() & 0xff);
  return out.append(value);
}

const std::string kIpv4Block = "\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x01\xbb"s;
const std::string kIpv6Block = "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01"s +
                               "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x02"s +
                               "\xdc\x04\x01\xbb"s;

TEST(ProxyV1, GivesAddressesOfTcp4) {
  const std::string text = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n";
  const auto header = std::get<ProxyHeader>(parse(text + "\x16 more"));
  EXPECT_EQ(header.kind, Kind::kProxied);
  EXPECT_EQ(header.source.text(), "192.0.2.1:56324");
  EXPECT_EQ(header.destination.text(), "198.51.100.2:443");
  EXPECT_EQ(header.size, text.size());
}

TEST(ProxyV1, GivesAddressesOfTcp6) {
  const auto header = std::get<ProxyHeader>(parse("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n"));
  EXPECT_EQ(header.source.text(), "[2001:db8::1]:0");
  EXPECT_EQ(header.destination.text(), "[::1]:65535");
}

TEST(ProxyHeader, AnIpv4MappedAddressIsTheIpv4One) {
  EXPECT_EQ(std::get<ProxyHeader>(parse("PROXY TCP6 ::ffff:192.0.2.1 ::1 5 6\r\n")).source.text(),
            "192.0.2.1:5");
  const std::string mapped = std::string(10, '\0') + "\xff\xff\xc0\x00\x02\x01"s;
  const auto header =
      std::get<ProxyHeader>(parse(v2(1, 0x21, mapped + mapped + "\xdc\x04\x01\xbb"s)));
  EXPECT_EQ(header.source.text(), "192.0.2.1:56324");
  EXPECT_EQ(header.destination.family, ProxyEndpoint::Family::kIpv4);
}

TEST(ProxyV1, UnknownIgnoresTheRestOfTheLine) {
  for (std::string_view text : {"PROXY UNKNOWN\r\n", "PROXY UNKNOWN ff:ff x 1\r\n"}) {
    const auto header = std::get<ProxyHeader>(parse(text));
    EXPECT_EQ(header.kind, Kind::kUnknown);
    EXPECT_EQ(header.size, text.size());
    EXPECT_EQ(header.source.text(), "unknown");
  }
}

TEST(ProxyV1, TheLongestLineOf107BytesPassesAndOneMoreDoesNot) {
  const std::string prefix = "PROXY UNKNOWN ";
  const std::string longest = prefix + std::string(105 - prefix.size(), 'x') + "\r\n";
  ASSERT_EQ(longest.size(), kProxyV1SizeMax);
  EXPECT_EQ(complaint(longest), "accepted");
  EXPECT_EQ(complaint(longest.substr(0, 106)), "needs more");
  EXPECT_EQ(complaint(prefix + std::string(106 - prefix.size(), 'x') + "\r\n"),
            "PROXY header: the line is longer than 107 bytes");
}

TEST(ProxyV1, RefusesWhatIsMalformedWithItsCause) {
  EXPECT_EQ(complaint("PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n"),
            "PROXY header: the family is none of TCP4, TCP6 and UNKNOWN");
  EXPECT_EQ(complaint("PROXY \r\n"), "PROXY header: the family is none of TCP4, TCP6 and UNKNOWN");
  for (std::string_view text :
       {"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
        "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n"}) {
    EXPECT_EQ(complaint(text),
              "PROXY header: wants two addresses and two ports, each after one blank")
        << text;
  }
  for (std::string_view text :
       {"PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n", "PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 ::1 1.2.3.4 1 2\r\n", "PROXY TCP6 1.2.3.4 ::1 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n"}) {
    EXPECT_EQ(complaint(text), "PROXY header: the source address or port is malformed") << text;
  }
  EXPECT_EQ(complaint("PROXY TCP4 1.2.3.4 1.2.3.256 1 2\r\n"),
            "PROXY header: the destination address or port is malformed");
  EXPECT_EQ(complaint("PROXY TCP4 1.2.3.4 1.2.3.4 1 2x\r\n"),
            "PROXY header: the destination address or port is malformed");
  for (std::string_view text : {"PROXY UNKNOWN\n", "PROXY UNKNOWN\rx", "PROXY UNK\r\r\n"}) {
    EXPECT_EQ(complaint(text), "PROXY header: the line does not end in CR LF") << text;
  }
}

TEST(ProxyV2, GivesAddressesOfBothFamilies) {
  auto header = std::get<ProxyHeader>(parse(v2(1, 0x11, kIpv4Block) + "GET"));
  EXPECT_EQ(header.kind, Kind::kProxied);
  EXPECT_EQ(header.source.text(), "192.0.2.1:56324");
  EXPECT_EQ(header.destination.text(), "198.51.100.2:443");
  EXPECT_EQ(header.size, 28u);
  header = std::get<ProxyHeader>(parse(v2(1, 0x21, kIpv6Block)));
  EXPECT_EQ(header.source.text(), "[2001:db8::1]:56324");
  EXPECT_EQ(header.destination.text(), "[2001:db8::2]:443");
}

TEST(ProxyV2, LocalSkipsWhatFollowsWhateverFamilyItNames) {
  for (const uint8_t family : std::initializer_list<uint8_t>{0x00, 0x11, 0x31, 0x99}) {
    const auto header = std::get<ProxyHeader>(parse(v2(0, family, "whatever")));
    EXPECT_EQ(header.kind, Kind::kLocal);
    EXPECT_EQ(header.size, 24u);
    EXPECT_EQ(header.source.text(), "unknown");
  }
}

TEST(ProxyV2, UnspecifiedAndUnixAddressesAreUnknown) {
  EXPECT_EQ(std::get<ProxyHeader>(parse(v2(1, 0x00, ""))).kind, Kind::kUnknown);
  EXPECT_EQ(std::get<ProxyHeader>(parse(v2(1, 0x31, std::string(216, 'x')))).kind, Kind::kUnknown);
}

TEST(ProxyV2, RefusesWhatIsMalformedWithItsCause) {
  EXPECT_EQ(complaint(kSignature + "\x11"), "PROXY header: the binary header is not of version 2");
  EXPECT_EQ(complaint(kSignature + "\x22"), "PROXY header: the command is neither LOCAL nor PROXY");
  EXPECT_EQ(complaint(kSignature + "\x21\x41"), "PROXY header: the address family is unknown");
  EXPECT_EQ(complaint(kSignature + "\x21\x13"), "PROXY header: the address family is unknown");
  EXPECT_EQ(complaint(kSignature + "\x21\x11\xff\xff"),
            "PROXY header: it is longer than 4632 bytes");
  EXPECT_EQ(complaint(v2(1, 0x11, kIpv4Block.substr(1))),
            "PROXY header: it is too short for its addresses");
  EXPECT_EQ(complaint(v2(1, 0x12, kIpv4Block)), "PROXY header: the transport is not a stream");
  EXPECT_EQ(complaint(v2(1, 0x10, kIpv4Block)),
            "PROXY header: family and transport do not go together");
  EXPECT_EQ(complaint(v2(1, 0x01, "")), "PROXY header: family and transport do not go together");
  EXPECT_EQ(complaint("GET / HTTP/1.1\r\n"),
            "PROXY header: expected on this port, but the connection does not begin with one");
}

TEST(ProxyV2, TlvsAreWalked) {
  EXPECT_EQ(complaint(v2(1, 0x11,
                         kIpv4Block + tlv(0x01, "mqtt") + tlv(0x02, "host") + tlv(0x04, "") +
                             tlv(0xEA, "vpc") + tlv(0x30, "netns"))),
            "accepted");
  EXPECT_EQ(complaint(v2(1, 0x00, tlv(0x02, "host"))), "accepted");
  EXPECT_EQ(complaint(v2(1, 0x00, "ab")), "PROXY header: a TLV is cut short");
  EXPECT_EQ(complaint(v2(1, 0x11, kIpv4Block + tlv(0x01, std::string(256, 'a')))),
            "PROXY header: the ALPN is longer than 255 bytes");
  EXPECT_EQ(complaint(v2(1, 0x11, kIpv4Block + tlv(0x02, std::string(256, 'a')))),
            "PROXY header: the host name is longer than 255 bytes");
  EXPECT_EQ(complaint(v2(1, 0x11, kIpv4Block + "\x01\x00"s)), "PROXY header: a TLV is cut short");
  EXPECT_EQ(complaint(v2(1, 0x11, kIpv4Block + "\x01\x00\x05mqtt"s)),
            "PROXY header: a TLV is longer than the header");
  EXPECT_EQ(complaint(v2(1, 0x11, kIpv4Block + tlv(0x05, std::string(129, 'u')))),
            "PROXY header: the unique id is longer than 128 bytes");
  EXPECT_EQ(complaint(v2(1, 0x11, kIpv4Block + tlv(0x20, "1234"))),
            "PROXY header: the SSL TLV is cut short");
  EXPECT_EQ(complaint(v2(1, 0x11, kIpv4Block + tlv(0x20, "12345" + tlv(0x21, "TLSv1.3")))),
            "accepted");
  EXPECT_EQ(complaint(v2(1, 0x11, kIpv4Block + tlv(0x20, "12345\x21\x00\x07x"s))),
            "PROXY header: a TLV is longer than the header");
}

// The checksum of the header below, computed with the crc32c of an independent implementation.
TEST(ProxyV2, ChecksumIsVerified) {
  auto with_sum = [](std::string_view sum) { return v2(1, 0x11, kIpv4Block + tlv(0x03, sum)); };
  EXPECT_EQ(complaint(with_sum("\x20\xec\x95\x49"s)), "accepted");
  EXPECT_EQ(complaint(with_sum("\x00\x00\x00\x00"s)), "PROXY header: the checksum is wrong");
  EXPECT_EQ(complaint(with_sum("abc")), "PROXY header: the checksum does not have 4 bytes");
  EXPECT_EQ(complaint(v2(1, 0x11, kIpv4Block + tlv(0x03, "\x20\xec\x95\x49"s) + tlv(0x04, "x"))),
            "PROXY header: the checksum is wrong");  // it covers what stands behind it, too
}

TEST(ProxyHeader, EveryPrefixOfAValidHeaderNeedsMore) {
  for (const std::string& text :
       {"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"s, "PROXY UNKNOWN\r\n"s,
        v2(1, 0x11, kIpv4Block + tlv(0x01, "mqtt")), v2(1, 0x21, kIpv6Block), v2(0, 0, "")}) {
    for (size_t size = 0; size < text.size(); ++size) {
      EXPECT_EQ(complaint(std::string_view(text).substr(0, size)), "needs more") << size;
    }
    EXPECT_EQ(complaint(text), "accepted");
  }
}

// Once a prefix has an answer, more bytes do not change it.
TEST(ProxyHeader, AnswersDoNotChangeWithMoreBytes) {
  constexpr uint64_t kSeed = 20260131;
  SCOPED_TRACE(kSeed);
  std::mt19937_64 random(kSeed);
  const std::string valid = v2(1, 0x11, kIpv4Block + tlv(0x01, "mqtt") + tlv(0x05, "id"));
  const std::string line = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n";
  for (int round = 0; round < 2000; ++round) {
    std::string text = (round % 2 == 0 ? valid : line) + "tail";
    text[random() % text.size()] = static_cast<char>(random());
    const std::string answer = complaint(text);
    for (size_t size = 0; size < text.size(); ++size) {
      const std::string early = complaint(std::string_view(text).substr(0, size));
      if (early != "needs more") {
        EXPECT_EQ(early, answer) << size;
      }
    }
  }
}

}  // namespace
}  // namespace fairlead
