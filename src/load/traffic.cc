#include <algorithm>

#include "load/crowd.h"
#include "load/due_timer.h"
#include "load/message_stamp.h"
#include "load/scenarios.h"
#include "load/schedule.h"

namespace fairlead::load {
namespace {

constexpr seconds kStallMax{2};
constexpr double kFinishSecondsMax = 30;
constexpr uint64_t kPacketIds = 65'535;
// With a rate: what waits for a broker that does not read. The rest waits unsent.
constexpr std::size_t kUnsentBytesMax = 1 << 20;

using Clock = std::chrono::steady_clock;

// A publisher and its receivers: messages carry a number; `window` of them are on their way until
// every receiver has them, unless they are offline, and at QoS 1 and 2 the broker has acknowledged
// them. With a rate those are sent that are due; only a broker that takes no more holds them back.
struct FlowState {
  std::size_t number = 0;
  uint64_t sent = 0;
  uint64_t due = 0;  // with a rate: how many should have been sent
  uint64_t acknowledged = 0;
  uint64_t settled = 0;                    // received by all
  std::vector<std::size_t> counts;         // receivers of message n, at n % window
  std::vector<Clock::time_point> sent_at;  // of message n, likewise
  ByteBuffer packet;                       // the PUBLISH, to be patched
  std::size_t id_at = 0;
  std::size_t payload_at = 0;
};

class Traffic final : public Crowd {
 public:
  explicit Traffic(const Plan& plan)
      : Crowd(plan), flows_(plan.flow_count), checks_(plan.flow_count * plan.receiver_count) {}

  Result<TrafficReport> run();

 private:
  [[nodiscard]] bool paced() const { return plan_.rate > 0; }
  [[nodiscard]] bool wants_acknowledgements() const { return plan_.qos != mqtt::Qos::kAtMostOnce; }
  [[nodiscard]] std::size_t receivers() const {
    return plan_.common_receivers ? plan_.receiver_count : checks_.size();
  }
  [[nodiscard]] std::string topic(std::size_t flow) const {
    return plan_.topic_prefix + "/flow/" + std::to_string(flow);
  }
  [[nodiscard]] std::string filter_of(std::size_t client) const;
  void check_window();
  void prepare(std::size_t index);
  void flow_for(Phase phase, double seconds_count);
  void finish();
  [[nodiscard]] bool may_send(const FlowState& flow) const;
  void refill(FlowState& flow);
  void send_next(FlowState& flow);
  milliseconds send_what_is_due();
  void watch_progress();
  void give_up();
  [[nodiscard]] bool settled() const;
  [[nodiscard]] FlowState* flow_of(const mqtt::PublishPacket& packet);
  void record_latency(Clock::time_point due);
  void count_for_window(FlowState& flow, uint64_t first, uint64_t last);
  void on_publish(Client& client, const mqtt::PublishPacket& packet) override;
  void on_taken(Client& client, mqtt::PacketId packet_id) override;
  void on_acknowledged(Client& client, mqtt::PacketId packet_id) override;
  [[nodiscard]] uint64_t done() const override {
    return ready_ ? (plan_.offline ? acknowledged_ : delivered_) : Crowd::done();
  }

  std::vector<FlowState> flows_;
  std::vector<SequenceCheck> checks_;  // of receiver r of flow f, at f * receiver_count + r
  std::optional<Schedule> schedule_;
  std::optional<DueTimer> timer_;
  uint64_t scheduled_ = 0;  // messages that were due
  uint64_t sent_ = 0;
  uint64_t delivered_ = 0;
  uint64_t acknowledged_ = 0;
  TrafficReport report_;
  Instant moved_{};
  uint64_t moved_to_ = 0;
  Clock::time_point measured_from_ = Clock::time_point::max();
  Clock::time_point measured_until_ = Clock::time_point::max();
  bool ready_ = false;
  bool measuring_ = false;
  bool finishing_ = false;
};

// Clients: the publishers first, then the receivers of flow 0, of flow 1, ...
Result<TrafficReport> Traffic::run() {
  gather(flows_.size() + receivers(), [this](std::size_t client) { return filter_of(client); });
  if (failed()) return failure();
  ready_ = true;
  check_window();
  for (std::size_t i = 0; i < flows_.size(); ++i) prepare(i);
  if (plan_.offline) {
    while (clients_.size() > flows_.size()) clients_.pop_back();
  }
  if (paced()) {
    schedule_.emplace(Clock::now(), plan_.rate);
    timer_.emplace(loop_);
  }
  for (FlowState& flow : flows_) refill(flow);
  flow_for(Phase::kWarmingUp, plan_.warm_up_seconds);

  const uint64_t sent_before = sent_;
  const uint64_t delivered_before = delivered_;
  const uint64_t acknowledged_before = acknowledged_;
  const Stretch stretch(plan_.broker_pid);
  measured_from_ = Clock::now();
  measuring_ = true;
  flow_for(Phase::kMeasuring, plan_.seconds);
  measuring_ = false;
  measured_until_ = Clock::now();
  report_.cost = stretch.so_far();
  report_.sent = sent_ - sent_before;
  report_.delivered = delivered_ - delivered_before;
  report_.acknowledged = acknowledged_ - acknowledged_before;
  finish();
  if (failed()) return failure();
  for (const SequenceCheck& check : checks_) report_.checked += check.counts();
  return std::move(report_);
}

std::string Traffic::filter_of(std::size_t client) const {
  if (client < flows_.size()) return {};
  if (plan_.common_receivers) return plan_.topic_prefix + "/flow/+";
  return topic((client - flows_.size()) / plan_.receiver_count);
}

void Traffic::check_window() {
  if (paced() || !wants_acknowledgements()) return;
  for (std::size_t i = 0; i < flows_.size(); ++i) {
    const std::size_t allowed = clients_[i].receive_maximum();
    if (allowed >= plan_.window) continue;
    return fail("the broker takes " + std::to_string(allowed) +
                " messages without an acknowledgement (Receive Maximum), not " +
                std::to_string(plan_.window));
  }
}

void Traffic::prepare(std::size_t index) {
  FlowState& flow = flows_[index];
  flow.number = index;
  flow.counts.resize(plan_.window);
  flow.sent_at.resize(plan_.window);
  const std::string payload(payload_size(plan_), 'x');
  const std::string name = topic(index);
  mqtt::PublishPacket packet;
  packet.topic = name;
  packet.payload = as_bytes(payload);
  packet.qos = plan_.qos;
  if (wants_acknowledgements()) packet.packet_id = mqtt::PacketId{1};
  mqtt::write(flow.packet, plan_.target.version, packet);
  flow.payload_at = flow.packet.size() - payload.size();
  const std::size_t properties = plan_.target.version == mqtt::ProtocolVersion::k5 ? 1 : 0;
  flow.id_at = flow.payload_at - properties - sizeof(uint16_t);
}

// --- Sending -------------------------------------------------------------------------------------

void Traffic::flow_for(Phase phase, double seconds_count) {
  moved_ = MonotonicClock::now();
  run_for(phase, seconds_count, [this]() -> std::optional<milliseconds> {
    watch_progress();
    return paced() ? send_what_is_due() : milliseconds{50};
  });
}

// What is on its way counts for losses, not for speed.
void Traffic::finish() {
  finishing_ = true;
  moved_ = MonotonicClock::now();
  run_for(Phase::kFinishing, kFinishSecondsMax, [this]() -> std::optional<milliseconds> {
    watch_progress();
    for (FlowState& flow : flows_) refill(flow);
    if (settled()) return std::nullopt;
    flushes_.flush_all();
    return milliseconds{20};
  });
  if (!settled()) give_up();
}

bool Traffic::may_send(const FlowState& flow) const {
  const uint64_t unacknowledged = wants_acknowledgements() ? flow.sent - flow.acknowledged : 0;
  if (paced()) {
    const Client& client = clients_[flow.number];
    return flow.sent < flow.due && unacknowledged < client.receive_maximum() &&
           client.unsent_bytes() < kUnsentBytesMax;
  }
  return !finishing_ && unacknowledged < plan_.window &&
         (plan_.offline || flow.sent - flow.settled < plan_.window);
}

void Traffic::refill(FlowState& flow) {
  while (may_send(flow)) send_next(flow);
}

void Traffic::send_next(FlowState& flow) {
  std::byte* const payload = flow.packet.data() + flow.payload_at;
  if (wants_acknowledgements()) {
    store_be(flow.packet.data() + flow.id_at, static_cast<uint16_t>(flow.sent % kPacketIds + 1));
  }
  MessageStamp{flow.number, flow.sent}.write(payload);
  if (paced()) {
    const Clock::time_point due = schedule_->due(flow.sent * flows_.size() + flow.number);
    if (measuring_) report_.send_lags.record(Clock::now() - due);
    MessageStamp::write_due(payload, due);
  } else if (wants_acknowledgements()) {
    flow.sent_at[flow.sent % plan_.window] = Clock::now();
  }
  ++flow.sent;
  ++sent_;
  clients_[flow.number].send(flow.packet.view());
}

// Answers how long the turn may wait: until the next one is due the timer ends it.
milliseconds Traffic::send_what_is_due() {
  const Clock::time_point now = Clock::now();
  for (; schedule_->due(scheduled_) <= now; ++scheduled_) {
    FlowState& flow = flows_[scheduled_ % flows_.size()];
    ++flow.due;
    refill(flow);
  }
  flushes_.flush_all();
  timer_->wake_at(schedule_->due(scheduled_));
  return milliseconds{50};
}

// --- Receiving -----------------------------------------------------------------------------------

FlowState* Traffic::flow_of(const mqtt::PublishPacket& packet) {
  if (packet.payload.size() != payload_size(plan_)) return nullptr;
  const MessageStamp stamp = MessageStamp::read(packet.payload.data());
  if (stamp.flow >= flows_.size()) return nullptr;
  FlowState& flow = flows_[stamp.flow];
  return stamp.sequence < flow.sent ? &flow : nullptr;
}

void Traffic::on_publish(Client& client, const mqtt::PublishPacket& packet) {
  FlowState* const flow = flow_of(packet);
  if (!flow) {
    return fail("a message on " + std::string(packet.topic) + " that this run has not sent");
  }
  const std::size_t receiver = (client.tag - flows_.size()) % plan_.receiver_count;
  SequenceCheck& check = checks_[flow->number * plan_.receiver_count + receiver];
  const uint64_t sequence = MessageStamp::read(packet.payload.data()).sequence;
  const uint64_t expected = check.next();
  const auto arrival = check.on_message(sequence);
  if (arrival == SequenceCheck::Arrival::kDuplicate) return;
  ++delivered_;
  if (paced()) return record_latency(MessageStamp::read_due(packet.payload.data()));
  if (sequence >= expected) count_for_window(*flow, expected, sequence);
  refill(*flow);
}

// What was due while measuring counts, also when it comes afterwards: it may have been slow.
void Traffic::record_latency(Clock::time_point due) {
  if (due < measured_from_ || due >= measured_until_) return;
  report_.latencies.record(Clock::now() - due);
}

// What was skipped will not come any more: it must not hold the window.
void Traffic::count_for_window(FlowState& flow, uint64_t first, uint64_t last) {
  for (uint64_t n = first; n <= last; ++n) ++flow.counts[n % plan_.window];
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
  if (client.tag >= flows_.size()) return;
  const FlowState& flow = flows_[client.tag];
  const auto sequence = sequence_of(flow, packet_id);
  if (!measuring_ || paced() || !sequence) return;
  report_.answers.record(Clock::now() - flow.sent_at[*sequence % plan_.window]);
}

// Acknowledgements come in the order of the messages.
void Traffic::on_acknowledged(Client& client, mqtt::PacketId packet_id) {
  if (client.tag >= flows_.size()) return;
  FlowState& flow = flows_[client.tag];
  const auto sequence = sequence_of(flow, packet_id);
  if (!sequence) return;
  acknowledged_ += *sequence + 1 - flow.acknowledged;
  flow.acknowledged = *sequence + 1;
  refill(flow);
}

// --- What does not come --------------------------------------------------------------------------

bool Traffic::settled() const {
  for (const FlowState& flow : flows_) {
    if (paced() && flow.sent < flow.due) return false;
    if (wants_acknowledgements() && flow.acknowledged < flow.sent) return false;
    for (std::size_t r = 0; r < plan_.receiver_count && !plan_.offline; ++r) {
      if (checks_[flow.number * plan_.receiver_count + r].next() < flow.sent) return false;
    }
  }
  return true;
}

void Traffic::watch_progress() {
  const Instant now = MonotonicClock::now();
  const uint64_t progress = delivered_ + acknowledged_;
  if (std::exchange(moved_to_, progress) != progress) moved_ = now;
  if (now - moved_ <= kStallMax) return;
  moved_ = now;
  if (paced() && !finishing_) return;  // nothing waits for what does not come
  if (!settled()) give_up();
}

// So that a lost message does not end the run.
void Traffic::give_up() {
  ++report_.stalls;
  for (FlowState& flow : flows_) {
    for (std::size_t r = 0; r < plan_.receiver_count && !plan_.offline; ++r) {
      checks_[flow.number * plan_.receiver_count + r].give_up_before(flow.sent);
    }
    flow.settled = flow.acknowledged = flow.sent;
    flow.due = flow.sent;
    std::ranges::fill(flow.counts, std::size_t{0});
    refill(flow);
  }
}

}  // namespace

std::size_t payload_size(const Plan& plan) {
  return std::max(plan.payload_bytes,
                  plan.rate > 0 ? MessageStamp::kBytesWithDue : MessageStamp::kBytes);
}

Result<TrafficReport> run_traffic(const Plan& plan) { return Traffic(plan).run(); }

}  // namespace fairlead::load
