#include "shard/shard.h"

#include "base/log.h"

namespace fairlead {
namespace {

constexpr milliseconds kHousekeepingInterval{1000};
constexpr milliseconds kLookElsewhereInterval{10};
constexpr milliseconds kMaxWait{60'000};
constexpr std::size_t kSpareBuffersMax = 256;
constexpr std::size_t kSpareBufferBytesMax = 64u << 10;
constexpr std::size_t kMailBatchMax = 1024;

// Topics hash evenly: each shard takes its part of what the whole server may keep.
RetainedLimits retained_share(const RetainedLimits& whole, std::size_t shards) {
  return {.count_max = whole.count_max / shards, .bytes_max = whole.bytes_max / shards};
}

}  // namespace

Shard::Shard(uint16_t index, ShardPeers& peers)
    : index_(index),
      peers_(peers),
      loop_(peers.clock),
      tls_(peers.options.tls),
      journal_(index, peers.committer, WallTime(loop_.now(), peers.clock.wall_now())),
      keeper_(*this),
      answers_(*this),
      queue_total_(peers.options.total_queue_bytes_max, [this] { return queue_bytes_elsewhere(); }),
      sessions_(*this, index, peers.options.session, queue_total_),
      exchange_(*this, retained_share(peers.options.retained, peers.options.shard_count)),
      admission_(*this, peers.registry, peers.authenticator),
      admission_budget_(peers.options.suspect.admission),
      effects_(*this) {}

Shard::~Shard() {
  acceptors_.clear();
  inbox_.drain([](Inbox::Batch&&) {});  // connections on their way here
  while (!suspects_.empty()) delete &suspects_.front();
  while (!admitted_.empty()) delete &admitted_.front();
}

bool Shard::listen(ListeningSocket socket, const ListenerOptions& options) {
  acceptors_.push_back(std::make_unique<Acceptor>(*this, std::move(socket), options));
  return acceptors_.back()->start();
}

uint16_t Shard::home_of(std::string_view key) const {
  return shard_count() == 1 ? uint16_t{0}
                            : static_cast<uint16_t>(stable_hash(key) % peers_.shards.size());
}

// --- The turn ------------------------------------------------------------------------------------

void Shard::run() {
  while (!quitting_) turn(kMaxWait);
}

void Shard::begin() {
  mail_.resize(peers_.shards.size());
  loop_.timers().arm(housekeeping_, now() + kHousekeepingInterval);
}

void Shard::turn(milliseconds max_wait) {
  expiry_.begin_turn();
  loop_.turn(resumes_.empty() ? max_wait : milliseconds(0));
  look_at_queues_elsewhere();
  take_mail();
  resume_inputs();
  end_turn();
  commit();
  admission_budget_.begin_turn(peers_.clock.now() - now());
}

void Shard::look_at_queues_elsewhere() {
  if (now() - looked_elsewhere_ < kLookElsewhereInterval) return;
  looked_elsewhere_ = now();
  queue_total_.look_elsewhere();
}

uint64_t Shard::queue_bytes_elsewhere() const {
  uint64_t bytes = 0;
  for (const auto& shard : peers_.shards) {
    if (shard.get() != this) bytes += shard->queue_total_.bytes();
  }
  return bytes;
}

void Shard::take_mail() {
  inbox_.drain([this](Inbox::Batch&& batch) {
    journal_.begin_mail(batch.epoch);
    for (ShardMessage& message : batch.messages) {
      disclose(std::move(message), [this](auto&& m) { on_message(std::move(m)); });
    }
    journal_.end_mail(batch.epoch);
  });
}

// Each in its turn, some perhaps not in this one.
void Shard::resume_inputs() {
  exchange_.begin_turn();
  while (!resumes_.empty() && !exchange_.has_done_enough()) resumes_.pop_front().resume_input();
}

// Mail goes before output: what a client has been told is then on its way to every shard.
void Shard::end_turn() {
  while (!flushes_.empty() || !closings_.empty()) {
    take_leave();
    send_mail();
    while (!flushes_.empty()) flushes_.front().flush();
  }
  send_mail();
}

// At the end of the turn, when all that it recorded is recorded. What becomes durable lets output
// go, and that may close connections.
void Shard::commit() {
  while (journal_.end_turn()) {
    answers_.on_committed();
    end_turn();
  }
}

void Shard::take_leave() {
  IntrusiveList<Connection, LaterTag> leaving;
  leaving.splice(closings_);
  while (!leaving.empty()) {
    Connection& connection = leaving.pop_front();
    connection.detach_session();
    if (!connection.finished()) continue;
    counters_.connections_now.subtract();
    if (connection.suspect()) counters_.suspects_now.subtract();
    delete &connection;
  }
}

// A batch is of one epoch, and batches stay in their order.
void Shard::post_mail(uint16_t to, ShardMessage&& message) {
  FL_ASSERT(to != index_);
  Inbox::Batch& batch = mail_[to];
  if (!batch.messages.empty() && batch.epoch != journal_.epoch()) send_batch(to);
  if (batch.messages.empty()) {
    batch.epoch = journal_.epoch();
    journal_.mail_sent(batch.epoch);  // counted before this shard can leave the epoch
  }
  batch.messages.push_back(std::move(message));
  if (batch.messages.size() >= kMailBatchMax) send_batch(to);
}

void Shard::send_batch(uint16_t to) {
  if (mail_[to].messages.empty()) return;
  if (peers_.shards[to]->inbox_.post(std::exchange(mail_[to], {}))) peers_.shards[to]->loop_.wake();
}

void Shard::send_mail() {
  for (uint16_t to = 0; to < mail_.size(); ++to) send_batch(to);
}

void Shard::post_from_outside(Control control) {
  Inbox::Batch batch;
  batch.messages.push_back(enclose(std::move(control)));
  if (inbox_.post(std::move(batch))) loop_.wake();
}

void Shard::on_housekeeping(Instant now) {
  expiry_.sweep(now);
  loop_.timers().arm(housekeeping_, now + kHousekeepingInterval);
}

ByteBuffer Shard::lease() {
  if (spare_buffers_.empty()) return {};
  ByteBuffer buffer = std::move(spare_buffers_.back());
  spare_buffers_.pop_back();
  return buffer;
}

void Shard::give_back(ByteBuffer&& buffer) {
  ByteBuffer taken = std::move(buffer);
  if (taken.capacity() == 0 || taken.capacity() > kSpareBufferBytesMax) return;
  if (spare_buffers_.size() >= kSpareBuffersMax) return;
  taken.clear();
  spare_buffers_.push_back(std::move(taken));
}

// --- Connections ---------------------------------------------------------------------------------

void Shard::add_connection(UniqueFd fd, const SocketAddress& peer,
                           const ListenerOptions& listener) {
  counters_.connections_total.add();
  if (stopping_ || counters_.connections_now.get() >= share_of(options().connection.count_max)) {
    counters_.refused_for(RefusalCause::kTooManyConnections).add();
    FL_LOG(kWarning, "connection.refused", {"source", peer.text()},
           {"cause", stopping_ ? "the server is stopping" : "too many connections"});
    return;
  }
  auto connection = std::make_unique<Connection>(*this, std::move(fd), peer, listener);
  if (!connection->start()) return;
  counters_.connections_now.add();
  add_suspect(*connection.release());
}

bool Shard::suspects_full() const {
  return counters_.suspects_now.get() >= share_of(options().suspect.count_max);
}

bool Shard::has_room_for_suspect() {
  return !suspects_full() || now() - suspects_.front().arrived_at() >= options().suspect.grace;
}

void Shard::add_suspect(Connection& connection) {
  if (suspects_full()) {
    Connection& oldest = suspects_.front();
    oldest.evict();
    remove_suspect(oldest);
  }
  counters_.suspects_now.add();
  suspects_.push_back(connection);
}

void Shard::remove_suspect(Connection& connection) {
  counters_.suspects_now.subtract();
  static_cast<ListLink<ResidentTag>&>(connection).unlink();
  admitted_.push_back(connection);
}

void Shard::close_later(Connection& connection) {
  static_cast<ListLink<LaterTag>&>(connection).unlink();  // it may be on either list
  closings_.push_back(connection);
}

void Shard::resume_later(Connection& connection) {
  if (!static_cast<ListLink<LaterTag>&>(connection).linked()) resumes_.push_back(connection);
}

// Called at the end of the connection's own on_io(), as its last act there.
void Shard::hand_over(Connection& connection) {
  connection.flush();
  if (connection.finished()) return;
  const uint16_t home = home_of(connection.moving_to());
  connection.leave();
  counters_.connections_now.subtract();
  counters_.suspects_now.subtract();
  post(home, Handover{std::unique_ptr<Connection>(&connection)});
}

void Shard::on_message(Handover&& m) {
  if (stopping_ || !m.connection->join(*this)) return;
  counters_.connections_now.add();
  Connection& connection = *m.connection.release();
  add_suspect(connection);
  connection.resume_connect();
  settle();
}

// --- Sessions ------------------------------------------------------------------------------------

bool Shard::has_room_for_session(std::string_view key) const {
  if (sessions_.find(key)) return true;
  return !sessions_.full() && sessions_.size() < share_of(options().session_count_max);
}

std::size_t Shard::share_of(std::size_t count_max) const {
  return std::max<std::size_t>(1, count_max / shard_count());
}

HostedSession& Shard::create_session(const std::string& key) {
  counters_.sessions_now.add();
  return sessions_.create(key);
}

void Shard::on_attached(HostedSession& session) {
  remove_suspect(*session.connection);
  counters_.clients_now.add();
  session.arm_timer();
  exchange_.set_presence(session, Presence::kOnline);
  settle();
}

void Shard::on_detached(HostedSession& session, DetachCause cause) {
  counters_.clients_now.subtract();
  session.held_answers.clear();
  exchange_.set_presence(session, Presence::kOffline);
  session.on_detached(cause, effects_, now());
  if (session.end_when_detached && !session.ended()) {
    session.end(Session::WillAtEnd::kDiscard, effects_, now());
  }
  after_session_call(session);
}

void Shard::on_session_deadline(HostedSession& session, Instant now) {
  if (!expiry_.may_end(session, now)) return;
  session.on_deadline(effects_, now);
  after_session_call(session);
}

void Shard::after_session_call(HostedSession& session) {
  settle();
  if (!session.ended()) {
    session.arm_timer();
    return;
  }
  destroy_session(session);
}

void Shard::destroy_session(HostedSession& session) {
  exchange_.forget(session);
  counters_.sessions_now.subtract();
  sessions_.destroy(session);
}

// --- Control -------------------------------------------------------------------------------------

void Shard::begin_stop() {
  stopping_ = true;
  acceptors_.clear();
  suspects_.for_each([](Connection& connection) {
    if (!connection.closing()) connection.abort(DetachCause::kServerShutdown);
  });
  admitted_.for_each([](Connection& connection) {
    connection.close(CloseStyle::kWithDisconnect, ReasonCode::kServerShuttingDown,
                     "the server is shutting down", DetachCause::kServerShutdown);
  });
}

// The client is told; the session stays unless drop() asked for its end.
void Shard::kick(HostedSession& session, ReasonCode reason, std::string_view sentence) {
  if (!session.connection) return;
  session.connection->close(CloseStyle::kWithDisconnect, reason, sentence,
                            DetachCause::kAdministrative);
}

void Shard::drop(HostedSession& session, std::string_view sentence) {
  if (session.connection) {
    session.end_when_detached = true;
    kick(session, ReasonCode::kAdministrativeAction, sentence);
    return;
  }
  session.end(Session::WillAtEnd::kDiscard, effects_, now());
  after_session_call(session);
}

void Shard::on_registry_change(const RegistryChange& change) {
  switch (change.kind) {
    case RegistryChange::Kind::kDeviceCreated:
      return;
    case RegistryChange::Kind::kDeviceEnabled:
      return;
    case RegistryChange::Kind::kDeviceChanged:
    case RegistryChange::Kind::kDeviceDisabled:
    case RegistryChange::Kind::kDeviceDeleted:
      return on_device_change(change);
    case RegistryChange::Kind::kProductChanged:
    case RegistryChange::Kind::kProductDeleted:
      return on_product_change(change);
    case RegistryChange::Kind::kAppChanged:
    case RegistryChange::Kind::kAppDeleted:
      return on_app_change(change);
  }
  unreachable();
}

void Shard::on_device_change(const RegistryChange& change) {
  HostedSession* session = sessions_.find(device_session_key(change.product_key, change.name));
  if (!session) return;
  if (change.kind == RegistryChange::Kind::kDeviceDeleted) {
    drop(*session, "the device was deleted");
  } else if (change.kind == RegistryChange::Kind::kDeviceDisabled) {
    kick(*session, ReasonCode::kNotAuthorized, "the device was disabled");
  } else {
    kick(*session, ReasonCode::kAdministrativeAction, "the device's secret was changed");
  }
}

void Shard::on_product_change(const RegistryChange& change) {
  const auto entry = peers_.registry.product(change.product_key);
  sessions_.for_each([&](HostedSession& session) {
    if (session.product_key() != change.product_key || session.ended()) return;
    if (!entry) return drop(session, "the product was deleted");
    const bool same_profile = session.product()->profile == entry->product->profile;
    session.set_product(entry->product);
    session.on_policy_changed(
        AccessPolicy::for_device(session.product_key(), session.device_name(), entry->topic_rules),
        effects_);
    if (!same_profile) {
      kick(session, ReasonCode::kAdministrativeAction, "the product's profile was changed");
    }
    settle();
  });
}

void Shard::on_app_change(const RegistryChange& change) {
  const auto entry = peers_.registry.app(change.name);
  sessions_.for_each([&](HostedSession& session) {
    if (session.app_name() != change.name || session.ended()) return;
    if (!entry) return drop(session, "the application was deleted");
    session.on_policy_changed(entry->policy, effects_);
    if (!entry->app->enabled) {
      kick(session, ReasonCode::kNotAuthorized, "the application was disabled");
    }
    settle();
  });
}

}  // namespace fairlead
