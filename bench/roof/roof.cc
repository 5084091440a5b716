// The roof of what a broker can reach on a machine: one thread, epoll, and nothing but the bytes of
// the benchmark's scenarios moved from the sender to the receivers, over ws, wss or tcp: mover.h.
// Its figures are what a ratio is taken against; it is no broker, and is not installed.
//
// fairlead-roof [CERTIFICATE KEY]: with the two files in TLS. Whether a client speaks WebSocket or
// bare MQTT its first byte says. Prints "listening on 127.0.0.1:PORT", a port that the kernel
// chooses.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mover.h"

namespace {

constexpr std::size_t kReadBytes = 256u << 10;
constexpr int kEventsMax = 512;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

struct Free {
  void operator()(SSL* it) const { SSL_free(it); }
  void operator()(SSL_CTX* it) const { SSL_CTX_free(it); }
};

struct Connection : Peer {
  int fd = -1;
  std::unique_ptr<SSL, Free> tls;
  bool waits = false;    // for the socket to be writable
  std::string rest;      // of the last read: the beginning of a frame
  std::size_t sent = 0;  // of out
};

class Roof {
 public:
  explicit Roof(SSL_CTX* tls);
  void run();

 private:
  void accept_all();
  void read(Connection& connection);
  void flush(Connection& connection);
  [[nodiscard]] static long write_some(Connection& connection, std::string_view bytes);
  void forget(Connection& connection);

  SSL_CTX* tls_;
  int epoll_ = -1;
  int listener_ = -1;
  std::array<char, kReadBytes> buffer_{};
  Mover mover_;
  std::unordered_map<int, std::unique_ptr<Connection>> connections_;
};

Roof::Roof(SSL_CTX* tls) : tls_(tls), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), length) != 0) die("bind");
  if (::listen(listener_, 4096) != 0) die("listen");
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
  epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event) != 0) die("epoll_ctl");
  std::printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
}

void Roof::run() {
  std::array<epoll_event, kEventsMax> events{};
  for (;;) {
    const int count = ::epoll_wait(epoll_, events.data(), kEventsMax, -1);
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      auto* connection = static_cast<Connection*>(event.data.ptr);
      if (!connection) {
        accept_all();
        continue;
      }
      if ((event.events & ~static_cast<uint32_t>(EPOLLOUT)) != 0) read(*connection);
      if ((event.events & EPOLLOUT) != 0) flush(*connection);
    }
    // One system call for each that has output, as in any broker that is fast.
    for (Peer* each : mover_.dirty()) {
      each->dirty = false;
      if (!each->broken) flush(static_cast<Connection&>(*each));
    }
    mover_.dirty().clear();
    for (Peer* each : mover_.broken()) forget(static_cast<Connection&>(*each));
    mover_.broken().clear();
  }
}

void Roof::accept_all() {
  for (;;) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    auto connection = std::make_unique<Connection>();
    connection->fd = fd;
    if (tls_) {
      connection->tls.reset(SSL_new(tls_));
      SSL_set_fd(connection->tls.get(), fd);
      SSL_set_accept_state(connection->tls.get());
    }
    epoll_event event{.events = EPOLLIN, .data = {.ptr = connection.get()}};
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
    connections_.emplace(fd, std::move(connection));
  }
}

// One read of the socket; of TLS all records that it has brought.
void Roof::read(Connection& connection) {
  if (connection.broken) return;
  std::size_t size = connection.rest.size();
  std::copy(connection.rest.begin(), connection.rest.end(), buffer_.begin());
  connection.rest.clear();
  bool ended = false;
  do {
    char* at = buffer_.data() + size;
    const std::size_t room = buffer_.size() - size;
    const long got = connection.tls ? SSL_read(connection.tls.get(), at, static_cast<int>(room))
                                    : ::recv(connection.fd, at, room, 0);
    if (got <= 0) {
      ended = connection.tls ? SSL_get_error(connection.tls.get(), static_cast<int>(got)) !=
                                   SSL_ERROR_WANT_READ
                             : got == 0 || errno != EAGAIN;
      break;
    }
    size += static_cast<std::size_t>(got);
  } while (connection.tls && SSL_has_pending(connection.tls.get()) != 0 && size < kReadBytes);
  const std::size_t used = mover_.feed(connection, buffer_.data(), size);
  connection.rest.assign(buffer_.data() + used, size - used);
  if (ended || connection.rest.size() == kReadBytes) mover_.give_up(connection);
}

long Roof::write_some(Connection& connection, std::string_view bytes) {
  if (!connection.tls) {
    return ::send(connection.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  return SSL_write(connection.tls.get(), bytes.data(), static_cast<int>(bytes.size()));
}

void Roof::flush(Connection& connection) {
  while (connection.sent < connection.out.size()) {
    const std::string_view bytes = std::string_view(connection.out).substr(connection.sent);
    const long sent = write_some(connection, bytes);
    if (sent <= 0) break;
    connection.sent += static_cast<std::size_t>(sent);
  }
  const bool waits = connection.sent < connection.out.size();
  if (!waits) {
    connection.out.clear();
    connection.sent = 0;
  }
  if (waits == connection.waits) return;
  connection.waits = waits;
  epoll_event event{.events = EPOLLIN, .data = {.ptr = &connection}};
  if (waits) event.events |= EPOLLOUT;
  ::epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event);
}

void Roof::forget(Connection& connection) {
  mover_.forget(connection);
  const int fd = connection.fd;
  connections_.erase(fd);
  ::close(fd);
}

std::unique_ptr<SSL_CTX, Free> tls_of(const char* certificate, const char* key) {
  std::unique_ptr<SSL_CTX, Free> context(SSL_CTX_new(TLS_server_method()));
  if (SSL_CTX_use_certificate_chain_file(context.get(), certificate) != 1 ||
      SSL_CTX_use_PrivateKey_file(context.get(), key, SSL_FILETYPE_PEM) != 1) {
    std::fprintf(stderr, "fairlead-roof: cannot use %s and %s\n", certificate, key);
    std::exit(1);
  }
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
  // Sessions are resumed by tickets, one for each connection, and nothing is kept of them.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context.get(), 1);
  // Many records in one system call.
  SSL_CTX_set_read_ahead(context.get(), 1);
  SSL_CTX_set_default_read_buffer_len(context.get(), kReadBytes);
  return context;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 1 && argc != 3) {
    std::fprintf(stderr, "usage: fairlead-roof [CERTIFICATE KEY]\n");
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  const auto tls = argc == 3 ? tls_of(argv[1], argv[2]) : nullptr;
  const auto roof = std::make_unique<Roof>(tls.get());
  roof->run();
}
