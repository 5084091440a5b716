#include "net/tcp.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <system_error>

#include "net/port_owner.h"

namespace fairlead {
namespace {

constexpr std::size_t kGatherMax = 64;

bool set_option(int fd, int level, int name, int value) {
  return ::setsockopt(fd, level, name, &value, sizeof value) == 0;
}

Reject failed(const std::string& what, int error_number) {
  return {ReasonCode::kUnspecifiedError, what + ": " + error_text(error_number)};
}

Reject bind_failed(const SocketAddress& address, int error_number) {
  const std::string where = "cannot listen on " + address.text() + ": ";
  const std::string port = std::to_string(address.port());
  switch (error_number) {
    case EADDRINUSE:
      return {ReasonCode::kServerBusy,
              where + "port " + port + " is in use by " + describe_port_owner(address.port()) +
                  "; stop it, or choose another port with --listen ADDRESS:PORT"};
    case EACCES:
      return {ReasonCode::kUnspecifiedError,
              where +
                  "ports under 1024 need root or CAP_NET_BIND_SERVICE; choose another, such "
                  "as --listen ADDRESS:8443"};
    case EADDRNOTAVAIL:
      return {ReasonCode::kUnspecifiedError,
              where + "no network interface of this machine has the address " + address.ip_text()};
    default:
      return failed("cannot listen on " + address.text(), error_number);
  }
}

IoResult transferred(ssize_t count) {
  if (count > 0) return {IoKind::kBytes, static_cast<std::size_t>(count), 0};
  if (count == 0 || errno == EAGAIN || errno == EWOULDBLOCK) return {IoKind::kWouldBlock, 0, 0};
  return {IoKind::kError, 0, errno};
}

// Tells a failure of one connection from a shortage that stays.
AcceptKind accept_failure(int error_number) {
  switch (error_number) {
    case EAGAIN:
      return AcceptKind::kWouldBlock;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return AcceptKind::kOutOfDescriptors;
    default:
      return AcceptKind::kError;
  }
}

UniqueFd open_reserve() { return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

Result<UniqueFd> bind_socket(const SocketAddress& address, PortSharing sharing) {
  const bool ipv6 = address.family() == SocketAddress::Family::kIpv6;
  UniqueFd fd(::socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return failed("cannot open a socket for " + address.text(), errno);
  // Without SO_REUSEADDR a restart would fail while old connections are in TIME_WAIT.
  bool set = set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (ipv6) set = set && set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (sharing == PortSharing::kReusePort) {
    set = set && set_option(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  }
  if (!set) return failed("cannot prepare the socket for " + address.text(), errno);
  sockaddr_storage system{};
  const auto length = static_cast<socklen_t>(address.to_system(system));
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&system), length) != 0) {
    return bind_failed(address, errno);
  }
  return fd;
}

// Accepted sockets inherit these from the listening one: no system call for each of them.
bool set_inherited_options(int fd, const ListenOptions& options) {
  if (!set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1)) return false;
  if (options.tcp_keepalive.count() <= 0) return true;
  constexpr int kProbes = 4;
  const int idle = static_cast<int>(std::min<int64_t>(options.tcp_keepalive.count(), 32767));
  return set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1) &&
         set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle) &&
         set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, std::max(idle / kProbes, 1)) &&
         set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, kProbes);
}

}  // namespace

void UniqueFd::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

std::string error_text(int error_number) { return std::generic_category().message(error_number); }

Result<SocketAddress> SocketAddress::parse(std::string_view ip, uint16_t port) {
  const std::string original(ip);
  if (ip.size() >= 2 && ip.front() == '[' && ip.back() == ']') ip = ip.substr(1, ip.size() - 2);
  SocketAddress address;
  address.port_ = port;
  const auto percent = ip.find('%');
  const std::string bare(ip.substr(0, percent));
  if (percent == std::string_view::npos &&
      ::inet_pton(AF_INET, bare.c_str(), address.ip_.data()) == 1) {
    return address;
  }
  address.family_ = Family::kIpv6;
  if (::inet_pton(AF_INET6, bare.c_str(), address.ip_.data()) != 1) {
    return Reject{ReasonCode::kUnspecifiedError,
                  "\"" + original + "\" is not an IPv4 or IPv6 address"};
  }
  if (percent == std::string_view::npos) return address;
  const std::string zone(ip.substr(percent + 1));
  address.scope_ = ::if_nametoindex(zone.c_str());
  if (address.scope_ == 0) {
    const char* end = zone.data() + zone.size();
    const auto parsed = std::from_chars(zone.data(), end, address.scope_);
    if (parsed.ec != std::errc{} || parsed.ptr != end) {
      return Reject{ReasonCode::kUnspecifiedError,
                    "\"" + original + "\": there is no network interface " + zone};
    }
  }
  return address;
}

std::optional<SocketAddress> SocketAddress::from_ip(Bytes ip, uint16_t port) {
  SocketAddress address;
  if (ip.size() != 4 && ip.size() != 16) return std::nullopt;
  address.family_ = ip.size() == 4 ? Family::kIpv4 : Family::kIpv6;
  address.port_ = port;
  std::copy(ip.begin(), ip.end(), address.ip_.begin());
  return address;
}

SocketAddress SocketAddress::from_system(const sockaddr_storage& system) {
  SocketAddress address;
  if (system.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(system);
    address.family_ = Family::kIpv6;
    std::memcpy(address.ip_.data(), &v6.sin6_addr, 16);
    address.port_ = ntohs(v6.sin6_port);
    address.scope_ = v6.sin6_scope_id;
  } else if (system.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(system);
    std::memcpy(address.ip_.data(), &v4.sin_addr, 4);
    address.port_ = ntohs(v4.sin_port);
  }
  return address;
}

unsigned SocketAddress::to_system(sockaddr_storage& out) const {
  if (family_ == Family::kIpv4) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(out);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port_);
    std::memcpy(&v4.sin_addr, ip_.data(), 4);
    return sizeof v4;
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(out);
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port_);
  v6.sin6_scope_id = scope_;
  std::memcpy(&v6.sin6_addr, ip_.data(), 16);
  return sizeof v6;
}

std::string SocketAddress::ip_text() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = family_ == Family::kIpv4 ? AF_INET : AF_INET6;
  ::inet_ntop(family, ip_.data(), text.data(), static_cast<socklen_t>(text.size()));
  std::string result(text.data());
  if (scope_ != 0) result += "%" + std::to_string(scope_);
  return result;
}

std::string SocketAddress::text() const {
  const std::string port = ":" + std::to_string(port_);
  return family_ == Family::kIpv4 ? ip_text() + port : "[" + ip_text() + "]" + port;
}

bool SocketAddress::is_loopback() const {
  if (family_ == Family::kIpv4) return ip_[0] == std::byte{127};
  const bool zeros =
      std::all_of(ip_.begin(), ip_.end() - 1, [](std::byte b) { return b == std::byte{0}; });
  return zeros && ip_[15] == std::byte{1};
}

bool SocketAddress::is_any() const {
  return std::all_of(ip_.begin(), ip_.end(), [](std::byte b) { return b == std::byte{0}; });
}

Result<ListeningSocket> ListeningSocket::open(const SocketAddress& address,
                                              const ListenOptions& options) {
  auto fd = bind_socket(address, options.sharing);
  if (!fd) return fd.error();
  if (!set_inherited_options(fd->get(), options)) {
    return failed("cannot set the options of " + address.text(), errno);
  }
  if (::listen(fd->get(), options.backlog_count) != 0) return bind_failed(address, errno);
  const SocketAddress local = local_address(fd->get());
  return ListeningSocket(std::move(*fd), open_reserve(), local);
}

Result<std::vector<ListeningSocket>> ListeningSocket::open_for_shards(const SocketAddress& address,
                                                                      const ListenOptions& options,
                                                                      std::size_t count) {
  {
    // The kernel refuses a bind without SO_REUSEPORT while anybody listens on the port.
    auto probe = bind_socket(address, PortSharing::kExclusive);
    if (!probe) return probe.error();
  }
  std::vector<ListeningSocket> sockets;
  ListenOptions shared = options;
  shared.sharing = PortSharing::kReusePort;
  SocketAddress next = address;
  for (std::size_t i = 0; i < count; ++i) {
    auto socket = open(next, shared);
    if (!socket) return socket.error();
    next = socket->local();  // where the kernel chose the port, the others take the same
    sockets.push_back(std::move(*socket));
  }
  return sockets;
}

AcceptResult ListeningSocket::accept() {
  sockaddr_storage peer{};
  socklen_t length = sizeof peer;
  for (int attempt = 0; attempt < 2; ++attempt) {
    length = sizeof peer;
    UniqueFd fd(::accept4(fd_.get(), reinterpret_cast<sockaddr*>(&peer), &length,
                          SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.valid()) {
      return {AcceptKind::kAccepted, std::move(fd), SocketAddress::from_system(peer)};
    }
    if (errno != EINTR) break;
  }
  const AcceptKind kind = accept_failure(errno);
  if (kind == AcceptKind::kOutOfDescriptors) {
    // The waiting peer learns at once that there is no room, instead of hanging.
    reserve_.reset();
    UniqueFd refused(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    refused.reset();
    reserve_ = open_reserve();
  }
  return {kind, UniqueFd{}, SocketAddress{}};
}

IoResult tcp_receive(int fd, MutableBytes into) {
  ssize_t count = 0;
  do {
    count = ::recv(fd, into.data(), into.size(), 0);
  } while (count < 0 && errno == EINTR);
  if (count == 0 && !into.empty()) return {IoKind::kClosed, 0, 0};
  return transferred(count);
}

IoResult tcp_send(int fd, Bytes bytes, SendWhen when) {
  const int flags = MSG_NOSIGNAL | (when == SendWhen::kWithWhatFollows ? MSG_MORE : 0);
  ssize_t count = 0;
  do {
    count = ::send(fd, bytes.data(), bytes.size(), flags);
  } while (count < 0 && errno == EINTR);
  return transferred(count);
}

IoResult tcp_send(int fd, std::span<const Bytes> pieces) {
  std::array<iovec, kGatherMax> vectors;
  const std::size_t used = std::min(pieces.size(), kGatherMax);
  for (std::size_t i = 0; i < used; ++i) {
    vectors[i] = {const_cast<std::byte*>(pieces[i].data()), pieces[i].size()};
  }
  msghdr message{};
  message.msg_iov = vectors.data();
  message.msg_iovlen = used;
  ssize_t count = 0;
  do {
    count = ::sendmsg(fd, &message, MSG_NOSIGNAL);
  } while (count < 0 && errno == EINTR);
  return transferred(count);
}

void tcp_finish_sending(int fd) { ::shutdown(fd, SHUT_WR); }

void tcp_reset_on_close(int fd) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

Result<std::vector<SocketAddress>> resolve(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  // AI_ADDRCONFIG ignores loopback: without any other network "localhost" and "::1" need a retry.
  int code = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (code != 0) {
    hints.ai_flags = 0;
    code = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  }
  if (code != 0) {
    const std::string why = code == EAI_SYSTEM ? error_text(errno) : ::gai_strerror(code);
    return Reject{ReasonCode::kUnspecifiedError, "cannot find the host \"" + host + "\": " + why};
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
  std::vector<SocketAddress> addresses;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    if (entry->ai_family != AF_INET && entry->ai_family != AF_INET6) continue;
    sockaddr_storage system{};
    std::memcpy(&system, entry->ai_addr, std::min<std::size_t>(entry->ai_addrlen, sizeof system));
    auto& system_port = entry->ai_family == AF_INET6
                            ? reinterpret_cast<sockaddr_in6&>(system).sin6_port
                            : reinterpret_cast<sockaddr_in&>(system).sin_port;
    system_port = htons(port);
    addresses.push_back(SocketAddress::from_system(system));
  }
  return addresses;
}

Result<UniqueFd> start_connect(const SocketAddress& address) {
  const bool ipv6 = address.family() == SocketAddress::Family::kIpv6;
  UniqueFd fd(::socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return failed("cannot open a socket", errno);
  set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  sockaddr_storage system{};
  const auto length = static_cast<socklen_t>(address.to_system(system));
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&system), length) != 0 &&
      errno != EINPROGRESS && errno != EINTR) {
    return failed("cannot connect to " + address.text(), errno);
  }
  return fd;
}

Status finish_connect(int fd) {
  int error_number = 0;
  socklen_t length = sizeof error_number;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error_number, &length) != 0) error_number = errno;
  if (error_number != 0) return failed("cannot connect", error_number);
  return Done{};
}

SocketAddress local_address(int fd) {
  sockaddr_storage system{};
  socklen_t length = sizeof system;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&system), &length) != 0) return {};
  return SocketAddress::from_system(system);
}

}  // namespace fairlead
