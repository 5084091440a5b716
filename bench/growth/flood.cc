#include "bench/growth/flood.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "load/process.h"
#include "net/unique_fd.h"
#include "proto/mqtt/writer.h"
#include "proto/ws/frame_writer.h"
#include "proto/ws/handshake.h"

namespace fairlead::growth {
namespace {

constexpr std::size_t kPayloadBytes = 64;
constexpr std::size_t kBlockMessages = 64;
constexpr std::size_t kWindowMessages = 2 * kBlockMessages;  // of a publisher, on their way
constexpr double kWarmUpSeconds = 0.3;
constexpr int kWaitMs = 2'000;
constexpr int kEventsMax = 512;
constexpr std::size_t kDiscardBytes = 1 << 20;
constexpr auto kVersion = mqtt::ProtocolVersion::k311;
constexpr MaskKey kMask{std::byte{0x37}, std::byte{0xfa}, std::byte{0x21}, std::byte{0x3d}};

[[noreturn]] void fail(const char* what) { throw std::runtime_error(what); }

// A client whose socket blocks: for what comes before the flood.
class Peer {
 public:
  Peer(const SocketAddress& address, const std::string& id) : fd_(connect_to(address)) {
    ByteBuffer request;
    (void)write_upgrade_request(
        request, {.host = "localhost", .path = "/mqtt", .key = "dGhlIHNhbXBsZSBub25jZQ=="});
    send_all(request.view());
    std::string head;
    while (!head.ends_with("\r\n\r\n")) head += static_cast<char>(receive(1).front());
    mqtt::ConnectPacket connect;
    connect.version = kVersion;
    connect.client_id = id;
    connect.keep_alive_seconds = 600;
    constexpr std::size_t kConnackBytes = 4;
    exchange(connect, kConnackBytes);
  }

  void subscribe(const std::string& topic) {
    mqtt::SubscribePacket packet{mqtt::PacketId{1}, {}, {}};
    packet.requests.push_back({topic, {}});
    constexpr std::size_t kSubackBytes = 5;
    exchange(packet, kSubackBytes);
  }

  void send_all(Bytes bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) fail("the broker takes nothing more");
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    }
  }
  // What has come, thrown away: its size.
  [[nodiscard]] std::size_t discard() const {
    const ssize_t got = ::recv(fd_.get(), nullptr, kDiscardBytes, MSG_TRUNC | MSG_DONTWAIT);
    if (got == 0) fail("the broker closed a connection");
    return got > 0 ? static_cast<std::size_t>(got) : 0;
  }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  static UniqueFd connect_to(const SocketAddress& address) {
    sockaddr_storage storage{};
    const socklen_t size = address.to_system(storage);
    UniqueFd fd(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&storage), size) != 0) {
      fail("nobody answers");
    }
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
  }

  [[nodiscard]] std::vector<std::byte> receive(std::size_t count) const {
    std::vector<std::byte> bytes(count);
    const ssize_t got = ::recv(fd_.get(), bytes.data(), count, MSG_WAITALL);
    if (got != static_cast<ssize_t>(count)) fail("the broker closed a connection");
    return bytes;
  }

  // The answer is a frame of its own, whose packet has so many bytes and ends with a zero.
  template <class Packet>
  void exchange(const Packet& packet, std::size_t answer_bytes) const {
    ByteBuffer bytes;
    if constexpr (requires { mqtt::write(bytes, kVersion, packet); }) {
      mqtt::write(bytes, kVersion, packet);
    } else {
      mqtt::write(bytes, packet);
    }
    ByteBuffer frame;
    append_frame(frame, Opcode::kBinary, bytes.view(), kMask);
    send_all(frame.view());
    const std::size_t size = frame_header_size(answer_bytes) + answer_bytes;
    if (receive(size).back() != std::byte{0}) fail("the broker refuses a client");
  }

  UniqueFd fd_;
};

class Flood {
 public:
  explicit Flood(const FloodOptions& options)
      : options_(options), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    for (std::size_t i = 0; i < options.publishers; ++i) open_flow(i);
  }

  nlohmann::ordered_json run() {
    for (Flow& flow : flows_) refill(flow);
    run_for(kWarmUpSeconds);
    const uint64_t before = bytes_;
    const load::Stretch stretch(options_.broker_pid);
    run_for(options_.seconds);
    const load::Cost cost = stretch.so_far();
    const double messages =
        static_cast<double>(bytes_ - before) / static_cast<double>(message_bytes_);
    return {{"messages", messages},
            {"wall_seconds", cost.wall},
            {"broker_cpu_seconds", cost.broker_cpu.value()},
            {"generator_cpu_seconds", cost.own_cpu}};
  }

 private:
  struct Flow {
    Peer publisher;
    ByteBuffer block;
    std::vector<Peer> receivers{};
    uint64_t sent = 0;      // messages
    uint64_t received = 0;  // bytes, by all receivers
  };

  [[nodiscard]] std::string name(const char* what, std::size_t number) const {
    return options_.name_prefix + "-" + what + "-" + std::to_string(number);
  }

  void open_flow(std::size_t index) {
    const std::string topic = options_.topic_prefix + "/flow/" + std::to_string(1'000 + index);
    Flow flow{.publisher = Peer(options_.address, name("publisher", index)), .block = {}};
    const std::string payload(kPayloadBytes, 'x');
    mqtt::PublishPacket publish;
    publish.topic = topic;
    publish.payload = as_bytes(payload);
    ByteBuffer packet;
    mqtt::write(packet, kVersion, publish);
    for (std::size_t i = 0; i < kBlockMessages; ++i) {
      append_frame(flow.block, Opcode::kBinary, packet.view(), kMask);
    }
    message_bytes_ = frame_header_size(packet.size()) + packet.size();  // alike for all flows
    for (std::size_t i = 0; i < options_.receivers; ++i) {
      flow.receivers.emplace_back(options_.address,
                                  name("receiver", index * options_.receivers + i));
      flow.receivers.back().subscribe(topic);
      epoll_event event{.events = EPOLLIN, .data = {.u64 = uint64_t{index} << 32 | i}};
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, flow.receivers.back().fd(), &event);
    }
    flows_.push_back(std::move(flow));
  }

  void refill(Flow& flow) const {
    const uint64_t settled = flow.received / (message_bytes_ * flow.receivers.size());
    for (; flow.sent - settled + kBlockMessages <= kWindowMessages; flow.sent += kBlockMessages) {
      flow.publisher.send_all(flow.block.view());
    }
  }

  void run_for(double seconds_count) {
    const Instant end =
        MonotonicClock::now() + milliseconds{static_cast<int64_t>(seconds_count * 1000)};
    std::array<epoll_event, kEventsMax> events{};
    while (MonotonicClock::now() < end) {
      const int count = ::epoll_wait(epoll_.get(), events.data(), kEventsMax, kWaitMs);
      if (count == 0) fail("messages were lost");
      for (int i = 0; i < count; ++i) {
        const uint64_t tag = events[static_cast<std::size_t>(i)].data.u64;
        Flow& flow = flows_[tag >> 32];
        const std::size_t got = flow.receivers[tag & UINT32_MAX].discard();
        flow.received += got;
        bytes_ += got;
        refill(flow);
      }
    }
  }

  const FloodOptions options_;
  UniqueFd epoll_;
  std::vector<Flow> flows_;
  std::size_t message_bytes_ = 0;  // to a receiver, its frame included
  uint64_t bytes_ = 0;
};

}  // namespace

nlohmann::ordered_json flood(const FloodOptions& options) { return Flood(options).run(); }

}  // namespace fairlead::growth
