#pragma once

#include <optional>

#include "proto/mqtt/packet.h"
#include "proto/mqtt/store.h"

// What writer.cc and writer_connect.cc share. Internal to this folder.

namespace fairlead::mqtt::detail {

[[nodiscard]] constexpr bool has_properties(ProtocolVersion version) {
  return version == ProtocolVersion::k5;
}

[[nodiscard]] constexpr std::size_t packet_size(std::size_t body_size) {
  return 1 + varint_size(body_size) + body_size;
}

// What is left out so that a packet fits into the peer's Maximum Packet Size.
enum class Trim : uint8_t { kNothing, kUserProperties, kReasonStringToo };

// Passes a property on unless it is trimmed.
template <class Sink>
struct Trimmed {
  Sink& sink;
  Trim trim;

  template <class Field>
  void operator()(PropertyId id, const Field& field) {
    if (trim >= Trim::kUserProperties && id == PropertyId::kUserProperty) return;
    if (trim >= Trim::kReasonStringToo && id == PropertyId::kReasonString) return;
    sink(id, field);
  }
};

// Which properties are written, and their size without the length in front. Without presence (in
// 3.1 and 3.1.1) not even the length is written.
struct PropertyPlan {
  enum class Presence : uint8_t { kNone, kWritten };
  Presence presence = Presence::kWritten;
  Trim trim = Trim::kNothing;
  std::size_t size = 0;

  template <class Properties>
  [[nodiscard]] static PropertyPlan trimmed(const Properties& properties, Trim trim) {
    PropertySizer sizer;
    visit_properties(properties, Trimmed<PropertySizer>{sizer, trim});
    return {Presence::kWritten, trim, sizer.size};
  }

  template <class Properties>
  [[nodiscard]] static PropertyPlan of(ProtocolVersion version, const Properties& properties) {
    if (!has_properties(version)) return {Presence::kNone, Trim::kNothing, 0};
    return trimmed(properties, Trim::kNothing);
  }

  [[nodiscard]] std::size_t size_with_length() const {
    return presence == Presence::kNone ? 0 : varint_size(size) + size;
  }
};

// The fullest plan with which the packet does not exceed packet_size_max; nullopt when there is
// none. body_size(size of the properties) is the packet's remaining length.
template <class Properties, class BodySize>
[[nodiscard]] std::optional<PropertyPlan> plan_properties(const Properties& properties,
                                                          uint32_t packet_size_max,
                                                          BodySize&& body_size) {
  for (const Trim trim : {Trim::kNothing, Trim::kUserProperties, Trim::kReasonStringToo}) {
    const PropertyPlan plan = PropertyPlan::trimmed(properties, trim);
    if (packet_size(body_size(plan.size)) <= packet_size_max) return plan;
  }
  return std::nullopt;
}

// Appends one packet: the fixed header at once, then the body, which must come out exactly as long
// as was said.
class PacketStore : public Store {
 public:
  PacketStore(ByteBuffer& out, PacketType type, uint8_t flags, std::size_t body_size)
      : Store(nullptr) {
    FL_ASSERT(body_size <= kVarintMax);
    const std::size_t size = packet_size(body_size);
    std::byte* front = out.extend(size);
    end_ = front + size;
    static_cast<Store&>(*this) = Store(front);
    u8(static_cast<uint8_t>((static_cast<unsigned>(type) << 4) | flags));
    varint(body_size);
  }
  PacketStore(const PacketStore&) = delete;
  PacketStore& operator=(const PacketStore&) = delete;
  ~PacketStore() { FL_ASSERT(at() == end_); }

  template <class Properties>
  void properties(const Properties& properties, const PropertyPlan& plan) {
    if (plan.presence == PropertyPlan::Presence::kNone) return;
    varint(plan.size);
    if (plan.size == 0) return;
    PropertyStorer storer{*this};
    visit_properties(properties, Trimmed<PropertyStorer>{storer, plan.trim});
  }

 private:
  const std::byte* end_ = nullptr;
};

}  // namespace fairlead::mqtt::detail
