#include <nlohmann/json.hpp>

#include "bench/crowd.h"
#include "bench/process.h"

namespace fairlead::bench {
namespace {

// Time for a broker to settle: to give buffers back.
constexpr milliseconds kRest{1'500};
// Connections that are there before the first reading, so that what is made once is not counted.
constexpr std::size_t kFirst = 20;

class Idle final : public Crowd {
 public:
  explicit Idle(const Plan& plan) : Crowd(plan) {}

  nlohmann::ordered_json run() {
    const auto topic = [](std::size_t client) { return "bench/idle/" + std::to_string(client); };
    gather(kFirst, topic);
    rest();
    const int64_t before = private_bytes(plan_.broker_pid);
    const double cpu_before = cpu_seconds(plan_.broker_pid);
    gather(kFirst + plan_.connection_count, topic);
    const double cpu = cpu_seconds(plan_.broker_pid) - cpu_before;
    rest();
    const int64_t bytes = private_bytes(plan_.broker_pid) - before;
    return {{"connections", plan_.connection_count},
            {"private_bytes", bytes},
            {"bytes_per_connection",
             static_cast<double>(bytes) / static_cast<double>(plan_.connection_count)},
            {"connect_cpu_seconds", cpu}};
  }

 private:
  void rest() {
    const Instant end = MonotonicClock::now() + kRest;
    while (MonotonicClock::now() < end) turn(milliseconds{100});
  }
  void on_publish(Client&, const mqtt::PublishPacket&) override {}
  void on_taken(Client&, mqtt::PacketId) override {}
  void on_acknowledged(Client&, mqtt::PacketId) override {}
};

}  // namespace

nlohmann::ordered_json run_idle(const Plan& plan) { return Idle(plan).run(); }

}  // namespace fairlead::bench
