#include "shard/recovery.h"

#include <condition_variable>
#include <mutex>

#include "base/log.h"
#include "shard/shard.h"

namespace fairlead {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{256} << 10;
constexpr std::size_t kChunkRecords = 4096;
constexpr uint32_t kChunksUnderWay = 32;
constexpr milliseconds kWordInterval{1'000};

}  // namespace

// Records on their way to a shard, copied out of the store.
struct Recovery::Chunk {
  struct Item {
    Table table;
    RecordId id;
    std::size_t offset;
    std::size_t size;
    ShardRestore::BodyReference body;
  };
  std::vector<Item> items;
  ByteBuffer bytes;
};

// How much is under way: the reader does not run ahead of the shards.
struct Recovery::Pace {
  std::mutex mutex;
  std::condition_variable changed;
  uint32_t under_way = 0;
};

Recovery::Recovery(std::vector<std::unique_ptr<Shard>>& shards, std::function<void()> turn)
    : shards_(shards),
      turn_(std::move(turn)),
      pace_(std::make_shared<Pace>()),
      time_(shards.front()->journal().time()),
      next_word_(MonotonicClock::now() + kWordInterval) {
  for (auto& shard : shards_) {
    parts_.push_back(std::make_unique<ShardRestore>(*shard));
    chunks_.push_back(std::make_unique<Chunk>());
  }
}

Recovery::~Recovery() = default;

Result<ShardRestore::Figures> Recovery::run(const RecordStore& store) {
  for (const Table table : {Table::kSession, Table::kSubscription, Table::kBody, Table::kInflight,
                            Table::kEntry, Table::kReceived, Table::kRetained}) {
    if (Status status = read(store, table); !status) return status.error();
  }
  for (const auto& [id, body] : bodies_) {  // of nobody
    if (!body.used) {
      on_shard(0,
               [shard = shards_[0].get(), id = id] { shard->journal().erase(Table::kBody, id); });
    }
  }
  for (uint16_t i = 0; i < shards_.size(); ++i) {
    on_shard(i, [part = parts_[i].get()] { part->finish(); });
  }
  wait();
  // Twice more: what the shards said to each other about it has arrived then.
  for (int round = 0; round < 2; ++round) {
    for (uint16_t i = 0; i < shards_.size(); ++i) on_shard(i, [] {});
    wait();
  }
  ShardRestore::Figures sum;
  for (const auto& part : parts_) {
    sum.sessions += part->figures().sessions;
    sum.subscriptions += part->figures().subscriptions;
    sum.messages += part->figures().messages;
    sum.retained += part->figures().retained;
    sum.dropped += part->figures().dropped;
  }
  return sum;
}

// A table is with the shards as a whole before the next one, which refers to it.
Status Recovery::read(const RecordStore& store, Table table) {
  Status status =
      store.for_each(table, [this, table](RecordId id, Bytes data) { take(table, id, data); });
  for (uint16_t i = 0; i < shards_.size(); ++i) send(i);
  return status;
}

void Recovery::take(Table table, RecordId id, Bytes data) {
  ++records_;
  say_progress();
  if (table == Table::kBody) {
    if (auto message = decode_message(data, time_)) bodies_[id].message = std::move(*message);
    return;
  }
  const uint16_t shard = home(table, data).value_or(0);
  if (table == Table::kSession) homes_[id] = shard;
  ShardRestore::BodyReference reference;
  if (table == Table::kEntry && has_body_apart(id)) {
    const auto entry = decode_entry(data);
    const auto found = entry ? bodies_.find(entry->body) : bodies_.end();
    if (found != bodies_.end()) {
      Body& body = found->second;
      if (!body.used) body.shard = shard;
      body.used = true;
      reference = {found->first, body.message, body.shard != shard};
    }
  }
  add(shard, table, id, data, std::move(reference));
}

// nullopt: whoever, as it makes no sense.
std::optional<uint16_t> Recovery::home(Table table, Bytes data) const {
  if (table == Table::kSession) {
    const auto record = decode_session(data, time_);
    return record ? std::optional(shards_[0]->home_of(record->key)) : std::nullopt;
  }
  if (table == Table::kRetained) {
    const auto message = decode_message(data, time_);
    return message ? std::optional(shards_[0]->home_of((*message)->topic())) : std::nullopt;
  }
  // All others begin with their session.
  const auto session = ByteReader(data).u64();
  const auto found = homes_.find(static_cast<RecordId>(session.value_or(0)));
  return found == homes_.end() ? std::nullopt : std::optional(found->second);
}

void Recovery::add(uint16_t shard, Table table, RecordId id, Bytes data,
                   ShardRestore::BodyReference body) {
  Chunk& chunk = *chunks_[shard];
  chunk.items.push_back({table, id, chunk.bytes.size(), data.size(), std::move(body)});
  chunk.bytes.append(data);
  if (chunk.items.size() >= kChunkRecords || chunk.bytes.size() >= kChunkBytes) send(shard);
}

void Recovery::send(uint16_t shard) {
  if (chunks_[shard]->items.empty()) return;
  std::shared_ptr<Chunk> chunk = std::exchange(chunks_[shard], std::make_unique<Chunk>());
  on_shard(shard, [part = parts_[shard].get(), chunk] {
    for (const Chunk::Item& item : chunk->items) {
      part->record(item.table, item.id, chunk->bytes.view().subspan(item.offset, item.size),
                   item.body);
    }
  });
}

void Recovery::on_shard(uint16_t shard, std::function<void()> work) {
  wait_until_at_most(kChunksUnderWay - 1);
  {
    const std::lock_guard lock(pace_->mutex);
    ++pace_->under_way;
  }
  shards_[shard]->post_from_outside({[work = std::move(work), pace = pace_](Shard&) {
    work();
    const std::lock_guard lock(pace->mutex);
    --pace->under_way;
    pace->changed.notify_all();
  }});
}

void Recovery::wait_until_at_most(uint32_t under_way) {
  std::unique_lock lock(pace_->mutex);
  auto reached = [&] { return pace_->under_way <= under_way; };
  if (!turn_) return pace_->changed.wait(lock, reached);
  while (!reached()) {
    lock.unlock();
    turn_();
    lock.lock();
  }
}

void Recovery::say_progress() {
  if (records_ % 1024 != 0) return;
  const Instant now = MonotonicClock::now();
  if (now < next_word_) return;
  next_word_ = now + kWordInterval;
  FL_LOG(kInfo, "store.recovering", {"records", records_}, {"sessions", homes_.size()});
}

}  // namespace fairlead
