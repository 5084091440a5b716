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

constexpr uint32_t kSweepBudget = 2000;
constexpr std::size_t kHeldCountMax = 1000;  // of one session, for the time between two shards
// SUBSCRIBEs of one session that wait for other shards, and retained messages that the last of them
// may have found (on all shards, by this one's part) for another one to join it.
constexpr std::size_t kPendingCountMax = 64;
constexpr std::size_t kPendingFoundMax = 200;
constexpr std::size_t kFoundPerTurnMax = 2000;  // retained messages, before SUBSCRIBEs wait

// The parts of a filter that the session has checked.
mqtt::FilterParts parts_of(std::string_view filter) {
  auto parts = mqtt::split_filter(filter);
  FL_ASSERT(parts.ok());
  return *parts;
}

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
    std::vector<PendingSubscribe> completed = std::move(completed_);
    completed_.clear();
    for (PendingSubscribe& pending : completed) complete(std::move(pending));
    std::vector<HandedBack> handed_back = std::move(handed_back_);
    handed_back_.clear();
    for (HandedBack& back : handed_back) give_to_another(std::move(back));
  }
}

void Exchange::route(const Outbound& outbound) {
  Journal::Routing routing;
  if (outbound.answer) routing.session = outbound.session;
  shard_.journal().set_routing(&routing);
  route(outbound.message);
  shard_.journal().set_routing(nullptr);
  if (outbound.answer) shard_.answers().answer(outbound.session, outbound.answer, routing);
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
  if (held.size() >= kHeldCountMax) release(session.id());
}

// To whom it still is for: it may have unsubscribed, or begun anew.
void Exchange::release(uint64_t session_id) {
  const auto held = held_.extract(session_id);
  HostedSession* session = shard_.sessions().find(session_id);
  if (held.empty()) return;
  MatchSet matches;
  for (const Held& each : held.mapped()) {
    const std::string_view topic = each.message->topic();
    bool wanted = session && session->wants_unasked(topic);
    if (session) {
      matches.clear(std::nullopt);
      tree_.match(topic, matches);
      for (const MatchSet::Target target : matches) wanted |= target.subscriber == session->slot();
    }
    if (wanted) {
      (void)session->deliver(each.message, each.delivery(), shard_.effects(), shard_.now());
    } else {
      shard_.journal().erase_entry(each.message, each.record);
    }
  }
}

// --- Shared groups -------------------------------------------------------------------------------

void Exchange::deliver_shared(SharedGroups::GroupRef group, const mqtt::MessageRef& message) {
  deliver_to_member(shared_.choose(group), group, message, 1);
}

// Tries members until one takes the message or it travels to another shard.
void Exchange::deliver_to_member(const SharedMember* member, SharedGroups::GroupRef group,
                                 const mqtt::MessageRef& message, uint32_t tried) {
  for (; member; member = shared_.next_after(group, member->session, tried++)) {
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
  if (!session) return false;
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
  deliver_to_member(shared_.next_after(m.group, m.failed, m.tried), m.group, m.message,
                    m.tried + 1);
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

void Exchange::set_presence(HostedSession& session, Presence presence) {
  if (session.shared_count == 0) return;
  session.for_each_subscription([&](std::string_view filter, const mqtt::SubscriptionOptions&) {
    const mqtt::FilterParts parts = parts_of(filter);
    if (parts.group.empty()) return;
    const uint16_t owner = owner_of_group(parts.group, parts.filter);
    if (owner == shard_.index()) {
      (void)shared_.set_presence(parts.group, parts.filter, session.id(), presence);
    } else {
      shard_.post(owner, SharedPresence{std::string(parts.group), std::string(parts.filter),
                                        session.id(), presence});
    }
  });
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

// --- SUBSCRIBE and UNSUBSCRIBE -------------------------------------------------------------------

void Exchange::subscribe(HostedSession& session, std::span<const SubscriptionGrant> grants,
                         const mqtt::SubackPacket& suback) {
  PendingSubscribe pending{.session_id = session.id(),
                           .attachment = session.attachment,
                           .moment = session.kept() ? shard_.journal().moment() : 0,
                           .packet_id = suback.packet_id,
                           .reasons = suback.reasons,
                           .grants = {},
                           .retained = {}};
  std::vector<SubscribeSync> syncs(shard_.shard_count());
  announced_ = false;
  for (uint32_t i = 0; i < grants.size(); ++i) {
    const SubscriptionGrant& grant = grants[i];
    pending.grants.push_back({grant.options, grant.identifier, {}});
    const mqtt::FilterParts parts = parts_of(grant.filter);
    if (!parts.group.empty()) {
      add_shared(session, parts, grant, Presence::kOnline, syncs);
      continue;
    }
    const Subscription entry{session.slot(), grant.identifier, grant.options};
    if (tree_.add(grant.filter, entry) == Added::kNew) {
      shard_.counters().subscriptions_now.add();
      want(grant.filter);
    }
    if (!asks_for_retained(session, grant)) continue;
    pending.grants.back().filter = grant.filter;
    ask_retained(i, grant.filter, syncs, pending.retained);
  }
  if (shard_.shard_count() > 1) send_syncs(syncs, pending);
  finish_subscribe(session, std::move(pending));
}

void Exchange::add_shared(HostedSession& session, const mqtt::FilterParts& parts,
                          const SubscriptionGrant& grant, Presence presence,
                          std::vector<SubscribeSync>& syncs) {
  const SharedMember member{.session = session.id(),
                            .subscriber = session.slot(),
                            .identifier = grant.identifier,
                            .options = grant.options,
                            .shard = shard_.index()};
  if (grant.existed == SubscriptionGrant::Existed::kNo) {
    ++session.shared_count;
    shard_.counters().subscriptions_now.add();
  }
  const uint16_t owner = owner_of_group(parts.group, parts.filter);
  if (owner == shard_.index()) {
    join_here(parts.group, parts.filter, member, presence);
  } else {
    syncs[owner].joins.push_back({std::string(parts.group), std::string(parts.filter), member});
  }
}

bool Exchange::has_room_for_subscribe(const HostedSession& session) const {
  const auto& waiting = session.subscribes_pending;
  if (waiting.empty()) return true;
  const auto last = pending_.find(waiting.back());
  FL_ASSERT(last != pending_.end());
  return waiting.size() < kPendingCountMax &&
         last->second.retained.size() * shard_.shard_count() <= kPendingFoundMax;
}

bool Exchange::has_found_enough() const { return found_this_turn_ >= kFoundPerTurnMax; }

// MQTT 5.0 section 3.3.1.3: shared subscriptions get none. Nor does who is not there to read them.
bool Exchange::asks_for_retained(const HostedSession& session, const SubscriptionGrant& grant) {
  if (!session.connection->reaches_peer()) return false;
  switch (grant.options.retain_handling) {
    case mqtt::RetainHandling::kSend:
      return true;
    case mqtt::RetainHandling::kSendIfNew:
      return grant.existed == SubscriptionGrant::Existed::kNo;
    case mqtt::RetainHandling::kDoNotSend:
      return false;
  }
  unreachable();
}

void Exchange::ask_retained(uint32_t grant, std::string_view filter,
                            std::vector<SubscribeSync>& syncs, Found& found) {
  const bool exact = !mqtt::has_wildcard(filter);
  const uint16_t owner = exact ? shard_.home_of(filter) : uint16_t{0};
  for (uint16_t i = 0; i < shard_.shard_count(); ++i) {
    if (exact && i != owner) continue;
    if (i == shard_.index()) {
      find_retained(grant, filter, found);
    } else {
      syncs[i].queries.push_back({grant, std::string(filter)});
    }
  }
}

void Exchange::find_retained(uint32_t grant, std::string_view filter, Found& found) {
  const std::size_t before = found.size();
  retained_.match(filter, shard_.now(),
                  [&](const mqtt::MessageRef& message) { found.emplace_back(grant, message); });
  found_this_turn_ += found.size() - before;
}

// Asks the shards that have something to say. All are asked when the SUBACK must wait until all
// have heard of a new interest, this SUBSCRIBE's own or one of before that is unconfirmed still.
void Exchange::send_syncs(std::vector<SubscribeSync>& syncs, PendingSubscribe& pending) {
  const bool ask_all = announced_ || unconfirmed_ > 0;
  pending.token = next_token_++;
  for (uint16_t to = 0; to < syncs.size(); ++to) {
    SubscribeSync& sync = syncs[to];
    const bool has_work = !sync.queries.empty() || !sync.joins.empty();
    if (to == shard_.index() || (!ask_all && !has_work)) continue;
    sync.from = shard_.index();
    sync.token = pending.token;
    ++pending.missing_replies;
    shard_.post(to, std::move(sync));
  }
  if (pending.missing_replies > 0) ++unconfirmed_;
}

bool Exchange::is_complete(const PendingSubscribe& pending) const {
  return pending.missing_replies == 0 && shard_.journal().durable(pending.moment);
}

// SUBACKs leave in the order of the SUBSCRIBEs: device SDKs count on it.
void Exchange::finish_subscribe(HostedSession& session, PendingSubscribe&& pending) {
  if (is_complete(pending) && session.subscribes_pending.empty()) {
    completed_.push_back(std::move(pending));
    return;
  }
  if (pending.token == 0) pending.token = next_token_++;
  session.subscribes_pending.push_back(pending.token);
  shard_.answers().await(session);
  pending_.emplace(pending.token, std::move(pending));
}

void Exchange::on_message(SubscribeSyncReply&& m) {
  auto found = pending_.find(m.token);
  FL_ASSERT(found != pending_.end());
  PendingSubscribe& pending = found->second;
  std::move(m.retained.begin(), m.retained.end(), std::back_inserter(pending.retained));
  if (--pending.missing_replies > 0) return;
  --unconfirmed_;
  const uint64_t session_id = pending.session_id;
  if (HostedSession* session = shard_.sessions().find(session_id)) {
    return complete_in_order(*session);
  }
  pending_.erase(found);
  release(session_id);
}

bool Exchange::on_committed(HostedSession& session) {
  if (!session.subscribes_pending.empty()) complete_in_order(session);
  return !session.subscribes_pending.empty();
}

void Exchange::complete_in_order(HostedSession& session) {
  auto& waiting = session.subscribes_pending;
  std::size_t done = 0;
  for (; done < waiting.size(); ++done) {
    auto next = pending_.find(waiting[done]);
    if (!is_complete(next->second)) break;
    completed_.push_back(std::move(next->second));
    pending_.erase(next);
  }
  waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(done));
  if (!waiting.empty()) return;
  settle();  // SUBACK and retained messages, before what came since
  release(session.id());
  if (session.connection) session.connection->resume_later();
}

void Exchange::complete(PendingSubscribe&& pending) {
  HostedSession* session = shard_.sessions().find(pending.session_id);
  if (!session || !session->connection || session->attachment != pending.attachment) return;
  session->connection->send(mqtt::SubackPacket{
      .packet_id = pending.packet_id, .reasons = std::move(pending.reasons), .properties = {}});
  for (const auto& [index, message] : pending.retained) {
    const PendingSubscribe::Grant& grant = pending.grants[index];
    const bool own = grant.options.no_local && message->sender() == session->id();
    if (own || !session->subscribes_to(grant.filter)) continue;
    const std::span identifiers(&grant.identifier, grant.identifier == 0 ? 0 : 1);
    (void)session->deliver(message,
                           {.subscription_qos = grant.options.qos,
                            .retain_as_published = true,
                            .kind = Deliverable::kRetained,
                            .identifiers = identifiers},
                           shard_.effects(), shard_.now());
  }
}

void Exchange::unsubscribe(HostedSession& session, std::string_view filter) {
  const mqtt::FilterParts parts = parts_of(filter);
  shard_.counters().subscriptions_now.subtract();
  if (parts.group.empty()) {
    if (tree_.remove(filter, session.slot())) unwant(filter);
    return;
  }
  FL_ASSERT(session.shared_count > 0);
  --session.shared_count;
  const uint16_t owner = owner_of_group(parts.group, parts.filter);
  if (owner == shard_.index()) {
    leave_here(parts.group, parts.filter, session.id());
  } else {
    shard_.post(owner,
                SharedLeave{std::string(parts.group), std::string(parts.filter), session.id()});
  }
}

// --- For other shards ----------------------------------------------------------------------------

void Exchange::on_message(SubscribeSync&& m) {
  PendingReply pending{.to = m.from, .reply = {.token = m.token, .retained = {}}};
  for (const auto& query : m.queries) {
    find_retained(query.grant, query.filter, pending.reply.retained);
  }
  announced_ = false;
  for (const auto& join : m.joins) {
    join_here(join.group, join.filter, join.member, Presence::kOnline);
  }
  // The group is of use only when every shard sends its messages here. The asking shard hears of
  // it before it hears the reply; the others have to confirm.
  if (m.joins.empty() || (!announced_ && unconfirmed_ == 0) || shard_.shard_count() == 2) {
    shard_.post(pending.to, std::move(pending.reply));
    return;
  }
  const uint64_t token = next_token_++;
  for (uint16_t to = 0; to < shard_.shard_count(); ++to) {
    if (to == shard_.index() || to == pending.to) continue;
    ++pending.missing_replies;
    shard_.post(to, Barrier{shard_.index(), token});
  }
  ++unconfirmed_;
  replies_.emplace(token, std::move(pending));
}

void Exchange::on_message(Barrier&& m) { shard_.post(m.from, BarrierReply{m.token}); }

void Exchange::on_message(BarrierReply&& m) {
  auto found = replies_.find(m.token);
  FL_ASSERT(found != replies_.end());
  if (--found->second.missing_replies > 0) return;
  --unconfirmed_;
  shard_.post(found->second.to, std::move(found->second.reply));
  replies_.erase(found);
}

// --- Retained messages ---------------------------------------------------------------------------

void Exchange::on_message(RetainedUpdate&& m) {
  const RoutingScope scope(shard_.journal(), m.receipt);
  update_retained(m.message);
}

// What the server says of itself is said anew by the next one.
RecordId Exchange::write_down_retained(const mqtt::Message& message) {
  Journal& journal = shard_.journal();
  if (!journal.enabled() || message.topic().starts_with("$SYS/")) return RecordId::kNone;
  scratch_.clear();
  encode(scratch_, message, journal.time());
  return journal.put_tagged(Table::kRetained, scratch_.view());
}

void Exchange::update_retained(const mqtt::MessageRef& message) {
  Journal& journal = shard_.journal();
  if (message->payload().empty()) {
    if (retained_.clear(message->topic())) journal.need_commit();
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

void Exchange::restore_subscription(HostedSession& session, const SubscriptionRecord& record) {
  const SubscriptionGrant grant{
      .filter = record.filter, .options = record.options, .identifier = record.identifier};
  const mqtt::FilterParts parts = parts_of(record.filter);
  if (parts.group.empty()) {
    if (tree_.add(record.filter, {session.slot(), record.identifier, record.options}) ==
        Added::kNew) {
      shard_.counters().subscriptions_now.add();
      want(record.filter);
    }
    return;
  }
  std::vector<SubscribeSync> syncs(shard_.shard_count());
  add_shared(session, parts, grant, Presence::kOffline, syncs);
  for (uint16_t to = 0; to < syncs.size(); ++to) {
    if (!syncs[to].joins.empty()) shard_.post(to, SharedJoin{std::move(syncs[to].joins.front())});
  }
}

void Exchange::sweep(Instant now) {
  (void)retained_.sweep(now, kSweepBudget);
  shard_.counters().retained_now.set(retained_.count());
}

}  // namespace fairlead
