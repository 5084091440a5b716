#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "proto/mqtt/message.h"
#include "proto/mqtt/topic.h"
#include "router/interest.h"
#include "router/match_set.h"
#include "router/retained.h"
#include "router/shared_group.h"
#include "router/topic_tree.h"
#include "session/effects.h"
#include "shard/inbox.h"

namespace fairlead {

class HostedSession;
class Shard;

// Where messages meet subscriptions on one shard, and the way to the others (DESIGN section 4).
//
// Whose is what: a filter is in the tree of the shard where its session lives. A retained message
// is kept by the shard that its topic hashes to, a shared group by the shard that its name hashes
// to. Every shard knows of every other's filters as much as Interest tells.
//
// Sessions call through Effects while they run, so nothing here calls a session before settle():
// messages to be routed and SUBACKs to be followed by retained messages wait until then.
class Exchange {
 public:
  Exchange(Shard& shard, const RetainedLimits& retained_limits);

  // --- From sessions, by way of Effects ----------------------------------------------------------
  // `session` is the publisher's; 0: the server itself.
  void publish(mqtt::MessageRef message, uint64_t session = 0, const Answer& answer = {}) {
    outbound_.push_back({std::move(message), session, answer});
  }
  void subscribe(HostedSession& session, std::span<const SubscriptionGrant> grants,
                 const mqtt::SubackPacket& suback);
  // Whether one more may run beside those of the session that wait for other shards. Many do where
  // there is little to wait for; what they find is held for them meanwhile, so it must not be much.
  [[nodiscard]] bool has_room_for_subscribe(const HostedSession& session) const;
  // Whether further SUBSCRIBEs and UNSUBSCRIBEs are better left to the next turn: others have to be
  // served, too.
  [[nodiscard]] bool has_done_enough() const;
  void begin_turn() { work_this_turn_ = 0; }
  void unsubscribe(HostedSession& session, std::string_view filter);
  void hand_back(const SharedOrigin& origin, mqtt::MessageRef message) {
    handed_back_.push_back({origin, std::move(message)});
  }
  // Carries out what the calls above have left. To be called after every call of a session.
  void settle() {
    if (!outbound_.empty() || !completed_.empty() || !handed_back_.empty()) settle_now();
  }

  // The session has ended and goes: what waited for it does, too.
  void forget(HostedSession& session);

  // Connected or not: for the choice in shared groups.
  void set_presence(HostedSession& session, Presence presence);

  // --- From other shards -------------------------------------------------------------------------
  void on_message(Routed&& m);
  void on_message(RetainedUpdate&& m);
  void on_message(InterestChange&& m);
  void on_message(SharedJoin&& m);
  void on_message(SharedLeave&& m);
  void on_message(SharedPresence&& m);
  void on_message(SharedDelivery&& m);
  void on_message(SharedRetry&& m);
  void on_message(SharedHandBack&& m) { deliver_shared(m.group, m.message); }
  void on_message(SubscribeSync&& m);
  void on_message(SubscribeSyncReply&& m);
  void on_message(Barrier&& m);
  void on_message(BarrierReply&& m);

  // A slice of the search for expired retained messages: see RetainedStore::sweep().
  Swept sweep(Instant now, uint32_t budget);

  // More is durable than before: SUBACKs that waited for it leave. True: some wait still.
  [[nodiscard]] bool on_committed(HostedSession& session);

  // --- After a restart ---------------------------------------------------------------------------
  void restore_subscription(HostedSession& session, const SubscriptionRecord& record);
  void restore_retained(mqtt::MessageRef message, RecordId record);

 private:
  // A SUBSCRIBE whose SUBACK waits for other shards.
  struct PendingSubscribe {
    struct Grant {
      mqtt::SubscriptionOptions options;
      uint32_t identifier = 0;
      std::string filter;  // where retained messages are asked for
    };
    uint64_t token = 0;
    uint64_t session_id = 0;
    uint32_t attachment = 0;  // of the session: a later connection did not ask
    uint32_t missing_replies = 0;
    uint64_t moment = 0;  // that must be durable
    mqtt::PacketId packet_id{};
    std::vector<ReasonCode> reasons;
    std::vector<Grant> grants;
    RetainedFound retained;
  };
  // A reply to another shard that waits for barriers.
  struct PendingReply {
    uint16_t to = 0;
    uint32_t missing_replies = 0;
    SubscribeSyncReply reply;
  };

  // A message for a session whose SUBACK waits for other shards: the retained messages that they
  // still have to find are older, and go first.
  struct Held {
    mqtt::MessageRef message;
    std::vector<uint32_t> identifiers;
    mqtt::Qos qos = mqtt::Qos::kAtMostOnce;
    bool retain_as_published = false;
    RecordId record = RecordId::kNone;
    RecordId keeper = RecordId::kNone;  // the session's record, that `record` belongs to
    [[nodiscard]] Delivery delivery() const {
      return {.subscription_qos = qos,
              .retain_as_published = retain_as_published,
              .identifiers = identifiers,
              .record = record};
    }
  };

  struct Outbound {
    mqtt::MessageRef message;
    uint64_t session = 0;
    Answer answer;
  };

  struct HandedBack {
    SharedOrigin origin;
    mqtt::MessageRef message;
  };

  void settle_now();
  void give_to_another(HandedBack&& back);
  void route(const Outbound& outbound);
  void route(const mqtt::MessageRef& message);
  void route_retained(const mqtt::MessageRef& message);
  [[nodiscard]] ReceiptRef open_receipt();
  // `addressed`: the session of the device that the topic names; empty: it names none.
  void deliver_here(const mqtt::MessageRef& message, const std::string& addressed);
  void hold(HostedSession& session, const mqtt::MessageRef& message,
            const MatchSet::Target& target);
  void release(uint64_t session);
  void deliver_shared(SharedGroups::GroupRef group, const mqtt::MessageRef& message);
  void deliver_to_member(const SharedMember* member, SharedGroups::GroupRef group,
                         const mqtt::MessageRef& message, uint32_t tried);
  [[nodiscard]] bool deliver_to_local_member(const SharedMember& member,
                                             const mqtt::MessageRef& message,
                                             const SharedOrigin& origin);
  void update_retained(const mqtt::MessageRef& message);
  [[nodiscard]] RecordId write_down_retained(const mqtt::Message& message);

  void add_shared(HostedSession& session, const mqtt::FilterParts& parts,
                  const SubscriptionGrant& grant, Presence presence,
                  std::vector<SubscribeSync>& syncs);
  void want(std::string_view filter);
  void unwant(std::string_view filter);
  void announce(InterestChange::Kind kind, const InterestKey& key);
  void join_here(std::string_view group, std::string_view filter, const SharedMember& member,
                 Presence presence);
  void leave_here(std::string_view group, std::string_view filter, uint64_t session);
  [[nodiscard]] uint16_t owner_of_group(std::string_view group, std::string_view filter) const;
  [[nodiscard]] static bool asks_for_retained(const HostedSession& session,
                                              const SubscriptionGrant& grant);
  void find_retained(uint32_t grant, std::string_view filter, RetainedFound& found);
  void ask_retained(uint32_t grant, std::string_view filter, std::vector<SubscribeSync>& syncs,
                    RetainedFound& found);
  void send_syncs(std::vector<SubscribeSync>& syncs, PendingSubscribe& pending);
  void finish_subscribe(HostedSession& session, PendingSubscribe&& pending);
  [[nodiscard]] bool is_complete(const PendingSubscribe& pending) const;
  void complete_in_order(HostedSession& session);
  void complete(PendingSubscribe&& pending);

  Shard& shard_;
  TopicTree tree_;
  MatchSet matches_;
  RetainedStore retained_;
  SharedGroups shared_;
  LocalInterest local_interest_;
  Interest others_;
  std::vector<Outbound> outbound_;
  std::vector<Outbound> routing_;  // outbound_, while settle_now() works on it
  std::vector<HandedBack> handed_back_;
  std::vector<PendingSubscribe> completed_;
  std::unordered_map<uint64_t, PendingSubscribe> pending_;
  std::unordered_map<uint64_t, PendingReply> replies_;
  std::unordered_map<uint64_t, std::vector<Held>> held_;  // by session, oldest first
  ByteBuffer scratch_;
  uint64_t next_token_ = 1;
  std::size_t work_this_turn_ = 0;  // retained messages found, and filters taken or given up
  uint32_t unconfirmed_ = 0;        // requests under way that may stand for an announced interest
  bool announced_ = false;          // by want(), since it was last set to false
};

}  // namespace fairlead
