#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "base/assert.h"

// Views of bytes, and a reader and a growable buffer over them. Integers are big-endian, as in
// MQTT and WebSocket. Nothing here reads past the end: a read that does not fit answers nullopt
// and leaves the reader where it was.

namespace fairlead {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Big-endian integer of sizeof(T) bytes at `at`; the caller has checked that they are there.
template <class T>
[[nodiscard]] inline T load_be(const std::byte* at) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>((static_cast<uint64_t>(value) << 8) | std::to_integer<uint8_t>(at[i]));
  }
  return value;
}

template <class T>
inline void store_be(std::byte* at, T value) {
  for (std::size_t i = sizeof(T); i-- > 0;) {
    at[i] = static_cast<std::byte>(value & 0xff);
    value = static_cast<T>(static_cast<uint64_t>(value) >> 8);
  }
}

// Reads from the front of a span that it does not own.
class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) : rest_(bytes) {}

  [[nodiscard]] std::optional<uint8_t> u8() { return integer<uint8_t>(); }
  [[nodiscard]] std::optional<uint16_t> u16() { return integer<uint16_t>(); }
  [[nodiscard]] std::optional<uint32_t> u32() { return integer<uint32_t>(); }
  [[nodiscard]] std::optional<uint64_t> u64() { return integer<uint64_t>(); }

  [[nodiscard]] std::optional<Bytes> take(std::size_t count) {
    if (count > rest_.size()) return std::nullopt;
    Bytes taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }

  [[nodiscard]] Bytes rest() const { return rest_; }
  [[nodiscard]] std::size_t size() const { return rest_.size(); }
  [[nodiscard]] bool empty() const { return rest_.empty(); }

 private:
  template <class T>
  std::optional<T> integer() {
    if (rest_.size() < sizeof(T)) return std::nullopt;
    T value = load_be<T>(rest_.data());
    rest_ = rest_.subspan(sizeof(T));
    return value;
  }

  Bytes rest_;
};

// A growable run of bytes, not initialised on growth; move-only. An empty one owns no memory.
class ByteBuffer {
 public:
  ByteBuffer() = default;
  ByteBuffer(ByteBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  ByteBuffer& operator=(ByteBuffer&& other) noexcept {
    if (this != &other) {
      std::free(data_);
      data_ = std::exchange(other.data_, nullptr);
      size_ = std::exchange(other.size_, 0);
      capacity_ = std::exchange(other.capacity_, 0);
    }
    return *this;
  }
  ByteBuffer(const ByteBuffer&) = delete;
  ByteBuffer& operator=(const ByteBuffer&) = delete;
  ~ByteBuffer() { std::free(data_); }

  [[nodiscard]] std::byte* data() { return data_; }
  [[nodiscard]] const std::byte* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] Bytes view() const { return {data_, size_}; }
  [[nodiscard]] MutableBytes mutable_view() { return {data_, size_}; }

  // Room for `count` more bytes at the end; the bytes are the caller's to fill.
  std::byte* extend(std::size_t count) {
    if (count > capacity_ - size_) grow(count);
    std::byte* at = data_ + size_;
    size_ += count;
    return at;
  }

  void append(Bytes bytes) {
    if (!bytes.empty()) std::memcpy(extend(bytes.size()), bytes.data(), bytes.size());
  }
  void append(std::string_view text) { append(as_bytes(text)); }
  void u8(uint8_t value) { *extend(1) = static_cast<std::byte>(value); }
  void u16(uint16_t value) { store_be(extend(2), value); }
  void u32(uint32_t value) { store_be(extend(4), value); }
  void u64(uint64_t value) { store_be(extend(8), value); }

  void reserve(std::size_t total) {
    if (total > capacity_) grow(total - size_);
  }
  // Keeps the first `count` bytes; count <= size().
  void truncate(std::size_t count) {
    FL_ASSERT(count <= size_);
    size_ = count;
  }
  void clear() { size_ = 0; }
  // Drops the first `count` bytes by moving the rest to the front; count <= size().
  void consume(std::size_t count) {
    FL_ASSERT(count <= size_);
    if (count < size_ && count > 0) std::memmove(data_, data_ + count, size_ - count);
    size_ -= count;
  }
  // Gives the memory back.
  void release() {
    std::free(data_);
    data_ = nullptr;
    size_ = capacity_ = 0;
  }

 private:
  void grow(std::size_t more);

  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace fairlead
