#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "router/subscription.h"

namespace fairlead {

// Whom one message goes to on this shard, each session once, whatever its subscriptions overlap
// (MQTT 5.0 section 3.3.4): at the highest granted QoS, with the identifiers of all of them (an
// identifier that was given twice stands there twice), and with the RETAIN flag kept if one of them
// asks for Retain As Published.
//
// A subscription with No Local does not count for the session that sent the message; another one of
// the same session, without it, does (section 3.8.3.1).
//
// Scratch of a shard, used again for each message; keeps its memory, eight bytes for each slot up
// to the highest one seen and what the largest fan-out took. One thread. Cost: add() is O(1), and
// for a first target touches no table. No allocation in steady state.
class MatchSet {
 public:
  struct Target {
    SubscriberId subscriber{};
    mqtt::Qos qos{};  // granted; the message's own may be lower
    bool retain_as_published = false;
    std::span<const uint32_t> identifiers;  // valid until the set changes
  };

  class Iterator {
   public:
    Iterator(const MatchSet& set, std::size_t at) : set_(&set), at_(at) {}
    Target operator*() const { return (*set_)[at_]; }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    const MatchSet* set_;
    std::size_t at_;
  };

  // Empties the set for the next message. `sender`: the slot of the session that published it, if
  // that lives on this shard.
  void clear(std::optional<SubscriberId> sender = std::nullopt);

  void add(const Subscription& subscription);
  // So that a set can be handed to TopicTree::match() by reference.
  void operator()(const Subscription& subscription) { add(subscription); }

  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] Target operator[](std::size_t at) const;
  [[nodiscard]] Iterator begin() const { return {*this, 0}; }
  [[nodiscard]] Iterator end() const { return {*this, entries_.size()}; }

 private:
  struct Entry {
    SubscriberId subscriber{};
    mqtt::Qos qos{};
    bool retain_as_published = false;
    uint32_t identifiers_begin = 0;  // in identifiers_; room for bit_ceil(count)
    uint32_t identifiers_count = 0;
  };
  // Where a session's entry is, if `stamp` is the set's.
  struct Seen {
    uint32_t stamp = 0;
    uint32_t entry = 0;
  };

  Entry& entry_of(SubscriberId subscriber);
  Seen& seen(SubscriberId subscriber);
  void next_stamp();
  void append_identifier(Entry& entry, uint32_t identifier);

  std::vector<Entry> entries_;
  std::vector<uint32_t> identifiers_;
  std::vector<Seen> seen_;  // by slot; only used once there is a second entry
  uint32_t stamp_ = 0;
  std::optional<SubscriberId> sender_;
};

}  // namespace fairlead
