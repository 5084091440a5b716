#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "bench/crowd.h"
#include "bench/process.h"

namespace fairlead::bench {
namespace {

using Clock = std::chrono::steady_clock;

// Pairs that talk at a steady rate, however slowly the broker answers: a message counts from the
// moment at which it was due, so that a broker that stalls does not hide what waited meanwhile.
class Latency final : public Crowd {
 public:
  explicit Latency(const Plan& plan) : Crowd(plan) {}

  nlohmann::ordered_json run() {
    gather(2 * plan_.flow_count, [this](std::size_t client) {
      return client < plan_.flow_count ? std::string() : topic(client - plan_.flow_count);
    });
    due_ = Clock::now();
    run_until(
        [end = Clock::now() + to_duration(plan_.warm_up_seconds)] { return Clock::now() >= end; });
    latencies_.clear();
    std::fputs("measuring\n", stderr);
    const Stretch stretch(plan_.broker_pid);
    const auto end = Clock::now() + to_duration(plan_.seconds);
    if (plan_.until_eof) {
      run_until([] { return at_eof(STDIN_FILENO); });
    } else {
      run_until([end] { return Clock::now() >= end; });
    }
    const Stretch::Cost cost = stretch.so_far();
    return summary(cost);
  }

 private:
  static Clock::duration to_duration(double seconds) {
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  }
  static std::string topic(std::size_t flow) { return "bench/latency/" + std::to_string(flow); }

  static bool at_eof(int fd) {
    pollfd state{fd, POLLIN, 0};
    char byte = 0;
    return ::poll(&state, 1, 0) > 0 && ::read(fd, &byte, 1) <= 0;
  }

  void run_until(const std::function<bool()>& over) {
    while (!over()) {
      const auto now = Clock::now();
      const auto period = std::chrono::nanoseconds(std::chrono::seconds(1)) / plan_.rate;
      for (; due_ <= now; due_ += period) send_next();
      turn(milliseconds{1});
    }
  }

  void send_next() {
    const std::size_t flow = next_flow_++ % plan_.flow_count;
    std::string payload(std::max(plan_.payload_bytes, sizeof(int64_t)), 'x');
    store_be(reinterpret_cast<std::byte*>(payload.data()),
             static_cast<uint64_t>(due_.time_since_epoch().count()));
    const std::string name = topic(flow);
    mqtt::PublishPacket packet;
    packet.topic = name;
    packet.payload = as_bytes(payload);
    clients_[flow].send_packet(packet);
  }

  void on_publish(Client&, const mqtt::PublishPacket& packet) override {
    const auto due = static_cast<int64_t>(load_be<uint64_t>(packet.payload.data()));
    const auto took = Clock::now() - Clock::time_point(Clock::duration(due));
    latencies_.push_back(std::chrono::duration<double, std::milli>(took).count());
  }
  void on_taken(Client&, mqtt::PacketId) override {}
  void on_acknowledged(Client&, mqtt::PacketId) override {}

  [[nodiscard]] nlohmann::ordered_json summary(const Stretch::Cost& cost) {
    std::ranges::sort(latencies_);
    const auto at = [this](double share) {
      if (latencies_.empty()) return 0.0;
      const auto last = static_cast<double>(latencies_.size() - 1);
      return latencies_[static_cast<std::size_t>(share * last)];
    };
    return {{"messages", latencies_.size()},
            {"wall_seconds", cost.wall},
            {"broker_cpu_seconds", cost.broker_cpu},
            {"p50_ms", at(0.5)},
            {"p99_ms", at(0.99)},
            {"p999_ms", at(0.999)},
            {"max_ms", at(1.0)}};
  }

  Clock::time_point due_;
  std::size_t next_flow_ = 0;
  std::vector<double> latencies_;
};

}  // namespace

nlohmann::ordered_json run_latency(const Plan& plan) { return Latency(plan).run(); }

}  // namespace fairlead::bench
