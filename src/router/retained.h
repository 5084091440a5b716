#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string_view>

#include "base/swept.h"
#include "base/time.h"
#include "proto/mqtt/message.h"
#include "proto/mqtt/topic.h"
#include "router/chain_table.h"

namespace fairlead {

struct RetainedLimits {
  std::size_t count_max = std::numeric_limits<std::size_t>::max();  // messages
  std::size_t bytes_max = std::numeric_limits<std::size_t>::max();  // messages and their index
};

// The retained messages whose topics hash to this shard (MQTT 5.0 section 3.3.1.3), at most one a
// topic: a tree by level, whose edges are entries of one hash table.
//
// Topics and filters are checked by the caller, levels included (a walk takes a stack frame a
// level). Expired messages are never handed out; they go when a match passes them, or a sweep.
// Used by one thread. Visitors must not change the store.
//
// Cost: set, clear, and match without wildcard are one look-up a level. A match with wildcards
// visits the nodes of branches that match so far, no others; a level that a node does not have is
// mostly ruled out without a look-up. A topic takes 64 bytes and its text for each level that no
// other topic has, beside the message.
class RetainedStore {
 public:
  enum class Set : uint8_t { kStored, kReplaced, kRefusedLimit };

  explicit RetainedStore(RetainedLimits limits = {});
  RetainedStore(const RetainedStore&) = delete;
  RetainedStore& operator=(const RetainedStore&) = delete;
  ~RetainedStore();

  // Hears of each message that is dropped, for whatever reason, by the name that set() gave it;
  // not of those without a name, and not when the store itself ends.
  void on_drop(std::function<void(uint64_t name)> dropped) { dropped_ = std::move(dropped); }

  // Keeps the message for its topic, in place of an older one; when refused, the older one stays.
  // Not for an empty payload: that is clear(). `name` is the caller's; 0: none.
  Set set(mqtt::MessageRef message, uint64_t name = 0);
  // False when there was none.
  bool clear(std::string_view topic);

  // Calls visit(const MessageRef&) for each message whose topic matches. Returns the number of
  // nodes visited and looked for: what tests bound instead of time.
  template <class Visit>
  uint32_t match(std::string_view filter, Instant now, Visit&& visit) {
    uint32_t steps = 0;
    walk(*root_, mqtt::LevelWalker(filter), now, steps, visit);
    return steps;
  }

  // Drops what has expired among the next `budget` topics; call again and again.
  // A budget of more than there are topics makes one round.
  // Cost: O(budget), and nothing when no message held can expire.
  Swept sweep(Instant now, uint32_t budget);

  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  // Nodes of the tree, its root included.
  [[nodiscard]] std::size_t node_count() const { return nodes_.size() + 1; }

 private:
  struct Node final : TextEntry<Node> {
    // A bit for each hash of a child's level, modulo sixteen; bits of children that are gone may
    // stay until the last one goes.
    uint16_t child_bits = 0;
    Node* parent = nullptr;  // null for the root
    Node* first_child = nullptr;
    Node* previous = nullptr;  // siblings
    Node* next = nullptr;
    mqtt::MessageRef message;
    uint64_t name = 0;  // of the message, to the caller
    [[nodiscard]] bool idle() const { return !message && !first_child; }
  };
  static_assert(sizeof(Node) == 64);

  // `hash` is that of the level below the parent.
  [[nodiscard]] static bool may_have_child(const Node& parent, uint32_t hash) {
    return (parent.child_bits >> (hash % 16) & 1) != 0;
  }
  [[nodiscard]] static uint32_t hash_below(const Node& parent, std::string_view level);
  [[nodiscard]] Node* find_child(const Node& parent, std::string_view level, uint32_t hash) const;
  [[nodiscard]] Node* find(std::string_view topic) const;
  Node* make_path(std::string_view topic);
  Node* make_child(Node& parent, std::string_view level);
  void drop_message(Node& node);
  // Removes the node and its parents as far as they are idle.
  void prune(Node* node);
  void remove_child(Node* child);

  // The node's message, or nothing of it if it has expired.
  template <class Visit>
  void take(Node& node, Instant now, Visit& visit) {
    if (!node.message) return;
    if (node.message->expired(now)) {
      drop_message(node);
    } else {
      visit(static_cast<const mqtt::MessageRef&>(node.message));
    }
  }

  // Goes through the children with `step`, which may leave them idle. Wildcards in the first level
  // do not match topics that begin with `$` (section 4.7.2).
  template <class Step>
  void each_child(Node& node, Step&& step) {
    for (Node* child = node.first_child; child;) {
      Node* next = child->next;
      if (&node != root_ || !child->text().starts_with('$')) step(child);
      child = next;
    }
  }

  template <class Visit>
  void walk(Node& node, mqtt::LevelWalker rest, Instant now, uint32_t& steps, Visit& visit) {
    ++steps;
    const auto level = rest.next();
    if (!level) {
      take(node, now, visit);
    } else if (*level == "#") {
      --steps;
      walk_all(node, now, steps, visit);
    } else if (*level == "+") {
      each_child(node, [&](Node* child) {
        walk(*child, rest, now, steps, visit);
        if (child->idle()) remove_child(child);
      });
    } else if (const uint32_t hash = hash_below(node, *level); may_have_child(node, hash)) {
      Node* child = find_child(node, *level, hash);
      if (!child) {
        ++steps;
        return;
      }
      walk(*child, rest, now, steps, visit);
      if (child->idle()) remove_child(child);
    }
  }

  template <class Visit>
  void walk_all(Node& node, Instant now, uint32_t& steps, Visit& visit) {
    ++steps;
    take(node, now, visit);
    each_child(node, [&](Node* child) {
      walk_all(*child, now, steps, visit);
      if (child->idle()) remove_child(child);
    });
  }

  RetainedLimits limits_;
  std::function<void(uint64_t)> dropped_;
  ChainTable<Node> nodes_;  // all but the root
  Node* root_;
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
  std::size_t expiring_ = 0;    // messages that can expire
  std::size_t sweep_next_ = 0;  // bucket
};

}  // namespace fairlead
