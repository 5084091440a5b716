#include <poll.h>
#include <sys/socket.h>

#include "hostile/hostile.h"

// Handshakes that come a byte at a time: each stage has a deadline of its own that no byte puts
// off. Every listener kind, TLS, HTTP and MQTT alike.

namespace fairlead::testing {
namespace {

using namespace std::string_literals;

constexpr int kDripMs = 5;

// Whether the server has ended the connection; waits for it as long as the next byte takes.
bool closes_meanwhile(int fd) {
  pollfd poll_fd{.fd = fd, .events = POLLRDHUP, .revents = 0};
  if (::poll(&poll_fd, 1, kDripMs) <= 0) return false;
  return (poll_fd.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

class Drip : public HostileTest {
 protected:
  TestServer& server() override { return server_; }

  // Says each of `bytes` with `say`, slowly, and expects the end before the last one.
  template <class Say>
  void drip(int fd, std::string_view bytes, Say&& say, Where at = Where::here()) {
    for (const char byte : bytes) {
      say(std::string_view(&byte, 1));
      if (closes_meanwhile(fd)) return;
    }
    throw TestFailure(std::string(at.file) + ":" + std::to_string(at.line) +
                      ": the server has waited for all of " + std::to_string(bytes.size()));
  }
  void drip_socket(Wire& wire, std::string_view bytes, Where at = Where::here()) {
    drip(
        wire.fd(), bytes, [&](std::string_view b) { wire.send_socket(as_bytes(b)); }, at);
  }

  static constexpr std::size_t kMany = 6'000;  // half a minute of it
  TestServer server_{{.shard_count = 2, .adjust = [](ServerOptions& options) {
                        options.suspect.detect_max = milliseconds(100);
                        options.suspect.tls_handshake_max = milliseconds(100);
                        options.suspect.http_head_max = milliseconds(100);
                        options.suspect.connect_max = milliseconds(100);
                        options.connection.linger_max = milliseconds(100);
                      }}};
};
FL_EVERY_VERSION(Drip);

TEST_P(Drip, ConnectPacket) {
  TestClient peer = client();
  const std::string whole =
      raw::connect(version(), raw::kClean, raw::text(std::string(kMany, 'c')));
  drip(peer.wire().fd(), whole, [&](std::string_view b) { peer.send_bytes(b); });
}

class DripFrames : public Drip {};
FL_OVER_WEBSOCKET(DripFrames);

// The bytes of one frame, its head included.
TEST_P(DripFrames, ConnectFrame) {
  TestClient peer = client();
  ByteBuffer frame;
  const std::string whole =
      raw::connect(version(), raw::kClean, raw::text(std::string(kMany, 'c')));
  append_frame(frame, Opcode::kBinary, as_bytes(whole), MaskKey{std::byte{9}});
  drip(peer.wire().fd(), as_text(frame.view()),
       [&](std::string_view b) { peer.wire().send_plain(as_bytes(b)); });
}

TEST_P(DripFrames, PingsBuyNoTime) {
  TestClient peer = client();
  for (std::size_t i = 0; i < kMany; ++i) {
    peer.wire().send_frame(Opcode::kPing, as_bytes("p"));
    if (closes_meanwhile(peer.wire().fd())) return;
  }
  FAIL() << "pings keep a connection that has not sent CONNECT";
}

class DripStages : public Drip {};
INSTANTIATE_TEST_SUITE_P(All, DripStages,
                         ::testing::Combine(::testing::Values(Transport::kTcp),
                                            ::testing::Values(ProtocolVersion::k311)),
                         param_name);

TEST_P(DripStages, NothingAtAll) {
  Wire silent(server_.address(), Transport::kTcp);
  EXPECT_FALSE(silent.fill());
}

TEST_P(DripStages, HttpHead) {
  Wire wire(server_.address(), Transport::kTcp);
  drip_socket(wire, "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + std::string(kMany, 'x'));
}

TEST_P(DripStages, HttpHeadWithinTls) {
  Wire wire(server_.address(), Transport::kTls);
  drip(wire.fd(), "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + std::string(kMany, 'x'),
       [&](std::string_view b) { wire.send_plain(as_bytes(b)); });
}

TEST_P(DripStages, NothingAfterTls) {
  Wire wire(server_.address(), Transport::kTls);
  while (wire.fill()) {  // session tickets
  }
  EXPECT_TRUE(wire.stream().empty());
}

class TlsDrip : public DripStages {
 protected:
  TlsStream stream_ = TlsStream::client(test_client_tls(), "localhost");
  std::vector<std::byte> plain_ = std::vector<std::byte>(64 << 10);
  // What this side says next, having been told `in`.
  std::string answer(MutableBytes in) {
    ByteBuffer out;
    (void)stream_.feed(in, out, plain_, [](MutableBytes) {});
    return std::string(as_text(out.view()));
  }
};
INSTANTIATE_TEST_SUITE_P(All, TlsDrip,
                         ::testing::Combine(::testing::Values(Transport::kTcp),
                                            ::testing::Values(ProtocolVersion::k311)),
                         param_name);

TEST_P(TlsDrip, ClientHello) {
  Wire wire(server_.address(), Transport::kTcp);
  drip_socket(wire, answer({}));
}

// The hello at once, then what follows it.
TEST_P(TlsDrip, SecondFlight) {
  Wire wire(server_.address(), Transport::kTcp);
  wire.send_socket(as_bytes(answer({})));
  std::string second;
  while (second.empty()) {
    ASSERT_TRUE(wire.fill());
    second = answer(wire.stream().mutable_view());
    wire.stream().clear();
  }
  ASSERT_GT(second.size(), 60u);  // some 300 ms of it
  drip_socket(wire, second);
}

// The proxy's header is a stage, too.
TEST(DripProxyHeader, HasADeadline) {
  TestServer server({.shard_count = 1, .adjust = [](ServerOptions& options) {
                       options.suspect.detect_max = milliseconds(100);
                       const std::vector<std::string> loopback{"127.0.0.1", "::1"};
                       for (ListenerOptions& listener : options.listeners) {
                         listener.proxy_header = ProxyUse::kRequired;
                         listener.trusted_proxies = *TrustedNetworks::parse(loopback);
                       }
                     }});
  Wire wire(server.address(), Transport::kTcp);
  for (const char byte : "PROXY TCP4 192.0.2.1 192.0.2.2 "s + std::string(70, '1')) {
    wire.send_socket(as_bytes(std::string_view(&byte, 1)));
    if (closes_meanwhile(wire.fd())) return;
  }
  FAIL() << "the server has waited for all of it";
}

}  // namespace
}  // namespace fairlead::testing
