// The roof with io_uring in place of epoll, without TLS: multishot accept, multishot receive into a
// ring of buffers that all connections share, and one system call a turn, which submits the sends
// of the last turn and waits for what comes. It answers what a broker could gain by io_uring:
// bench/IO_URING.md. Linux 6.1 or later.
//
// fairlead-roof-uring: prints "listening on 127.0.0.1:PORT", a port that the kernel chooses.

#include <arpa/inet.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "mover.h"

namespace {

constexpr unsigned kSubmissions = 4096;  // a turn with more of them takes another system call
constexpr unsigned kCompletions = 4 * kSubmissions;
constexpr unsigned kBuffers = 1024;  // a power of two
constexpr std::size_t kBufferBytes = 4096;
constexpr uint16_t kBufferGroup = 0;

[[noreturn]] void die(const char* what, int error_number) {
  errno = error_number;
  std::perror(what);
  std::exit(1);
}

struct Connection : Peer {
  int fd = -1;
  bool receives = false;  // the kernel reports what it receives
  bool waits = false;     // for the socket to be writable
  std::string rest;       // the beginning of a frame
  std::string sending;    // what the kernel reads during the next system call
};

// What a completion is of: the low bits of the address of its connection.
enum class Kind : uint64_t { kReceive, kSend, kWritable };
constexpr uint64_t kKindMask = 7;

uint64_t tag(const Connection& connection, Kind kind) {
  return reinterpret_cast<uint64_t>(&connection) | static_cast<uint64_t>(kind);
}

template <class T>
T* mapped(std::size_t size) {
  void* at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
  if (at == MAP_FAILED) die("mmap", errno);
  return static_cast<T*>(at);
}

class Roof {
 public:
  Roof();
  void run();

 private:
  void open_ring();
  void listen();
  [[nodiscard]] io_uring_sqe* next_submission();
  void give_back(unsigned buffer_id);
  void accept_all();
  void completed(const io_uring_cqe& completion);
  void accepted(int fd);
  void receive(Connection& connection);
  void received(Connection& connection, const io_uring_cqe& completion);
  void read(Connection& connection, char* data, std::size_t size);
  void flush(Connection& connection);
  void not_sent(Connection& connection, int result);
  void end_turn();
  [[nodiscard]] bool end(Connection& connection);

  io_uring ring_{};
  io_uring_buf_ring* buffer_ring_ = nullptr;
  char* buffers_ = nullptr;
  int listener_ = -1;
  Mover mover_;
  std::vector<Connection*> ending_;
  std::unordered_map<int, std::unique_ptr<Connection>> connections_;
};

Roof::Roof() {
  open_ring();
  listen();
  accept_all();
}

void Roof::open_ring() {
  io_uring_params params{};
  params.flags = IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER |
                 IORING_SETUP_DEFER_TASKRUN;
  params.cq_entries = kCompletions;
  int result = io_uring_queue_init_params(kSubmissions, &ring_, &params);
  if (result < 0) die("io_uring_setup", -result);
  result = io_uring_register_ring_fd(&ring_);
  if (result < 0) die("io_uring_register_ring_fd", -result);
  buffer_ring_ = mapped<io_uring_buf_ring>(kBuffers * sizeof(io_uring_buf));
  buffers_ = mapped<char>(kBuffers * kBufferBytes);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<uint64_t>(buffer_ring_);
  registration.ring_entries = kBuffers;
  registration.bgid = kBufferGroup;
  result = io_uring_register_buf_ring(&ring_, &registration, 0);
  if (result < 0) die("io_uring_register_buf_ring", -result);
  for (unsigned id = 0; id < kBuffers; ++id) give_back(id);
}

void Roof::listen() {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;  // its connections inherit it
  ::setsockopt(listener_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), length) != 0) die("bind", errno);
  if (::listen(listener_, 4096) != 0) die("listen", errno);
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
  std::printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
}

void Roof::run() {
  for (;;) {
    const int result = io_uring_submit_and_wait(&ring_, 1);
    if (result < 0 && result != -EINTR) die("io_uring_enter", -result);
    unsigned head = 0;
    unsigned count = 0;
    io_uring_cqe* completion = nullptr;
    io_uring_for_each_cqe(&ring_, head, completion) {
      ++count;
      completed(*completion);
    }
    io_uring_cq_advance(&ring_, count);
    end_turn();
  }
}

void Roof::end_turn() {
  for (Peer* each : mover_.dirty()) {
    each->dirty = false;
    flush(static_cast<Connection&>(*each));
  }
  mover_.dirty().clear();
  for (Peer* each : mover_.broken()) {
    auto& connection = static_cast<Connection&>(*each);
    ::shutdown(connection.fd, SHUT_RDWR);  // what it waits for comes to an end
    ending_.push_back(&connection);
  }
  mover_.broken().clear();
  std::erase_if(ending_, [this](Connection* each) { return end(*each); });
}

io_uring_sqe* Roof::next_submission() {
  for (;;) {
    if (io_uring_sqe* submission = io_uring_get_sqe(&ring_)) return submission;
    io_uring_submit(&ring_);
  }
}

void Roof::give_back(unsigned buffer_id) {
  io_uring_buf_ring_add(buffer_ring_, buffers_ + buffer_id * kBufferBytes, kBufferBytes,
                        static_cast<uint16_t>(buffer_id), io_uring_buf_ring_mask(kBuffers), 0);
  io_uring_buf_ring_advance(buffer_ring_, 1);
}

void Roof::completed(const io_uring_cqe& completion) {
  if (completion.user_data == 0) {
    if (completion.res >= 0) accepted(completion.res);
    if ((completion.flags & IORING_CQE_F_MORE) == 0) accept_all();
    return;
  }
  auto& connection = *reinterpret_cast<Connection*>(completion.user_data & ~kKindMask);
  switch (static_cast<Kind>(completion.user_data & kKindMask)) {
    case Kind::kReceive:
      return received(connection, completion);
    case Kind::kSend:
      return not_sent(connection, completion.res);
    case Kind::kWritable:
      connection.waits = false;
      return mover_.mark_dirty(connection);
  }
}

void Roof::accept_all() {
  io_uring_sqe* submission = next_submission();
  io_uring_prep_multishot_accept(submission, listener_, nullptr, nullptr, SOCK_CLOEXEC);
  io_uring_sqe_set_data64(submission, 0);
}

void Roof::accepted(int fd) {
  auto connection = std::make_unique<Connection>();
  connection->fd = fd;
  receive(*connection);
  connections_.emplace(fd, std::move(connection));
}

void Roof::receive(Connection& connection) {
  connection.receives = true;
  io_uring_sqe* submission = next_submission();
  io_uring_prep_recv_multishot(submission, connection.fd, nullptr, 0, 0);
  submission->flags |= IOSQE_BUFFER_SELECT;
  submission->buf_group = kBufferGroup;
  io_uring_sqe_set_data64(submission, tag(connection, Kind::kReceive));
}

void Roof::received(Connection& connection, const io_uring_cqe& completion) {
  if (completion.res > 0) {
    const unsigned buffer_id = completion.flags >> IORING_CQE_BUFFER_SHIFT;
    read(connection, buffers_ + buffer_id * kBufferBytes, static_cast<std::size_t>(completion.res));
    give_back(buffer_id);
  }
  if ((completion.flags & IORING_CQE_F_MORE) != 0) return;
  connection.receives = false;
  if (completion.res > 0 || completion.res == -ENOBUFS) return receive(connection);
  mover_.give_up(connection);
}

void Roof::read(Connection& connection, char* data, std::size_t size) {
  std::string joined;
  if (!connection.rest.empty()) {
    joined = std::move(connection.rest.append(data, size));
    data = joined.data();
    size = joined.size();
  }
  const std::size_t used = mover_.feed(connection, data, size);
  connection.rest.assign(data + used, size - used);
}

// The kernel tries to send once, while it takes the submission. Of what it has sent it says
// nothing; of what it has not, or not all, before the next flush.
void Roof::flush(Connection& connection) {
  if (connection.broken || connection.waits || connection.out.empty()) return;
  connection.sending.clear();
  std::swap(connection.sending, connection.out);
  io_uring_sqe* submission = next_submission();
  io_uring_prep_send(submission, connection.fd, connection.sending.data(),
                     connection.sending.size(), MSG_DONTWAIT | MSG_NOSIGNAL | MSG_WAITALL);
  submission->flags |= IOSQE_CQE_SKIP_SUCCESS;
  io_uring_sqe_set_data64(submission, tag(connection, Kind::kSend));
}

void Roof::not_sent(Connection& connection, int result) {
  if (result < 0 && result != -EAGAIN) return;  // the receive hears of the end, too
  const std::size_t sent = result > 0 ? static_cast<std::size_t>(result) : 0;
  connection.out.insert(0, connection.sending, sent);
  connection.waits = true;
  io_uring_sqe* submission = next_submission();
  io_uring_prep_poll_add(submission, connection.fd, POLLOUT);
  io_uring_sqe_set_data64(submission, tag(connection, Kind::kWritable));
}

// Not before the kernel has no more to say of it.
bool Roof::end(Connection& connection) {
  if (connection.receives || connection.waits) return false;
  mover_.forget(connection);
  const int fd = connection.fd;
  connections_.erase(fd);
  ::close(fd);
  return true;
}

}  // namespace

int main() {
  std::signal(SIGPIPE, SIG_IGN);
  const auto roof = std::make_unique<Roof>();
  roof->run();
}
