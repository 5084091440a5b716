#include "proto/proxy/trusted_networks.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace fairlead {
namespace {

TrustedNetworks networks(const std::vector<std::string>& entries) {
  auto parsed = TrustedNetworks::parse(entries);
  EXPECT_TRUE(parsed) << parsed.error().sentence;
  return *parsed;
}

bool holds(const TrustedNetworks& networks, std::string_view ip) {
  const auto address = ProxyEndpoint::parse_ip(ip);
  EXPECT_TRUE(address) << ip;
  return networks.contains(address->ip());
}

std::string complaint(const std::string& entry) {
  auto parsed = TrustedNetworks::parse(std::vector{entry});
  return parsed ? "accepted" : parsed.error().sentence;
}

TEST(TrustedNetworks, HoldNobodyWhenThereAreNone) {
  EXPECT_TRUE(TrustedNetworks().empty());
  EXPECT_FALSE(holds({}, "127.0.0.1"));
  EXPECT_FALSE(TrustedNetworks().contains(Bytes()));
}

TEST(TrustedNetworks, HoldAddressesAndRangesOfBothFamilies) {
  const auto trusted =
      networks({"192.0.2.1", "10.0.0.0/8", "172.16.0.0/12", "2001:db8::/33", "::1", "fe80::/10"});
  for (const char* ip : {"192.0.2.1", "10.0.0.0", "10.255.255.255", "172.31.9.9", "2001:db8::1",
                         "2001:db8:7fff:ffff::", "::1", "febf::1"}) {
    EXPECT_TRUE(holds(trusted, ip)) << ip;
  }
  for (const char* ip : {"192.0.2.2", "11.0.0.0", "9.255.255.255", "172.32.0.0", "172.15.255.255",
                         "2001:db8:8000::", "::2", "fec0::1", "::"}) {
    EXPECT_FALSE(holds(trusted, ip)) << ip;
  }
}

TEST(TrustedNetworks, EveryPrefixLengthCutsAtItsBit) {
  for (unsigned bits = 0; bits <= 32; ++bits) {
    const auto trusted = networks({"0.0.0.0/" + std::to_string(bits)});
    EXPECT_TRUE(holds(trusted, "0.0.0.0"));
    for (unsigned bit = 0; bit < 32; ++bit) {  // an address with this one bit set
      std::array<std::byte, 4> ip{};
      ip[bit / 8] = std::byte{0x80} >> (bit % 8);
      EXPECT_EQ(trusted.contains(ip), bit >= bits) << bit << " of " << bits;
    }
  }
}

TEST(TrustedNetworks, Ipv4MappedAddressesCountAsIpv4) {
  std::array<std::byte, 16> mapped{};
  mapped[10] = mapped[11] = std::byte{0xff};
  mapped[12] = std::byte{10};
  EXPECT_TRUE(networks({"10.0.0.0/8"}).contains(mapped));
  EXPECT_FALSE(networks({"::/0"}).contains(mapped));
  EXPECT_TRUE(holds(networks({"::ffff:10.0.0.0/104"}), "10.1.2.3"));
  EXPECT_TRUE(holds(networks({"::ffff:10.0.0.1"}), "10.0.0.1"));
  EXPECT_TRUE(holds(networks({"::/0"}), "2001:db8::1"));
  EXPECT_FALSE(holds(networks({"0.0.0.0/0"}), "2001:db8::1"));
}

TEST(TrustedNetworks, ABadEntryIsQuotedWithWhatIsWrong) {
  for (const char* entry : {"proxy", "", "10.0.0", "10.0.0.1:80", "[::1]", "fe80::1%eth0", "/8",
                            "010.0.0.1", "10.0.0.0 /8"}) {
    EXPECT_TRUE(complaint(entry).starts_with("\"" + std::string(entry) + "\" is no IPv4 or IPv6"))
        << complaint(entry);
  }
  for (const char* entry :
       {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/8x", "10.0.0.0/8/8"}) {
    EXPECT_EQ(complaint(entry),
              "\"" + std::string(entry) + "\" must have a number from 0 to 32 behind the slash");
  }
  EXPECT_EQ(complaint("::/129"), "\"::/129\" must have a number from 0 to 128 behind the slash");
  EXPECT_EQ(complaint("::ffff:0.0.0.0/95"),
            "\"::ffff:0.0.0.0/95\" must have a number from 96 to 128 behind the slash");
  EXPECT_EQ(complaint("10.0.0.1/8"),
            "\"10.0.0.1/8\" does not begin its range; write 10.0.0.0/8 for the range, or 10.0.0.1 "
            "for the address");
  EXPECT_EQ(complaint("2001:db8::1/32"),
            "\"2001:db8::1/32\" does not begin its range; write 2001:db8::/32 for the range, or "
            "2001:db8::1 for the address");
}

}  // namespace
}  // namespace fairlead
