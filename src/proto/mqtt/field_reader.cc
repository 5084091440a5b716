#include "proto/mqtt/field_reader.h"

#include <array>
#include <initializer_list>

#include "proto/mqtt/topic.h"

namespace fairlead::mqtt::detail {
namespace {

class ReasonSet {
 public:
  constexpr ReasonSet(std::initializer_list<uint8_t> codes) {
    for (const uint8_t code : codes) bits_[code / 64] |= uint64_t{1} << (code % 64);
  }
  [[nodiscard]] constexpr bool has(uint8_t code) const {
    return ((bits_[code / 64] >> (code % 64)) & 1) != 0;
  }

 private:
  std::array<uint64_t, 4> bits_{};
};

// The tables of MQTT 5.0 sections 3.2.2.2, 3.4.2.1, 3.6.2.1, 3.9.3, 3.11.3, 3.14.2.1, 3.15.2.1;
// section 2.4 adds 0x8C to DISCONNECT.
constexpr ReasonSet kConnackReasons{0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86,
                                    0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97,
                                    0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F};
constexpr ReasonSet kReceivedReasons{0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99};
constexpr ReasonSet kReleasedReasons{0x00, 0x92};
constexpr ReasonSet kSubackReasons{0x00, 0x01, 0x02, 0x80, 0x83, 0x87,
                                   0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2};
constexpr ReasonSet kUnsubackReasons{0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91};
constexpr ReasonSet kDisconnectReasons{0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8C,
                                       0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98,
                                       0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2};
constexpr ReasonSet kAuthReasons{0x00, 0x18, 0x19};

}  // namespace

void FieldReader::fail(ReasonCode code, std::string_view field, std::string_view problem) {
  left_ = 0;
  if (!ok()) return;
  code_ = code;
  field_ = field;
  problem_ = problem;
}

Reject FieldReader::reject() const {
  std::string sentence(packet_name(type_));
  sentence += ": ";
  sentence += field_;
  sentence += problem_;
  return {code_, std::move(sentence)};
}

void FieldReader::fail_varint(Varint::State state, std::string_view field) {
  fail(ReasonCode::kMalformedPacket, field,
       state == Varint::State::kIncomplete ? " is cut short"
                                           : " is over four bytes or not in its shortest form");
}

void FieldReader::adopt_failure(const FieldReader& inner) {
  fail(inner.code_, inner.field_, inner.problem_);
}

void PropertyReader::refuse(ReasonCode code, std::string_view problem) {
  fields_.fail(code, property_name(id_), problem);
}

void PropertyReader::read(std::optional<bool>& value) {
  const uint8_t byte = fields_.u8(property_name(id_));
  if (byte > 1) return refuse(ReasonCode::kProtocolError, " is neither 0 nor 1");
  value = byte == 1;
}

// Payload Format Indicator and Maximum QoS: both are 0 or 1, too.
void PropertyReader::read(std::optional<uint8_t>& value) {
  const uint8_t byte = fields_.u8(property_name(id_));
  if (byte > 1) return refuse(ReasonCode::kProtocolError, " is neither 0 nor 1");
  value = byte;
}

void PropertyReader::read(std::optional<uint16_t>& value) {
  const uint16_t number = fields_.u16(property_name(id_));
  if (number == 0 && id_ == PropertyId::kTopicAlias) {
    return refuse(ReasonCode::kTopicAliasInvalid, " is zero");
  }
  if (number == 0 && id_ == PropertyId::kReceiveMaximum) {
    return refuse(ReasonCode::kProtocolError, " is zero");
  }
  value = number;
}

void PropertyReader::read(std::optional<uint32_t>& value) {
  const std::string_view name = property_name(id_);
  const bool is_varint = id_ == PropertyId::kSubscriptionIdentifier;
  const uint32_t number = is_varint ? fields_.varint(name) : fields_.u32(name);
  if (number == 0 && (is_varint || id_ == PropertyId::kMaximumPacketSize)) {
    return refuse(ReasonCode::kProtocolError, " is zero");
  }
  value = number;
}

void PropertyReader::read(std::optional<std::string_view>& value) {
  value = fields_.text(property_name(id_));
  if (id_ == PropertyId::kResponseTopic && has_wildcard(*value)) {
    refuse(ReasonCode::kProtocolError, " has a wildcard");
  }
}

void PropertyReader::read(std::optional<Bytes>& value) {
  value = fields_.binary(property_name(id_));
}

void PropertyReader::read(UserProperties& value) {
  static_cast<void>(fields_.text("name of a User Property"));
  static_cast<void>(fields_.text("value of a User Property"));
  value = UserProperties(PropertyBlock(block_));
}

void PropertyReader::read(SubscriptionIdentifiers& value) {
  if (fields_.varint(property_name(id_)) == 0) {
    return refuse(ReasonCode::kProtocolError, " is zero");
  }
  value = SubscriptionIdentifiers(PropertyBlock(block_));
}

bool is_reason_of(PacketType type, uint8_t code) {
  switch (type) {
    case PacketType::kConnack:
      return kConnackReasons.has(code);
    case PacketType::kPuback:
    case PacketType::kPubrec:
      return kReceivedReasons.has(code);
    case PacketType::kPubrel:
    case PacketType::kPubcomp:
      return kReleasedReasons.has(code);
    case PacketType::kSuback:
      return kSubackReasons.has(code);
    case PacketType::kUnsuback:
      return kUnsubackReasons.has(code);
    case PacketType::kDisconnect:
      return kDisconnectReasons.has(code);
    case PacketType::kAuth:
      return kAuthReasons.has(code);
    case PacketType::kConnect:
    case PacketType::kPublish:
    case PacketType::kSubscribe:
    case PacketType::kUnsubscribe:
    case PacketType::kPingreq:
    case PacketType::kPingresp:
      return false;
  }
  unreachable();
}

ReasonCode read_reason(FieldReader& fields) {
  const uint8_t code = fields.u8("reason code");
  if (fields.ok() && !is_reason_of(fields.type(), code)) {
    fields.fail(ReasonCode::kProtocolError, "reason code", " is not one of this packet's");
  }
  return static_cast<ReasonCode>(code);
}

}  // namespace fairlead::mqtt::detail
