#include "differential/broker.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

namespace fairlead::testing {
namespace {

constexpr const char* kProgram = "/usr/sbin/mosquitto";
constexpr int kStartsMax = 5;  // a port that was free may be taken by the time it is used

// mosquitto has no "port 0".
uint16_t free_port() {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(fd.get(), generic, size) != 0 || ::getsockname(fd.get(), generic, &size) != 0) {
    throw TestFailure("no free port");
  }
  return ntohs(address.sin_port);
}

SocketAddress loopback(uint16_t port) {
  auto address = SocketAddress::parse("127.0.0.1", port);
  if (!address) throw TestFailure(address.error().sentence);
  return *address;
}

}  // namespace

TestClient FairleadBroker::connect(Transport transport, ProtocolVersion version) {
  WireOptions options;
  if (options_.chop_seed) options.chop_seed = (*options_.chop_seed)++;
  return {server_, options_.transport.value_or(transport), version, options};
}

// Over TCP whatever the dialogue says: mosquitto looks after its WebSockets every 100 ms only.
TestClient MosquittoBroker::connect(Transport, ProtocolVersion version) {
  return {address_, Transport::kTcp, version};
}

MosquittoBroker::MosquittoBroker() {
  for (int i = 0; i < kStartsMax; ++i) {
    if (start()) return;
    stop();
  }
  throw TestFailure(std::string(kProgram) + " does not start");
}

MosquittoBroker::~MosquittoBroker() { stop(); }

bool MosquittoBroker::start() {
  const uint16_t port = free_port();
  address_ = loopback(port);
  const std::string config = (dir_.path() / "mosquitto.conf").string();
  std::ofstream(config) << "listener " << port << " 127.0.0.1\n"
                        << "allow_anonymous true\n"
                        << "max_inflight_messages 100\n"
                        << "allow_duplicate_messages true\n"
                        << "set_tcp_nodelay true\n"
                        << "sys_interval 0\n"
                        << "log_dest stderr\n"
                        << "log_type error\nlog_type warning\nlog_type information\n"
                        << "connection_messages false\n";
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw TestFailure("no pipe");
  log_ = UniqueFd(ends[0]);
  const UniqueFd writing(ends[1]);
  process_ = ::fork();
  if (process_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(writing.get(), STDOUT_FILENO);
    ::dup2(writing.get(), STDERR_FILENO);
    ::execl(kProgram, kProgram, "-c", config.c_str(), nullptr);
    ::_exit(127);
  }
  return process_ > 0 && await_running();
}

// It says so when its listeners are open.
bool MosquittoBroker::await_running() {
  std::string said;
  for (;;) {
    if (said.find(" running") != std::string::npos) return true;
    pollfd waiting{.fd = log_.get(), .events = POLLIN, .revents = 0};
    const auto patience = std::chrono::milliseconds(kPatience).count();
    if (::poll(&waiting, 1, static_cast<int>(patience)) <= 0) return false;
    char piece[512];
    const ssize_t count = ::read(log_.get(), piece, sizeof piece);
    if (count <= 0) return false;
    said.append(piece, static_cast<std::size_t>(count));
  }
}

void MosquittoBroker::stop() {
  if (process_ <= 0) return;
  ::kill(process_, SIGTERM);
  ::waitpid(process_, nullptr, 0);
  process_ = -1;
}

}  // namespace fairlead::testing
