#include "proto/detect/detect.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace fairlead {
namespace {

using namespace std::string_view_literals;

Protocol bare(std::string_view first) {
  return detect_protocol(as_bytes(first), ProxyExpectation::kNotExpected);
}
Protocol proxied(std::string_view first) {
  return detect_protocol(as_bytes(first), ProxyExpectation::kExpected);
}

constexpr auto kV2 = "\r\n\r\n\0\r\nQUIT\n"sv;

TEST(Detect, NothingYetNeedsMore) {
  EXPECT_EQ(bare(""), Protocol::kNeedMore);
  EXPECT_EQ(proxied(""), Protocol::kNeedMore);
}

TEST(Detect, OneByteTellsTlsMqttAndHttp) {
  EXPECT_EQ(bare("\x16"), Protocol::kTls);
  EXPECT_EQ(bare("\x10"), Protocol::kMqtt);
  for (std::string_view method : {"GET", "HEAD", "OPTIONS", "DELETE", "CONNECT"}) {
    EXPECT_EQ(bare(method.substr(0, 1)), Protocol::kHttp) << method;
    EXPECT_EQ(bare(method), Protocol::kHttp) << method;
  }
}

TEST(Detect, AMethodThatBeginsLikeAProxyLineIsToldAtItsFirstDifference) {
  EXPECT_EQ(bare("P"), Protocol::kNeedMore);
  for (std::string_view method : {"PO", "PU", "PA", "PROP", "PROXY/"}) {
    EXPECT_EQ(bare(method.substr(0, method.size() - 1)), Protocol::kNeedMore) << method;
    EXPECT_EQ(bare(method), Protocol::kHttp) << method;
  }
}

TEST(Detect, EveryOtherFirstByteIsUnknown) {
  for (int byte = 0; byte < 256; ++byte) {
    const char first = static_cast<char>(byte);
    if (byte == 0x16 || byte == 0x10 || first == '\r' || (first >= 'A' && first <= 'Z')) continue;
    EXPECT_EQ(bare({&first, 1}), Protocol::kUnknown) << byte;
  }
  EXPECT_EQ(bare("\r\nGET"), Protocol::kUnknown);
}

TEST(Detect, ProxyHeaderIsSeenWhetherItIsExpectedOrNot) {
  for (auto* detect : {bare, proxied}) {
    EXPECT_EQ(detect("PROXY "), Protocol::kProxy);
    EXPECT_EQ(detect("PROXY TCP4 1.2.3.4"), Protocol::kProxy);
    EXPECT_EQ(detect(kV2), Protocol::kProxy);
    EXPECT_EQ(detect(std::string(kV2) + "\x21"), Protocol::kProxy);
  }
}

TEST(Detect, BeginningOfAProxyHeaderNeedsMore) {
  for (size_t size = 1; size < 6; ++size) {
    EXPECT_EQ(proxied("PROXY "sv.substr(0, size)), Protocol::kNeedMore) << size;
  }
  for (size_t size = 1; size < kV2.size(); ++size) {
    EXPECT_EQ(proxied(kV2.substr(0, size)), Protocol::kNeedMore) << size;
  }
}

TEST(Detect, WhereAProxyHeaderIsExpectedNothingElsePasses) {
  for (std::string_view first :
       {"\x16", "\x10", "GET", "PUT /", "POST /", "PROXY\t", "\r\n\r\n1"}) {
    EXPECT_EQ(proxied(first), Protocol::kUnknown) << first;
  }
}

}  // namespace
}  // namespace fairlead
