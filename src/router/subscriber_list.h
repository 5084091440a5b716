#pragma once

#include <array>
#include <cstring>
#include <memory>

#include "router/indexed_vector.h"
#include "router/subscription.h"

namespace fairlead {

// The subscriptions to one filter, each session once. Sixteen bytes; the first subscription lies
// inside, so that the usual list, of one, owns no memory. Order means nothing. One thread.
// Cost: add and remove are O(1) at any length.
class SubscriberList {
 public:
  SubscriberList() = default;
  SubscriberList(const SubscriberList&) = delete;
  SubscriberList& operator=(const SubscriberList&) = delete;
  ~SubscriberList();

  [[nodiscard]] uint32_t size() const { return count_; }
  [[nodiscard]] bool empty() const { return count_ == 0; }

  Added add(const Subscription& subscription);
  // False when the session was not there.
  bool remove(SubscriberId subscriber);

  template <class Visit>
  void for_each(Visit&& visit) const {
    if (count_ == 0) return;
    if (count_ == 1) {
      const Subscription only = single();
      visit(only);
      return;
    }
    for (const Subscription& subscription : many()->items()) visit(subscription);
  }

 private:
  struct KeyOf {
    uint64_t operator()(const Subscription& s) const { return static_cast<uint64_t>(s.subscriber); }
  };
  using Many = IndexedVector<Subscription, KeyOf>;

  [[nodiscard]] Subscription single() const { return load<Subscription>(); }
  [[nodiscard]] Many* many() const { return load<Many*>(); }

  template <class T>
  [[nodiscard]] T load() const {
    T held;
    std::memcpy(&held, held_.data(), sizeof held);
    return held;
  }
  template <class T>
  void store(const T& value) {
    static_assert(sizeof value <= sizeof held_);
    std::memcpy(held_.data(), &value, sizeof value);
  }

  uint32_t count_ = 0;
  // count_ == 1: a Subscription; above: an owned Many*. Bytes rather than a union, because with
  // the pointer's alignment the list would take half as much again.
  alignas(4) std::array<std::byte, sizeof(Subscription)> held_{};
};
static_assert(sizeof(SubscriberList) == 16);

}  // namespace fairlead
