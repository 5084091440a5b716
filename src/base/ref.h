#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace fairlead {

// Intrusive reference counting for immutable objects that several shards hold: the count is
// atomic, the object never changes after it was made. Derived provides `static void
// destroy(const Derived*)`, which frees it (objects with a tail are not made by plain new).
template <class Derived>
class RefCounted {
 public:
  void add_ref() const { count_.fetch_add(1, std::memory_order_relaxed); }
  // Who holds the only reference need not tell anybody: no other thread can get one any more.
  void drop_ref() const {
    if (count_.load(std::memory_order_acquire) == 1 ||
        count_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      Derived::destroy(static_cast<const Derived*>(this));
    }
  }

 protected:
  RefCounted() = default;
  ~RefCounted() = default;

 private:
  mutable std::atomic<uint32_t> count_{1};
};

// Owns one reference. `adopt` takes over the reference that a new object is born with.
template <class T>
class Ref {
 public:
  Ref() = default;
  static Ref adopt(T* object) {
    Ref ref;
    ref.object_ = object;
    return ref;
  }
  Ref(const Ref& other) : object_(other.object_) {
    if (object_) object_->add_ref();
  }
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() {
    if (object_) object_->drop_ref();
  }

  T* get() const { return object_; }
  T& operator*() const { return *object_; }
  T* operator->() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }
  friend bool operator==(const Ref&, const Ref&) = default;

 private:
  T* object_ = nullptr;
};

}  // namespace fairlead
