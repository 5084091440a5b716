#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "router/flat_table.h"

// What other shards, and later other nodes, may want to hear of, in 21 to 43 bytes for each way
// that their filters begin. May say too much, never too little.

namespace fairlead {

// How a filter begins: its first literal levels, at most kDepthMax, hashed, and how many they are.
// `/pk/dn/user/#` has "", "pk", "dn", "user"; `+/a` and `#` have none. This is what travels between
// shards and nodes: the hash is the same in all versions and on all machines.
struct InterestKey {
  static constexpr uint8_t kDepthMax = 4;
  uint64_t hash = 0;
  uint8_t depth = 0;
  friend bool operator==(const InterestKey&, const InterestKey&) = default;
};

// The key of a plain filter (`$share/group/` taken off), checked by the caller.
[[nodiscard]] InterestKey interest_key(std::string_view filter);

// A shard, or later a peer.
enum class TargetId : uint8_t {};
inline constexpr uint8_t kTargetCountMax = 64;
using TargetMask = uint64_t;  // bit n: TargetId{n}
[[nodiscard]] constexpr TargetMask mask_of(TargetId target) {
  return TargetMask{1} << static_cast<uint8_t>(target);
}

// Which targets may want a topic. Each shard has its own, fed by what the others announce. A key
// may be added several times for one target and goes when it was removed as often. One thread.
// Cost: targets() makes at most five look-ups, none for depths without entries; never allocates.
class Interest {
 public:
  void add(const InterestKey& key, TargetId target);
  void add(std::string_view filter, TargetId target) { add(interest_key(filter), target); }
  // False when the target did not have the key.
  bool remove(const InterestKey& key, TargetId target);
  bool remove(std::string_view filter, TargetId target) {
    return remove(interest_key(filter), target);
  }

  [[nodiscard]] TargetMask targets(std::string_view topic) const;

  // Keys held.
  [[nodiscard]] std::size_t size() const;

 private:
  // A key that one target holds more than once: rare, as shards announce the first only.
  struct Holding {
    uint64_t hash = 0;
    uint8_t depth = 0;
    TargetId target{};
    friend bool operator==(const Holding&, const Holding&) = default;
  };
  struct HoldingHash {
    std::size_t operator()(const Holding& h) const {
      return h.hash ^ (uint64_t{h.depth} << 8) ^ static_cast<uint64_t>(h.target);
    }
  };

  // One table a depth, so that keys of different depths cannot be taken for each other.
  std::array<FlatTable<TargetMask>, InterestKey::kDepthMax + 1> tables_;
  std::unordered_map<Holding, uint32_t, HoldingHash> repeats_;  // how often beyond the first
};

// Counts this shard's own filters by key, and says when a key becomes wanted or unwanted: what is
// to be announced to the others. One thread. Cost: O(1), 21 to 43 bytes a key.
class LocalInterest {
 public:
  // The key, when this filter is the first with it.
  std::optional<InterestKey> add(std::string_view filter);
  // The key, when this filter was the last with it. The filter was added before.
  std::optional<InterestKey> remove(std::string_view filter);

  [[nodiscard]] std::size_t size() const;

 private:
  std::array<FlatTable<uint32_t>, InterestKey::kDepthMax + 1> counts_;
};

}  // namespace fairlead
