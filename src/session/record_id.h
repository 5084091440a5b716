#pragma once

#include <cstdint>

namespace fairlead {

// Names a durable record, for ever: numbers are never used again. Their order is that in which the
// records came to be: by epoch (one group commit of the whole server), shard, and place in it.
enum class RecordId : uint64_t { kNone = 0 };

constexpr unsigned kRecordNumberBits = 19;
constexpr unsigned kRecordShardBits = 6;
constexpr uint32_t kRecordNumberMax = (1u << kRecordNumberBits) - 1;

// `epoch` is below 2^38: eight years of a thousand commits a second. Of the number, the lowest bit
// says that the record is an entry whose message is kept apart, for several sessions.
constexpr RecordId make_record_id(uint64_t epoch, uint16_t shard, uint32_t number) {
  return static_cast<RecordId>((epoch << (kRecordShardBits + kRecordNumberBits)) |
                               (uint64_t{shard} << kRecordNumberBits) | number);
}
constexpr uint64_t epoch_of(RecordId id) {
  return static_cast<uint64_t>(id) >> (kRecordShardBits + kRecordNumberBits);
}
constexpr uint16_t shard_of(RecordId id) {
  return static_cast<uint16_t>((static_cast<uint64_t>(id) >> kRecordNumberBits) &
                               ((1u << kRecordShardBits) - 1));
}
constexpr uint32_t number_of(RecordId id) {
  return static_cast<uint32_t>(static_cast<uint64_t>(id)) & kRecordNumberMax;
}
constexpr bool has_body_apart(RecordId id) { return (static_cast<uint64_t>(id) & 1) != 0; }

}  // namespace fairlead
