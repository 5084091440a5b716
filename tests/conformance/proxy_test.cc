#include "conformance/fixture.h"

// Who a client is when proxies stand in between: PROXY headers, X-Forwarded-For and X-Real-IP, on
// every kind of listener, and only from trusted networks.

namespace fairlead::testing {
namespace {

using namespace std::string_literals;
using namespace std::chrono_literals;

TrustedNetworks networks(const std::vector<std::string>& entries) {
  auto parsed = TrustedNetworks::parse(entries);
  if (!parsed) throw TestFailure(parsed.error().sentence);
  return *parsed;
}

std::string v1(const std::string& ip) { return "PROXY TCP4 " + ip + " 192.0.2.1 5000 443\r\n"; }

const std::string kSignature = "\r\n\r\n\0\r\nQUIT\n"s;
const std::string kLocal = kSignature + "\x20\0\0\0"s;
const std::string kUnix = kSignature + "\x21\x31\x00\xd8"s + std::string(216, '\0');
const std::string kV2Of203 =
    kSignature + "\x21\x11\x00\x0c\xcb\x00\x71\x07\xc0\x00\x02\x01\x13\x88\x01\xbb"s;

// A server on which a source that has failed once is told so the second time: that tells under
// which address a connection is counted.
class ProxyServer {
 public:
  ProxyServer(ProxyUse use, const std::vector<std::string>& trusted,
              ForwardedHeader header = ForwardedHeader::kXForwardedFor)
      : server_({.shard_count = 2,
                 .authenticator = {.anonymous = AnonymousAccess::kAllowed,
                                   .failures_per_minute_max = 1,
                                   .loopback = LoopbackBudget::kCounted},
                 .adjust = [&](ServerOptions& options) {
                   for (ListenerOptions& listener : options.listeners) {
                     listener.proxy_header = use;
                     listener.trusted_proxies = networks(trusted);
                     listener.forwarded_header = header;
                   }
                   // Longer than any test: what is refused is refused by what was sent.
                   options.suspect.detect_max = 10min;
                   options.suspect.http_head_max = 10min;
                   options.suspect.tls_handshake_max = 10min;
                   options.suspect.connect_max = 10min;
                 }}) {}

  [[nodiscard]] TestServer& server() { return server_; }

  // Connects with a wrong sign: "first" from a source that has not failed yet, else "again".
  std::string fail(Transport transport, const WireOptions& options) {
    TestClient client(server_.address(), transport, ProtocolVersion::k5, options);
    client.send(client.device_hello({.secret = "wrong"}));
    const std::string answer = client.next();
    if (answer == "CONNACK 0x86") return "first";
    return answer == "CONNACK 0x9f" ? "again" : answer;
  }
  std::string fail_with(Transport transport, const std::string& name, const std::string& value) {
    return fail(transport, {.headers = {{name, value}}});
  }
  std::string fail_behind(Transport transport, const std::string& preamble) {
    return fail(transport, {.preamble = preamble});
  }

 private:
  TestServer server_;
};

// What becomes of a client that sends `first` and then CONNECT.
std::string answer(const SocketAddress& address, const std::string& first) {
  TestClient client(address, Transport::kTcp, ProtocolVersion::k311, {.preamble = first});
  client.send(client.hello(unique("c")));
  return client.next();
}

class ProxyOverEach : public ::testing::TestWithParam<Transport> {};
INSTANTIATE_TEST_SUITE_P(All, ProxyOverEach, ::testing::ValuesIn(kAllTransports),
                         [](const auto& param) {
                           return std::string(transport_name(param.param));
                         });

TEST_P(ProxyOverEach, TheAddressInAProxyHeaderIsTheOneThatCounts) {
  ProxyServer proxy(ProxyUse::kRequired, {"127.0.0.0/8"});
  EXPECT_EQ(proxy.fail_behind(GetParam(), v1("203.0.113.7")), "first");
  EXPECT_EQ(proxy.fail_behind(GetParam(), v1("203.0.113.8")), "first");
  EXPECT_EQ(proxy.fail_behind(GetParam(), kV2Of203), "again");  // 203.0.113.7, in binary
  EXPECT_EQ(proxy.fail_behind(GetParam(), "PROXY TCP6 ::ffff:203.0.113.7 ::1 1 2\r\n"), "again");
}

TEST_P(ProxyOverEach, WithoutAnAddressInTheHeaderTheSocketsCounts) {
  ProxyServer proxy(ProxyUse::kRequired, {"127.0.0.1"});
  EXPECT_EQ(proxy.fail_behind(GetParam(), kLocal), "first");
  EXPECT_EQ(proxy.fail_behind(GetParam(), "PROXY UNKNOWN\r\n"), "again");
  EXPECT_EQ(proxy.fail_behind(GetParam(), kUnix), "again");
  EXPECT_EQ(proxy.fail_behind(GetParam(), kSignature + "\x21\0\0\0"s), "again");
}

TEST_P(ProxyOverEach, AHeaderIsOptionalForTrustedProxiesWhereTheListenerSaysSo) {
  ProxyServer proxy(ProxyUse::kOptional, {"127.0.0.1"});
  EXPECT_EQ(proxy.fail_behind(GetParam(), v1("203.0.113.7")), "first");
  EXPECT_EQ(proxy.fail_behind(GetParam(), kV2Of203), "again");
  EXPECT_EQ(proxy.fail_behind(GetParam(), ""), "first");
  EXPECT_EQ(proxy.fail_behind(GetParam(), kLocal), "again");
}

TEST(ProxyHeader, IsDemandedAndBelievedFromTrustedProxiesOnly) {
  ProxyServer trusting(ProxyUse::kRequired, {"127.0.0.1"});
  EXPECT_EQ(answer(trusting.server().address(), v1("203.0.113.7")), "CONNACK 0");
  EXPECT_EQ(answer(trusting.server().address(), ""), "CLOSED");
  const auto refused = [&] {
    const auto cause = static_cast<std::size_t>(RefusalCause::kProtocolError);
    return trusting.server().engine().counters().refused[cause];
  };
  EXPECT_EQ(refused(), 1u);
  // ::1 is trusted by nobody.
  EXPECT_EQ(answer(trusting.server().address6(), v1("203.0.113.7")), "CLOSED");
  EXPECT_EQ(refused(), 2u);
}

TEST(ProxyHeader, OfAStrangerIsRefusedWhereItIsOptional) {
  ProxyServer wary(ProxyUse::kOptional, {"10.0.0.0/8", "192.0.2.1"});
  EXPECT_EQ(answer(wary.server().address(), v1("203.0.113.7")), "CLOSED");
  EXPECT_EQ(answer(wary.server().address(), kLocal), "CLOSED");
  EXPECT_EQ(answer(wary.server().address(), ""), "CONNACK 0");
}

TEST(ProxyHeader, ComesOnce) {
  for (ProxyUse use : {ProxyUse::kOptional, ProxyUse::kRequired}) {
    ProxyServer proxy(use, {"127.0.0.1"});
    EXPECT_EQ(answer(proxy.server().address(), v1("127.0.0.1") + v1("203.0.113.7")), "CLOSED");
    EXPECT_EQ(answer(proxy.server().address(), kLocal + kLocal), "CLOSED");
  }
}

// Where none is expected it was taken for an HTTP request, and refused when its time was up.
TEST(ProxyHeader, ThatNobodyExpectsIsRefusedAtOnce) {
  ProxyServer plain(ProxyUse::kNone, {"127.0.0.1"});
  for (const std::string& header : {v1("203.0.113.7"), kLocal, "PROXY "s, kSignature}) {
    for (Transport transport : {Transport::kTcp, Transport::kTls}) {
      Wire wire(plain.server().address(), transport);
      wire.send_plain(as_bytes(header));
      while (wire.fill()) {  // session tickets of TLS
      }
      EXPECT_TRUE(wire.stream().empty()) << transport_name(transport);
    }
  }
}

TEST(ProxyHeader, BrokenOnesAreRefusedAtOnce) {
  ProxyServer proxy(ProxyUse::kRequired, {"127.0.0.1"});
  for (const std::string& header :
       {"PROXY TCP4 a b 1 2\r\n"s, "PROXY TCP4 "s + std::string(107, '1'), "HELLO"s,
        kSignature + "\x31"s, kSignature + "\x21\x11\0\x0b"s + std::string(11, 'x'),
        kSignature + "\x21\x11\0\x0f"s + std::string(12, 'x') + "\x03\0\x09"s}) {
    EXPECT_EQ(answer(proxy.server().address(), header), "CLOSED");
  }
}

TEST(ProxyHeader, MayComeByteByByteAndWithWhatFollows) {
  ProxyServer proxy(ProxyUse::kOptional, {"127.0.0.1"});
  for (const std::string& header : {v1("203.0.113.7"), kV2Of203}) {
    TestClient client(proxy.server().address(), Transport::kTcp);
    for (char byte : header) client.wire().send_socket(as_bytes({&byte, 1}));
    client.connect(unique("c"));
  }
}

TEST(ProxyHeader, AMethodThatBeginsLikeOneIsHttpAllTheSame) {
  ProxyServer proxy(ProxyUse::kOptional, {"127.0.0.1"});
  Wire wire(proxy.server().address(), Transport::kTcp);
  for (char byte : "PUT /mqtt HTTP/1.1\r\nHost: x\r\n\r\n"s) wire.send_socket(as_bytes({&byte, 1}));
  while (wire.fill()) {
  }
  EXPECT_TRUE(as_text(wire.stream().view()).starts_with("HTTP/1.1 4"));
}

TEST(ProxyHeader, HealthChecksWorkWithAndWithoutIt) {
  constexpr std::string_view kRequest = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
  const auto healthy = [&](ProxyServer& proxy, Transport transport, const std::string& header) {
    Wire wire(proxy.server().address(), transport, {.preamble = header});
    wire.send_plain(as_bytes(kRequest));
    while (wire.fill()) {
    }
    return as_text(wire.stream().view()).starts_with("HTTP/1.1 200 ");
  };
  ProxyServer none(ProxyUse::kNone, {});
  ProxyServer optional(ProxyUse::kOptional, {"127.0.0.1"});
  ProxyServer required(ProxyUse::kRequired, {"127.0.0.1"});
  for (Transport transport : {Transport::kTcp, Transport::kTls}) {
    EXPECT_TRUE(healthy(none, transport, ""));
    EXPECT_TRUE(healthy(optional, transport, ""));
    for (const std::string& header : {kLocal, v1("203.0.113.7"), "PROXY UNKNOWN\r\n"s}) {
      EXPECT_TRUE(healthy(optional, transport, header));
      EXPECT_TRUE(healthy(required, transport, header));
    }
  }
  EXPECT_FALSE(healthy(none, Transport::kTcp, kLocal));
}

class ForwardedOverEach : public ::testing::TestWithParam<Transport> {};
INSTANTIATE_TEST_SUITE_P(All, ForwardedOverEach, ::testing::Values(Transport::kWs, Transport::kWss),
                         [](const auto& param) {
                           return std::string(transport_name(param.param));
                         });

TEST_P(ForwardedOverEach, TheClientIsTheRightmostAddressThatIsNoTrustedProxy) {
  ProxyServer proxy(ProxyUse::kNone, {"127.0.0.1", "10.0.0.0/8"});
  const auto fail = [&](const std::string& value) {
    return proxy.fail_with(GetParam(), "X-Forwarded-For", value);
  };
  EXPECT_EQ(fail("203.0.113.7"), "first");
  EXPECT_EQ(fail("203.0.113.8"), "first");
  EXPECT_EQ(fail("203.0.113.9, 203.0.113.7"), "again");
  EXPECT_EQ(fail("203.0.113.7:5000, 10.1.2.3,127.0.0.1"), "again");
  EXPECT_EQ(fail("[2001:db8::1]:443, ::ffff:10.0.0.1"), "first");
  EXPECT_EQ(fail("2001:db8::1"), "again");
  const WireOptions several{.headers = {{"x-forwarded-for", "203.0.113.10"},
                                        {"X-FORWARDED-FOR", "203.0.113.8, 10.0.0.1"}}};
  EXPECT_EQ(proxy.fail(GetParam(), several), "again");
}

TEST_P(ForwardedOverEach, GarbageLeavesTheAddressOfTheProxy) {
  ProxyServer proxy(ProxyUse::kNone, {"127.0.0.1"});
  EXPECT_EQ(proxy.fail(GetParam(), {}), "first");
  for (const char* value : {"unknown", "203.0.113.7, unknown", "", ","}) {
    EXPECT_EQ(proxy.fail_with(GetParam(), "X-Forwarded-For", value), "again") << value;
  }
}

TEST_P(ForwardedOverEach, StrangersAreNotBelieved) {
  ProxyServer wary(ProxyUse::kNone, {"10.0.0.0/8"});
  EXPECT_EQ(wary.fail_with(GetParam(), "X-Forwarded-For", "203.0.113.7"), "first");
  EXPECT_EQ(wary.fail_with(GetParam(), "X-Forwarded-For", "203.0.113.8"), "again");
  ProxyServer alone(ProxyUse::kNone, {});
  EXPECT_EQ(alone.fail_with(GetParam(), "X-Forwarded-For", "203.0.113.7"), "first");
  EXPECT_EQ(alone.fail_with(GetParam(), "X-Forwarded-For", "203.0.113.8"), "again");
}

TEST_P(ForwardedOverEach, OnlyTheConfiguredHeaderIsBelieved) {
  ProxyServer real_ip(ProxyUse::kNone, {"127.0.0.1"}, ForwardedHeader::kXRealIp);
  EXPECT_EQ(real_ip.fail_with(GetParam(), "X-Real-IP", "203.0.113.7"), "first");
  EXPECT_EQ(real_ip.fail_with(GetParam(), "X-Real-IP", "203.0.113.7"), "again");
  EXPECT_EQ(real_ip.fail_with(GetParam(), "X-Forwarded-For", "203.0.113.8"), "first");  // 127.0.0.1
  EXPECT_EQ(real_ip.fail_with(GetParam(), "X-Forwarded-For", "203.0.113.9"), "again");
  ProxyServer none(ProxyUse::kNone, {"127.0.0.1"}, ForwardedHeader::kNone);
  EXPECT_EQ(none.fail_with(GetParam(), "X-Real-IP", "203.0.113.7"), "first");
  EXPECT_EQ(none.fail_with(GetParam(), "X-Forwarded-For", "203.0.113.8"), "again");
}

// nginx behind a balancer that sends PROXY headers: who may speak is the one in the header.
TEST_P(ForwardedOverEach, BehindAProxyHeaderItsAddressDecidesWhoIsBelieved) {
  ProxyServer proxy(ProxyUse::kRequired, {"127.0.0.1", "10.0.0.0/8"});
  const auto fail = [&](const std::string& via, const std::string& value) {
    return proxy.fail(GetParam(), {.headers = {{"X-Forwarded-For", value}}, .preamble = v1(via)});
  };
  EXPECT_EQ(fail("10.0.0.1", "203.0.113.7"), "first");
  EXPECT_EQ(fail("10.0.0.2", "203.0.113.7"), "again");
  EXPECT_EQ(fail("198.51.100.1", "203.0.113.8"), "first");
  EXPECT_EQ(fail("198.51.100.1", "203.0.113.9"), "again");
}

}  // namespace
}  // namespace fairlead::testing
