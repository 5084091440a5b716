#include "proto/proxy/forwarded.h"

#include <gtest/gtest.h>

#include <vector>

namespace fairlead {
namespace {

const TrustedNetworks& proxies() {
  static const TrustedNetworks networks =
      *TrustedNetworks::parse(std::vector<std::string>{"10.0.0.0/8", "::1"});
  return networks;
}

std::string told(const Forwarded& forwarded) {
  if (const auto* address = std::get_if<ProxyEndpoint>(&forwarded)) return address->text();
  if (const auto* garbage = std::get_if<ForwardedGarbage>(&forwarded)) {
    return garbage->sentence;
  }
  return "nothing";
}

std::string forwarded_for(const std::vector<std::string_view>& hops) {
  return told(read_forwarded_for(hops, proxies()));
}

std::string real_ip(const std::vector<std::string_view>& lines) {
  return told(read_real_ip(lines));
}

TEST(ForwardedFor, TheRightmostAddressThatIsNoProxyIsTheClient) {
  EXPECT_EQ(forwarded_for({}), "nothing");
  EXPECT_EQ(forwarded_for({"192.0.2.1"}), "192.0.2.1:0");
  EXPECT_EQ(forwarded_for({"192.0.2.1", "10.0.0.1", "::1"}), "192.0.2.1:0");
}

TEST(ForwardedFor, WhatTheClientHasWrittenItselfIsNotBelieved) {
  EXPECT_EQ(forwarded_for({"198.51.100.9", "192.0.2.1", "10.0.0.1"}), "192.0.2.1:0");
  EXPECT_EQ(forwarded_for({"127.0.0.1", "192.0.2.1"}), "192.0.2.1:0");
  EXPECT_EQ(forwarded_for({"<garbage>", "unknown", "192.0.2.1"}), "192.0.2.1:0");
}

TEST(ForwardedFor, AmongProxiesOnlyTheLeftmostIsTheClient) {
  EXPECT_EQ(forwarded_for({"10.0.0.7", "10.0.0.1"}), "10.0.0.7:0");
}

TEST(ForwardedFor, PortsAndBracketsAreUnderstood) {
  EXPECT_EQ(forwarded_for({"192.0.2.1:5000", "[::1]:80"}), "192.0.2.1:5000");
  EXPECT_EQ(forwarded_for({"2001:db8::1"}), "[2001:db8::1]:0");
  EXPECT_EQ(forwarded_for({"[2001:db8::1]"}), "[2001:db8::1]:0");
  EXPECT_EQ(forwarded_for({"[2001:db8::1]:443", "10.0.0.1:1"}), "[2001:db8::1]:443");
  EXPECT_EQ(forwarded_for({"::ffff:192.0.2.1", "::ffff:10.0.0.1"}), "192.0.2.1:0");
}

TEST(ForwardedFor, GarbageInAProxysPlaceIsQuoted) {
  for (std::string_view text :
       {"unknown", "_hidden", "192.0.2", "192.0.2.1:", "192.0.2.1:x", "192.0.2.1:65536",
        "[2001:db8::1", "[2001:db8::1]443", "[192.0.2.1]", "\"192.0.2.1\"", "fe80::1%eth0",
        "192.0.2.1 10.0.0.1"}) {
    EXPECT_EQ(forwarded_for({"192.0.2.1", text, "10.0.0.1"}),
              "X-Forwarded-For: \"" + std::string(text) + "\" is no address");
    EXPECT_EQ(forwarded_for({"192.0.2.1", text}),
              "X-Forwarded-For: \"" + std::string(text) + "\" is no address");
  }
  const std::string endless(10'000, 'x');
  EXPECT_EQ(forwarded_for({endless}),
            "X-Forwarded-For: \"" + endless.substr(0, 64) + "\" is no address");
}

TEST(RealIp, IsOneAddress) {
  EXPECT_EQ(real_ip({}), "nothing");
  EXPECT_EQ(real_ip({"192.0.2.1"}), "192.0.2.1:0");
  EXPECT_EQ(real_ip({"[2001:db8::1]:5"}), "[2001:db8::1]:5");
  EXPECT_EQ(real_ip({"nobody"}), "X-Real-IP: \"nobody\" is no address");
  EXPECT_EQ(real_ip({"192.0.2.1", "192.0.2.2"}), "X-Real-IP: more than one address");
}

}  // namespace
}  // namespace fairlead
