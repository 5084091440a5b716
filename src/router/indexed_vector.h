#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/assert.h"

namespace fairlead {

// A vector whose elements are also found by a key, given by KeyOf(element) -> uint64_t; keys occur
// once. Short ones are scanned; a hash index of positions, eight to 24 bytes an element, exists
// only beyond kScanMax. Keys are numbers that we assigned, not a peer's choice. One thread.
// Cost: find, push_back, erase, swap are O(1); erase moves the last element into the gap.
template <class T, class KeyOf>
class IndexedVector {
 public:
  static constexpr uint32_t kScanMax = 16;

  [[nodiscard]] uint32_t size() const { return static_cast<uint32_t>(items_.size()); }
  [[nodiscard]] bool empty() const { return items_.empty(); }
  [[nodiscard]] std::span<const T> items() const { return items_; }
  [[nodiscard]] const T& operator[](uint32_t position) const { return items_[position]; }

  [[nodiscard]] std::optional<uint32_t> find(uint64_t key) const {
    if (!places_.empty()) {
      const uint32_t entry = places_[slot_of(key)];
      return entry == kFree ? std::nullopt : std::optional(entry - 1);
    }
    for (uint32_t i = 0; i < size(); ++i) {
      if (KeyOf{}(items_[i]) == key) return i;
    }
    return std::nullopt;
  }

  // The element's key is not there yet.
  void push_back(const T& item) {
    items_.push_back(item);
    if (items_.size() <= kScanMax && places_.empty()) return;
    if (items_.size() * 2 > places_.size()) {
      rebuild(std::bit_ceil(items_.size() * 3));
    } else {
      places_[slot_of(KeyOf{}(item))] = size();
    }
  }

  // The new element has the key of the one it replaces.
  void replace(uint32_t position, const T& item) {
    FL_ASSERT(KeyOf{}(items_[position]) == KeyOf{}(item));
    items_[position] = item;
  }

  void swap(uint32_t a, uint32_t b) {
    if (a == b) return;
    if (!places_.empty()) {
      std::swap(places_[slot_of(KeyOf{}(items_[a]))], places_[slot_of(KeyOf{}(items_[b]))]);
    }
    std::swap(items_[a], items_[b]);
  }

  void erase(uint32_t position) {
    FL_ASSERT(position < size());
    swap(position, size() - 1);
    if (!places_.empty()) free_place(slot_of(KeyOf{}(items_.back())));
    items_.pop_back();
    if (items_.size() * 8 > items_.capacity()) return;
    items_.shrink_to_fit();
    if (items_.size() <= kScanMax / 2) {
      std::vector<uint32_t>().swap(places_);
    } else if (!places_.empty()) {
      rebuild(std::bit_ceil(items_.size() * 3));
    }
  }

 private:
  static constexpr uint32_t kFree = 0;  // else position + 1

  [[nodiscard]] std::size_t home_of(uint64_t key) const {
    const int bits = std::countr_zero(places_.size());
    return static_cast<std::size_t>((key * 0x9E3779B97F4A7C15u) >> (64 - bits));
  }

  // Where the key's place is, or where it would be put. Linear probing, never full.
  [[nodiscard]] std::size_t slot_of(uint64_t key) const {
    std::size_t slot = home_of(key);
    while (places_[slot] != kFree && KeyOf{}(items_[places_[slot] - 1]) != key) {
      slot = (slot + 1) & (places_.size() - 1);
    }
    return slot;
  }

  // Closes the gap by moving back what was pushed on by it, so that no tombstones are needed.
  void free_place(std::size_t gap) {
    const std::size_t mask = places_.size() - 1;
    for (std::size_t at = (gap + 1) & mask; places_[at] != kFree; at = (at + 1) & mask) {
      const std::size_t home = home_of(KeyOf{}(items_[places_[at] - 1]));
      if (((at - home) & mask) < ((at - gap) & mask)) continue;
      places_[gap] = places_[at];
      gap = at;
    }
    places_[gap] = kFree;
  }

  void rebuild(std::size_t places) {
    std::vector<uint32_t>(places, kFree).swap(places_);
    for (uint32_t i = 0; i < size(); ++i) places_[slot_of(KeyOf{}(items_[i]))] = i + 1;
  }

  std::vector<T> items_;
  std::vector<uint32_t> places_;  // empty: scan
};

}  // namespace fairlead
