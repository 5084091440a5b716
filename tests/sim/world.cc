#include "world.h"

#include <algorithm>
#include <functional>

namespace fairlead::sim {
namespace {

using mqtt::Qos;
using mqtt::Retain;

constexpr const char* kTopics[] = {"a/1", "a/2", "b/1", "s/x/1", "s/x/2"};
constexpr const char* kRetainedTopics[] = {"r/1", "r/2", "r/3"};
constexpr const char* kFilters[] = {"a/1", "a/+", "+/1", "b/#", "w/+", "r/+", "r/2"};
constexpr const char* kGroups[] = {"$share/g/s/x/+", "$share/h/s/#"};
// "Nothing happens any more" has to come within so many rounds.
constexpr int kRoundsMax = 3'000;

}  // namespace

World::Nature World::draw_nature(std::mt19937_64& random) {
  Nature nature;
  nature.client_count = 3 + static_cast<unsigned>(random() % 5);
  nature.steps = 500 + static_cast<unsigned>(random() % 6000);
  constexpr unsigned kCrashIn[] = {100, 400, 1500, 100'000};
  nature.crash_in = kCrashIn[random() % 4];
  constexpr unsigned kWeights[] = {2, 10, 30, 100};
  nature.commit_weight = kWeights[random() % 4];
  nature.window = random() % 2 == 0 ? 2 : 8;
  nature.all_kept = random() % 4 != 0;
  nature.time_flies = random() % 3 == 0;
  nature.disk_has_faults = random() % 3 == 0;
  return nature;
}

World::World(uint64_t seed)
    : random_(seed),
      nature_(draw_nature(random_)),
      ledger_(nature_.client_count + 1),
      server_(seed) {
  for (std::size_t i = 0; i <= nature_.client_count; ++i) {
    clients_.push_back(std::make_unique<SimClient>(i, ledger_, server_.clock));
    clients_.back()->set_window(nature_.window);
  }
}

void World::run() {
  if (nature_.disk_has_faults) ledger_.let_disk_fail();
  start();
  for (unsigned i = 0; i < nature_.steps && ledger_.sound(); ++i) step();
  settle();
  if (one_in(2)) {
    crash();
    settle();
  }
  check_retained();
  end_all_sessions();
  check_store();
}

// --- What may happen -----------------------------------------------------------------------------

void World::step() {
  if (one_in(nature_.crash_in)) return crash();
  const uint64_t choice = draw(100 + nature_.commit_weight);
  SimClient& client = any_client();
  if (choice < 40) return turn();
  if (choice < 52) return void(client.carry_out(1 + draw(one_in(3) ? 20 : 4096)));
  if (choice < 65) return void(client.carry_in(1 + draw(one_in(3) ? 20 : 4096)));
  if (choice < 74) return void(client.acknowledge(1 + draw(4)));
  if (choice < 96) return act(client);
  if (choice < 97) return client.close_lost();
  if (choice < 99) return pass_time();
  if (choice < 100) return disturb_disk();
  on_commit_step(server_.commit_step());
}

void World::turn() {
  if (one_in(3)) return server_.turn(draw(server_.shard_count()));
  for (std::size_t i = 0; i < server_.shard_count(); ++i) server_.turn(i);
}

void World::pass_time() {
  const uint64_t most = nature_.time_flies ? (one_in(4) ? 7'200'000 : 60'000) : 2'000;
  server_.clock.at += milliseconds(draw(most));
}

void World::disturb_disk() {
  if (!nature_.disk_has_faults) return;
  switch (draw(8)) {
    case 0:
      return server_.disk.fill_up_at_write(server_.disk.writes() + draw(10));
    case 1:
    case 2:
    case 3:
      return server_.disk.fail_call(server_.disk.calls() + draw(30));
    default:
      return server_.disk.make_room();
  }
}

void World::on_commit_step(SimServer::Step step) {
  if (step == SimServer::Step::kNothing) return;
  if (step == SimServer::Step::kCommitted) ++figures_.commits;
  if (step == SimServer::Step::kFailed) ++figures_.failed_commits;
  constexpr const char* kNames[] = {"", "epoch closed", "committed", "commit failed"};
  ledger_.note(kNames[static_cast<std::size_t>(step)]);
}

// The process ends, or the machine; now, or in the middle of the next commit.
void World::crash() {
  ++figures_.crashes;
  if (server_.has_commit_under_way() && one_in(2)) {
    ++figures_.crashes_while_writing;
    server_.disk.die_at_call(server_.disk.calls() + draw(25));
    on_commit_step(server_.commit_step());
  }
  constexpr SimDisk::Lost kLost[] = {SimDisk::Lost::kNothing, SimDisk::Lost::kBySector,
                                     SimDisk::Lost::kAll};
  server_.crash(one_of(kLost));
  ledger_.note("CRASH");
  ledger_.on_crash();
  for (auto& client : clients_) client->on_crash();
  if (one_in(3)) pass_time();
  start();
}

void World::start() {
  if (one_in(8)) server_.disk.die_at_call(server_.disk.calls() + draw(60));
  while (!server_.start(1 + static_cast<unsigned>(draw(4)), nature_.window)) {
    if (!server_.disk.is_dead()) return ledger_.fail("the server does not start");
    server_.crash(SimDisk::Lost::kBySector);
    ledger_.note("CRASH at start");
  }
  if (server_.disk.is_dead()) return crash();
  server_.disk.die_at_call(UINT64_MAX);  // not reached: never
  ledger_.note("started with " + std::to_string(server_.shard_count()) + " shards");
}

// --- What clients do -----------------------------------------------------------------------------

std::size_t World::index_of(const SimClient& client) const {
  const auto found =
      std::ranges::find_if(clients_, [&](const auto& each) { return each.get() == &client; });
  return static_cast<std::size_t>(found - clients_.begin());
}

// The same each time, so that it is known what an earlier SUBSCRIBE may have been granted.
Qos World::qos_of(const SimClient& client, const std::string& filter) const {
  constexpr Qos kQos[] = {Qos::kAtMostOnce, Qos::kAtLeastOnce, Qos::kExactlyOnce,
                          Qos::kExactlyOnce};
  return kQos[(std::hash<std::string>{}(filter) + index_of(client)) % 4];
}

SimClient::Hello World::any_hello() {
  constexpr mqtt::ProtocolVersion kVersions[] = {
      mqtt::ProtocolVersion::k5, mqtt::ProtocolVersion::k5, mqtt::ProtocolVersion::k311,
      mqtt::ProtocolVersion::k31};
  constexpr uint32_t kExpiries[] = {1, 60, 3600, 7200, 7200};
  SimClient::Hello hello;
  hello.version = one_of(kVersions);
  hello.clean_start = one_in(12) ? mqtt::CleanStart::kYes : mqtt::CleanStart::kNo;
  hello.expiry_seconds = one_of(kExpiries);
  if (nature_.all_kept && hello.version != mqtt::ProtocolVersion::k5) {
    hello.clean_start = mqtt::CleanStart::kNo;
  }
  if (!nature_.all_kept && one_in(3)) hello.expiry_seconds = 0;
  if (one_in(3)) hello.receive_maximum = static_cast<uint16_t>(1 + draw(4));
  if (one_in(3)) {
    const auto qos = static_cast<Qos>(draw(3));
    const uint32_t delay_seconds = one_in(2) ? 0 : static_cast<uint32_t>(draw(100));
    hello.will = SimClient::Will{.qos = qos, .delay_seconds = delay_seconds};
  }
  return hello;
}

// A CONNECT that overtakes an older one on another shard would be taken over by it: a client cannot
// tell what has become of its session then.
void World::connect(SimClient& client, const SimClient::Hello& hello) {
  constexpr int kRoundsForConnect = 3;
  for (int round = 0; client.had_no_answer() && round < kRoundsForConnect; ++round) {
    for (std::size_t i = 0; i < server_.shard_count(); ++i) server_.turn(i);
  }
  client.connect(server_.connect(draw(server_.shard_count())), hello);
}

void World::act(SimClient& client) {
  if (client.away()) {
    if (one_in(2)) connect(client, any_hello());
    return;
  }
  const uint64_t choice = draw(100);
  if (choice < 3) return client.cut();
  if (choice < 5) return client.lose();
  if (!client.online()) return;
  if (choice < 60) return publish(client);
  const std::string filter = one_in(4) ? one_of(kGroups) : one_of(kFilters);
  if (choice < 85) return client.subscribe(filter, qos_of(client, filter));
  if (choice < 92) return client.unsubscribe(filter);
  if (choice < 95) return client.disconnect();
}

void World::publish(SimClient& client) {
  if (!client.has_room()) return;
  const auto qos = static_cast<Qos>(draw(3));
  if (one_in(6)) {
    const std::string topic = one_of(kRetainedTopics);
    if (one_in(3))
      return client.clear_retained(topic, qos == Qos::kAtMostOnce ? Qos::kAtLeastOnce : qos);
    return client.publish(topic, qos, Retain::kYes,
                          one_in(5) ? std::optional(seconds(draw(100) + 1)) : std::nullopt, 0);
  }
  const auto expiry = one_in(5) ? std::optional(seconds(1 + draw(300))) : std::nullopt;
  client.publish(one_of(kTopics), qos, Retain::kNo, expiry, one_in(10) ? draw(6'000) : 0);
}

// --- The end -------------------------------------------------------------------------------------

// A round of everything; true: something has happened.
bool World::run_all_once() {
  bool some = false;
  for (auto& client : clients_) some = client->carry_out(SIZE_MAX) || some;
  for (std::size_t i = 0; i < server_.shard_count(); ++i) server_.turn(i);
  for (auto& client : clients_) {
    while (client->carry_in(SIZE_MAX)) some = true;
    some = client->acknowledge(SIZE_MAX) || some;
  }
  const auto step = server_.commit_step();
  on_commit_step(step);
  return some || step != SimServer::Step::kNothing || server_.has_commit_under_way();
}

// Until nothing happens any more, for a few rounds: mail goes to and fro.
void World::drain() {
  int quiet = 0;
  for (int round = 0; round < kRoundsMax && ledger_.sound(); ++round) {
    quiet = run_all_once() ? 0 : quiet + 1;
    if (quiet == 8) return;
  }
  if (ledger_.sound()) ledger_.fail("it does not come to rest");
}

// Everybody is there on a sound connection to a sound server, and gets what there is for him.
void World::settle() {
  if (!ledger_.sound()) return;
  server_.disk.make_room();
  server_.disk.fail_call(0);  // none to come
  ledger_.note("the world settles");
  if (ledger_.tracing()) ledger_.note("in the store:\n" + server_.dump());
  drain();
  for (auto& client : clients_) client->close_lost();
  for (auto& client : clients_) {
    if (!client->away()) client->cut();
  }
  for (int round = 0; round < 2; ++round) {  // who must start anew leaves again
    for (unsigned i = 0; i < nature_.client_count; ++i) {
      if (clients_[i]->away()) connect(*clients_[i], {.expiry_seconds = 7200});
    }
    drain();
  }
  if (!ledger_.sound()) return;
  for (auto& client : clients_) {
    if (const std::string what = client->wanting(); !what.empty()) {
      ledger_.fail("client " + std::to_string(index_of(*client)) + " waits for " + what);
    }
  }
  ledger_.check_settled(server_.clock.at);
}

// What has expired is gone, and a new client sees all that is retained.
void World::check_retained() {
  if (!ledger_.sound()) return;
  server_.clock.at += std::chrono::hours(3);
  drain();
  SimClient& observer = *clients_.back();
  connect(observer,
          {.version = mqtt::ProtocolVersion::k311, .clean_start = mqtt::CleanStart::kYes});
  drain();
  observer.subscribe("r/+", Qos::kAtLeastOnce);
  drain();
  if (!ledger_.sound()) return;
  std::vector<std::string> topics(std::begin(kRetainedTopics), std::end(kRetainedTopics));
  ledger_.check_retained(observer.retained(), topics, server_.clock.at);
  retained_count_ = observer.retained().size();
}

void World::end_all_sessions() {
  if (!ledger_.sound()) return;
  for (auto& client : clients_) {
    if (!client->away()) client->disconnect();
    connect(*client,
            {.version = mqtt::ProtocolVersion::k311, .clean_start = mqtt::CleanStart::kYes});
  }
  drain();
  for (auto& client : clients_) {
    if (client->online()) client->disconnect();
  }
  drain();
}

void World::check_store() {
  if (!ledger_.sound()) return;
  constexpr std::pair<Table, const char*> kTables[] = {
      {Table::kSession, "sessions"},   {Table::kSubscription, "subscriptions"},
      {Table::kBody, "bodies"},        {Table::kEntry, "entries"},
      {Table::kInflight, "in flight"}, {Table::kReceived, "received identifiers"}};
  if (ledger_.tracing()) ledger_.note("in the store:\n" + server_.dump());
  for (const auto& [table, name] : kTables) {
    if (const uint64_t left = server_.records(table); left > 0) {
      ledger_.fail(std::to_string(left) + " records are left in the store: " + name);
    }
  }
  // While the disk takes nothing those of QoS 0 are not written down.
  const uint64_t retained = server_.records(Table::kRetained);
  if (retained > retained_count_ || (retained < retained_count_ && !ledger_.disk_may_fail())) {
    ledger_.fail(std::to_string(server_.records(Table::kRetained)) +
                 " retained messages are in the store, clients see " +
                 std::to_string(retained_count_));
  }
}

}  // namespace fairlead::sim
