#include "router/interest.h"

#include <utility>

#include "proto/mqtt/topic.h"

namespace fairlead {
namespace {

// FNV-1a over the levels and the slashes between them, mixed with the depth. Part of what shards
// and nodes exchange: it must not change.
class PrefixHash {
 public:
  void add_level(std::string_view level) {
    if (depth_ != 0) add('/');
    for (char c : level) add(c);
    ++depth_;
  }
  [[nodiscard]] InterestKey key() const {
    uint64_t hash = state_ ^ (uint64_t{depth_} << 56);
    hash ^= hash >> 33;
    hash *= 0xff51afd7ed558ccdu;
    hash ^= hash >> 33;
    return {hash, depth_};
  }

 private:
  void add(char c) {
    state_ ^= static_cast<uint8_t>(c);
    state_ *= 0x100000001b3u;
  }
  uint64_t state_ = 0xcbf29ce484222325u;
  uint8_t depth_ = 0;
};

template <class Tables>
std::size_t total_size(const Tables& tables) {
  std::size_t total = 0;
  for (const auto& table : tables) total += table.size();
  return total;
}

}  // namespace

InterestKey interest_key(std::string_view filter) {
  PrefixHash prefix;
  mqtt::LevelWalker levels(filter);
  for (uint8_t depth = 0; depth < InterestKey::kDepthMax; ++depth) {
    const auto level = levels.next();
    if (!level || *level == "+" || *level == "#") break;
    prefix.add_level(*level);
  }
  return prefix.key();
}

void Interest::add(const InterestKey& key, TargetId target) {
  FL_ASSERT(key.depth <= InterestKey::kDepthMax);
  FL_ASSERT(static_cast<uint8_t>(target) < kTargetCountMax);
  TargetMask& mask = tables_[key.depth][key.hash];
  if (mask & mask_of(target)) {
    ++repeats_[{key.hash, key.depth, target}];
  } else {
    mask |= mask_of(target);
  }
}

bool Interest::remove(const InterestKey& key, TargetId target) {
  FL_ASSERT(key.depth <= InterestKey::kDepthMax);
  FL_ASSERT(static_cast<uint8_t>(target) < kTargetCountMax);
  TargetMask* mask = tables_[key.depth].find(key.hash);
  if (!mask || !(*mask & mask_of(target))) return false;
  if (const auto repeat = repeats_.find({key.hash, key.depth, target}); repeat != repeats_.end()) {
    if (--repeat->second == 0) repeats_.erase(repeat);
    return true;
  }
  *mask &= ~mask_of(target);
  if (*mask == 0) tables_[key.depth].erase(key.hash);
  return true;
}

TargetMask Interest::targets(std::string_view topic) const {
  PrefixHash prefix;
  TargetMask wanted = 0;
  mqtt::LevelWalker levels(topic);
  // Depth 0 is wildcards at the first level: not for `$` (MQTT 5.0 section 4.7.2).
  const bool reserved = !topic.empty() && topic.front() == '$';
  for (uint8_t depth = 0;; ++depth) {
    const auto& table = tables_[depth];
    if (!table.empty() && !(depth == 0 && reserved)) {
      if (const TargetMask* mask = table.find(prefix.key().hash)) wanted |= *mask;
    }
    if (depth == InterestKey::kDepthMax) return wanted;
    const auto level = levels.next();
    if (!level) return wanted;
    prefix.add_level(*level);
  }
}

std::size_t Interest::size() const { return total_size(tables_); }

std::optional<InterestKey> LocalInterest::add(std::string_view filter) {
  const InterestKey key = interest_key(filter);
  return ++counts_[key.depth][key.hash] == 1 ? std::optional(key) : std::nullopt;
}

std::optional<InterestKey> LocalInterest::remove(std::string_view filter) {
  const InterestKey key = interest_key(filter);
  uint32_t* count = counts_[key.depth].find(key.hash);
  FL_ASSERT(count != nullptr);
  if (--*count != 0) return std::nullopt;
  counts_[key.depth].erase(key.hash);
  return key;
}

std::size_t LocalInterest::size() const { return total_size(counts_); }

}  // namespace fairlead
