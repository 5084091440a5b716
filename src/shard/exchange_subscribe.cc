#include <algorithm>

#include "proto/mqtt/topic.h"
#include "shard/connection.h"
#include "shard/exchange.h"
#include "shard/hosted_session.h"
#include "shard/shard.h"

// SUBSCRIBE and UNSUBSCRIBE, on this shard and with the others.

namespace fairlead {
namespace {

// SUBSCRIBEs of one session that wait for other shards, and retained messages that the last of them
// may have found (on all shards, by this one's part) for another one to join it.
constexpr std::size_t kPendingCountMax = 64;
constexpr std::size_t kPendingFoundMax = 200;
// For one SUBSCRIBE, on each shard, where there are not more of them to begin with: once is enough.
constexpr std::size_t kFoundForOneMax = 100'000;
// Before SUBSCRIBEs and UNSUBSCRIBEs wait: retained messages found, or filters, each of which costs
// several times as much.
constexpr std::size_t kWorkPerTurnMax = 2000;
constexpr std::size_t kWorkOfFilter = 4;

// The parts of a filter that the session has checked.
mqtt::FilterParts parts_of(std::string_view filter) {
  auto parts = mqtt::split_filter(filter);
  FL_ASSERT(parts.ok());
  return *parts;
}

}  // namespace

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
  work_this_turn_ += grants.size() * kWorkOfFilter;
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
                            .stay = session.shared_stay,
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
         last->second.retained.messages.size() * shard_.shard_count() <= kPendingFoundMax;
}

bool Exchange::has_done_enough() const { return work_this_turn_ >= kWorkPerTurnMax; }

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
                            std::vector<SubscribeSync>& syncs, RetainedFound& found) {
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

// A thousand filters that match everything must not find everything a thousand times.
void Exchange::find_retained(uint32_t grant, std::string_view filter, RetainedFound& found) {
  const std::size_t before = found.messages.size();
  if (before > 0 && before >= std::max(kFoundForOneMax, retained_.count())) {
    found.left_out.push_back(grant);
    return;
  }
  retained_.match(filter, shard_.now(), [&](const mqtt::MessageRef& message) {
    found.messages.emplace_back(grant, message);
  });
  work_this_turn_ += found.messages.size() - before;
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
  std::ranges::move(m.retained.messages, std::back_inserter(pending.retained.messages));
  std::ranges::move(m.retained.left_out, std::back_inserter(pending.retained.left_out));
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
  for (const uint32_t index : pending.retained.left_out) {
    shard_.effects().journal(*session, JournalKind::kRetainedLeftOut, pending.grants[index].filter);
  }
  for (const auto& [index, message] : pending.retained.messages) {
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
  work_this_turn_ += kWorkOfFilter;
  if (parts.group.empty()) {
    if (tree_.remove(filter, session.slot())) unwant(filter);
    return;
  }
  FL_ASSERT(session.shared_count > 0);
  if (--session.shared_count == 0) ++session.shared_stay;
  const uint16_t owner = owner_of_group(parts.group, parts.filter);
  if (owner == shard_.index()) {
    leave_here(parts.group, parts.filter, session.id());
  } else {
    shard_.post(owner,
                SharedLeave{std::string(parts.group), std::string(parts.filter), session.id()});
  }
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

}  // namespace fairlead
