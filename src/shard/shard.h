#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/intrusive_list.h"
#include "net/loop.h"
#include "registry/database.h"
#include "shard/acceptor.h"
#include "shard/admission.h"
#include "shard/answers.h"
#include "shard/connection.h"
#include "shard/counters.h"
#include "shard/exchange.h"
#include "shard/expiry.h"
#include "shard/inbox.h"
#include "shard/publish_encoder.h"
#include "shard/session_table.h"
#include "shard/shard_effects.h"
#include "shard/shard_keeper.h"
#include "store/journal.h"

namespace fairlead {

// What a shard has in common with the others: fixed while the shards run.
struct ShardPeers {
  const ServerOptions& options;
  const Registry& registry;
  Authenticator& authenticator;
  std::vector<std::unique_ptr<Shard>> shards;
  const Clock& clock = machine_clock();
  Committer* committer = nullptr;  // null: nothing is kept
};

// One core's world (DESIGN section 3): event loop, listeners, connections, sessions, and this
// core's part of the router. run() is its thread; everything but post_from_outside(), counters()
// and the constructor is that thread's alone.
//
// A turn: read every ready connection and run its session; take in what other shards sent; go on
// with input that waited for it; let closing connections take leave; hand mail to other shards;
// send what connections gathered.
class Shard {
 public:
  Shard(uint16_t index, ShardPeers& peers);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // Before run(): a listener's share. False when the kernel refuses to watch it.
  [[nodiscard]] bool listen(ListeningSocket socket, const ListenerOptions& options);
  void set_tls(std::shared_ptr<const TlsContext> tls) { tls_ = std::move(tls); }

  // Once, before the first turn of any shard.
  void begin();
  // Turns until quit().
  void run();
  // The same in steps, for who moves the clock himself.
  void turn(milliseconds max_wait);

  // Any thread.
  void post_from_outside(Control control);
  [[nodiscard]] const ShardCounters& counters() const { return counters_; }
  [[nodiscard]] const QueueTotal& queue_total() const { return queue_total_; }

  // --- Control, on this thread -------------------------------------------------------------------

  // No more connections; those that are there take leave, clients of MQTT 5.0 with 0x8B.
  void begin_stop();
  // run() returns at the end of this turn.
  void quit() { quitting_ = true; }
  [[nodiscard]] bool drained() const { return suspects_.empty() && admitted_.empty(); }
  void on_registry_change(const RegistryChange& change);

  // --- For connections, sessions and their helpers -----------------------------------------------

  [[nodiscard]] uint16_t index() const { return index_; }
  [[nodiscard]] uint16_t shard_count() const { return static_cast<uint16_t>(peers_.shards.size()); }
  [[nodiscard]] TargetId target() const { return TargetId{static_cast<uint8_t>(index_)}; }
  // Where a session key, a retained topic or a shared group lives.
  [[nodiscard]] uint16_t home_of(std::string_view key) const;

  [[nodiscard]] Loop& loop() { return loop_; }
  [[nodiscard]] Instant now() const { return loop_.now(); }
  [[nodiscard]] const ServerOptions& options() const { return peers_.options; }
  [[nodiscard]] const std::shared_ptr<const TlsContext>& tls() const { return tls_; }
  [[nodiscard]] ShardCounters& counters() { return counters_; }
  [[nodiscard]] SessionTable& sessions() { return sessions_; }
  [[nodiscard]] Exchange& exchange() { return exchange_; }
  [[nodiscard]] Admission& admission() { return admission_; }
  [[nodiscard]] AdmissionBudget& admission_budget() { return admission_budget_; }
  [[nodiscard]] ShardEffects& effects() { return effects_; }
  [[nodiscard]] Journal& journal() { return journal_; }
  [[nodiscard]] Answers& answers() { return answers_; }
  [[nodiscard]] ShardKeeper& keeper() { return keeper_; }
  void await_commit(HostedSession& session) { answers_.await(session); }
  [[nodiscard]] PublishEncoder& encoder() { return encoder_; }
  [[nodiscard]] Inflater& inflater() { return inflater_; }

  // Scratch: overwritten by the next user.
  [[nodiscard]] ByteBuffer& packet_scratch() { return packet_scratch_; }
  [[nodiscard]] ByteBuffer& cipher_scratch() { return cipher_scratch_; }
  // Of the one connection that is decrypting; what others send meanwhile is none of its business.
  [[nodiscard]] ByteBuffer& answer_scratch() { return answer_scratch_; }
  [[nodiscard]] ByteBuffer& inflated_scratch() { return inflated_scratch_; }
  // Output buffers, lent to connections for a turn.
  [[nodiscard]] ByteBuffer lease();
  void give_back(ByteBuffer&& buffer);

  // Whether one more suspect may come: there is room, or the oldest has had its time.
  [[nodiscard]] bool has_room_for_suspect();
  void add_connection(UniqueFd fd, const SocketAddress& peer, const ListenerOptions& listener);
  void flush_later(Connection& connection) { flushes_.push_back(connection); }
  void close_later(Connection& connection);
  // Goes on with input that has waited, when no session's call is under way.
  void resume_later(Connection& connection);
  void hand_over(Connection& connection);

  [[nodiscard]] bool has_room_for_session(std::string_view key) const;
  // This shard's part of what the whole server may have: hashes and the kernel spread evenly.
  [[nodiscard]] std::size_t share_of(std::size_t count_max) const;
  HostedSession& create_session(const std::string& key);
  void destroy_session(HostedSession& session);
  [[nodiscard]] const Registry& registry() const { return peers_.registry; }
  void on_attached(HostedSession& session);
  void on_detached(HostedSession& session, DetachCause cause);
  void on_session_deadline(HostedSession& session, Instant now);
  // Carries out what a call of a session left to be done.
  void settle() {
    exchange_.settle();
    if (!journal_.settled().empty()) answers_.settle_receipts();
  }

  // To another shard's inbox, at the end of this turn.
  template <class Message>
  void post(uint16_t to, Message&& message) {
    post_mail(to, enclose(std::forward<Message>(message)));
  }

 private:
  void take_mail();
  void look_at_queues_elsewhere();
  [[nodiscard]] uint64_t queue_bytes_elsewhere() const;
  void resume_inputs();
  void on_message(Handover&& m);
  void on_message(Control&& m) { m.run(*this); }
  void on_message(ReceiptSettled&& m) { answers_.on_message(std::move(m)); }
  template <class Message>
  void on_message(Message&& m) {
    exchange_.on_message(std::forward<Message>(m));
    settle();
  }
  [[nodiscard]] bool suspects_full() const;
  void add_suspect(Connection& connection);
  void remove_suspect(Connection& connection);
  void end_turn();
  void take_leave();
  void post_mail(uint16_t to, ShardMessage&& message);
  void send_mail();
  void send_batch(uint16_t to);
  void commit();
  void on_housekeeping(Instant now);

  void kick(HostedSession& session, ReasonCode reason, std::string_view sentence);
  void drop(HostedSession& session, std::string_view sentence);
  void after_session_call(HostedSession& session);
  void on_device_change(const RegistryChange& change);
  void on_product_change(const RegistryChange& change);
  void on_app_change(const RegistryChange& change);

  const uint16_t index_;
  ShardPeers& peers_;
  Loop loop_;
  Inbox inbox_;
  ShardCounters counters_;
  std::shared_ptr<const TlsContext> tls_;
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  IntrusiveList<Connection, ResidentTag> suspects_;  // owned; in the order of their arrival
  IntrusiveList<Connection, ResidentTag> admitted_;  // owned, as are evicted suspects in here
  IntrusiveList<Connection, FlushTag> flushes_;
  IntrusiveList<Connection, LaterTag> closings_;
  IntrusiveList<Connection, LaterTag> resumes_;
  std::vector<Inbox::Batch> mail_;  // for each shard, of this turn
  std::vector<ByteBuffer> spare_buffers_;
  ByteBuffer packet_scratch_;
  ByteBuffer cipher_scratch_;
  ByteBuffer answer_scratch_;
  ByteBuffer inflated_scratch_;
  PublishEncoder encoder_;
  Inflater inflater_;
  Journal journal_;
  ShardKeeper keeper_;
  Answers answers_;
  Instant looked_elsewhere_{};
  QueueTotal queue_total_;  // before the sessions, whose queues it counts
  SessionTable sessions_;
  Exchange exchange_;
  Admission admission_;
  AdmissionBudget admission_budget_;
  ShardEffects effects_;
  Expiry expiry_{*this};
  bool stopping_ = false;
  bool quitting_ = false;
  MethodTimer<Shard, &Shard::on_housekeeping> housekeeping_{*this};
};

}  // namespace fairlead
