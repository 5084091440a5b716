#pragma once

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/mpsc_queue.h"
#include "proto/mqtt/message.h"
#include "router/interest.h"
#include "router/shared_group.h"
#include "shard/connection.h"
#include "store/receipt.h"

// What shards say to each other, and the mailbox it is put into. Each value is owned by the
// message; what is shared (a Message) is immutable.

namespace fairlead {

class Shard;

// A connection whose session lives on the receiving shard.
struct Handover {
  std::unique_ptr<Connection> connection;
};

// A message that the receiving shard may want; it matches exactly.
struct Routed {
  mqtt::MessageRef message;
  ReceiptRef receipt = {};  // here and below: open for this piece of mail; null: nobody waits
};

// The retained store of the receiving shard owns the topic: set, or clear on an empty payload.
struct RetainedUpdate {
  mqtt::MessageRef message;
  ReceiptRef receipt = {};
};

// The sending shard wants the topics of a key, or no longer.
struct InterestChange {
  enum class Kind : uint8_t { kWanted, kUnwanted } kind{};
  InterestKey key;
  TargetId shard{};
};

// Shared groups that the receiving shard owns.
struct SharedLeave {
  std::string group, filter;
  mqtt::Message::SenderId session{};
};
struct SharedPresence {
  std::string group, filter;
  mqtt::Message::SenderId session{};
  Presence presence{};
};
// The group's owner chose a member on the receiving shard...
struct SharedDelivery {
  mqtt::MessageRef message;
  SharedMember member;
  SharedGroups::GroupRef group;
  uint16_t owner{};
  uint32_t tried = 1;
  ReceiptRef receipt = {};
};
// ... which could not take the message.
struct SharedRetry {
  mqtt::MessageRef message;
  mqtt::Message::SenderId failed{};
  SharedGroups::GroupRef group;
  uint32_t tried = 1;
  ReceiptRef receipt = {};
};

// What a publisher on the receiving shard waited for is settled.
struct ReceiptSettled {
  uint64_t session = 0;
};

// A member's session has ended before it was acknowledged: another member shall have it.
struct SharedHandBack {
  mqtt::MessageRef message;
  SharedGroups::GroupRef group;
};

// One SUBSCRIBE, as far as it concerns another shard. The reply says that everything the asking
// shard sent before is in force there, and brings what is retained there.
struct SubscribeSync {
  struct Query {
    uint32_t grant = 0;  // index in the SUBSCRIBE
    std::string filter;
  };
  struct Join {
    std::string group, filter;
    SharedMember member;
  };
  uint16_t from = 0;
  uint64_t token = 0;
  std::vector<Query> queries;
  std::vector<Join> joins;
};
// After a restart: a member that is not connected.
struct SharedJoin {
  SubscribeSync::Join join;
};
// Retained messages for a SUBSCRIBE, with the index of the filter that found each; and the filters
// that were not asked any more, as so many had been found before.
struct RetainedFound {
  std::vector<std::pair<uint32_t, mqtt::MessageRef>> messages;
  std::vector<uint32_t> left_out;
};
struct SubscribeSyncReply {
  uint64_t token = 0;
  RetainedFound retained;
};
// "What I sent before, is it in force?" "It is."
struct Barrier {
  uint16_t from = 0;
  uint64_t token = 0;
};
struct BarrierReply {
  uint64_t token = 0;
};

// Work from outside of the shards: registry changes, certificates, stop.
struct Control {
  std::function<void(Shard&)> run;
};

// How a piece of mail lies in a batch: nearly all of it is Routed, and need not take the room of
// the largest, which lie apart.
template <class T>
using Enclosed = std::conditional_t<(sizeof(T) <= sizeof(Routed)), T, std::unique_ptr<T>>;

template <class... T>
using Mail = std::variant<Enclosed<T>...>;

using ShardMessage =
    Mail<Routed, Handover, RetainedUpdate, InterestChange, SharedLeave, SharedPresence,
         SharedDelivery, SharedRetry, SharedHandBack, SubscribeSync, SubscribeSyncReply, Barrier,
         BarrierReply, ReceiptSettled, SharedJoin, Control>;
static_assert(sizeof(ShardMessage) <= 24);

template <class T>
[[nodiscard]] ShardMessage enclose(T&& message) {
  static_assert(!std::is_lvalue_reference_v<T>, "it is handed over");
  if constexpr (std::is_same_v<Enclosed<T>, T>) {
    return std::move(message);
  } else {
    return std::make_unique<T>(std::move(message));
  }
}

// Calls `handle` with what was enclosed.
template <class Handle>
void disclose(ShardMessage&& message, Handle&& handle) {
  std::visit(
      [&](auto&& m) {
        if constexpr (requires { *m; }) {
          handle(std::move(*m));
        } else {
          handle(std::move(m));
        }
      },
      std::move(message));
}

// Batches from any thread to one shard. Of one sender they arrive in order.
class Inbox {
 public:
  struct Batch {
    uint64_t epoch = 0;  // of the sender, see Committer; 0: from outside, or nothing is kept
    std::vector<ShardMessage> messages;
  };

  // True when the shard must be woken.
  bool post(Batch&& batch) { return queue_.push(std::move(batch)); }

  template <class Handle>
  void drain(Handle&& handle) {
    queue_.drain([&](Batch&& batch) { handle(std::move(batch)); });
  }

 private:
  MpscQueue<Batch> queue_;
};

}  // namespace fairlead
