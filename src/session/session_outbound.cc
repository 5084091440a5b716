#include <algorithm>
#include <chrono>
#include <limits>

#include "session/keeper.h"
#include "session/session.h"

// Messages on their way to the client: direct, in flight, or waiting (MQTT 5.0 section 4.3 to 4.9).

namespace fairlead {

using mqtt::Dup;
using mqtt::Message;
using mqtt::PublishForm;
using mqtt::Qos;
using mqtt::Retain;

namespace {

// An alias costs three bytes in each packet; shorter topics gain nothing.
constexpr std::size_t kAliasTopicBytesMin = 8;

// What is left of a message's life, rounded up (section 3.3.2.3.3). One that is repeated may be
// past it: delivery had begun in time.
uint32_t seconds_left(const Message& message, Instant now) {
  const auto left = std::chrono::ceil<seconds>(message.expires_at() - now).count();
  return static_cast<uint32_t>(std::clamp<int64_t>(left, 1, UINT32_MAX));
}

}  // namespace

Qos Session::delivery_qos(const Message& message, Qos granted) const {
  const ProtocolProfile& profile = *owner_.profile;
  const bool publishers = !is_v5() && profile.delivery_qos == DeliveryQos::kPublishersInV3;
  return std::min(message.qos(), publishers ? static_cast<Qos>(profile.qos_max) : granted);
}

DeliveryResult Session::deliver(const mqtt::MessageRef& message, const Delivery& delivery,
                                Effects& effects, Instant now) {
  affine_.check();
  const DeliveryTerms terms = terms_for(*message, delivery);
  const bool taken = may_take(*message, now);
  if (delivery.record != RecordId::kNone && (!taken || terms.qos == Qos::kAtMostOnce)) {
    discard(message, delivery.record, effects);
  }
  if (!taken) return DeliveryResult::kDropped;
  return terms.qos == Qos::kAtMostOnce
             ? deliver_at_most_once(message, terms, effects, now)
             : deliver_reliably(message, terms, delivery.record, effects, now);
}

// Filters may be wider than permissions (/ext/rrpc/#), and permissions change.
bool Session::may_take(const Message& message, Instant now) const {
  return established_ && !message.expired(now) && owner_.policy->may_receive(message.topic());
}

DeliveryTerms Session::terms_for(const Message& message, const Delivery& delivery) const {
  DeliveryTerms terms;
  terms.qos = delivery_qos(message, delivery.subscription_qos);
  const bool as_published = delivery.retain_as_published && message.retain() == Retain::kYes;
  terms.retain =
      as_published || delivery.kind == Deliverable::kRetained ? Retain::kYes : Retain::kNo;
  terms.identifiers = delivery.identifiers;
  terms.shared = delivery.shared;
  return terms;
}

DeliveryResult Session::deliver_at_most_once(const mqtt::MessageRef& message,
                                             const DeliveryTerms& terms, Effects& effects,
                                             Instant now) {
  if (!reachable()) return DeliveryResult::kDropped;
  if (!backlog_ && effects.outlet(*this) == Outlet::kReady) {
    return send_once(*message, terms, effects, now);
  }
  if (!backlog_) backlog_ = std::make_unique<Queue>(waiting_.total());
  return enqueue(*backlog_, Outgoing(message, terms), effects);
}

DeliveryResult Session::deliver_reliably(const mqtt::MessageRef& message,
                                         const DeliveryTerms& terms, RecordId record,
                                         Effects& effects, Instant now) {
  Outgoing outgoing(message, terms);
  outgoing.record = record;
  const bool goes_now = reachable() && waiting_.empty() && inflight_.size() < peer_.window &&
                        effects.outlet(*this) == Outlet::kReady;
  if (goes_now) return send_new(std::move(outgoing), effects, now);
  if (kept() && record == RecordId::kNone) {
    outgoing.record = effects.keeper().put_entry(*this, outgoing, mqtt::PacketId{});
  }
  return enqueue(waiting_, std::move(outgoing), effects);
}

// --- One packet ----------------------------------------------------------------------------------

// nullopt: larger than the client accepts.
std::optional<PublishForm> Session::form_for(const Message& message, const DeliveryTerms& terms,
                                             Dup dup, Instant now) const {
  PublishForm form;
  form.version = peer_.version;
  form.qos = terms.qos;
  form.dup = dup;
  form.retain = terms.retain;
  if (terms.qos != Qos::kAtMostOnce) form.packet_id = mqtt::PacketId{1};  // any: for the size
  if (!is_v5()) return form;
  if (message.expires_at() != Message::kNever) {
    form.message_expiry_seconds = seconds_left(message, now);
  }
  form.subscription_identifiers = terms.identifiers;
  choose_alias(message.topic(), form);
  if (peer_.packet_size_max == mqtt::kNoPacketSizeLimit) return form;
  if (mqtt::publish_size(message, form) <= peer_.packet_size_max) return form;
  if (form.topic == PublishForm::Topic::kWritten && form.topic_alias) {
    form.topic_alias.reset();  // what sets an alias is three bytes longer
    if (mqtt::publish_size(message, form) <= peer_.packet_size_max) return form;
  }
  return std::nullopt;
}

void Session::choose_alias(std::string_view topic, PublishForm& form) const {
  if (peer_.alias_out_max == 0 || topic.size() < kAliasTopicBytesMin) return;
  if (const uint16_t alias = aliases_out_ ? aliases_out_->find(topic) : uint16_t{0}) {
    form.topic_alias = alias;
    form.topic = PublishForm::Topic::kByAlias;
    return;
  }
  const std::size_t count = aliases_out_ ? aliases_out_->size() : 0;
  if (count < peer_.alias_out_max) form.topic_alias = static_cast<uint16_t>(count + 1);
}

void Session::transmit(const Message& message, const PublishForm& form, Effects& effects) {
  if (form.topic_alias && form.topic == PublishForm::Topic::kWritten) {
    if (!aliases_out_) aliases_out_ = std::make_unique<OutboundAliases>();
    aliases_out_->set(message.topic(), *form.topic_alias);
  }
  effects.send(*this, message, form);
}

// QoS 0.
DeliveryResult Session::send_once(const Message& message, const DeliveryTerms& terms,
                                  Effects& effects, Instant now) {
  const auto form = form_for(message, terms, Dup::kNo, now);
  if (!form) {
    effects.journal(*this, JournalKind::kDeliveryTooLarge, message.topic());
    return DeliveryResult::kDropped;
  }
  transmit(message, *form, effects);
  return DeliveryResult::kTaken;
}

// QoS 1 and 2, into the window. It leaves at once, unless something before it has to wait, or its
// identifier must be durable first: a client that has seen a QoS 2 message under one identifier
// would take it for another one under the next.
DeliveryResult Session::send_new(Outgoing&& outgoing, Effects& effects, Instant now) {
  auto form = form_for(*outgoing.message, outgoing.terms(), Dup::kNo, now);
  if (!form) {
    effects.journal(*this, JournalKind::kDeliveryTooLarge, outgoing.message->topic());
    let_go(outgoing, effects);
    return DeliveryResult::kDropped;
  }
  Inflight::Entry& entry = inflight_.add(std::move(outgoing));
  FL_ASSERT(inflight_.size() <= peer_.window);
  if (kept()) keep_in_flight(entry, effects);
  if (inflight_.due() > 1 || waits_for_disk(entry, effects)) return DeliveryResult::kTaken;
  form->packet_id = entry.id;
  transmit(*entry.message, *form, effects);
  inflight_.mark_sent();
  return DeliveryResult::kTaken;
}

// --- What waits ----------------------------------------------------------------------------------

void Session::on_outlet_ready(Effects& effects, Instant now) {
  affine_.check();
  pump(effects, now);
}

// Sends what waits, while the connection takes it and the client's window has room.
void Session::pump(Effects& effects, Instant now) {
  while (reachable() && effects.outlet(*this) == Outlet::kReady) {
    const bool reliable = send_one_due(effects, now) || send_one_waiting(effects, now);
    const bool plain = send_one_backlogged(effects, now);
    if (!reliable && !plain) return;
  }
}

// The next of what was in flight when the last connection went (section 4.4), or waited for the
// disk. All of it counts against the window, PUBREL too: less than the specification allows, so
// that the order is kept.
bool Session::send_one_due(Effects& effects, Instant now) {
  if (inflight_.due() == 0 || inflight_.sent() >= peer_.window) return false;
  const uint32_t position = inflight_.first_due();
  const Inflight::Entry& entry = inflight_[position];
  if (waits_for_disk(entry, effects)) return false;
  if (entry.step == OutboundStep::kAwaitPubcomp) {
    send_ack(mqtt::PacketType::kPubrel, entry.id, ReasonCode::kSuccess, {}, effects);
    inflight_.mark_sent();
    return true;
  }
  if (!owner_.policy->may_receive(entry.message->topic())) {  // any more
    let_go(entry, effects);
    inflight_.erase(position);
    return true;
  }
  auto form = form_for(*entry.message, entry.terms(), entry.sent ? Dup::kYes : Dup::kNo, now);
  if (!form) {
    effects.journal(*this, JournalKind::kDeliveryTooLarge, entry.message->topic());
    let_go(entry, effects);
    inflight_.erase(position);
    return true;
  }
  form->packet_id = entry.id;
  transmit(*entry.message, *form, effects);
  inflight_.mark_sent();
  return true;
}

bool Session::send_one_waiting(Effects& effects, Instant now) {
  if (waiting_.empty() || inflight_.size() >= peer_.window) return false;
  Outgoing outgoing = waiting_.pop();
  if (outgoing.message->expired(now)) {
    let_go(outgoing, effects);
  } else {
    (void)send_new(std::move(outgoing), effects, now);
  }
  return true;
}

bool Session::send_one_backlogged(Effects& effects, Instant now) {
  if (!backlog_) return false;
  const Outgoing outgoing = backlog_->pop();
  if (backlog_->empty()) backlog_.reset();
  if (!outgoing.message->expired(now)) {
    (void)send_once(*outgoing.message, outgoing.terms(), effects, now);
  }
  return true;
}

// Over a limit the oldest goes: QoS 0 before QoS 1 and 2. The limit in messages is for a session
// that is offline: a client that reads and acknowledges may fall behind a burst of small ones. When
// it leaves with more, what waits is kept, and grows no more.
DeliveryResult Session::enqueue(Queue& queue, Outgoing&& outgoing, Effects& effects) {
  const std::size_t count_max =
      peer_.connected ? std::numeric_limits<std::size_t>::max()
                      : std::max<std::size_t>(limits_->queue_count_max, queue_count());
  queue.push(std::move(outgoing));
  const bool is_backlog = &queue == backlog_.get();
  while (backlog_ && (backlog_->bytes() > limits_->congested_queue_bytes_max ||
                      waiting_.total().full() || queues_overflow(count_max))) {
    drop_oldest(*backlog_, effects);
    if (backlog_->empty()) backlog_.reset();
  }
  while (!waiting_.empty() && queues_overflow(count_max)) drop_oldest(waiting_, effects);
  const bool newest_is_there = is_backlog ? backlog_ != nullptr : !waiting_.empty();
  return newest_is_there ? DeliveryResult::kTaken : DeliveryResult::kDropped;
}

bool Session::queues_overflow(std::size_t count_max) const {
  const uint64_t bytes = waiting_.bytes() + (backlog_ ? backlog_->bytes() : 0);
  return queue_count() > count_max || bytes > limits_->queue_bytes_max;
}

void Session::drop_oldest(Queue& queue, Effects& effects) {
  const Outgoing oldest = queue.pop();
  effects.journal(*this, JournalKind::kQueueOverflow, oldest.message->topic());
  let_go(oldest, effects);
}

}  // namespace fairlead
