#pragma once

#include <memory>
#include <string>
#include <vector>

#include "net/timer_wheel.h"
#include "registry/authenticator.h"
#include "router/subscription.h"
#include "session/ring.h"
#include "session/session.h"
#include "shard/takeover_pace.h"
#include "store/receipt.h"

namespace fairlead {

class Connection;
class Shard;

// A packet that waits for the disk, encoded.
struct HeldAnswer {
  uint64_t moment = 0;      // leaves when it is durable...
  ReceiptRef receipt = {};  // ... or this is settled
  std::string packet = {};
};

// A session in its place: slot, connection, timer, and what of its client's identity outlives
// CONNECT. Shard thread only.
class HostedSession final : public Session {
 public:
  HostedSession(Shard& shard, SubscriberId slot, uint64_t id, std::string key,
                const SessionLimits& limits, QueueTotal& total)
      : Session(id, std::move(key), limits, total), slot_(slot), shard_(shard) {}

  [[nodiscard]] SubscriberId slot() const { return slot_; }

  // Takes over what is to be kept of an identity.
  void identify(Identity&& identity);
  // What of it is written down beside the session, and back; false: it is damaged.
  void describe(ByteBuffer& out) const;
  [[nodiscard]] bool restore_description(Bytes description);

  [[nodiscard]] Identity::Kind kind() const { return kind_; }
  [[nodiscard]] const std::string& name() const { return name_; }  // for logs
  [[nodiscard]] const std::shared_ptr<const Product>& product() const { return product_; }
  void set_product(std::shared_ptr<const Product> product) { product_ = std::move(product); }
  // Views into key(): "d\0pk\0dn", "a\0app\0client id".
  [[nodiscard]] std::string_view product_key() const;
  [[nodiscard]] std::string_view device_name() const;
  [[nodiscard]] std::string_view app_name() const;

  // `topic` is a system topic addressed to this device that reaches it without a SUBSCRIBE
  // (reference: device protocol section 5.5).
  [[nodiscard]] bool wants_unasked(std::string_view topic) const;

  // Writes journal lines at most once a second, so that a broken client cannot flood the log.
  [[nodiscard]] bool journal_now(Instant now);

  Connection* connection = nullptr;  // null while offline
  uint32_t attachment = 0;           // counts connections: tells a later one from an earlier one
  uint32_t shared_count = 0;         // subscriptions of its own that are shared
  uint32_t shared_stay = 0;          // how often it has left the last of its shared groups
  bool end_when_detached = false;    // its device was deleted
  TakeoverPace takeover_pace;
  std::vector<uint64_t> subscribes_pending;  // SUBSCRIBEs whose SUBACK waits, oldest first
  Ring<HeldAnswer> held_answers;             // of this connection
  uint64_t output_moment = 0;                // that lets the connection's output go
  bool awaits_commit = false;                // it is told of the next commit

  // Sets the timer to deadline().
  void arm_timer();
  // It goes off then instead.
  void put_off(Instant until);

 private:
  void on_timer(Instant now);

  SubscriberId slot_;
  Identity::Kind kind_ = Identity::Kind::kAnonymous;
  bool auto_subscribe_ = false;
  uint32_t ext_bits_ = 0;
  Shard& shard_;
  std::string name_;
  std::shared_ptr<const Product> product_;
  Instant next_journal_{};
  MethodTimer<HostedSession, &HostedSession::on_timer> timer_{*this};
};

}  // namespace fairlead
