#pragma once

#include <bit>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/hash.h"

namespace fairlead {

// From hashes to small values, in one array: sixteen bytes a slot for values of up to eight. Two
// keys with the same 64-bit hash are one key here: only for what may say too much. The place of a
// hash depends on a secret of the process, as hashes are a peer's choice. One thread.
// Cost: O(1); growth moves all entries, in order of memory (20 ms at a million).
template <class Value>
class FlatTable {
 public:
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

  [[nodiscard]] const Value* find(uint64_t hash) const {
    if (size_ == 0) return nullptr;
    const Slot& slot = slots_[slot_of(key_of(hash))];
    return slot.key == kFree ? nullptr : &slot.value;
  }
  [[nodiscard]] Value* find(uint64_t hash) {
    return const_cast<Value*>(std::as_const(*this).find(hash));
  }

  // The value of the hash, a new one Value{}. Valid until the table changes.
  Value& operator[](uint64_t hash) {
    if ((size_ + 1) * 4 > slots_.size() * 3) resize(slots_.empty() ? 8 : slots_.size() * 2);
    Slot& slot = slots_[slot_of(key_of(hash))];
    if (slot.key == kFree) {
      slot = {key_of(hash), Value{}};
      ++size_;
    }
    return slot.value;
  }

  // The hash is in the table.
  void erase(uint64_t hash) {
    std::size_t gap = slot_of(key_of(hash));
    FL_ASSERT(slots_[gap].key != kFree);
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t at = (gap + 1) & mask; slots_[at].key != kFree; at = (at + 1) & mask) {
      if (((at - home_of(slots_[at].key)) & mask) < ((at - gap) & mask)) continue;
      slots_[gap] = slots_[at];
      gap = at;
    }
    slots_[gap] = {};
    --size_;
    if (slots_.size() > 8 && size_ * 8 < slots_.size()) resize(slots_.size() / 2);
  }

 private:
  struct Slot {
    uint64_t key = kFree;
    Value value{};
  };
  static constexpr uint64_t kFree = 0;

  static uint64_t key_of(uint64_t hash) { return hash == kFree ? 1 : hash; }
  [[nodiscard]] std::size_t home_of(uint64_t key) const {
    return static_cast<std::size_t>((key * secret_) >> (64 - std::countr_zero(slots_.size())));
  }
  // Where the key is, or where it would be put.
  [[nodiscard]] std::size_t slot_of(uint64_t key) const {
    std::size_t slot = home_of(key);
    while (slots_[slot].key != kFree && slots_[slot].key != key) {
      slot = (slot + 1) & (slots_.size() - 1);
    }
    return slot;
  }
  void resize(std::size_t count) {
    std::vector<Slot> old(count);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.key != kFree) slots_[slot_of(slot.key)] = slot;
    }
  }

  std::vector<Slot> slots_;
  std::size_t size_ = 0;
  uint64_t secret_ = keyed_hash("flat table") | 1;
};

}  // namespace fairlead
