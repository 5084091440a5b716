#include "net/tcp.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

namespace fairlead {
namespace {

using testing::HasSubstr;

SocketAddress address(std::string_view ip, uint16_t port = 0) {
  auto parsed = SocketAddress::parse(ip, port);
  EXPECT_TRUE(parsed.ok());
  return *parsed;
}

ListeningSocket listen_on(std::string_view ip, const ListenOptions& options = {}) {
  auto socket = ListeningSocket::open(address(ip), options);
  if (!socket) throw std::runtime_error(socket.error().sentence);
  return std::move(*socket);
}

void wait_for(int fd, short events) {
  pollfd waiting{.fd = fd, .events = events, .revents = 0};
  EXPECT_EQ(::poll(&waiting, 1, -1), 1);
}

struct Connected {
  UniqueFd client;
  UniqueFd server;
  SocketAddress peer;
};

Connected connect_to(ListeningSocket& listener) {
  auto client = start_connect(listener.local());
  EXPECT_TRUE(client.ok());
  wait_for(client->get(), POLLOUT);
  EXPECT_TRUE(finish_connect(client->get()).ok());
  wait_for(listener.fd(), POLLIN);
  AcceptResult accepted = listener.accept();
  EXPECT_EQ(accepted.kind, AcceptKind::kAccepted);
  return {std::move(*client), std::move(accepted.fd), accepted.peer};
}

int option_of(int fd, int level, int name) {
  int value = 0;
  socklen_t length = sizeof value;
  EXPECT_EQ(::getsockopt(fd, level, name, &value, &length), 0);
  return value;
}

TEST(SocketAddress, PrintsWhatItParsed) {
  EXPECT_EQ(address("127.0.0.1", 443).text(), "127.0.0.1:443");
  EXPECT_EQ(address("[::1]", 8443).text(), "[::1]:8443");
  EXPECT_EQ(address("2001:DB8:0::1").ip_text(), "2001:db8::1");
  EXPECT_TRUE(address("127.8.9.10").is_loopback());
  EXPECT_TRUE(address("::1").is_loopback());
  EXPECT_FALSE(address("::2").is_loopback());
  EXPECT_TRUE(address("::").is_any());
  EXPECT_TRUE(address("0.0.0.0").is_any());
}

TEST(SocketAddress, RefusesNames) {
  for (const char* text : {"localhost", "", "1.2.3", "1.2.3.4.5", "[::1", "::1%nosuchinterface"}) {
    const auto parsed = SocketAddress::parse(text, 1);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_THAT(parsed.error().sentence, HasSubstr(text));
  }
}

TEST(SocketAddress, SurvivesTheSystemsForm) {
  for (const char* text : {"10.1.2.3", "2001:db8::7", "fe80::1%1"}) {
    sockaddr_storage system{};
    const SocketAddress original = address(text, 1883);
    EXPECT_GT(original.to_system(system), 0U);
    EXPECT_EQ(SocketAddress::from_system(system), original);
  }
}

TEST(ListeningSocket, TakesAPortOfTheKernelsChoice) {
  for (const char* ip : {"127.0.0.1", "::1"}) {
    auto listener = listen_on(ip);
    EXPECT_NE(listener.local().port(), 0);
    EXPECT_EQ(listener.accept().kind, AcceptKind::kWouldBlock);
    const auto pair = connect_to(listener);
    EXPECT_EQ(pair.peer, local_address(pair.client.get()));
  }
}

TEST(ListeningSocket, AnyIpv4AndAnyIpv6ShareAPort) {
  auto v4 = listen_on("0.0.0.0");
  auto v6 = ListeningSocket::open(address("::", v4.local().port()), {});
  EXPECT_TRUE(v6.ok()) << v6.error().sentence;
}

TEST(ListeningSocket, AcceptedConnectionsInheritTheirOptions) {
  auto listener = listen_on("127.0.0.1", {.tcp_keepalive = seconds{90}});
  const auto pair = connect_to(listener);
  const int fd = pair.server.get();
  EXPECT_EQ(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), 90);
  EXPECT_NE(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
}

TEST(ListeningSocket, TakenPortNamesItsOwnerAndTheWayOut) {
  auto first = listen_on("127.0.0.1");
  const auto second = ListeningSocket::open(first.local(), {});
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.error().sentence,
              HasSubstr("port " + std::to_string(first.local().port()) + " is in use by process "));
  EXPECT_THAT(second.error().sentence, HasSubstr("(pid " + std::to_string(::getpid()) + ")"));
  EXPECT_THAT(second.error().sentence, HasSubstr("--listen"));
}

TEST(ListeningSocket, ForeignAddressIsAnErrorWithACause) {
  const auto listener = ListeningSocket::open(address("192.0.2.1"), {});
  ASSERT_FALSE(listener.ok());
  EXPECT_THAT(listener.error().sentence, HasSubstr("192.0.2.1"));
}

TEST(ListeningSocket, ShardsShareAPortThatNobodyElseHas) {
  auto sockets = ListeningSocket::open_for_shards(address("127.0.0.1"), {}, 3);
  ASSERT_TRUE(sockets.ok());
  ASSERT_EQ(sockets->size(), 3U);
  EXPECT_EQ((*sockets)[0].local(), (*sockets)[2].local());
  const auto intruder = ListeningSocket::open_for_shards((*sockets)[0].local(), {}, 1);
  ASSERT_FALSE(intruder.ok());
  EXPECT_THAT(intruder.error().sentence, HasSubstr("in use by process"));
}

TEST(ListeningSocket, RefusesPolitelyWithoutDescriptors) {
  auto listener = listen_on("127.0.0.1");
  auto client = start_connect(listener.local());
  ASSERT_TRUE(client.ok());
  wait_for(listener.fd(), POLLIN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  std::vector<UniqueFd> hoard;
  for (UniqueFd fd(::dup(0)); fd.valid() && hoard.size() < 32; fd = UniqueFd(::dup(0))) {
    hoard.push_back(std::move(fd));  // fills the gaps below the limit that is set next
  }
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(hoard.empty() ? 0 : hoard.back().get());
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const AcceptResult refused = listener.accept();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  hoard.clear();
  EXPECT_EQ(refused.kind, AcceptKind::kOutOfDescriptors);
  wait_for(client->get(), POLLIN);
  std::byte byte{};
  EXPECT_NE(tcp_receive(client->get(), {&byte, 1}).kind, IoKind::kWouldBlock);
  const auto pair = connect_to(listener);  // and it works again
  EXPECT_TRUE(pair.server.valid());
}

TEST(Tcp, MovesBytesAndReportsTheEnd) {
  auto listener = listen_on("::1");
  const auto pair = connect_to(listener);
  std::array<std::byte, 16> buffer;
  EXPECT_EQ(tcp_receive(pair.server.get(), buffer).kind, IoKind::kWouldBlock);
  const std::array<Bytes, 3> pieces{as_bytes("one "), Bytes{}, as_bytes("message")};
  EXPECT_EQ(tcp_send(pair.client.get(), pieces).count, 11U);
  wait_for(pair.server.get(), POLLIN);
  const IoResult received = tcp_receive(pair.server.get(), buffer);
  ASSERT_EQ(received.kind, IoKind::kBytes);
  EXPECT_EQ(as_text(Bytes(buffer).first(received.count)), "one message");
  tcp_finish_sending(pair.client.get());
  wait_for(pair.server.get(), POLLIN);
  EXPECT_EQ(tcp_receive(pair.server.get(), buffer).kind, IoKind::kClosed);
  EXPECT_EQ(tcp_send(pair.server.get(), as_bytes("late")).count, 4U);
}

TEST(Tcp, FullSocketWouldBlockAndBrokenOneFailsWithoutSignal) {
  auto listener = listen_on("127.0.0.1");
  auto pair = connect_to(listener);
  const std::vector<std::byte> block(std::size_t{256} << 10);
  IoResult sent = tcp_send(pair.server.get(), block);
  while (sent.kind == IoKind::kBytes) sent = tcp_send(pair.server.get(), block);
  EXPECT_EQ(sent.kind, IoKind::kWouldBlock);
  tcp_reset_on_close(pair.client.get());
  pair.client.reset();
  wait_for(pair.server.get(), POLLIN);
  EXPECT_EQ(tcp_send(pair.server.get(), block).kind, IoKind::kError);
  const IoResult after = tcp_send(pair.server.get(), block);
  EXPECT_EQ(after.kind, IoKind::kError);
  EXPECT_FALSE(error_text(after.error_number).empty());
}

TEST(Tcp, RefusedConnectSaysSo) {
  SocketAddress gone;
  {
    auto listener = listen_on("127.0.0.1");
    gone = listener.local();
  }
  auto client = start_connect(gone);
  ASSERT_TRUE(client.ok());
  wait_for(client->get(), POLLOUT);
  const auto finished = finish_connect(client->get());
  ASSERT_FALSE(finished.ok());
  EXPECT_THAT(finished.error().sentence, HasSubstr("refused"));
}

TEST(Tcp, ResolvesAddressesAndLocalhost) {
  const auto literal = resolve("::1", 1883);
  ASSERT_TRUE(literal.ok());
  EXPECT_EQ(literal->front().text(), "[::1]:1883");
  const auto name = resolve("localhost", 443);
  ASSERT_TRUE(name.ok());
  EXPECT_TRUE(name->front().is_loopback());
  EXPECT_EQ(name->front().port(), 443);
}

}  // namespace
}  // namespace fairlead
