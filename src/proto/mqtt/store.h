#pragma once

#include <cstring>
#include <optional>

#include "base/assert.h"
#include "proto/mqtt/property_list.h"

// What the writer and Message are made of: a place to store fields at, and two visitors of
// properties, one that adds up their size and one that stores them. Internal to this folder.

namespace fairlead::mqtt::detail {

// Stores fields from `at` on; the maker has reserved the room.
class Store {
 public:
  explicit Store(std::byte* at) : at_(at) {}

  [[nodiscard]] std::byte* at() const { return at_; }
  void u8(uint8_t value) { *at_++ = static_cast<std::byte>(value); }
  void u16(uint16_t value) { integer(value); }
  void u32(uint32_t value) { integer(value); }
  void varint(std::size_t value) { at_ = store_varint(at_, value); }
  void raw(Bytes bytes) {
    if (!bytes.empty()) std::memcpy(at_, bytes.data(), bytes.size());
    at_ += bytes.size();
  }
  // With its length in two bytes in front.
  void prefixed(Bytes bytes) {
    FL_ASSERT(bytes.size() <= 0xffff);
    u16(static_cast<uint16_t>(bytes.size()));
    raw(bytes);
  }
  void prefixed(std::string_view text) { prefixed(as_bytes(text)); }

 private:
  template <class T>
  void integer(T value) {
    store_be(at_, value);
    at_ += sizeof(T);
  }

  std::byte* at_;
};

// Adds up the encoded size of what it visits.
struct PropertySizer {
  std::size_t size = 0;

  void operator()(PropertyId, const std::optional<bool>& value) { size += value ? 2 : 0; }
  void operator()(PropertyId, const std::optional<uint8_t>& value) { size += value ? 2 : 0; }
  void operator()(PropertyId, const std::optional<uint16_t>& value) { size += value ? 3 : 0; }
  void operator()(PropertyId id, const std::optional<uint32_t>& value) {
    if (!value) return;
    size += property_kind(static_cast<uint8_t>(id)) == PropertyKind::kVarint
                ? 1 + varint_size(*value)
                : 5;
  }
  void operator()(PropertyId, const std::optional<std::string_view>& value) {
    if (value) size += 3 + value->size();
  }
  void operator()(PropertyId, const std::optional<Bytes>& value) {
    if (value) size += 3 + value->size();
  }
  void operator()(PropertyId id, const UserProperties& value) { some_of(id, value.block()); }
  void operator()(PropertyId id, const SubscriptionIdentifiers& value) {
    some_of(id, value.block());
  }

 private:
  void some_of(PropertyId wanted, const PropertyBlock& block) {
    block.for_each(
        [&](PropertyId id, Bytes encoded) { size += id == wanted ? encoded.size() : 0; });
  }
};

// Stores what it visits.
struct PropertyStorer {
  Store& store;

  void operator()(PropertyId id, const std::optional<bool>& value) {
    if (value) begin(id).u8(*value ? 1 : 0);
  }
  void operator()(PropertyId id, const std::optional<uint8_t>& value) {
    if (value) begin(id).u8(*value);
  }
  void operator()(PropertyId id, const std::optional<uint16_t>& value) {
    if (value) begin(id).u16(*value);
  }
  void operator()(PropertyId id, const std::optional<uint32_t>& value) {
    if (!value) return;
    if (property_kind(static_cast<uint8_t>(id)) == PropertyKind::kVarint) {
      begin(id).varint(*value);
    } else {
      begin(id).u32(*value);
    }
  }
  void operator()(PropertyId id, const std::optional<std::string_view>& value) {
    if (value) begin(id).prefixed(*value);
  }
  void operator()(PropertyId id, const std::optional<Bytes>& value) {
    if (value) begin(id).prefixed(*value);
  }
  void operator()(PropertyId id, const UserProperties& value) { some_of(id, value.block()); }
  void operator()(PropertyId id, const SubscriptionIdentifiers& value) {
    some_of(id, value.block());
  }

 private:
  Store& begin(PropertyId id) {
    store.u8(static_cast<uint8_t>(id));
    return store;
  }
  void some_of(PropertyId wanted, const PropertyBlock& block) {
    block.for_each([&](PropertyId id, Bytes encoded) {
      if (id == wanted) store.raw(encoded);
    });
  }
};

}  // namespace fairlead::mqtt::detail
