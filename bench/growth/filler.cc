#include "bench/growth/filler.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "load/process.h"
#include "proto/mqtt/reader.h"

namespace fairlead::growth {
namespace {

constexpr std::size_t kConnectsUnderWay = 50;
constexpr std::size_t kFiltersInPacket = 200;
constexpr std::size_t kRetainedUnderWay = 50;  // of one client
constexpr std::size_t kAskingClients = 16;
// Shares no divisor with the powers of ten that are asked about, so that neighbours are not.
constexpr std::size_t kStride = 7'919;
constexpr seconds kPatience{120};  // for any single command

using Clock = std::chrono::steady_clock;

}  // namespace

void Filler::turn(milliseconds wait) {
  loop_.turn(wait);
  flushes_.flush_all();
  if (!failure_.empty()) throw std::runtime_error(failure_);
}

void Filler::fail(std::string why) {
  if (failure_.empty()) failure_ = std::move(why);
}

// Sets the first `worker_count` clients to work, each of which goes on by itself, until it is done.
Filler::Report Filler::carry_out(Work work, std::size_t worker_count,
                                 const std::function<bool()>& done) {
  work_ = work;
  const load::Stretch stretch(options_.broker_pid);
  const Instant end = MonotonicClock::now() + kPatience;
  for (std::size_t i = 0; i < std::min(worker_count, clients_.size()); ++i) go_on(clients_[i]);
  flushes_.flush_all();
  while (!done()) {
    turn(milliseconds{10});
    if (MonotonicClock::now() > end) throw std::runtime_error("the broker does not answer");
  }
  const load::Cost cost = stretch.so_far();
  work_ = Work::kNone;
  return {{"wall_seconds", cost.wall},
          {"broker_cpu_seconds", cost.broker_cpu.value()},
          {"generator_cpu_seconds", cost.own_cpu}};
}

void Filler::go_on(load::Client& client) {
  switch (work_) {
    case Work::kNone:
      return;
    case Work::kSubscribe:
      return subscribe_more(client);
    case Work::kUnsubscribe:
      return unsubscribe_more(client);
    case Work::kRetain:
      for (std::size_t i = 0; i < kRetainedUnderWay; ++i) publish_more(client);
      return;
    case Work::kAsk:
      return ask_more(client);
  }
  unreachable();
}

// --- Connections ---------------------------------------------------------------------------------

Filler::Report Filler::connect(std::size_t total) {
  slots_.resize(std::max(total, slots_.size()));
  return carry_out(Work::kNone, 0, [&] {
    while (clients_.size() < total && clients_.size() - ready_count_ < kConnectsUnderWay) {
      const std::string id = options_.name_prefix + "-" + std::to_string(clients_.size());
      clients_.emplace_back(loop_, flushes_, options_.target, load::Login{id, {}, {}}, *this);
      clients_.back().tag = clients_.size() - 1;
    }
    return ready_count_ >= total;
  });
}

void Filler::on_ready(load::Client&) { ++ready_count_; }

void Filler::on_closed(load::Client&, const std::string& why) {
  fail("a client lost its connection: " + why);
}

// --- Filters -------------------------------------------------------------------------------------

Filler::Report Filler::subscribe(Shape shape, std::size_t total) {
  shape_ = shape;
  filters_total_ = total;
  return carry_out(Work::kSubscribe, clients_.size(),
                   [this] { return filter_count_ == filters_total_; });
}

Filler::Report Filler::unsubscribe() {
  return carry_out(Work::kUnsubscribe, clients_.size(), [this] { return filter_count_ == 0; });
}

std::size_t Filler::share_of(const load::Client& client, std::size_t total) const {
  const std::size_t count = clients_.size();
  return total / count + (client.tag < total % count ? 1 : 0);
}

void Filler::subscribe_more(load::Client& client) {
  Slot& slot = slots_[client.tag];
  const std::size_t wanted = share_of(client, filters_total_);
  const std::size_t count = std::min(kFiltersInPacket, wanted - slot.subscribed);
  if (count == 0) return;
  std::vector<std::string> filters;
  filters.reserve(count);
  mqtt::SubscribePacket packet{mqtt::PacketId{1}, {}, {}};
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t number = (slot.subscribed + i) * clients_.size() + client.tag;
    filters.push_back(filter_of(shape_, options_.topic_prefix, number));
    packet.requests.push_back({filters.back(), {.qos = mqtt::Qos::kAtLeastOnce}});
  }
  slot.subscribed += count;
  client.send_packet(packet);
}

void Filler::unsubscribe_more(load::Client& client) {
  Slot& slot = slots_[client.tag];
  const std::size_t count = std::min(kFiltersInPacket, slot.subscribed);
  if (count == 0) return;
  std::vector<std::string> filters;
  filters.reserve(count);
  mqtt::UnsubscribePacket packet{mqtt::PacketId{1}, {}, {}};
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t number = --slot.subscribed * clients_.size() + client.tag;
    filters.push_back(filter_of(shape_, options_.topic_prefix, number));
    packet.filters.push_back(filters.back());
  }
  slot.missing = count;
  client.send_packet(packet);
}

void Filler::on_suback(load::Client& client, Bytes body) {
  const auto packet = mqtt::read_suback(client.version(), body);
  if (!packet) return fail(packet.error().sentence);
  const auto refused = std::ranges::find_if(
      packet->reasons, [](ReasonCode reason) { return reason > ReasonCode::kGrantedQos2; });
  if (refused != packet->reasons.end()) return fail("the broker refuses a filter");
  if (work_ != Work::kSubscribe) return;
  filter_count_ += packet->reasons.size();
  subscribe_more(client);
}

// --- Retained messages ---------------------------------------------------------------------------

Filler::Report Filler::retain(std::size_t total, std::size_t payload_bytes) {
  retained_total_ = total;
  payload_.assign(payload_bytes, 'x');
  return carry_out(Work::kRetain, clients_.size(),
                   [this] { return retained_count_ == retained_total_; });
}

void Filler::publish_more(load::Client& client) {
  if (retained_sent_ == retained_total_) return;
  const std::string topic = retained_topic(options_.topic_prefix, retained_sent_);
  mqtt::PublishPacket packet;
  packet.topic = topic;
  packet.payload = as_bytes(payload_);
  packet.qos = mqtt::Qos::kAtLeastOnce;
  packet.retain = mqtt::Retain::kYes;
  packet.packet_id = static_cast<mqtt::PacketId>(retained_sent_ % 65'535 + 1);
  ++retained_sent_;
  client.send_packet(packet);
}

// Questions that are answered with many messages, or take a look at all, are asked one by one.
Filler::Report Filler::ask(Question question, std::size_t count) {
  question_ = question;
  questions_total_ = count;
  questions_begun_ = questions_done_ = 0;
  answers_ = 0;
  took_.clear();
  const bool one_by_one = question == Question::kGroup || question == Question::kSearch;
  Report report = carry_out(Work::kAsk, one_by_one ? 1 : kAskingClients,
                            [this] { return questions_done_ == questions_total_; });
  report["questions"] = questions_done_;
  report["answers"] = answers_;
  report["p50_ms"] = took_.at_ms(0.5);
  report["max_ms"] = took_.at_ms(1.0);
  return report;
}

void Filler::ask_more(load::Client& client) {
  if (questions_begun_ == questions_total_) return;
  Slot& slot = slots_[client.tag];
  slot.question = questions_begun_++ * kStride % retained_total_;
  slot.missing = 1 + std::min(answer_count(question_), retained_total_);  // and the SUBACK
  slot.asked_at = Clock::now();
  const std::string filter = question_filter(question_, options_.topic_prefix, slot.question);
  mqtt::SubscribePacket packet{mqtt::PacketId{1}, {}, {}};
  packet.requests.push_back({filter, {}});
  client.send_packet(packet);
}

void Filler::on_packet(load::Client& client, const mqtt::FixedHeader& header, Bytes body) {
  using enum mqtt::PacketType;
  Slot& slot = slots_[client.tag];
  if (header.type == kSuback) on_suback(client, body);
  if (header.type == kPublish) ++answers_;
  if (work_ == Work::kAsk && (header.type == kSuback || header.type == kPublish)) {
    if (slot.missing == 0) return fail("more is retained than was published");
    if (--slot.missing > 0) return;
    took_.record(Clock::now() - slot.asked_at);
    const std::string filter = question_filter(question_, options_.topic_prefix, slot.question);
    mqtt::UnsubscribePacket packet{mqtt::PacketId{1}, {}, {}};
    packet.filters.push_back(filter);
    client.send_packet(packet);
  } else if (header.type == kUnsuback && work_ == Work::kAsk) {
    ++questions_done_;
    ask_more(client);
  } else if (header.type == kUnsuback) {
    filter_count_ -= slot.missing;
    unsubscribe_more(client);
  } else if (header.type == kPuback) {
    ++retained_count_;
    publish_more(client);
  }
}

}  // namespace fairlead::growth
