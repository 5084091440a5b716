#include "registry/control_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/time.h"
#include "registry/wake_event.h"

namespace fairlead {
namespace {

constexpr const char* kSocketName = "control.sock";
constexpr const char* kLockName = "server.lock";
constexpr int kBacklog = 16;
constexpr std::chrono::milliseconds kRequestTimeout{1000};
constexpr std::size_t kLineBytesMax = 512;

Reject reject(std::string sentence) {
  return {ReasonCode::kImplementationSpecificError, std::move(sentence)};
}

std::string errno_text() { return std::strerror(errno); }

class Descriptor {
 public:
  explicit Descriptor(int descriptor = -1) : descriptor_(descriptor) {}
  Descriptor(Descriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~Descriptor() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  [[nodiscard]] int get() const { return descriptor_; }
  [[nodiscard]] bool valid() const { return descriptor_ >= 0; }

 private:
  int descriptor_;
};

// The address of the socket file. A path too long for sockaddr_un is reached through the
// directory's descriptor, which must stay open while the address is in use.
struct SocketAddress {
  sockaddr_un address{};
  Descriptor directory;

  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
};

Result<SocketAddress> socket_address(const std::filesystem::path& data_dir) {
  SocketAddress made;
  made.address.sun_family = AF_UNIX;
  std::string path = (data_dir / kSocketName).string();
  if (path.size() >= sizeof(made.address.sun_path)) {
    made.directory = Descriptor(::open(data_dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!made.directory.valid()) {
      return reject("cannot open " + data_dir.string() + ": " + errno_text());
    }
    path = "/proc/self/fd/" + std::to_string(made.directory.get()) + "/" + kSocketName;
  }
  std::memcpy(made.address.sun_path, path.c_str(), path.size() + 1);
  return made;
}

// True when `descriptor` becomes readable before `deadline`.
bool wait_readable(int descriptor, Instant deadline) {
  while (true) {
    const auto left = deadline - MonotonicClock::now();
    if (left.count() <= 0) return false;
    pollfd polled{.fd = descriptor, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&polled, 1, static_cast<int>(left.count()));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

// A line without its end; empty when none came in time.
std::string read_line(int descriptor, Instant deadline) {
  std::string line;
  while (line.size() < kLineBytesMax && wait_readable(descriptor, deadline)) {
    char piece[kLineBytesMax];
    const ssize_t count = ::recv(descriptor, piece, sizeof(piece), MSG_DONTWAIT);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count <= 0) return {};
    line.append(piece, static_cast<std::size_t>(count));
    if (std::size_t end = line.find('\n'); end != std::string::npos) return line.substr(0, end);
  }
  return {};
}

// Lines are far shorter than a socket's buffer: one call sends all or the peer is gone.
bool send_line(int descriptor, const std::string& line) {
  return ::send(descriptor, line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
         static_cast<ssize_t>(line.size());
}

}  // namespace

struct ControlSocket::State {
  explicit State(Registry& served) : registry(served) {}

  ~State() {
    if (!thread.joinable()) return;
    thread.request_stop();
    wake.signal();
    thread.join();
    ::unlink(file.c_str());
  }

  Registry& registry;
  std::filesystem::path file;
  Descriptor lock;  // held while this server lives
  Descriptor listening;
  WakeEvent wake;
  std::jthread thread;

  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      pollfd polled[2] = {{.fd = listening.get(), .events = POLLIN, .revents = 0},
                          {.fd = wake.descriptor(), .events = POLLIN, .revents = 0}};
      ::poll(polled, 2, -1);
      if (polled[0].revents == 0) continue;
      Descriptor client(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (client.valid()) {
        serve(client.get());
      } else if (errno != EINTR && errno != ECONNABORTED && errno != EAGAIN) {
        FL_LOG(kError, "control.accept_failed", {"cause", errno_text()});
        wake.wait(kRequestTimeout);  // out of descriptors: do not spin
      }
    }
  }

  void serve(int client) {
    const std::string request = read_line(client, MonotonicClock::now() + kRequestTimeout);
    if (request != "sync") {
      send_line(client, "error the only request is sync\n");
      return;
    }
    auto applied = registry.apply_changes();
    if (!applied) {
      FL_LOG(kError, "control.sync_failed", {"cause", applied.error().sentence});
      send_line(client, "error " + applied.error().sentence + "\n");
      return;
    }
    send_line(client, "ok " + std::to_string(*applied) + "\n");
  }
};

ControlSocket::ControlSocket(std::unique_ptr<State> state) : state_(std::move(state)) {}
ControlSocket::~ControlSocket() = default;

Result<std::unique_ptr<ControlSocket>> ControlSocket::start(const std::filesystem::path& data_dir,
                                                            Registry& registry) {
  auto state = std::make_unique<State>(registry);
  state->file = data_dir / kSocketName;
  const std::filesystem::path lock_file = data_dir / kLockName;
  state->lock = Descriptor(::open(lock_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!state->lock.valid())
    return reject("cannot open " + lock_file.string() + ": " + errno_text());
  // The lock goes with its process, however that ends: who holds it may replace the socket.
  if (::flock(state->lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return reject("another server is running on " + data_dir.string());
  }
  auto address = socket_address(data_dir);
  if (!address) return address.error();
  ::unlink(state->file.c_str());
  state->listening = Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!state->listening.valid()) return reject("cannot make a socket: " + errno_text());
  // Before bind: the file gets this mode from its first moment.
  const int socket = state->listening.get();
  if (::fchmod(socket, 0600) != 0 || ::bind(socket, address->get(), sizeof(sockaddr_un)) != 0 ||
      ::chmod(state->file.c_str(), 0600) != 0 || ::listen(socket, kBacklog) != 0) {
    return reject("cannot listen on " + state->file.string() + ": " + errno_text());
  }
  State* running = state.get();
  state->thread = std::jthread([running](std::stop_token stop) { running->run(stop); });
  return std::unique_ptr<ControlSocket>(new ControlSocket(std::move(state)));
}

Notified notify_server(const std::filesystem::path& data_dir, std::chrono::milliseconds timeout) {
  const Instant deadline = MonotonicClock::now() + timeout;
  auto address = socket_address(data_dir);
  if (!address) return Notified::kNoServer;
  Descriptor server(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!server.valid()) return Notified::kFailed;
  // Bounds a connect to a server whose queue is full.
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(timeout).count();
  timeval limit{.tv_sec = micros / 1'000'000, .tv_usec = micros % 1'000'000};
  ::setsockopt(server.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  if (::connect(server.get(), address->get(), sizeof(sockaddr_un)) != 0) {
    const bool nobody = errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR;
    return nobody ? Notified::kNoServer : Notified::kFailed;
  }
  if (!send_line(server.get(), "sync\n")) return Notified::kFailed;
  return read_line(server.get(), deadline).starts_with("ok ") ? Notified::kApplied
                                                              : Notified::kFailed;
}

}  // namespace fairlead
