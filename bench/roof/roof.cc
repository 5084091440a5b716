// The roof of what a broker can reach on a machine: one thread, epoll, and nothing but the bytes of
// the benchmark's scenarios moved from the sender to the receivers, over ws, wss or tcp. It knows
// as much of WebSocket and MQTT as bench clients make it: whole packets in each frame, filters
// without wildcards but a last level of '+', any password, no keep-alive, no sessions, no limits,
// no checks. Its figures are what a ratio is taken against; it is no broker, and is not installed.
//
// fairlead-roof [CERTIFICATE KEY]: with the two files in TLS. Whether a client speaks WebSocket or
// bare MQTT its first byte says. Prints "listening on 127.0.0.1:PORT", a port that the kernel
// chooses.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
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

struct Connection {
  int fd = -1;
  std::unique_ptr<SSL, Free> tls;
  enum class Carrier : uint8_t { kUnknown, kWebSocket, kTcp };
  Carrier carrier = Carrier::kUnknown;
  bool dirty = false;  // has output, and is among those to be flushed
  bool waits = false;  // for the socket to be writable
  bool broken = false;
  std::string rest;  // of the last read: the beginning of a frame
  std::string out;
  std::size_t sent = 0;    // of out
  std::string filter;      // that it subscribed to
  uint16_t packet_id = 0;  // of the last message to it
};

// Of a frame from a server, which is not masked.
std::string frame_head(std::size_t size) {
  std::string head(1, static_cast<char>(0x82));
  if (size < 126) return head += static_cast<char>(size);
  return head += {126, static_cast<char>(size >> 8), static_cast<char>(size)};
}

class Roof {
 public:
  explicit Roof(SSL_CTX* tls);
  void run();

 private:
  void accept_all();
  void read(Connection& connection);
  [[nodiscard]] std::size_t parse(Connection& connection, char* data, std::size_t size);
  [[nodiscard]] std::size_t parse_frames(Connection& connection, char* data, std::size_t size);
  [[nodiscard]] std::size_t upgrade(Connection& connection, std::string_view head);
  std::size_t packets(Connection& connection, std::string_view data);
  void packet(Connection& connection, std::string_view whole, std::size_t head);
  void subscribe(Connection& connection, std::string_view body);
  void publish(Connection& connection, std::string_view whole, std::size_t head);
  void deliver_to(std::string_view filter, std::string_view whole, std::size_t id_at);
  void send(Connection& connection, std::string_view packet);
  void send_bytes(Connection& connection, std::string_view bytes);
  void give_up(Connection& connection);
  void flush(Connection& connection);
  [[nodiscard]] static long write_some(Connection& connection, std::string_view bytes);
  void forget(Connection& connection);

  SSL_CTX* tls_;
  int epoll_ = -1;
  int listener_ = -1;
  std::array<char, kReadBytes> buffer_{};
  std::string frame_;       // scratch, as the next one
  std::string filter_;      // with a wildcard, of the topic of a message
  bool wildcards_ = false;  // somebody has subscribed with one
  std::vector<Connection*> dirty_;
  std::vector<Connection*> broken_;
  std::unordered_map<int, std::unique_ptr<Connection>> connections_;
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::unordered_map<std::string, std::vector<Connection*>, Hash, std::equal_to<>> receivers_;
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
    for (Connection* each : dirty_) {
      each->dirty = false;
      if (!each->broken) flush(*each);
    }
    dirty_.clear();
    for (Connection* each : broken_) forget(*each);
    broken_.clear();
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
  const std::size_t used = parse(connection, buffer_.data(), size);
  connection.rest.assign(buffer_.data() + used, size - used);
  if (ended || connection.rest.size() == kReadBytes) give_up(connection);
}

void Roof::give_up(Connection& connection) {
  if (!connection.broken) broken_.push_back(&connection);
  connection.broken = true;
}

// Answers how many of the bytes it has used.
std::size_t Roof::parse(Connection& connection, char* data, std::size_t size) {
  std::size_t at = 0;
  if (connection.carrier == Connection::Carrier::kUnknown && size > 0) {
    constexpr char kConnect = 0x10;
    if (*data == kConnect) {
      connection.carrier = Connection::Carrier::kTcp;
    } else {
      at = upgrade(connection, {data, size});
    }
  }
  switch (connection.carrier) {
    case Connection::Carrier::kUnknown:
      return at;
    case Connection::Carrier::kWebSocket:
      return at + parse_frames(connection, data + at, size - at);
    case Connection::Carrier::kTcp:
      return packets(connection, {data, size});
  }
  return at;
}

// The frames that are whole, unmasked where they lie; the answer is how many bytes they are.
std::size_t Roof::parse_frames(Connection& connection, char* data, std::size_t size) {
  std::size_t at = 0;
  while (size - at >= 6) {
    const auto* head = reinterpret_cast<const unsigned char*>(data + at);
    std::size_t length = head[1] & 0x7fu;
    std::size_t mask_at = 2;
    if (length == 126) {
      length = std::size_t{head[2]} << 8 | head[3];
      mask_at = 4;
    } else if (length == 127) {
      length = std::size_t{head[6]} << 24 | std::size_t{head[7]} << 16 | std::size_t{head[8]} << 8 |
               head[9];
      mask_at = 10;
    }
    const std::size_t body_at = mask_at + 4;
    if (size - at < body_at + length) break;
    char* body = data + at + body_at;
    const std::array<char, 4> mask = {data[at + mask_at], data[at + mask_at + 1],
                                      data[at + mask_at + 2], data[at + mask_at + 3]};
    for (std::size_t i = 0; i < length; ++i) body[i] = static_cast<char>(body[i] ^ mask[i & 3]);
    constexpr unsigned kBinary = 2;
    if ((head[0] & 0x0fu) == kBinary) packets(connection, {body, length});
    at += body_at + length;
  }
  return at;
}

std::size_t Roof::upgrade(Connection& connection, std::string_view head) {
  const auto end = head.find("\r\n\r\n");
  constexpr std::string_view kName = "sec-websocket-key: ";
  std::string lower(head.substr(0, end));
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  const auto name = lower.find(kName);
  if (end == std::string_view::npos || name == std::string::npos) return 0;
  const auto value = name + kName.size();
  std::string key(head.substr(value, head.find("\r\n", value) - value));
  key += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 section 1.3
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest.data());
  std::array<unsigned char, 32> text{};
  EVP_EncodeBlock(text.data(), digest.data(), digest.size());
  const std::string accept = reinterpret_cast<const char*>(text.data());
  send_bytes(connection,
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Accept: " +
                 accept + "\r\n\r\n");
  connection.carrier = Connection::Carrier::kWebSocket;
  return end + 4;
}

// Packets, one after the other; the answer is how many bytes those are that are whole.
std::size_t Roof::packets(Connection& connection, std::string_view data) {
  std::size_t at = 0;
  while (at + 2 <= data.size()) {
    std::size_t length = 0;
    std::size_t head = 1;
    unsigned char byte = 0x80;
    for (unsigned shift = 0; byte >= 0x80 && head <= 4 && at + head < data.size(); shift += 7) {
      byte = static_cast<unsigned char>(data[at + head++]);
      length |= std::size_t{byte & 0x7fu} << shift;
    }
    if (byte >= 0x80 || data.size() - at < head + length) break;
    packet(connection, data.substr(at, head + length), head);
    at += head + length;
  }
  return at;
}

void Roof::packet(Connection& connection, std::string_view whole, std::size_t head) {
  const std::string_view body = whole.substr(head);
  const auto answer = [&](char type, char count) {
    const std::array<char, 4> bytes = {type, count, body[0], body[1]};
    send(connection, {bytes.data(), bytes.size()});
  };
  const unsigned type = static_cast<unsigned char>(whole[0]) >> 4;
  if (type == 3) return publish(connection, whole, head);
  if (body.size() < 2 && type < 12) return;
  switch (type) {
    case 1:  // CONNECT
      return send(connection, std::string_view("\x20\x02\x00\x00", 4));
    case 5:  // PUBREC
      return answer(0x62, 2);
    case 6:  // PUBREL
      return answer(0x70, 2);
    case 8:  // SUBSCRIBE
      return subscribe(connection, body);
    case 12:  // PINGREQ
      return send(connection, std::string_view("\xd0\x00", 2));
    case 14:  // DISCONNECT
      return give_up(connection);
    default:
      return;
  }
}

// To the first filter.
void Roof::subscribe(Connection& connection, std::string_view body) {
  if (body.size() < 5) return;
  const std::size_t length =
      std::size_t{static_cast<unsigned char>(body[2])} << 8 | static_cast<unsigned char>(body[3]);
  if (body.size() < 5 + length) return;
  connection.filter = body.substr(4, length);
  wildcards_ = wildcards_ || connection.filter.ends_with('+');
  receivers_[connection.filter].push_back(&connection);
  const std::array<char, 5> suback = {static_cast<char>(0x90), 3, body[0], body[1],
                                      body[4 + length]};
  send(connection, {suback.data(), suback.size()});
}

void Roof::publish(Connection& connection, std::string_view whole, std::size_t head) {
  const std::string_view body = whole.substr(head);
  if (body.size() < 2) return;
  const std::size_t length =
      std::size_t{static_cast<unsigned char>(body[0])} << 8 | static_cast<unsigned char>(body[1]);
  const unsigned qos = (static_cast<unsigned char>(whole[0]) >> 1) & 3u;
  if (body.size() < 2 + length + (qos != 0 ? 2u : 0u)) return;
  const std::size_t id_at = qos == 0 ? 0 : head + 2 + length;
  frame_.assign(frame_head(whole.size())) += whole;
  const std::string_view topic = body.substr(2, length);
  deliver_to(topic, whole, id_at);
  if (wildcards_) {
    filter_.assign(topic.substr(0, topic.rfind('/') + 1)) += '+';
    deliver_to(filter_, whole, id_at);
  }
  if (qos == 0) return;
  const std::array<char, 4> acknowledgement = {static_cast<char>(qos == 1 ? 0x40 : 0x50), 2,
                                               body[2 + length], body[3 + length]};
  send(connection, {acknowledgement.data(), acknowledgement.size()});
}

// The packet as it came, but with an identifier that is the receiver's own: it may hear many
// publishers, whose identifiers are the same.
void Roof::deliver_to(std::string_view filter, std::string_view whole, std::size_t id_at) {
  const auto found = receivers_.find(filter);
  if (found == receivers_.end()) return;
  for (Connection* each : found->second) {
    const bool framed = each->carrier == Connection::Carrier::kWebSocket;
    send_bytes(*each, framed ? std::string_view(frame_) : whole);
    if (id_at == 0) continue;
    if (++each->packet_id == 0) each->packet_id = 1;
    char* const id = each->out.data() + each->out.size() - whole.size() + id_at;
    id[0] = static_cast<char>(each->packet_id >> 8);
    id[1] = static_cast<char>(each->packet_id);
  }
}

// In WebSocket in a frame of its own.
void Roof::send(Connection& connection, std::string_view packet) {
  frame_.clear();
  if (connection.carrier == Connection::Carrier::kWebSocket) frame_ = frame_head(packet.size());
  send_bytes(connection, frame_ += packet);
}

void Roof::send_bytes(Connection& connection, std::string_view bytes) {
  connection.out += bytes;
  if (connection.dirty) return;
  connection.dirty = true;
  dirty_.push_back(&connection);
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
  if (!connection.filter.empty()) std::erase(receivers_[connection.filter], &connection);
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
