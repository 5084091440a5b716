#include <algorithm>
#include <nlohmann/json.hpp>

#include "bench/crowd.h"
#include "bench/process.h"

namespace fairlead::bench {
namespace {

constexpr std::chrono::seconds kStallMax{2};
constexpr std::size_t kSequenceBytes = 8;
constexpr uint64_t kPacketIds = 65'535;

using Clock = std::chrono::steady_clock;

struct Counts {
  uint64_t delivered = 0;
  uint64_t acknowledged = 0;
  uint64_t lost = 0;
  uint64_t late = 0;  // twice, or out of order
  uint64_t stalls = 0;
};

// A publisher and its receivers: messages carry a number; `window` of them are on their way until
// every receiver has them, unless they are offline, and at QoS 1 and 2 the broker has acknowledged
// them.
struct FlowState {
  std::size_t publisher = 0;
  uint64_t sent = 0;
  uint64_t acknowledged = 0;
  uint64_t settled = 0;                    // received by all
  std::vector<std::size_t> counts;         // receivers of message n, at n % window
  std::vector<Clock::time_point> sent_at;  // of message n, likewise
  ByteBuffer packet;                       // the PUBLISH, to be patched
  std::size_t id_at = 0;
  std::size_t sequence_at = 0;
};

class Traffic final : public Crowd {
 public:
  explicit Traffic(const Plan& plan)
      : Crowd(plan), flows_(plan.flow_count), next_(plan.flow_count * plan.receiver_count) {}

  nlohmann::ordered_json run();

 private:
  void prepare(std::size_t index);
  void refill(FlowState& flow);
  void receive(FlowState& flow, uint64_t& next, uint64_t sequence);
  void resync();
  void run_for(double seconds);
  void on_publish(Client& client, const mqtt::PublishPacket& packet) override;
  void on_taken(Client& client, mqtt::PacketId packet_id) override;
  void on_acknowledged(Client& client, mqtt::PacketId packet_id) override;
  [[nodiscard]] uint64_t progress() const { return counts_.delivered + counts_.acknowledged; }
  [[nodiscard]] double answer_ms(double share);
  [[nodiscard]] static std::string topic(std::size_t flow) {
    return "bench/flow/" + std::to_string(flow);
  }

  std::vector<FlowState> flows_;
  std::vector<uint64_t> next_;  // of each receiver: the number that it expects
  Counts counts_;
  std::vector<float> answers_ms_;  // from PUBLISH to PUBACK or PUBREC, while measuring
  bool measuring_ = false;
  bool draining_ = false;
};

// Clients: the publishers first, then the receivers of flow 0, of flow 1, ...
nlohmann::ordered_json Traffic::run() {
  gather(flows_.size() + next_.size(), [this](std::size_t client) {
    return client < flows_.size() ? std::string()
                                  : topic((client - flows_.size()) / plan_.receiver_count);
  });
  for (std::size_t i = 0; i < flows_.size(); ++i) prepare(i);
  if (plan_.offline) {
    while (clients_.size() > flows_.size()) clients_.pop_back();
  }
  for (FlowState& flow : flows_) refill(flow);
  run_for(plan_.warm_up_seconds);

  const Counts before = counts_;
  const Stretch stretch(plan_.broker_pid);
  measuring_ = true;
  run_for(plan_.seconds);
  measuring_ = false;
  const Stretch::Cost cost = stretch.so_far();
  const uint64_t delivered = counts_.delivered - before.delivered;
  const uint64_t acknowledged = counts_.acknowledged - before.acknowledged;
  const uint64_t done = plan_.offline ? acknowledged : delivered;

  draining_ = true;  // what is on its way counts for losses, not for speed
  run_for(0.3);
  return {{"delivered", delivered},
          {"acknowledged", acknowledged},
          {"answer_p50_ms", answer_ms(0.5)},
          {"answer_p99_ms", answer_ms(0.99)},
          {"wall_seconds", cost.wall},
          {"broker_cpu_seconds", cost.broker_cpu},
          {"generator_cpu_seconds", cost.own_cpu},
          {"per_broker_cpu_second", static_cast<double>(done) / cost.broker_cpu},
          {"per_second", static_cast<double>(done) / cost.wall},
          {"lost", counts_.lost},
          {"late", counts_.late},
          {"stalls", counts_.stalls}};
}

void Traffic::prepare(std::size_t index) {
  FlowState& flow = flows_[index];
  flow.publisher = index;
  flow.counts.resize(plan_.window);
  flow.sent_at.resize(plan_.window);
  const std::string payload(std::max(plan_.payload_bytes, kSequenceBytes), 'x');
  const std::string name = topic(index);
  mqtt::PublishPacket packet;
  packet.topic = name;
  packet.payload = as_bytes(payload);
  packet.qos = plan_.qos;
  if (plan_.qos != mqtt::Qos::kAtMostOnce) packet.packet_id = mqtt::PacketId{1};
  mqtt::write(flow.packet, mqtt::ProtocolVersion::k311, packet);
  flow.sequence_at = flow.packet.size() - payload.size();
  flow.id_at = flow.sequence_at - sizeof(uint16_t);
}

void Traffic::refill(FlowState& flow) {
  const bool acknowledged = plan_.qos != mqtt::Qos::kAtMostOnce;
  while (!draining_ && (plan_.offline || flow.sent - flow.settled < plan_.window) &&
         (!acknowledged || flow.sent - flow.acknowledged < plan_.window)) {
    if (acknowledged) {
      store_be(flow.packet.data() + flow.id_at, static_cast<uint16_t>(flow.sent % kPacketIds + 1));
    }
    store_be(flow.packet.data() + flow.sequence_at, flow.sent);
    if (acknowledged) flow.sent_at[flow.sent % plan_.window] = Clock::now();
    ++flow.sent;
    clients_[flow.publisher].send(flow.packet.view());
  }
}

void Traffic::on_publish(Client& client, const mqtt::PublishPacket& packet) {
  const std::size_t receiver = client.tag - flows_.size();
  FlowState& flow = flows_[receiver / plan_.receiver_count];
  receive(flow, next_[receiver], load_be<uint64_t>(packet.payload.data()));
  refill(flow);
}

void Traffic::receive(FlowState& flow, uint64_t& next, uint64_t sequence) {
  if (sequence < next) {
    ++counts_.late;
    return;
  }
  if (sequence >= flow.sent) throw std::runtime_error("a message that nobody has sent");
  ++counts_.delivered;
  counts_.lost += sequence - next;
  for (; next <= sequence; ++next) ++flow.counts[next % plan_.window];
  while (flow.settled < flow.sent &&
         flow.counts[flow.settled % plan_.window] == plan_.receiver_count) {
    flow.counts[flow.settled++ % plan_.window] = 0;
  }
}

// Nothing when it is of a message that was given up.
std::optional<uint64_t> sequence_of(const FlowState& flow, mqtt::PacketId packet_id) {
  const auto place = static_cast<uint64_t>(packet_id) - 1;
  const uint64_t behind = (flow.sent + kPacketIds - 1 - place) % kPacketIds + 1;
  const bool known = behind <= flow.sent - flow.acknowledged;
  return known ? std::optional(flow.sent - behind) : std::nullopt;
}

void Traffic::on_taken(Client& client, mqtt::PacketId packet_id) {
  const FlowState& flow = flows_[client.tag];
  const auto sequence = sequence_of(flow, packet_id);
  if (!measuring_ || !sequence) return;
  const auto took = Clock::now() - flow.sent_at[*sequence % plan_.window];
  answers_ms_.push_back(std::chrono::duration<float, std::milli>(took).count());
}

// Acknowledgements come in the order of the messages.
void Traffic::on_acknowledged(Client& client, mqtt::PacketId packet_id) {
  FlowState& flow = flows_[client.tag];
  const auto sequence = sequence_of(flow, packet_id);
  if (!sequence) return;
  counts_.acknowledged += *sequence + 1 - flow.acknowledged;
  flow.acknowledged = *sequence + 1;
  refill(flow);
}

double Traffic::answer_ms(double share) {
  if (answers_ms_.empty()) return 0;
  const auto last = static_cast<double>(answers_ms_.size() - 1);
  const auto at = answers_ms_.begin() + static_cast<std::ptrdiff_t>(share * last);
  std::nth_element(answers_ms_.begin(), at, answers_ms_.end());
  return *at;
}

// Gives up what is on its way, so that a lost message does not end the run.
void Traffic::resync() {
  ++counts_.stalls;
  for (std::size_t i = 0; i < next_.size(); ++i) {
    const FlowState& flow = flows_[i / plan_.receiver_count];
    if (!plan_.offline) counts_.lost += flow.sent - next_[i];
    next_[i] = flow.sent;
  }
  for (FlowState& flow : flows_) {
    flow.settled = flow.acknowledged = flow.sent;
    std::ranges::fill(flow.counts, std::size_t{0});
    refill(flow);
  }
}

void Traffic::run_for(double seconds) {
  Instant now = MonotonicClock::now();
  const Instant end = now + milliseconds{static_cast<int64_t>(seconds * 1000)};
  Instant moved = now;
  uint64_t seen = progress();
  while (now < end) {
    turn(std::min(milliseconds{50}, end - now));
    now = loop_.now();
    if (std::exchange(seen, progress()) != progress()) moved = now;
    if (now - moved > kStallMax) {
      resync();
      moved = now;
    }
  }
}

}  // namespace

nlohmann::ordered_json run_traffic(const Plan& plan) { return Traffic(plan).run(); }

}  // namespace fairlead::bench
