#pragma once

#include <cstring>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/utf8.h"
#include "proto/mqtt/packet.h"
#include "proto/mqtt/property_list.h"

// Reads the fields of one packet's body, in order. Internal to this folder.

namespace fairlead::mqtt::detail {

// A UTF-8 encoded string's rules (MQTT 5.0 section 1.5.4). ASCII without U+0000 is settled here,
// eight bytes at a time and in one pass; what else there is, base decides.
[[nodiscard]] inline bool is_text(Bytes bytes) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kHighs = 0x8080808080808080;
  // No high bit when all bytes of `word` are 0x01 to 0x7f: a zero borrows.
  auto odd = [](uint64_t word) { return ((word - kOnes) | word) & kHighs; };
  const std::size_t size = bytes.size();
  uint64_t seen = 0;
  uint64_t word = kOnes;  // padding that passes
  if (size >= 8) {
    for (std::size_t i = 0; i + 8 <= size; i += 8) {
      std::memcpy(&word, bytes.data() + i, 8);
      seen |= odd(word);
    }
    std::memcpy(&word, bytes.data() + size - 8, 8);
  } else {
    for (const std::byte b : bytes) word = (word << 8) | std::to_integer<uint8_t>(b);
  }
  return (seen | odd(word)) == 0 || is_mqtt_text(bytes);
}

// The first failure sticks: after it every field reads as zero or empty, and ok() is false. So a
// packet is read straight through, and the caller asks once, at the end. Names of fields and
// problems are literals: nothing is built before the Reject.
class FieldReader {
 public:
  FieldReader(PacketType type, Bytes body) : at_(body.data()), left_(body.size()), type_(type) {}

  [[nodiscard]] bool ok() const { return problem_.data() == nullptr; }
  [[nodiscard]] bool empty() const { return left_ == 0; }
  [[nodiscard]] PacketType type() const { return type_; }

  uint8_t u8(std::string_view field) { return integer<uint8_t>(field); }
  uint16_t u16(std::string_view field) { return integer<uint16_t>(field); }
  uint32_t u32(std::string_view field) { return integer<uint32_t>(field); }

  PacketId packet_id() {
    const uint16_t id = u16("packet identifier");
    if (id == 0) [[unlikely]] {
      fail(ReasonCode::kProtocolError, "packet identifier", " is zero");
    }
    return PacketId{id};
  }

  Bytes binary(std::string_view field) { return take(u16(field), field); }

  std::string_view text(std::string_view field) {
    const Bytes bytes = binary(field);
    if (!is_text(bytes)) [[unlikely]] {
      fail(ReasonCode::kMalformedPacket, field, " is not UTF-8 without U+0000");
      return {};
    }
    return as_text(bytes);
  }

  uint32_t varint(std::string_view field) {
    const Varint read = read_varint({at_, left_});
    if (read.state != Varint::State::kDone) [[unlikely]] {
      fail_varint(read.state, field);
      return 0;
    }
    skip(read.size);
    return read.value;
  }

  Bytes take(std::size_t count, std::string_view field) {
    if (count > left_) [[unlikely]] {
      fail(ReasonCode::kMalformedPacket, field, " is cut short");
      return {};
    }
    const Bytes taken(at_, count);
    skip(count);
    return taken;
  }

  Bytes rest() {
    const Bytes taken(at_, left_);
    skip(left_);
    return taken;
  }

  // Property Length and properties, into the struct of this packet type.
  template <class Properties>
  void properties(Properties& properties) {
    const Bytes block = take(varint("Property Length"), "properties");
    if (!block.empty()) [[unlikely]]
      property_block(block, properties);
  }

  // Properties whose length is known.
  template <class Properties>
  void property_block(Bytes block, Properties& properties);

  // Nothing may follow.
  void end() {
    if (left_ != 0) [[unlikely]]
      fail(ReasonCode::kMalformedPacket, "", "bytes follow its end");
  }

  [[gnu::cold]] void fail(ReasonCode code, std::string_view field, std::string_view problem);

  // The packet's name, the field, the problem. After ok() was false.
  [[nodiscard, gnu::cold]] Reject reject() const;

 private:
  template <class T>
  T integer(std::string_view field) {
    if (left_ < sizeof(T)) [[unlikely]] {
      fail(ReasonCode::kMalformedPacket, field, " is cut short");
      return 0;
    }
    const T value = load_be<T>(at_);
    skip(sizeof(T));
    return value;
  }
  void skip(std::size_t count) {
    at_ += count;
    left_ -= count;
  }
  [[gnu::cold]] void fail_varint(Varint::State state, std::string_view field);
  [[gnu::cold]] void adopt_failure(const FieldReader& inner);

  const std::byte* at_;
  std::size_t left_;
  std::string_view field_;
  std::string_view problem_;
  ReasonCode code_ = ReasonCode::kSuccess;
  PacketType type_;
};

// Reads the value of one property into the field with its identifier; leaves `found` false when
// the packet type has none.
class PropertyReader {
 public:
  PropertyReader(FieldReader& fields, PropertyId id, Bytes block)
      : fields_(fields), block_(block), id_(id) {}

  [[nodiscard]] bool found() const { return found_; }

  template <class Field>
  void operator()(PropertyId id, Field& field) {
    if (id != id_) return;
    found_ = true;
    read(field);
  }

 private:
  void read(std::optional<bool>& value);
  void read(std::optional<uint8_t>& value);
  void read(std::optional<uint16_t>& value);
  void read(std::optional<uint32_t>& value);
  void read(std::optional<std::string_view>& value);
  void read(std::optional<Bytes>& value);
  void read(UserProperties& value);
  void read(SubscriptionIdentifiers& value);
  [[gnu::cold]] void refuse(ReasonCode code, std::string_view problem);

  FieldReader& fields_;
  Bytes block_;
  PropertyId id_;
  bool found_ = false;
};

// The bit of a property in the set of those that were seen; none for those that may come again.
template <class Properties>
[[nodiscard]] constexpr uint64_t once_bit(PropertyId id) {
  const bool repeats =
      id == PropertyId::kUserProperty ||
      (std::is_same_v<Properties, PublishProperties> && id == PropertyId::kSubscriptionIdentifier);
  return repeats ? 0 : uint64_t{1} << static_cast<uint8_t>(id);
}

template <class Properties>
void FieldReader::property_block(Bytes block, Properties& properties) {
  FieldReader inner(type_, block);
  uint64_t seen = 0;
  while (!inner.empty()) {
    const uint8_t byte = inner.u8("property");
    if (property_kind(byte) == PropertyKind::kUnknown) {
      inner.fail(ReasonCode::kMalformedPacket, "property", " has an unknown identifier");
      break;
    }
    const auto id = static_cast<PropertyId>(byte);
    PropertyReader value(inner, id, block);
    visit_properties(properties, value);
    if (!value.found()) {
      inner.fail(ReasonCode::kMalformedPacket, property_name(id), " is not allowed here");
    }
    const uint64_t bit = once_bit<Properties>(id);
    if ((seen & bit) != 0) {
      inner.fail(ReasonCode::kProtocolError, property_name(id), " occurs twice");
    }
    seen |= bit;
  }
  if (!inner.ok()) adopt_failure(inner);
}

// Whether a packet of this type may carry the reason code (MQTT 5.0 section 2.4).
[[nodiscard]] bool is_reason_of(PacketType type, uint8_t code);

// A reason code that the packet's type may carry; `type` is the packet's own.
[[nodiscard]] ReasonCode read_reason(FieldReader& fields);

}  // namespace fairlead::mqtt::detail
