#include <memory>
#include <nlohmann/json.hpp>

#include "bench/process.h"
#include "bench/scenarios.h"

namespace fairlead::bench {
namespace {

// A life that takes longer has failed.
constexpr std::chrono::seconds kLifeMax{5};

// Clients come and go: TCP, upgrade, CONNECT, CONNACK, DISCONNECT, and the broker closes. So many
// at a time as plan.concurrent_count.
class Connects final : public Scenario {
 public:
  explicit Connects(const Plan& plan) : plan_(plan), slots_(plan.concurrent_count) {}

  nlohmann::ordered_json run() {
    run_for(plan_.warm_up_seconds);
    const uint64_t accepted_before = accepted_;
    const Stretch stretch(plan_.broker_pid);
    run_for(plan_.seconds);
    const Stretch::Cost cost = stretch.so_far();
    const auto accepted = static_cast<double>(accepted_ - accepted_before);
    return {{"connects", accepted_ - accepted_before},
            {"wall_seconds", cost.wall},
            {"broker_cpu_seconds", cost.broker_cpu},
            {"generator_cpu_seconds", cost.own_cpu},
            {"per_broker_cpu_second", accepted / cost.broker_cpu},
            {"per_second", accepted / cost.wall},
            {"failed", failed_},
            {"cause", cause_}};
  }

 private:
  struct Slot {
    std::unique_ptr<Client> client;
    Instant born{};
  };

  void run_for(double seconds) {
    const Instant end = MonotonicClock::now() + milliseconds{static_cast<int64_t>(seconds * 1000)};
    for (Instant now = MonotonicClock::now(); now < end; now = MonotonicClock::now()) {
      for (Slot& slot : slots_) renew(slot, now);
      loop_.turn(std::min(milliseconds{50}, end - now));
      for (Slot& slot : slots_) slot.client->flush();
    }
  }

  void renew(Slot& slot, Instant now) {
    const bool alive = slot.client && !slot.client->closed();
    if (alive && now - slot.born < kLifeMax) return;
    if (alive) fail("a life took too long");
    const Login login = plan_.logins.empty() ? Login{"bench-" + std::to_string(next_), {}, {}}
                                             : plan_.logins[next_ % plan_.logins.size()];
    ++next_;
    slot.client.reset();
    slot.born = now;
    slot.client = std::make_unique<Client>(loop_, plan_.target, login, *this);
  }

  void fail(const std::string& cause) {
    ++failed_;
    cause_ = cause;
  }

  void on_ready(Client& client) override {
    ++accepted_;
    client.tag = 1;  // its end is as it should be
    client.send_packet(mqtt::DisconnectPacket{});
  }
  void on_packet(Client&, const mqtt::FixedHeader&, Bytes) override {}
  void on_closed(Client& client, const std::string& why) override {
    if (client.tag == 0) fail(why);
  }

  const Plan& plan_;
  Loop loop_;
  std::vector<Slot> slots_;
  uint64_t next_ = 0;
  uint64_t accepted_ = 0;
  uint64_t failed_ = 0;
  std::string cause_;
};

}  // namespace

nlohmann::ordered_json run_connects(const Plan& plan) { return Connects(plan).run(); }

}  // namespace fairlead::bench
