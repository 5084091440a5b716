#include <utility>

#include "base/assert.h"
#include "session/keeper.h"
#include "session/session.h"

// What of a session outlives the process: written down as it changes, and read back (DESIGN
// section 5). A session is kept while it has a record; one that ends with its connection has none.

namespace fairlead {

using mqtt::PacketId;
using mqtt::Qos;

// `left_at`: when the connection went; max(): it is there.
void Session::write_down(Instant left_at, Effects& effects) {
  if (expiry_seconds_ == 0) return forget(effects);
  SessionRecord record;
  record.key = key_;
  record.version = peer_.version;
  record.expiry_seconds = expiry_seconds_;
  record.left_at = left_at;
  if (will_) {
    record.will = &will_->will();
    record.will_due = will_->due().value_or(Instant::max());
  }
  record_ = effects.keeper().put_session(*this, record_, record);
}

void Session::forget(Effects& effects) {
  if (!kept()) return;
  Keeper& keeper = effects.keeper();
  auto pass_on = [&](const Outgoing& outgoing) {
    if (!outgoing.extras || !outgoing.extras->shared) return let_go(outgoing, effects);
    if (outgoing.record != RecordId::kNone) keeper.pass_on_entry(*this, outgoing);
  };
  for (uint32_t i = 0; i < inflight_.size(); ++i) {
    pass_on(inflight_[i]);
    inflight_[i].record = RecordId::kNone;
    inflight_[i].moment = 0;
  }
  waiting_.for_each(pass_on);
  waiting_.forget_records();
  received_.for_each_record([&](RecordId& record) {
    keeper.erase_received(*this, std::exchange(record, RecordId::kNone));
  });
  subscriptions_.for_each_record([&](std::string_view, RecordId& record) {
    keeper.erase_subscription(*this, std::exchange(record, RecordId::kNone));
  });
  keeper.erase_session(*this, std::exchange(record_, RecordId::kNone));
}

void Session::let_go(const Outgoing& outgoing, Effects& effects) {
  if (outgoing.record != RecordId::kNone) effects.keeper().erase_entry(*this, outgoing);
}

RecordId Session::keep(const mqtt::MessageRef& message, const Delivery& delivery, Effects& effects,
                       Instant now) {
  affine_.check();
  if (!kept() || !may_take(*message, now)) return RecordId::kNone;
  const DeliveryTerms terms = terms_for(*message, delivery);
  if (terms.qos == Qos::kAtMostOnce) return RecordId::kNone;
  return effects.keeper().put_entry(*this, Outgoing(message, terms), PacketId{});
}

void Session::discard(const mqtt::MessageRef& message, RecordId record, Effects& effects) {
  Outgoing outgoing;
  outgoing.message = message;
  outgoing.record = record;
  let_go(outgoing, effects);
}

void Session::keep_in_flight(Inflight::Entry& entry, Effects& effects) {
  Keeper& keeper = effects.keeper();
  if (entry.record == RecordId::kNone) {
    entry.record = keeper.put_entry(*this, entry, entry.id);
  } else {
    keeper.set_packet_id(*this, entry, entry.id);
  }
  if (entry.qos == Qos::kExactlyOnce) entry.moment = keeper.moment();
}

bool Session::waits_for_disk(const Inflight::Entry& entry, Effects& effects) const {
  return entry.moment != 0 && !entry.sent && !effects.keeper().durable(entry.moment);
}

bool Session::awaits_disk(Effects& effects) const {
  return reachable() && inflight_.due() > 0 &&
         waits_for_disk(inflight_[inflight_.first_due()], effects);
}

void Session::take_identifier(PacketId packet_id, Effects& effects) {
  received_.add(packet_id, kept() ? effects.keeper().put_received(*this, {record_, packet_id})
                                  : RecordId::kNone);
}

void Session::on_committed(Effects& effects, Instant now) {
  affine_.check();
  pump(effects, now);
}

// --- After a restart -----------------------------------------------------------------------------

void Session::restore(RecordId id, const SessionRecord& record,
                      const std::optional<mqtt::Will>& will, const SessionOwner& owner,
                      Instant now) {
  FL_ASSERT(!established_ && owner.policy != nullptr && owner.profile != nullptr);
  established_ = true;
  record_ = id;
  owner_ = owner;
  peer_.version = record.version;
  expiry_seconds_ = record.expiry_seconds;
  const bool was_connected = record.left_at == Instant::max();
  // A machine's clock may have been wrong, then or now: nothing is further away than it was.
  expires_at_ = std::min(record.left_at, now) + seconds(expiry_seconds_);
  if (!will) return;
  will_ = std::make_unique<StoredWill>(*will);
  const seconds delay(std::min(will_->delay_seconds(), expiry_seconds_));
  const Instant due = was_connected ? Instant::max() : record.will_due;
  will_->wait_until(std::min(due, now + delay));
}

void Session::restore_subscription(const SubscriptionRecord& record, RecordId id) {
  subscriptions_.put(record.filter, record.options).record = id;
}

bool Session::restore_received(PacketId packet_id, RecordId id) {
  if (received_.contains(packet_id)) return false;
  received_.add(packet_id, id);
  return true;
}

bool Session::restore_message(Outgoing outgoing, PacketId packet_id) {
  const OutboundStep step = !outgoing.message                   ? OutboundStep::kAwaitPubcomp
                            : outgoing.qos == Qos::kAtLeastOnce ? OutboundStep::kAwaitPuback
                                                                : OutboundStep::kAwaitPubrec;
  const bool waits = packet_id == PacketId{};
  if (!waits && inflight_.restore(std::move(outgoing), packet_id, step)) return true;
  if (!outgoing.message) return false;
  waiting_.push(std::move(outgoing));
  return true;
}

}  // namespace fairlead
