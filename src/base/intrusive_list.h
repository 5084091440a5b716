#pragma once

#include <utility>

#include "base/assert.h"

namespace fairlead {

// A doubly linked list through its elements: T derives from ListLink<Tag>. Nothing is allocated;
// an element unlinks itself in its destructor. One thread.
template <class Tag>
class ListLink {
 public:
  ListLink() = default;
  ListLink(const ListLink&) = delete;
  ListLink& operator=(const ListLink&) = delete;
  ~ListLink() { unlink(); }

  [[nodiscard]] bool linked() const { return next_ != nullptr; }
  void unlink() {
    if (!next_) return;
    next_->previous_ = previous_;
    previous_->next_ = next_;
    next_ = previous_ = nullptr;
  }

 private:
  template <class T, class ListTag>
  friend class IntrusiveList;
  ListLink* next_ = nullptr;
  ListLink* previous_ = nullptr;
};

template <class T, class Tag>
class IntrusiveList {
 public:
  IntrusiveList() { head_.next_ = head_.previous_ = &head_; }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;
  ~IntrusiveList() {
    while (!empty()) pop_front();
    head_.next_ = nullptr;
  }

  [[nodiscard]] bool empty() const { return head_.next_ == &head_; }
  [[nodiscard]] T& front() {
    FL_ASSERT(!empty());
    return *static_cast<T*>(head_.next_);
  }
  T& pop_front() {
    T& first = front();
    static_cast<ListLink<Tag>&>(first).unlink();
    return first;
  }
  void push_back(T& element) {
    auto& link = static_cast<ListLink<Tag>&>(element);
    FL_ASSERT(!link.linked());
    link.previous_ = head_.previous_;
    link.next_ = &head_;
    head_.previous_->next_ = &link;
    head_.previous_ = &link;
  }
  // Calls visit(T&) for each; it may unlink the element it was given, and no other.
  template <class Visit>
  void for_each(Visit&& visit) {
    for (ListLink<Tag>* link = head_.next_; link != &head_;) {
      ListLink<Tag>* next = link->next_;
      visit(*static_cast<T*>(link));
      link = next;
    }
  }
  // Moves all elements of `other` to the end of this list.
  void splice(IntrusiveList& other) {
    if (other.empty()) return;
    ListLink<Tag>* first = other.head_.next_;
    ListLink<Tag>* last = other.head_.previous_;
    other.head_.next_ = other.head_.previous_ = &other.head_;
    first->previous_ = head_.previous_;
    head_.previous_->next_ = first;
    last->next_ = &head_;
    head_.previous_ = last;
  }

 private:
  ListLink<Tag> head_;
};

}  // namespace fairlead
