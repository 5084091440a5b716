#include <algorithm>
#include <memory>

#include "load/scenarios.h"

namespace fairlead::load {
namespace {

// A life that takes longer has failed.
constexpr std::chrono::seconds kLifeMax{5};
constexpr milliseconds kTellInterval{200};

using Clock = std::chrono::steady_clock;

std::string tls_text(const TlsStream& tls) {
  std::string text(tls.version());
  text.append(" ").append(tls.cipher()).append(" ").append(tls.peer_key_type());
  return text;
}

// Clients come and go: TCP, TLS, upgrade, CONNECT, CONNACK, DISCONNECT, and the broker closes. So
// many at a time as plan.concurrent_count, but no device twice at a time.
class Connects final : public ClientEvents {
 public:
  explicit Connects(const Plan& plan)
      : plan_(plan),
        slots_(plan.logins.empty() ? plan.concurrent_count
                                   : std::min(plan.concurrent_count, plan.logins.size())) {}

  Result<ConnectsReport> run() {
    run_for(Phase::kWarmingUp, plan_.warm_up_seconds);
    accepted_before_ = report_.accepted;
    const uint64_t resumed_before = report_.resumed;
    const Stretch stretch(plan_.broker_pid);
    report_.took.clear();
    run_for(Phase::kMeasuring, plan_.seconds);
    report_.cost = stretch.so_far();
    if (report_.accepted == 0) {
      return Reject{ReasonCode::kUnspecifiedError,
                    report_.failed > 0 ? report_.cause : "nobody was connected in this time"};
    }
    report_.accepted -= accepted_before_;
    report_.resumed -= resumed_before;
    return std::move(report_);
  }

 private:
  struct Slot {
    TlsSession session;  // of its last client
    std::unique_ptr<Client> client;
    Clock::time_point born{};
  };

  // Everybody has been turned away: more of the same tells nothing.
  [[nodiscard]] bool hopeless() const {
    return report_.accepted == 0 && report_.failed >= slots_.size();
  }

  // What is measured has somebody in it, if it takes a life longer.
  [[nodiscard]] bool goes_on(Phase phase, milliseconds passed, milliseconds length) const {
    if (hopeless()) return false;
    if (phase == Phase::kMeasuring && report_.accepted == accepted_before_) length += kLifeMax;
    return passed < length;
  }

  void run_for(Phase phase, double seconds_count) {
    const auto length = milliseconds{static_cast<int64_t>(seconds_count * 1000)};
    const Instant begin = MonotonicClock::now();
    for (Instant now = begin; goes_on(phase, now - begin, length); now = MonotonicClock::now()) {
      if (plan_.stop && plan_.stop()) return;
      const milliseconds passed = std::min(length, now - begin);
      tell(phase, static_cast<double>(passed.count()) / static_cast<double>(length.count()));
      for (std::size_t i = 0; i < slots_.size(); ++i) renew(i);
      loop_.turn(std::clamp(length - (now - begin), milliseconds{1}, milliseconds{50}));
      flushes_.flush_all();
    }
  }

  void tell(Phase phase, double share) {
    const Instant now = MonotonicClock::now();
    if (!plan_.on_progress || now - told_ < kTellInterval) return;
    told_ = now;
    plan_.on_progress({phase, report_.accepted, share});
  }

  void renew(std::size_t index) {
    Slot& slot = slots_[index];
    const auto now = Clock::now();
    const bool alive = slot.client && !slot.client->closed();
    if (alive && now - slot.born < kLifeMax) return;
    if (alive) fail("a connection took more than five seconds");
    slot.client.reset();
    slot.born = now;
    slot.client = std::make_unique<Client>(loop_, flushes_, plan_.target, next_login(index), *this,
                                           &slot.session);
    slot.client->tag = index;
  }

  // A slot has logins of its own, so that no two clients are the same device at a time.
  [[nodiscard]] Login next_login(std::size_t slot) {
    const uint64_t number = next_++;
    if (plan_.logins.empty()) return {plan_.name_prefix + "-" + std::to_string(number), {}, {}};
    const std::size_t of_slot = (plan_.logins.size() - slot - 1) / slots_.size() + 1;
    return plan_.logins[slot + slots_.size() * (number / slots_.size() % of_slot)];
  }

  void fail(const std::string& cause) {
    ++report_.failed;
    report_.cause = cause;
  }

  void on_ready(Client& client) override {
    ++report_.accepted;
    report_.took.record(Clock::now() - slots_[client.tag].born);
    if (client.tls()) note_tls(*client.tls(), slots_[client.tag]);
    client.send_packet(mqtt::DisconnectPacket{});
  }

  // A broker has sent its tickets before the CONNACK, in TLS 1.3 too.
  void note_tls(const TlsStream& tls, Slot& slot) {
    if (report_.tls.empty()) report_.tls = tls_text(tls);
    if (tls.session_resumed()) ++report_.resumed;
    if (!plan_.resume) return;
    if (TlsSession session = tls.session(); session.valid()) slot.session = std::move(session);
  }
  void on_packet(Client&, const mqtt::FixedHeader&, Bytes) override {}
  void on_closed(Client& client, const std::string& why) override {
    if (!client.was_ready()) fail(why);
  }

  const Plan& plan_;
  Loop loop_;
  FlushList flushes_;
  std::vector<Slot> slots_;
  uint64_t next_ = 0;
  ConnectsReport report_;
  uint64_t accepted_before_ = 0;  // while warming up
  Instant told_{};
};

}  // namespace

Result<ConnectsReport> run_connects(const Plan& plan) { return Connects(plan).run(); }

}  // namespace fairlead::load
