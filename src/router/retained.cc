#include "router/retained.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"

namespace fairlead {

RetainedStore::RetainedStore(RetainedLimits limits) : limits_(limits), root_(Node::make({}, 0)) {}

RetainedStore::~RetainedStore() {
  nodes_.drain([](Node* node) { Node::destroy(node); });
  Node::destroy(root_);
}

RetainedStore::Set RetainedStore::set(mqtt::MessageRef message, uint64_t name) {
  FL_ASSERT(message);
  Node* node = make_path(message->topic());
  const mqtt::MessageRef older = node->message;
  const std::size_t older_bytes = older ? older->footprint() : 0;
  const bool over = (!older && count_ >= limits_.count_max) ||
                    bytes_ - older_bytes + message->footprint() > limits_.bytes_max;
  if (over) {
    prune(node);
    return Set::kRefusedLimit;
  }
  if (older) drop_message(*node);
  ++count_;
  bytes_ += message->footprint();
  if (message->expires_at() != mqtt::Message::kNever) ++expiring_;
  node->message = std::move(message);
  node->name = name;
  return older ? Set::kReplaced : Set::kStored;
}

bool RetainedStore::clear(std::string_view topic) {
  Node* node = find(topic);
  if (!node || !node->message) return false;
  drop_message(*node);
  prune(node);
  return true;
}

Swept RetainedStore::sweep(Instant now, uint32_t budget) {
  Swept swept;
  std::size_t steps = std::min<std::size_t>(budget, nodes_.bucket_count() + expiring_);  // a round
  for (; steps > 0 && expiring_ > 0; --steps) {
    if (sweep_next_ >= nodes_.bucket_count()) sweep_next_ = 0;
    Node* expired = nodes_.find_in_bucket(sweep_next_, [now](const Node& node) {
      return node.message && node.message->expired(now);
    });
    if (!expired) {
      ++sweep_next_;
      continue;
    }
    swept.note(expired->message->expires_at());
    drop_message(*expired);  // then look at the bucket again: pruning may have changed it
    prune(expired);
  }
  return swept;
}

uint32_t RetainedStore::hash_below(const Node& parent, std::string_view level) {
  const uint64_t hash = (keyed_hash(level) ^ parent.hash()) * 0x9E3779B97F4A7C15u;
  return static_cast<uint32_t>(hash ^ (hash >> 32));
}

RetainedStore::Node* RetainedStore::find_child(const Node& parent, std::string_view level,
                                               uint32_t hash) const {
  if (!may_have_child(parent, hash)) return nullptr;
  return nodes_.find(hash, [&parent, level](const Node& node) {
    return node.parent == &parent && node.text() == level;
  });
}

RetainedStore::Node* RetainedStore::find(std::string_view topic) const {
  Node* node = root_;
  mqtt::LevelWalker levels(topic);
  while (node) {
    const auto level = levels.next();
    if (!level) break;
    node = find_child(*node, *level, hash_below(*node, *level));
  }
  return node;
}

RetainedStore::Node* RetainedStore::make_path(std::string_view topic) {
  Node* node = root_;
  mqtt::LevelWalker levels(topic);
  while (const auto level = levels.next()) node = make_child(*node, *level);
  return node;
}

RetainedStore::Node* RetainedStore::make_child(Node& parent, std::string_view level) {
  const uint32_t hash = hash_below(parent, level);
  if (Node* child = find_child(parent, level, hash)) return child;
  Node* child = Node::make(level, hash);
  child->parent = &parent;
  parent.child_bits = static_cast<uint16_t>(parent.child_bits | 1u << (hash % 16));
  child->next = parent.first_child;
  if (child->next) child->next->previous = child;
  parent.first_child = child;
  nodes_.insert(child);
  bytes_ += child->footprint();
  return child;
}

void RetainedStore::drop_message(Node& node) {
  --count_;
  bytes_ -= node.message->footprint();
  if (node.message->expires_at() != mqtt::Message::kNever) --expiring_;
  node.message = {};
  if (const uint64_t name = std::exchange(node.name, 0); name != 0 && dropped_) dropped_(name);
}

void RetainedStore::prune(Node* node) {
  while (node != root_ && node->idle()) {
    Node* parent = node->parent;
    remove_child(node);
    node = parent;
  }
}

void RetainedStore::remove_child(Node* child) {
  (child->previous ? child->previous->next : child->parent->first_child) = child->next;
  if (child->next) child->next->previous = child->previous;
  if (!child->parent->first_child) child->parent->child_bits = 0;
  bytes_ -= child->footprint();
  nodes_.erase(child);
  Node::destroy(child);
}

}  // namespace fairlead
