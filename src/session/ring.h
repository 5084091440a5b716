#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/assert.h"

namespace fairlead {

// A queue in one block of memory that doubles as it grows and is given back when the ring is empty:
// an idle session owns none. T is default-constructible and cheap to move.
// Cost: push_back() amortised and pop_front() O(1); erase(i) moves the i elements before it.
template <class T>
class Ring {
 public:
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] uint32_t size() const { return size_; }

  // The i-th element, the oldest is 0; i < size().
  [[nodiscard]] T& operator[](uint32_t i) { return slots_[index(i)]; }
  [[nodiscard]] const T& operator[](uint32_t i) const { return slots_[index(i)]; }

  T& push_back(T element) {
    if (size_ == capacity_) grow();
    T& slot = slots_[(head_ + size_) & (capacity_ - 1)];
    slot = std::move(element);
    ++size_;
    return slot;
  }

  T pop_front() {
    T first = std::move((*this)[0]);
    head_ = (head_ + 1) & (capacity_ - 1);
    if (--size_ == 0) clear();
    return first;
  }

  void erase(uint32_t i) {
    for (; i > 0; --i) (*this)[i] = std::move((*this)[i - 1]);
    pop_front();
  }

  void clear() {
    slots_.reset();
    capacity_ = head_ = size_ = 0;
  }

 private:
  static constexpr uint32_t kCapacityMin = 8;

  [[nodiscard]] uint32_t index(uint32_t i) const {
    FL_ASSERT(i < size_);
    return (head_ + i) & (capacity_ - 1);
  }

  void grow() {
    const uint32_t capacity = std::max(kCapacityMin, capacity_ * 2);
    auto slots = std::make_unique<T[]>(capacity);
    for (uint32_t i = 0; i < size_; ++i) slots[i] = std::move((*this)[i]);
    slots_ = std::move(slots);
    capacity_ = capacity;
    head_ = 0;
  }

  std::unique_ptr<T[]> slots_;
  uint32_t capacity_ = 0;  // a power of two, or 0
  uint32_t head_ = 0;
  uint32_t size_ = 0;
};

}  // namespace fairlead
