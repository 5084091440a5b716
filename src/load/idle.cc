#include <algorithm>

#include "load/crowd.h"
#include "load/scenarios.h"

namespace fairlead::load {
namespace {

// Time for a broker to settle: to give buffers back.
constexpr double kRestSeconds = 1.5;

class Idle final : public Crowd {
 public:
  explicit Idle(const Plan& plan) : Crowd(plan) {}

  Result<IdleReport> run() {
    const auto topic = [this](std::size_t client) {
      return plan_.topic_prefix + "/idle/" + std::to_string(client);
    };
    IdleReport report{.connections = plan_.connection_count};
    if (plan_.broker_pid != 0) {
      gather(kIdleFirst, topic);
      rest(Phase::kWarmingUp, kRestSeconds);
    }
    const std::size_t before = clients_.size();
    const auto bytes_before = private_bytes(plan_.broker_pid);
    const Stretch connecting(plan_.broker_pid);
    gather(before + plan_.connection_count, topic);
    report.connecting = connecting.so_far();
    if (failed()) return failure();
    const Stretch idling(plan_.broker_pid);
    rest(Phase::kMeasuring, std::max(kRestSeconds, plan_.seconds));
    report.idling = idling.so_far();
    if (failed()) return failure();
    const auto bytes = private_bytes(plan_.broker_pid);
    if (bytes && bytes_before) report.private_bytes = *bytes - *bytes_before;
    report.resident_bytes = resident_bytes(plan_.broker_pid);
    return report;
  }

 private:
  void rest(Phase phase, double seconds_count) {
    run_for(phase, seconds_count, [] { return milliseconds{100}; });
  }
};

}  // namespace

Result<IdleReport> run_idle(const Plan& plan) { return Idle(plan).run(); }

}  // namespace fairlead::load
