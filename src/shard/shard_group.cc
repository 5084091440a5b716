#include "shard/shard_group.h"

#include <condition_variable>
#include <future>
#include <mutex>

#include "base/log.h"
#include "shard/recovery.h"
#include "shard/sys_topics.h"

namespace fairlead {
namespace {

constexpr milliseconds kDrainCheck{20};

void add_store(const Committer& committer, ServerCounters& sum) {
  const Committer::Figures figures = committer.figures();
  sum.store_failing = committer.failing() ? 1 : 0;
  sum.store_commits = figures.commits;
  sum.store_failures = figures.failures;
  sum.store_records = figures.records;
  sum.store_commit_microseconds = figures.commit_microseconds;
  sum.store_slowest_commit_microseconds = figures.slowest_microseconds;
  sum.store_unrecorded = figures.overflows;
  sum.store_file_bytes = figures.sizes.file_bytes;
  sum.store_free_bytes = figures.sizes.free_bytes;
}

}  // namespace

ShardGroup::ShardGroup(const ServerOptions& options, Registry& registry,
                       Authenticator& authenticator, std::optional<RecordStore> store)
    : options_(options),
      peers_{
          .options = options_, .registry = registry, .authenticator = authenticator, .shards = {}} {
  FL_ASSERT(options.shard_count >= 1 && options.shard_count <= kTargetCountMax);
  if (store) {
    committer_ = std::make_unique<Committer>(
        std::move(*store), options_.commit, static_cast<uint16_t>(options.shard_count),
        [this](uint16_t shard) { peers_.shards[shard]->loop().wake(); });
    peers_.committer = committer_.get();
  }
  for (unsigned i = 0; i < options.shard_count; ++i) {
    peers_.shards.push_back(std::make_unique<Shard>(static_cast<uint16_t>(i), peers_));
  }
  for (auto& shard : peers_.shards) shard->begin();
}

ShardGroup::~ShardGroup() {
  sys_topics_ = {};
  if (committer_) committer_->stop();
  for (auto& shard : peers_.shards) shard->post_from_outside({[](Shard& s) { s.quit(); }});
  join();
}

void ShardGroup::join() {
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

// The sockets are open first, so that an address that is taken is found out at once; clients that
// come meanwhile wait in the kernel until all is back.
Status ShardGroup::start() {
  for (const ListenerOptions& listener : options_.listeners) {
    if (Status opened = open(listener); !opened) return opened;
  }
  for (auto& shard : peers_.shards) {
    threads_.emplace_back([&shard = *shard] { shard.run(); });
  }
  if (committer_) {
    if (Status recovered = recover(); !recovered) return recovered;
  }
  if (Status watched = listen(); !watched) return watched;
  if (options_.sys_interval.count() > 0) publish_sys_topics();
  return Done{};
}

Status ShardGroup::open(const ListenerOptions& listener) {
  auto sockets = ListeningSocket::open_for_shards(listener.address, {}, peers_.shards.size());
  if (!sockets) return sockets.error();
  addresses_.push_back(sockets->front().local());
  listeners_.push_back({&listener, std::move(*sockets)});
  return Done{};
}

Status ShardGroup::recover() {
  const Instant begin = MonotonicClock::now();
  const auto figures = Recovery(peers_.shards).run(committer_->store());
  if (!figures) return figures.error();
  committer_->start();
  FL_LOG(kInfo, "store.recovered", {"sessions", figures->sessions},
         {"subscriptions", figures->subscriptions}, {"messages", figures->messages},
         {"retained", figures->retained}, {"dropped", figures->dropped},
         {"ms", (MonotonicClock::now() - begin).count()});
  return Done{};
}

Status ShardGroup::listen() {
  std::atomic<bool> watched{true};
  on_every_shard([&](Shard& shard) {
    for (OpenListener& listener : listeners_) {
      if (!shard.listen(std::move(listener.sockets[shard.index()]), *listener.options)) {
        watched = false;
      }
    }
  });
  listeners_.clear();
  if (watched) return Done{};
  return Reject{ReasonCode::kUnspecifiedError, "the kernel refuses to watch the listening sockets"};
}

void ShardGroup::on_every_shard(const std::function<void(Shard&)>& work) {
  if (threads_.empty()) return;
  // Each copy of `token` dies when its shard has done the work, or was stopped before.
  std::promise<void> done;
  auto token = std::shared_ptr<void>(nullptr, [&done](void*) { done.set_value(); });
  for (auto& shard : peers_.shards) {
    shard->post_from_outside({[work, token](Shard& s) { work(s); }});
  }
  token.reset();
  done.get_future().wait();
}

void ShardGroup::stop() {
  if (threads_.empty()) return;
  sys_topics_ = {};
  on_every_shard([](Shard& shard) { shard.begin_stop(); });
  const auto deadline = std::chrono::steady_clock::now() + options_.stop_max;
  while (std::chrono::steady_clock::now() < deadline && !wait_until_drained()) {
  }
  if (committer_ && !committer_->flush(options_.stop_max)) {
    FL_LOG(kError, "store.unsaved",
           {"cause", "the disk did not take the last changes before the server stopped"},
           {"hint", "nothing that was acknowledged is among them"});
  }
  if (committer_) committer_->stop();
  on_every_shard([](Shard& shard) { shard.quit(); });
  join();
}

// Looks once, then lets some time pass. True when no shard has a connection left.
bool ShardGroup::wait_until_drained() {
  std::atomic<bool> drained{true};
  on_every_shard([&drained](Shard& shard) {
    if (!shard.drained()) drained = false;
  });
  if (!drained) std::this_thread::sleep_for(kDrainCheck);
  return drained;
}

ServerCounters ShardGroup::counters() const {
  ServerCounters sum;
  for (const auto& shard : peers_.shards) {
    const ShardCounters& c = shard->counters();
    sum.connections_now += c.connections_now.get();
    sum.connections_total += c.connections_total.get();
    sum.clients_now += c.clients_now.get();
    sum.connects_accepted += c.connects_accepted.get();
    sum.suspects_now += c.suspects_now.get();
    for (std::size_t i = 0; i < c.refused.size(); ++i) sum.refused[i] += c.refused[i].get();
    sum.sessions_now += c.sessions_now.get();
    sum.subscriptions_now += c.subscriptions_now.get();
    sum.retained_now += c.retained_now.get();
    sum.messages_received += c.messages_received.get();
    sum.messages_sent += c.messages_sent.get();
    sum.messages_dropped += c.messages_dropped.get();
    sum.bytes_received += c.bytes_received.get();
    sum.bytes_sent += c.bytes_sent.get();
    sum.queued_messages += shard->queue_total().messages();
    sum.queued_bytes += shard->queue_total().bytes();
    sum.expiry_lag_ms = std::max(sum.expiry_lag_ms, c.expiry_lag_ms.get());
  }
  if (committer_) add_store(*committer_, sum);
  return sum;
}

void ShardGroup::publish_sys_topics() {
  sys_topics_ = std::jthread([this](std::stop_token stop) {
    const auto started = std::chrono::steady_clock::now();
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    while (!stop.stop_requested()) {
      const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(
          std::chrono::steady_clock::now() - started);
      std::vector<mqtt::MessageRef> messages;
      for_each_sys_topic(counters(), uptime, [&](std::string_view topic, const std::string& text) {
        messages.push_back(mqtt::Message::make(
            {.topic = topic, .payload = as_bytes(text), .retain = mqtt::Retain::kYes}));
      });
      peers_.shards[0]->post_from_outside({[messages](Shard& shard) {
        for (const auto& message : messages) shard.exchange().publish(message);
        shard.settle();
      }});
      wake.wait_for(lock, stop, options_.sys_interval, [] { return false; });
    }
  });
}

// --- Server --------------------------------------------------------------------------------------

Server::Server(const ServerOptions& options, Registry& registry, Authenticator& authenticator,
               std::optional<RecordStore> store)
    : group_(std::make_unique<ShardGroup>(options, registry, authenticator, std::move(store))) {}
Server::~Server() = default;
Status Server::start() { return group_->start(); }
void Server::stop() { group_->stop(); }
std::vector<SocketAddress> Server::addresses() const { return group_->addresses(); }
bool Server::flush_store(milliseconds limit) { return group_->flush_store(limit); }

ServerCounters Server::counters() const { return group_->counters(); }

void Server::set_tls(std::shared_ptr<const TlsContext> tls) {
  group_->on_every_shard([tls](Shard& shard) { shard.set_tls(tls); });
}

void Server::on_registry_change(const RegistryChange& change) {
  group_->on_every_shard([&change](Shard& shard) { shard.on_registry_change(change); });
}

}  // namespace fairlead
