#include "proto/mqtt/field_reader.h"
#include "proto/mqtt/reader.h"

// CONNECT and CONNACK (MQTT 3.1 and 3.1.1, 5.0: sections 3.1 and 3.2).

namespace fairlead::mqtt {
namespace {

using detail::FieldReader;

constexpr std::string_view kName = "MQTT";
constexpr std::string_view kName31 = "MQIsdp";

// The bits of the Connect Flags.
constexpr uint8_t kReservedBit = 0x01;
constexpr uint8_t kCleanStartBit = 0x02;
constexpr uint8_t kWillBit = 0x04;
constexpr uint8_t kWillQosBits = 0x18;
constexpr uint8_t kWillRetainBit = 0x20;
constexpr uint8_t kPasswordBit = 0x40;
constexpr uint8_t kUserNameBit = 0x80;

[[nodiscard]] std::optional<ProtocolVersion> version_of(std::string_view name, uint8_t level) {
  if (name == kName31 && level == 3) return ProtocolVersion::k31;
  if (name == kName && level == 4) return ProtocolVersion::k311;
  if (name == kName && level == 5) return ProtocolVersion::k5;
  return std::nullopt;
}

[[nodiscard]] ProtocolVersion read_version(FieldReader& fields) {
  const std::string_view name = fields.text("protocol name");
  if (name != kName && name != kName31) {
    fields.fail(ReasonCode::kProtocolError, "protocol name", " is neither MQTT nor MQIsdp");
  }
  const uint8_t level = fields.u8("protocol version");
  const auto version = version_of(name, level);
  if (!version) {
    fields.fail(ReasonCode::kUnsupportedProtocolVersion, "protocol version", " is not supported");
  }
  return version.value_or(ProtocolVersion::k311);
}

// What may stand together in the flags. 3.1 leaves bits without meaning unspecified; they are
// ignored there.
void check_flags(FieldReader& fields, uint8_t flags, ProtocolVersion version) {
  constexpr auto kMalformed = ReasonCode::kMalformedPacket;
  const bool strict = version != ProtocolVersion::k31;
  if (strict && (flags & kReservedBit) != 0) {
    fields.fail(kMalformed, "", "the reserved bit of its flags is set");
  }
  if ((flags & kWillBit) != 0 && (flags & kWillQosBits) == kWillQosBits) {
    fields.fail(kMalformed, "will", " has QoS 3");
  }
  if (strict && (flags & kWillBit) == 0 && (flags & (kWillQosBits | kWillRetainBit)) != 0) {
    fields.fail(kMalformed, "will QoS or will retain", " is set without a will");
  }
  const bool password_alone = (flags & (kPasswordBit | kUserNameBit)) == kPasswordBit;
  if (password_alone && version != ProtocolVersion::k5) {
    fields.fail(kMalformed, "password", " has no user name with it");
  }
}

void read_will(FieldReader& fields, uint8_t flags, ConnectPacket& packet) {
  Will& will = packet.will.emplace();
  will.qos = static_cast<Qos>((flags & kWillQosBits) >> 3);
  will.retain = (flags & kWillRetainBit) != 0 ? Retain::kYes : Retain::kNo;
  if (packet.version == ProtocolVersion::k5) fields.properties(will.properties);
  will.topic = fields.text("will topic");
  if (fields.ok() && will.topic.empty()) {
    fields.fail(ReasonCode::kProtocolError, "will topic", " is empty");
  }
  will.payload = fields.binary("will payload");
}

// Authentication Data needs a method (MQTT 5.0 sections 3.1.2.11.10 and 4.12).
template <class Properties>
void check_authentication(FieldReader& fields, const Properties& properties) {
  if (properties.authentication_data && !properties.authentication_method) {
    fields.fail(ReasonCode::kProtocolError, "Authentication Data", " is without a method");
  }
}

// The return codes of MQTT 3.1.1 section 3.2.2.3.
[[nodiscard]] ReasonCode read_return_code(FieldReader& fields) {
  switch (fields.u8("return code")) {
    case 0:
      return ReasonCode::kSuccess;
    case 1:
      return ReasonCode::kUnsupportedProtocolVersion;
    case 2:
      return ReasonCode::kClientIdentifierNotValid;
    case 3:
      return ReasonCode::kServerUnavailable;
    case 4:
      return ReasonCode::kBadUserNameOrPassword;
    case 5:
      return ReasonCode::kNotAuthorized;
    default:
      fields.fail(ReasonCode::kMalformedPacket, "return code", " is reserved");
      return ReasonCode::kUnspecifiedError;
  }
}

}  // namespace

Result<ConnectPacket> read_connect(Bytes body) {
  FieldReader fields(PacketType::kConnect, body);
  ConnectPacket packet;
  packet.version = read_version(fields);
  const bool is_31 = packet.version == ProtocolVersion::k31;
  const uint8_t flags = fields.u8("flags");
  check_flags(fields, flags, packet.version);
  packet.clean_start = (flags & kCleanStartBit) != 0 ? CleanStart::kYes : CleanStart::kNo;
  packet.keep_alive_seconds = fields.u16("keep alive");
  if (packet.version == ProtocolVersion::k5) {
    fields.properties(packet.properties);
    check_authentication(fields, packet.properties);
  }
  packet.client_id = fields.text("client identifier");
  if ((flags & kWillBit) != 0) read_will(fields, flags, packet);
  // In 3.1 the packet's length takes precedence over these two flags (3.1 section 3.1).
  if ((flags & kUserNameBit) != 0 && !(is_31 && fields.empty())) {
    packet.user_name = fields.text("user name");
  }
  if ((flags & kPasswordBit) != 0 && !(is_31 && fields.empty())) {
    packet.password = fields.binary("password");
  }
  fields.end();
  if (!fields.ok()) return fields.reject();
  return packet;
}

Result<ConnackPacket> read_connack(ProtocolVersion version, Bytes body) {
  FieldReader fields(PacketType::kConnack, body);
  ConnackPacket packet;
  const uint8_t flags = fields.u8("acknowledge flags");
  if (version != ProtocolVersion::k31) {  // there the byte is not used
    if (flags > 1) fields.fail(ReasonCode::kMalformedPacket, "", "reserved flags are set");
    if (flags == 1) packet.session_present = ConnackPacket::SessionPresent::kYes;
  }
  if (version == ProtocolVersion::k5) {
    packet.reason = detail::read_reason(fields);
    fields.properties(packet.properties);
    check_authentication(fields, packet.properties);
  } else {
    packet.reason = read_return_code(fields);
  }
  if (is_error(packet.reason) && packet.session_present == ConnackPacket::SessionPresent::kYes) {
    fields.fail(ReasonCode::kProtocolError, "session present", " is set with an error");
  }
  fields.end();
  if (!fields.ok()) return fields.reject();
  return packet;
}

std::optional<ProtocolVersion> peek_version(Bytes body) {
  ByteReader reader(body);
  const auto name_size = reader.u16();
  const auto name = name_size ? reader.take(*name_size) : std::nullopt;
  const auto level = name ? reader.u8() : std::nullopt;
  return level ? version_of(as_text(*name), *level) : std::nullopt;
}

}  // namespace fairlead::mqtt
