#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "bench/scenarios.h"
#include "load/process.h"

namespace fairlead::bench {
namespace {

// Everybody connects at once, as after an outage, and stays. Who is sent away comes again, as
// devices do, and is counted.
class Storm final : public load::ClientEvents {
 public:
  explicit Storm(const Plan& plan) : plan_(plan), clients_(plan.connection_count) {}

  nlohmann::ordered_json run() {
    const Stretch stretch(plan_.broker_pid);
    const Instant end =
        MonotonicClock::now() + milliseconds{static_cast<int64_t>(plan_.patience_seconds * 1000)};
    while (ready_count_ < clients_.size()) {
      if (MonotonicClock::now() > end) {
        throw std::runtime_error("only " + std::to_string(ready_count_) + " of " +
                                 std::to_string(clients_.size()) + " clients got in in time");
      }
      for (std::size_t i = 0; i < clients_.size(); ++i) {
        if (!clients_[i] || clients_[i]->closed()) connect(i);
      }
      loop_.turn(milliseconds{10});
      flushes_.flush_all();
    }
    const Cost cost = stretch.so_far();
    return {{"connections", clients_.size()},
            {"wall_seconds", cost.wall},
            {"broker_cpu_seconds", cost.broker_cpu.value()},
            {"retries", retries_}};
  }

 private:
  void connect(std::size_t index) {
    const std::string id = plan_.name_prefix + "-" + std::to_string(index);
    clients_[index].reset();
    clients_[index] =
        std::make_unique<Client>(loop_, flushes_, plan_.target, Login{id, {}, {}}, *this);
  }

  void on_ready(Client& client) override {
    client.tag = 1;
    ++ready_count_;
  }
  void on_packet(Client&, const mqtt::FixedHeader&, Bytes) override {}
  void on_closed(Client& client, const std::string&) override {
    ++retries_;
    if (client.tag == 1) --ready_count_;
  }

  const Plan& plan_;
  Loop loop_;
  FlushList flushes_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::size_t ready_count_ = 0;
  uint64_t retries_ = 0;
};

}  // namespace

nlohmann::ordered_json run_storm(const Plan& plan) { return Storm(plan).run(); }

}  // namespace fairlead::bench
