#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

#include "base/assert.h"

namespace fairlead {

// What an entry of a ChainTable derives from: its link, its hash, and its text, which lies behind
// the object in the same allocation. Derived is default-constructible and final.
template <class Derived>
class TextEntry {
 public:
  static constexpr std::size_t kTextSizeMax = std::numeric_limits<uint16_t>::max();

  [[nodiscard]] static Derived* make(std::string_view text, uint32_t hash) {
    FL_ASSERT(text.size() <= kTextSizeMax);
    void* memory = ::operator new(sizeof(Derived) + text.size());
    auto* entry = new (memory) Derived;
    entry->hash_ = hash;
    entry->text_size_ = static_cast<uint16_t>(text.size());
    if (!text.empty()) std::memcpy(static_cast<void*>(entry + 1), text.data(), text.size());
    return entry;
  }
  static void destroy(Derived* entry) {
    entry->~Derived();
    ::operator delete(entry);
  }

  TextEntry(const TextEntry&) = delete;
  TextEntry& operator=(const TextEntry&) = delete;

  [[nodiscard]] std::string_view text() const {
    return {reinterpret_cast<const char*>(static_cast<const Derived*>(this) + 1), text_size_};
  }
  [[nodiscard]] uint32_t hash() const { return hash_; }
  [[nodiscard]] std::size_t footprint() const { return sizeof(Derived) + text_size_; }

 protected:
  TextEntry() = default;
  ~TextEntry() = default;

 private:
  template <class T>
  friend class ChainTable;
  Derived* next_ = nullptr;
  uint32_t hash_ = 0;
  uint16_t text_size_ = 0;
};

// A hash table of linked entries that it does not own, or compare: the caller hashes (with
// keyed_hash, as keys are a peer's choice) and says which entry is the same. It grows and shrinks
// one bucket at a time (linear hashing, Litwin 1980), so that no insertion among a million pays
// for all. An empty one owns no memory. One thread.
// Cost: find, insert and erase are O(1); eight to sixteen bytes an entry beside the entry itself.
template <class Entry>
class ChainTable {
 public:
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t bucket_count() const { return buckets_.size(); }

  template <class Same>
  [[nodiscard]] Entry* find(uint32_t hash, Same&& same) const {
    if (size_ == 0) return nullptr;
    for (Entry* entry = buckets_[bucket_of(hash)]; entry; entry = entry->next_) {
      if (entry->hash_ == hash && same(std::as_const(*entry))) return entry;
    }
    return nullptr;
  }

  // The first entry of one bucket for which `is` holds: for walks in slices.
  template <class Is>
  [[nodiscard]] Entry* find_in_bucket(std::size_t bucket, Is&& is) const {
    for (Entry* entry = buckets_[bucket]; entry; entry = entry->next_) {
      if (is(std::as_const(*entry))) return entry;
    }
    return nullptr;
  }

  void insert(Entry* entry) {
    if (buckets_.empty()) buckets_.resize(kBucketsMin, nullptr);
    push(bucket_of(entry->hash_), entry);
    if (++size_ > buckets_.size()) split();
  }

  // The entry is in the table.
  void erase(Entry* entry) {
    Entry** link = &buckets_[bucket_of(entry->hash_)];
    while (*link != entry) link = &(*link)->next_;
    *link = entry->next_;
    --size_;
    for (int i = 0; i < 2 && size_ < buckets_.size() / 2; ++i) merge();  // it takes two to catch up
  }

  // Hands over every entry, to be destroyed if the caller likes; the table is empty afterwards.
  template <class Take>
  void drain(Take&& take) {
    for (Entry* entry : buckets_) {
      while (entry) take(std::exchange(entry, entry->next_));
    }
    buckets_ = {};
    base_ = kBucketsMin;
    size_ = 0;
  }

 private:
  static constexpr std::size_t kBucketsMin = 4;

  // Buckets below bucket_count() - base_ are split already: they and their upper halves use one
  // more bit of the hash.
  [[nodiscard]] std::size_t bucket_of(uint32_t hash) const {
    const std::size_t bucket = hash & (base_ * 2 - 1);
    return bucket < buckets_.size() ? bucket : bucket & (base_ - 1);
  }

  void push(std::size_t bucket, Entry* entry) {
    entry->next_ = buckets_[bucket];
    buckets_[bucket] = entry;
  }

  void split() {
    const std::size_t lower = buckets_.size() - base_;
    buckets_.push_back(nullptr);
    Entry* entry = std::exchange(buckets_[lower], nullptr);
    while (entry) {
      Entry* next = entry->next_;
      push(bucket_of(entry->hash_), entry);
      entry = next;
    }
    if (buckets_.size() == base_ * 2) base_ *= 2;
  }

  void merge() {
    if (buckets_.size() <= kBucketsMin) return;
    if (buckets_.size() == base_) base_ /= 2;
    Entry* entry = buckets_.back();
    buckets_.pop_back();
    while (entry) {
      Entry* next = entry->next_;
      push(bucket_of(entry->hash_), entry);
      entry = next;
    }
    if (buckets_.size() < buckets_.capacity() / 4) buckets_.shrink_to_fit();
  }

  std::vector<Entry*> buckets_;
  std::size_t base_ = kBucketsMin;  // a power of two: base_ <= bucket_count() < 2 * base_
  std::size_t size_ = 0;
};

}  // namespace fairlead
