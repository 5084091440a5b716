#pragma once

#include <atomic>
#include <utility>

namespace fairlead {

// Many producers, one consumer, unbounded, in the order of push (a producer's items stay in its
// order; items of two producers interleave). Lock-free: a push is one compare-and-swap, and the
// consumer takes everything that is there at once. What an inbox is made of.
template <class T>
class MpscQueue {
 public:
  MpscQueue() = default;
  MpscQueue(const MpscQueue&) = delete;
  MpscQueue& operator=(const MpscQueue&) = delete;
  ~MpscQueue() {
    drain([](T&&) {});
  }

  // Any thread. True when the queue was empty: this producer must wake the consumer.
  bool push(T item) {
    Node* older = newest_.load(std::memory_order_relaxed);
    Node* node = new Node{std::move(item), older};
    while (!newest_.compare_exchange_weak(older, node, std::memory_order_acq_rel,
                                          std::memory_order_relaxed)) {
      node->older = older;
    }
    return older == nullptr;  // not node->older: the consumer may have freed the node by now
  }

  // Consumer's thread. Hands over all items that were there when it was called, oldest first.
  template <class Handler>
  void drain(Handler&& handle) {
    Node* node = newest_.exchange(nullptr, std::memory_order_acq_rel);
    Node* oldest = nullptr;
    while (node) {
      Node* older = node->older;
      node->older = oldest;
      oldest = node;
      node = older;
    }
    while (oldest) {
      Node* next = oldest->older;
      handle(std::move(oldest->item));
      delete oldest;
      oldest = next;
    }
  }

  [[nodiscard]] bool empty() const { return newest_.load(std::memory_order_acquire) == nullptr; }

 private:
  struct Node {
    T item;
    Node* older;
  };
  std::atomic<Node*> newest_{nullptr};
};

}  // namespace fairlead
