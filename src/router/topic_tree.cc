#include "router/topic_tree.h"

namespace fairlead {
namespace {

uint32_t folded(uint64_t hash) { return static_cast<uint32_t>(hash ^ (hash >> 32)); }

}  // namespace

TopicTree::TopicTree() : root_(Node::make({}, 0)) {}

TopicTree::~TopicTree() {
  exact_.drain([](Exact* exact) { Exact::destroy(exact); });
  nodes_.drain([](Node* node) { Node::destroy(node); });
  Node::destroy(root_);
}

Added TopicTree::add(std::string_view filter, const Subscription& subscription) {
  if (mqtt::has_wildcard(filter)) {
    const Place place = find_place(
        filter, [this](Node& parent, std::string_view level) { return make_child(parent, level); });
    const Added added = place.list->add(subscription);
    if (added == Added::kNew) ++wildcard_count_;
    return added;
  }
  Exact* exact = find_exact(filter);
  if (!exact) {
    exact = Exact::make(filter, folded(keyed_hash(filter)));
    exact_.insert(exact);
  }
  const Added added = exact->subscribers.add(subscription);
  if (added == Added::kNew) ++exact_count_;
  return added;
}

bool TopicTree::remove(std::string_view filter, SubscriberId subscriber) {
  if (mqtt::has_wildcard(filter)) {
    const Place place = find_place(
        filter, [this](Node& parent, std::string_view level) { return find_child(parent, level); });
    if (!place.node || !place.list->remove(subscriber)) return false;
    --wildcard_count_;
    prune(place.node);
    return true;
  }
  Exact* exact = find_exact(filter);
  if (!exact || !exact->subscribers.remove(subscriber)) return false;
  --exact_count_;
  if (exact->subscribers.empty()) {
    exact_.erase(exact);
    Exact::destroy(exact);
  }
  return true;
}

// A node's hash covers the whole path to it, so that equal levels of different parents spread.
uint32_t TopicTree::hash_of(const Node& parent, std::string_view level) {
  return folded((keyed_hash(level) ^ parent.hash()) * 0x9E3779B97F4A7C15u);
}

TopicTree::Exact* TopicTree::find_exact(std::string_view filter) const {
  return exact_.find(folded(keyed_hash(filter)),
                     [filter](const Exact& exact) { return exact.text() == filter; });
}

TopicTree::Node* TopicTree::find_child(const Node& parent, std::string_view level) const {
  return nodes_.find(hash_of(parent, level), [&parent, level](const Node& node) {
    return node.parent == &parent && node.text() == level;
  });
}

TopicTree::Node* TopicTree::make_child(Node& parent, std::string_view level) {
  if (Node* child = find_child(parent, level)) return child;
  Node* child = Node::make(level, hash_of(parent, level));
  child->parent = &parent;
  nodes_.insert(child);
  if (level == "+") {
    parent.has_plus = true;
  } else {
    ++parent.literal_count;
  }
  return child;
}

// Goes down with `child`, Node*(Node& parent, std::string_view level), until it answers null.
template <class Child>
TopicTree::Place TopicTree::find_place(std::string_view filter, Child&& child) {
  Node* node = root_;
  mqtt::LevelWalker levels(filter);
  while (const auto level = levels.next()) {
    if (*level == "#") return {node, &node->below};
    node = child(*node, *level);
    if (!node) return {};
  }
  return {node, &node->here};
}

void TopicTree::prune(Node* node) {
  while (node->parent && node->idle()) {
    Node* parent = node->parent;
    if (node->text() == "+") {
      parent->has_plus = false;
    } else {
      --parent->literal_count;
    }
    nodes_.erase(node);
    Node::destroy(node);
    node = parent;
  }
}

}  // namespace fairlead
