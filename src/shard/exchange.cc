#include "shard/exchange.h"

#include <algorithm>
#include <bit>

#include "auth/device_address.h"
#include "proto/mqtt/topic.h"
#include "shard/connection.h"
#include "shard/hosted_session.h"
#include "shard/shard.h"

namespace fairlead {
namespace {

constexpr std::size_t kHeldCountMax = 1000;  // of one session, for the time between two shards

// The session of the device that a system topic is addressed to; empty: the topic names none.
std::string addressed_session(std::string_view topic) {
  const auto device = addressed_device(topic);
  return device ? device_session_key(device->product_key, device->device_name) : std::string();
}

// While mail about a message is worked off that its publisher waits for.
class RoutingScope {
 public:
  RoutingScope(Journal& journal, const ReceiptRef& receipt) : journal_(journal) {
    if (!receipt) return;
    routing_.session = receipt->session();
    routing_.receipt = receipt;
    journal_.set_routing(&routing_);
  }
  ~RoutingScope() {
    if (!routing_.receipt) return;
    journal_.set_routing(nullptr);
    if (!routing_.needs_commit) journal_.close(routing_.receipt);
  }
  RoutingScope(const RoutingScope&) = delete;
  RoutingScope& operator=(const RoutingScope&) = delete;

 private:
  Journal& journal_;
  Journal::Routing routing_;
};

}  // namespace

Exchange::Exchange(Shard& shard, const RetainedLimits& retained_limits)
    : shard_(shard), retained_(retained_limits) {
  retained_.on_drop([this](uint64_t name) {
    shard_.journal().erase_tagged(Table::kRetained, static_cast<RecordId>(name));
  });
}

// --- Messages ------------------------------------------------------------------------------------

void Exchange::settle_now() {
  while (!outbound_.empty() || !completed_.empty() || !handed_back_.empty()) {
    std::swap(outbound_, routing_);
    for (const Outbound& outbound : routing_) route(outbound);
    routing_.clear();
    if (!completed_.empty()) {
      std::vector<PendingSubscribe> completed = std::exchange(completed_, {});
      for (PendingSubscribe& pending : completed) complete(std::move(pending));
    }
    if (!handed_back_.empty()) {
      std::vector<HandedBack> handed_back = std::exchange(handed_back_, {});
      for (HandedBack& back : handed_back) give_to_another(std::move(back));
    }
  }
}

// A will is of one commit with its session's record, which says that it has been published.
void Exchange::route(const Outbound& outbound) {
  Journal& journal = shard_.journal();
  if (!outbound.answer) {
    const uint64_t epoch = journal.begin_newest();
    route(outbound.message);
    return journal.end_newest(epoch);
  }
  Journal::Routing routing{.session = outbound.session};
  journal.set_routing(&routing);
  route(outbound.message);
  journal.set_routing(nullptr);
  shard_.answers().answer(outbound.session, outbound.answer, routing);
}

// For a piece of mail about the message that is being routed.
ReceiptRef Exchange::open_receipt() {
  ReceiptRef receipt = shard_.journal().receipt();
  if (receipt) receipt->open();
  return receipt;
}

void Exchange::route_retained(const mqtt::MessageRef& message) {
  const uint16_t owner = shard_.home_of(message->topic());
  if (owner == shard_.index()) {
    update_retained(message);
  } else {
    shard_.post(owner, RetainedUpdate{message, open_receipt()});
  }
}

void Exchange::route(const mqtt::MessageRef& message) {
  if (message->retain() == mqtt::Retain::kYes) route_retained(message);
  const std::string addressed = addressed_session(message->topic());
  deliver_here(message, addressed);
  if (shard_.shard_count() == 1) return;
  TargetMask targets = others_.targets(message->topic());
  if (!addressed.empty()) {
    targets |= mask_of(TargetId{static_cast<uint8_t>(shard_.home_of(addressed))});
  }
  targets &= ~mask_of(shard_.target());
  for (; targets != 0; targets &= targets - 1) {
    const auto to = static_cast<uint16_t>(std::countr_zero(targets));
    shard_.post(to, Routed{message, shard_.journal().keeps(to) ? open_receipt() : ReceiptRef()});
  }
}

void Exchange::on_message(Routed&& m) {
  const RoutingScope scope(shard_.journal(), m.receipt);
  deliver_here(m.message, addressed_session(m.message->topic()));
}

void Exchange::deliver_here(const mqtt::MessageRef& message, const std::string& addressed) {
  const std::string_view topic = message->topic();
  const HostedSession* sender = shard_.sessions().find(message->sender());
  matches_.clear(sender ? std::optional(sender->slot()) : std::nullopt);
  tree_.match(topic, matches_);
  if (!addressed.empty()) {
    HostedSession* session = shard_.sessions().find(addressed);
    if (session && session != sender && session->wants_unasked(topic)) {
      matches_.add({.subscriber = session->slot(),
                    .identifier = 0,
                    .options = {.qos = mqtt::Qos::kAtLeastOnce}});
    }
  }
  // A request over RRPC and its answer share one topic: the device that answers must not hear it.
  const bool is_rrpc_answer =
      sender && sender->kind() == Identity::Kind::kDevice && topic.starts_with("/ext/rrpc/");
  shard_.encoder().begin(*message, matches_.size());
  if (matches_.size() > 1) shard_.journal().begin_shared();
  for (const MatchSet::Target target : matches_) {
    HostedSession* session = shard_.sessions().at(target.subscriber);
    FL_ASSERT(session);
    if (is_rrpc_answer && session == sender) continue;
    if (!session->subscribes_pending.empty()) {
      hold(*session, message, target);
      continue;
    }
    (void)session->deliver(message,
                           {.subscription_qos = target.qos,
                            .retain_as_published = target.retain_as_published,
                            .identifiers = target.identifiers},
                           shard_.effects(), shard_.now());
  }
  shard_.encoder().end();
  shard_.journal().end_shared();
  if (shared_.group_count() == 0) return;
  shared_.match(topic, [&](SharedGroups::GroupRef group) { deliver_shared(group, message); });
}

void Exchange::hold(HostedSession& session, const mqtt::MessageRef& message,
                    const MatchSet::Target& target) {
  std::vector<Held>& held = held_[session.id()];
  Held& newest = held.emplace_back(Held{message,
                                        {target.identifiers.begin(), target.identifiers.end()},
                                        target.qos,
                                        target.retain_as_published});
  newest.record = session.keep(message, newest.delivery(), shard_.effects(), shard_.now());
  newest.keeper = session.record();
  if (held.size() >= kHeldCountMax) release(session.id());
}

// To whom it still is for: it may have unsubscribed, or begun anew, or not be kept any more.
void Exchange::release(uint64_t session_id) {
  auto held = held_.extract(session_id);
  HostedSession* session = shard_.sessions().find(session_id);
  if (held.empty()) return;
  MatchSet matches;
  for (Held& each : held.mapped()) {
    const std::string_view topic = each.message->topic();
    bool wanted = session && session->wants_unasked(topic);
    if (session) {
      matches.clear(std::nullopt);
      tree_.match(topic, matches);
      for (const MatchSet::Target target : matches) wanted |= target.subscriber == session->slot();
    }
    if (!wanted || session->record() != each.keeper) {
      shard_.journal().erase_entry(each.message, std::exchange(each.record, RecordId::kNone));
    }
    if (wanted) {
      (void)session->deliver(each.message, each.delivery(), shard_.effects(), shard_.now());
    }
  }
}

// A SUBSCRIBE that other shards are asked about ends with their reply.
void Exchange::forget(HostedSession& session) {
  for (const uint64_t token : std::exchange(session.subscribes_pending, {})) {
    const auto pending = pending_.find(token);
    if (pending->second.missing_replies == 0) pending_.erase(pending);
  }
  release(session.id());
}

// --- Shared groups -------------------------------------------------------------------------------

void Exchange::deliver_shared(SharedGroups::GroupRef group, const mqtt::MessageRef& message) {
  deliver_to_member(shared_.choose(group), group, message, 1);
}

// Tries members until one takes the message or it travels to another shard.
void Exchange::deliver_to_member(const SharedMember* member, SharedGroups::GroupRef group,
                                 const mqtt::MessageRef& message, uint32_t tried) {
  for (; member; member = shared_.next_after(group, member->session, tried), ++tried) {
    if (member->shard != shard_.index()) {
      shard_.post(member->shard,
                  SharedDelivery{message, *member, group, shard_.index(), tried, open_receipt()});
      return;
    }
    const SharedOrigin origin{group.slot, group.generation, shard_.index()};
    if (deliver_to_local_member(*member, message, origin)) return;
  }
}

bool Exchange::deliver_to_local_member(const SharedMember& member, const mqtt::MessageRef& message,
                                       const SharedOrigin& origin) {
  HostedSession* session = shard_.sessions().find(member.session);
  if (!session || session->shared_stay != member.stay) return false;
  const std::span identifiers(&member.identifier, member.identifier == 0 ? 0 : 1);
  return session->deliver(message,
                          {.subscription_qos = member.options.qos,
                           .retain_as_published = member.options.retain_as_published,
                           .identifiers = identifiers,
                           .shared = origin},
                          shard_.effects(), shard_.now()) == DeliveryResult::kTaken;
}

// The session that hands back has left its groups, by mail that is ahead of this.
void Exchange::give_to_another(HandedBack&& back) {
  const SharedGroups::GroupRef group{back.origin.slot, back.origin.generation};
  if (back.origin.shard == shard_.index()) {
    deliver_shared(group, back.message);
  } else {
    shard_.post(back.origin.shard, SharedHandBack{std::move(back.message), group});
  }
}

void Exchange::on_message(SharedDelivery&& m) {
  const RoutingScope scope(shard_.journal(), m.receipt);
  const SharedOrigin origin{m.group.slot, m.group.generation, m.owner};
  if (deliver_to_local_member(m.member, m.message, origin)) return;
  shard_.post(m.owner, SharedRetry{std::move(m.message), m.member.session, m.group, m.tried,
                                   open_receipt()});
}

void Exchange::on_message(SharedRetry&& m) {
  const RoutingScope scope(shard_.journal(), m.receipt);
  const SharedMember* next = shared_.next_after(m.group, m.failed, m.tried);
  deliver_to_member(next, m.group, m.message, m.tried + 1);
}

void Exchange::join_here(std::string_view group, std::string_view filter,
                         const SharedMember& member, Presence presence) {
  if (shared_.join(group, filter, member, presence) == Added::kNew) want(filter);
}

void Exchange::leave_here(std::string_view group, std::string_view filter, uint64_t session) {
  if (shared_.leave(group, filter, session)) unwant(filter);
}

void Exchange::on_message(SharedJoin&& m) {
  join_here(m.join.group, m.join.filter, m.join.member, Presence::kOffline);
}

void Exchange::on_message(SharedLeave&& m) { leave_here(m.group, m.filter, m.session); }

void Exchange::on_message(SharedPresence&& m) {
  (void)shared_.set_presence(m.group, m.filter, m.session, m.presence);
}

uint16_t Exchange::owner_of_group(std::string_view group, std::string_view filter) const {
  std::string name(group);
  name += '/';
  name += filter;
  return shard_.home_of(name);
}

// --- Interest ------------------------------------------------------------------------------------

void Exchange::want(std::string_view filter) {
  if (auto key = local_interest_.add(filter)) announce(InterestChange::Kind::kWanted, *key);
}

void Exchange::unwant(std::string_view filter) {
  if (auto key = local_interest_.remove(filter)) announce(InterestChange::Kind::kUnwanted, *key);
}

void Exchange::announce(InterestChange::Kind kind, const InterestKey& key) {
  if (kind == InterestChange::Kind::kWanted) announced_ = true;
  for (uint16_t to = 0; to < shard_.shard_count(); ++to) {
    if (to != shard_.index()) shard_.post(to, InterestChange{kind, key, shard_.target()});
  }
}

void Exchange::on_message(InterestChange&& m) {
  if (m.kind == InterestChange::Kind::kWanted) {
    others_.add(m.key, m.shard);
  } else {
    (void)others_.remove(m.key, m.shard);
  }
}

// --- Retained messages ---------------------------------------------------------------------------

void Exchange::on_message(RetainedUpdate&& m) {
  const RoutingScope scope(shard_.journal(), m.receipt);
  update_retained(m.message);
}

// What the server says of itself is said anew by the next one. And while the disk takes nothing,
// what was promised to nobody must not pile up for it (MQTT 5.0 section 3.3.1.3: a retained message
// of QoS 0 may be discarded at any time).
RecordId Exchange::write_down_retained(const mqtt::Message& message) {
  Journal& journal = shard_.journal();
  if (!journal.enabled() || message.topic().starts_with("$SYS/")) return RecordId::kNone;
  if (message.qos() == mqtt::Qos::kAtMostOnce && !journal.accepts()) return RecordId::kNone;
  scratch_.clear();
  encode(scratch_, message, journal.time());
  return journal.put_tagged(Table::kRetained, scratch_.view());
}

void Exchange::update_retained(const mqtt::MessageRef& message) {
  Journal& journal = shard_.journal();
  if (message->payload().empty()) {
    (void)retained_.clear(message->topic());
    // If there is none: what took it away may not be durable yet.
    journal.need_commit();
  } else {
    const RecordId record = write_down_retained(*message);
    if (retained_.set(message, static_cast<uint64_t>(record)) ==
        RetainedStore::Set::kRefusedLimit) {
      journal.erase_tagged(Table::kRetained, record);
      shard_.counters().messages_dropped.add();
    } else if (record != RecordId::kNone) {
      journal.need_commit();
    }
  }
  shard_.counters().retained_now.set(retained_.count());
}

void Exchange::restore_retained(mqtt::MessageRef message, RecordId record) {
  if (retained_.set(std::move(message), static_cast<uint64_t>(record)) ==
      RetainedStore::Set::kRefusedLimit) {
    shard_.journal().erase(Table::kRetained, record);
  }
  shard_.counters().retained_now.set(retained_.count());
}

Swept Exchange::sweep(Instant now, uint32_t budget) {
  const Swept swept = retained_.sweep(now, budget);
  shard_.counters().retained_now.set(retained_.count());
  return swept;
}

}  // namespace fairlead
