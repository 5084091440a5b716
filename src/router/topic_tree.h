#pragma once

#include <cstdint>
#include <string_view>

#include "base/hash.h"
#include "proto/mqtt/topic.h"
#include "router/chain_table.h"
#include "router/subscriber_list.h"
#include "router/subscription.h"

namespace fairlead {

// The filters of one shard's sessions, and who among them wants a topic (MQTT 5.0 section 4.7).
//
// A filter without wildcard is an entry of one hash table, keyed by the whole filter. Filters with
// wildcards form a tree by level; its edges are entries of a second hash table, keyed by (parent,
// level), so that a node owns no container. Nodes without use are removed.
//
// Filters are plain (`$share/group/` taken off) and checked by the caller, levels included. Used by
// one thread. Visitors must not change the tree.
//
// Cost: match() is one look-up, and, when there are filters with wildcards at all, one look-up for
// each level and branch that such filters have in common with the topic, no node twice; it does not
// depend on how many other filters there are, and never allocates. A subscription takes 32 bytes
// and the filter without wildcard (about 100 bytes with the allocator's and the table's share for
// 40 characters), else 64 bytes and the text for each level that no other filter has.
class TopicTree {
 public:
  TopicTree();
  TopicTree(const TopicTree&) = delete;
  TopicTree& operator=(const TopicTree&) = delete;
  ~TopicTree();

  // A session has one subscription to a filter: a second one replaces the first.
  Added add(std::string_view filter, const Subscription& subscription);
  // False when there was none.
  bool remove(std::string_view filter, SubscriberId subscriber);

  // Calls visit(const Subscription&) once for each matching filter of each session. Returns the
  // number of look-ups made: what tests bound instead of time.
  template <class Visit>
  uint32_t match(std::string_view topic, Visit&& visit) const {
    uint32_t lookups = 0;
    if (exact_.size() != 0) {
      ++lookups;
      if (const Exact* exact = find_exact(topic)) exact->subscribers.for_each(visit);
    }
    if (wildcard_count_ != 0) {
      const bool reserved = !topic.empty() && topic.front() == '$';  // section 4.7.2
      walk(*root_, mqtt::LevelWalker(topic), reserved ? Wildcards::kDoNotMatch : Wildcards::kMatch,
           lookups, visit);
    }
    return lookups;
  }

  // Subscriptions held.
  [[nodiscard]] std::size_t size() const { return exact_count_ + wildcard_count_; }
  // Entries and nodes held: 1, the root, when there are no subscriptions.
  [[nodiscard]] std::size_t node_count() const { return exact_.size() + nodes_.size() + 1; }

 private:
  enum class Wildcards : uint8_t { kMatch, kDoNotMatch };

  struct Exact final : TextEntry<Exact> {
    SubscriberList subscribers;
  };

  // A level of one or several filters with wildcards: a literal or `+`. Its `#` is a list in it.
  struct Node final : TextEntry<Node> {
    bool has_plus = false;       // a child `+`
    Node* parent = nullptr;      // null for the root
    uint32_t literal_count = 0;  // children but `+`
    SubscriberList here;         // filters that end with this level
    SubscriberList below;        // filters that end with `#` after this level
    [[nodiscard]] bool idle() const {
      return here.empty() && below.empty() && literal_count == 0 && !has_plus;
    }
  };
  static_assert(sizeof(Exact) == 32 && sizeof(Node) == 64,
                "times the subscriptions of all devices");

  // Where a filter with wildcards keeps its subscribers.
  struct Place {
    Node* node = nullptr;  // null: nowhere
    SubscriberList* list = nullptr;
  };

  [[nodiscard]] static uint32_t hash_of(const Node& parent, std::string_view level);
  [[nodiscard]] Exact* find_exact(std::string_view filter) const;
  [[nodiscard]] Node* find_child(const Node& parent, std::string_view level) const;
  Node* make_child(Node& parent, std::string_view level);
  template <class Child>
  Place find_place(std::string_view filter, Child&& child);
  void prune(Node* node);

  template <class Visit>
  void walk(const Node& node, mqtt::LevelWalker rest, Wildcards wildcards, uint32_t& lookups,
            Visit& visit) const {
    if (wildcards == Wildcards::kMatch) node.below.for_each(visit);  // `a/#` matches `a`, too
    const auto level = rest.next();
    if (!level) {
      node.here.for_each(visit);
      return;
    }
    if (node.literal_count != 0) {
      ++lookups;
      const Node* child = find_child(node, *level);
      if (child) walk(*child, rest, Wildcards::kMatch, lookups, visit);
    }
    if (node.has_plus && wildcards == Wildcards::kMatch) {
      ++lookups;
      walk(*find_child(node, "+"), rest, Wildcards::kMatch, lookups, visit);
    }
  }

  ChainTable<Exact> exact_;
  ChainTable<Node> nodes_;  // all but the root
  Node* root_;
  std::size_t exact_count_ = 0;  // subscriptions
  std::size_t wildcard_count_ = 0;
};

}  // namespace fairlead
