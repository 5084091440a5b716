#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "proto/mqtt/message.h"
#include "proto/mqtt/packet.h"
#include "session/effects.h"
#include "session/queue_total.h"
#include "session/record_id.h"
#include "session/ring.h"

namespace fairlead {

// How one client is to get a message. The identifiers are the caller's.
struct DeliveryTerms {
  mqtt::Qos qos = mqtt::Qos::kAtMostOnce;
  mqtt::Retain retain = mqtt::Retain::kNo;
  std::span<const uint32_t> identifiers;
  SharedOrigin shared;
};

// A message on its way to one client that waits: shares the message, owns the rest.
struct Outgoing {
  // What most messages do not have.
  struct Extras {
    std::vector<uint32_t> identifiers;  // subscription identifiers
    SharedOrigin shared;                // at QoS 1: the only one that goes to another member
  };

  mqtt::MessageRef message;
  std::unique_ptr<const Extras> extras;  // or null
  RecordId record = RecordId::kNone;     // of a session that is kept
  mqtt::Qos qos = mqtt::Qos::kAtMostOnce;
  mqtt::Retain retain = mqtt::Retain::kNo;

  Outgoing() = default;
  Outgoing(mqtt::MessageRef shared, const DeliveryTerms& terms)
      : message(std::move(shared)), qos(terms.qos), retain(terms.retain) {
    const bool comes_back = terms.shared && qos == mqtt::Qos::kAtLeastOnce;
    if (terms.identifiers.empty() && !comes_back) return;
    extras =
        std::make_unique<const Extras>(Extras{{terms.identifiers.begin(), terms.identifiers.end()},
                                              comes_back ? terms.shared : SharedOrigin{}});
  }
  [[nodiscard]] DeliveryTerms terms() const {
    if (!extras) return {qos, retain, {}, {}};
    return {qos, retain, extras->identifiers, extras->shared};
  }
};

// Messages that wait, oldest first, with what they weigh. The limits are the session's to keep.
class Queue {
 public:
  // `total` outlives the queue.
  explicit Queue(QueueTotal& total) : total_(total) {}
  ~Queue() { total_.subtract(bytes_, size()); }
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  [[nodiscard]] QueueTotal& total() const { return total_; }
  [[nodiscard]] bool empty() const { return ring_.empty(); }
  [[nodiscard]] std::size_t size() const { return ring_.size(); }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }  // footprints of the messages

  void push(Outgoing outgoing) {
    const std::size_t footprint = outgoing.message->footprint();
    bytes_ += footprint;
    total_.add(footprint);
    ring_.push_back(std::move(outgoing));
  }
  // Not when empty().
  Outgoing pop() {
    Outgoing first = ring_.pop_front();
    const std::size_t footprint = first.message->footprint();
    bytes_ -= footprint;
    total_.subtract(footprint);
    return first;
  }
  // Calls visit(const Outgoing&) for each, oldest first.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (uint32_t i = 0; i < ring_.size(); ++i) visit(ring_[i]);
  }
  // None of them is written down any more.
  void forget_records() {
    for (uint32_t i = 0; i < ring_.size(); ++i) ring_[i].record = RecordId::kNone;
  }
  // Keeps the order of the others.
  template <class Predicate>
  void drop_if(Predicate&& predicate) {
    for (std::size_t left = size(); left > 0; --left) {
      Outgoing outgoing = pop();
      if (!predicate(std::as_const(outgoing))) push(std::move(outgoing));
    }
  }
  void clear() {
    total_.subtract(bytes_, size());
    ring_.clear();
    bytes_ = 0;
  }

 private:
  QueueTotal& total_;
  Ring<Outgoing> ring_;
  uint64_t bytes_ = 0;
};

}  // namespace fairlead
