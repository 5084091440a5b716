#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "net/unique_fd.h"

struct sockaddr_storage;

namespace fairlead {

// An IPv4 or IPv6 address and a port. A value.
class SocketAddress {
 public:
  enum class Family : uint8_t { kIpv4, kIpv6 };

  SocketAddress() = default;
  // `ip` is an address, not a name: "127.0.0.1", "::", "fe80::1%eth0", brackets allowed.
  static Result<SocketAddress> parse(std::string_view ip, uint16_t port);
  // From 4 or 16 bytes in network order; nullopt for any other count.
  static std::optional<SocketAddress> from_ip(Bytes ip, uint16_t port = 0);
  static SocketAddress from_system(const sockaddr_storage& address);

  [[nodiscard]] Family family() const { return family_; }
  [[nodiscard]] uint16_t port() const { return port_; }
  // 4 or 16 bytes, network order.
  [[nodiscard]] Bytes ip() const {
    return Bytes(ip_).first(family_ == Family::kIpv4 ? std::size_t{4} : std::size_t{16});
  }
  [[nodiscard]] std::string ip_text() const;  // "127.0.0.1", "::1"
  [[nodiscard]] std::string text() const;     // "127.0.0.1:443", "[::1]:443"
  [[nodiscard]] bool is_loopback() const;     // 127.0.0.0/8, ::1
  [[nodiscard]] bool is_any() const;          // 0.0.0.0, ::

  // Fills `out` and returns the length of the address in it.
  unsigned to_system(sockaddr_storage& out) const;

  friend bool operator==(const SocketAddress&, const SocketAddress&) = default;

 private:
  std::array<std::byte, 16> ip_{};
  uint32_t scope_ = 0;
  uint16_t port_ = 0;
  Family family_ = Family::kIpv4;
};

enum class PortSharing : uint8_t { kExclusive, kReusePort };

struct ListenOptions {
  PortSharing sharing = PortSharing::kExclusive;  // kReusePort: one listener for each shard
  int backlog_count = 4096;
  seconds tcp_keepalive{0};  // idle time before the kernel probes the peer; 0: it does not
};

enum class AcceptKind : uint8_t {
  kAccepted,
  kWouldBlock,
  kOutOfDescriptors,  // a connection was taken and closed at once, or could not be taken at all:
                      // raise the limit of open files; pause before accepting again
  kError,             // that one connection failed; the next may work
};

struct AcceptResult {
  AcceptKind kind = AcceptKind::kWouldBlock;
  UniqueFd fd;  // non-blocking, close-on-exec, TCP_NODELAY
  SocketAddress peer;
};

// A port that is listened on. IPv6 ones take IPv6 only, so that 0.0.0.0 and :: can be had together.
class ListeningSocket {
 public:
  // Port 0: the kernel chooses, see local(). The sentence of an error says what to do; a port
  // that is taken names the process that has it, where /proc tells, and has kServerBusy as code.
  static Result<ListeningSocket> open(const SocketAddress& address, const ListenOptions& options);
  // One for each of `count` shards on the same port (SO_REUSEPORT; options.sharing is ignored). The
  // kernel would let a second server join the port unnoticed: that is an error here, as in open().
  static Result<std::vector<ListeningSocket>> open_for_shards(const SocketAddress& address,
                                                              const ListenOptions& options,
                                                              std::size_t count);

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const SocketAddress& local() const { return local_; }

  [[nodiscard]] AcceptResult accept();

 private:
  ListeningSocket(UniqueFd fd, UniqueFd reserve, const SocketAddress& local)
      : fd_(std::move(fd)), reserve_(std::move(reserve)), local_(local) {}

  UniqueFd fd_;
  UniqueFd reserve_;  // given up for a moment when descriptors run out, to refuse politely
  SocketAddress local_;
};

enum class IoKind : uint8_t { kBytes, kWouldBlock, kClosed, kError };

// One system call's outcome. kClosed: the peer has sent its last byte. kError: the connection is
// of no more use; `error_number` is for the log (std::strerror is not thread-safe: error_text()).
struct IoResult {
  IoKind kind = IoKind::kWouldBlock;
  std::size_t count = 0;  // with kBytes, at least 1
  int error_number = 0;
};

[[nodiscard]] IoResult tcp_receive(int fd, MutableBytes into);
// kWithWhatFollows: the kernel holds the bytes back to send them in one segment with the next ones,
// or with the end of the stream.
enum class SendWhen : uint8_t { kNow, kWithWhatFollows };
// May send less than all of it; never raises SIGPIPE.
[[nodiscard]] IoResult tcp_send(int fd, Bytes bytes, SendWhen when = SendWhen::kNow);
// Gathers at most the first 64 pieces. A send of nothing reports kWouldBlock.
[[nodiscard]] IoResult tcp_send(int fd, std::span<const Bytes> pieces);
// Ends the sending half; the peer's remaining bytes can still be read.
void tcp_finish_sending(int fd);
// close() will then drop what is unsent and reset the connection.
void tcp_reset_on_close(int fd);

[[nodiscard]] std::string error_text(int error_number);

// Client side. resolve() blocks (getaddrinfo); addresses come in the order to be tried.
Result<std::vector<SocketAddress>> resolve(const std::string& host, uint16_t port);
// A non-blocking connect under way: watch for writability, then call finish_connect().
Result<UniqueFd> start_connect(const SocketAddress& address);
Status finish_connect(int fd);
[[nodiscard]] SocketAddress local_address(int fd);

}  // namespace fairlead
