#include "sim_server.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "base/log.h"
#include "base/temp_dir_for_test.h"
#include "shard/recovery.h"

namespace fairlead::sim {
namespace {

// Small, so that clients come upon it; and that checkpoints are many.
constexpr int kSendBufferBytes = 8 << 10;
constexpr uint32_t kCheckpointPages = 12;
constexpr milliseconds kNoLimit{std::chrono::hours(24 * 365)};

// Of all worlds: for the store's lock, and a registry without devices.
TempDir& shared_dir() {
  static TempDir dir;
  return dir;
}

Registry& registry() {
  static const auto opened = [] {
    auto loaded = Registry::open(shared_dir().path());
    FL_ASSERT(loaded.ok());
    return std::move(*loaded);
  }();
  return *opened;
}

Authenticator& authenticator() {
  static Authenticator made(registry(),
                            {.anonymous = AnonymousAccess::kAllowed, .failures_per_minute_max = 0});
  return made;
}

// The server closes nothing by itself: a connection that ends is the world's doing, or a bug.
ServerOptions options_of_a_world() {
  ServerOptions options;
  options.listeners = {ListenerOptions{}};
  options.suspect.detect_max = options.suspect.connect_max = kNoLimit;
  options.connection.stalled_max = kNoLimit;
  options.connection.congested_bytes = 4 << 10;
  options.session.queue_count_max = 100'000;
  options.session.queue_bytes_max = 64 << 20;
  options.session.expiry_max = std::chrono::hours(2);
  options.takeovers_per_minute_max = 0;
  return options;
}

}  // namespace

SimServer::SimServer(uint64_t seed) : disk(seed), options_(options_of_a_world()) {
  clock.at = Instant(seconds(1'000));
}

SimServer::~SimServer() = default;

bool SimServer::start(unsigned shard_count, uint16_t window) {
  options_.shard_count = shard_count;
  options_.session.inflight_count_max = window;
  RecordStore::Opened opened;
  auto store = RecordStore::open(
      shared_dir().path(), {.checkpoint_pages = kCheckpointPages, .vfs = disk.name()}, opened);
  if (!store) return false;
  committer_ = std::make_unique<Committer>(
      std::move(*store), options_.commit, static_cast<uint16_t>(shard_count),
      [this](uint16_t shard) { peers_->shards[shard]->loop().wake(); });
  peers_.reset(new ShardPeers{.options = options_,
                              .registry = registry(),
                              .authenticator = authenticator(),
                              .shards = {},
                              .clock = clock,
                              .committer = committer_.get()});
  for (uint16_t i = 0; i < shard_count; ++i) {
    peers_->shards.push_back(std::make_unique<Shard>(i, *peers_));
  }
  for (auto& shard : peers_->shards) shard->begin();
  Recovery recovery(peers_->shards, [this] {
    for (std::size_t i = 0; i < peers_->shards.size(); ++i) turn(i);
  });
  return recovery.run(committer_->store()).ok();
}

void SimServer::crash(SimDisk::Lost lost) {
  peers_.reset();
  committer_.reset();
  closing_ = false;
  disk.crash(lost);
}

UniqueFd SimServer::connect(std::size_t shard) {
  std::array<int, 2> fds{};
  FL_ASSERT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) == 0);
  UniqueFd server(fds[0]);
  UniqueFd client(fds[1]);
  ::setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &kSendBufferBytes, sizeof kSendBufferBytes);
  const auto peer = SocketAddress::parse("192.0.2.7", 1000);
  peers_->shards[shard]->add_connection(std::move(server), *peer, options_.listeners[0]);
  return client;
}

SimServer::Step SimServer::commit_step() {
  if (!closing_) {
    if (!committer_->has_work()) return Step::kNothing;
    committer_->close_epoch();
    closing_ = true;
    return Step::kClosed;
  }
  if (!committer_->handed_over()) return Step::kNothing;
  if (!committer_->commit()) return Step::kFailed;
  closing_ = false;
  return Step::kCommitted;
}

uint64_t SimServer::records(Table table) const {
  const auto count = committer_->store().count(table);
  FL_ASSERT(count.ok());
  return *count;
}

std::string SimServer::dump() const {
  constexpr std::size_t kTextMax = 60;
  auto name = [](RecordId id) {
    return std::to_string(epoch_of(id)) + "/" + std::to_string(shard_of(id)) + "/" +
           std::to_string(number_of(id));
  };
  std::string text;
  for (std::size_t i = 0; i < kTableCount; ++i) {
    const auto table = static_cast<Table>(i);
    const bool of_session =
        table != Table::kSession && table != Table::kBody && table != Table::kRetained;
    const Status read = committer_->store().for_each(table, [&](RecordId id, Bytes data) {
      text += "  table " + std::to_string(i) + " record " + name(id);
      ByteReader reader(data);
      if (of_session) text += " of " + name(static_cast<RecordId>(*reader.u64()));
      text += " ";
      const Bytes rest = reader.rest();
      for (const char c : as_text(rest.first(std::min(rest.size(), kTextMax)))) {
        text += c > ' ' && c < 127 ? c : '.';
      }
      text += "\n";
    });
    FL_ASSERT(read.ok());
  }
  return text;
}

}  // namespace fairlead::sim
