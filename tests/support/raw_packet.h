#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// Packets byte by byte, for what the writer refuses to write.

namespace fairlead::testing {

// Fields one after another: Raw().u16(1).text("a/b").u8(0).
class Raw {
 public:
  Raw& u8(unsigned value) {
    bytes_ += static_cast<char>(value);
    return *this;
  }
  Raw& u16(unsigned value) { return u8(value >> 8 & 0xff).u8(value & 0xff); }
  Raw& u32(uint32_t value) { return u16(value >> 16).u16(value & 0xffff); }
  Raw& varint(uint32_t value) {
    for (; value > 127; value >>= 7) u8((value & 127) | 128);
    return u8(value);
  }
  // With its length in front: UTF-8 strings and binary data alike.
  Raw& text(std::string_view value) {
    u16(static_cast<unsigned>(value.size()));
    return bytes(value);
  }
  Raw& bytes(std::string_view value) {
    bytes_ += value;
    return *this;
  }
  // Properties with their length in front.
  Raw& properties(std::string_view block = {}) {
    return varint(static_cast<uint32_t>(block.size())).bytes(block);
  }
  // What was put so far as the body of a packet.
  [[nodiscard]] std::string packet(unsigned first_byte) const {
    return Raw().u8(first_byte).varint(static_cast<uint32_t>(bytes_.size())).bytes(bytes_).bytes_;
  }
  [[nodiscard]] const std::string& str() const { return bytes_; }

 private:
  std::string bytes_;
};

}  // namespace fairlead::testing
