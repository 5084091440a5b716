#include "session/records.h"

#include "proto/mqtt/reader.h"
#include "proto/mqtt/topic.h"
#include "proto/mqtt/writer.h"

namespace fairlead {
namespace {

Reject damaged(std::string_view what) {
  return {ReasonCode::kUnspecifiedError, std::string(what) + " record is damaged"};
}

// Reads fields one after the other; what does not fit makes all that follows zero, and fails.
class Fields {
 public:
  explicit Fields(Bytes bytes) : reader_(bytes) {}

  template <class T>
  T integer() {
    std::optional<T> value;
    if constexpr (sizeof(T) == 1) value = reader_.u8();
    if constexpr (sizeof(T) == 2) value = reader_.u16();
    if constexpr (sizeof(T) == 4) value = reader_.u32();
    if constexpr (sizeof(T) == 8) value = reader_.u64();
    fine_ = fine_ && value.has_value();
    return value.value_or(T{});
  }
  RecordId id() { return static_cast<RecordId>(integer<uint64_t>()); }
  mqtt::PacketId packet_id() { return static_cast<mqtt::PacketId>(integer<uint16_t>()); }
  Instant instant(const WallTime& time) {
    const auto wall = integer<uint64_t>();
    fine_ = fine_ && wall <= WallTime::kNever;
    return time.instant(wall);
  }
  // None but those of `known`.
  uint8_t flags(uint8_t known) {
    const auto value = integer<uint8_t>();
    fine_ = fine_ && (value & ~known) == 0;
    return value;
  }
  Bytes take(std::size_t count) {
    const auto taken = reader_.take(count);
    fine_ = fine_ && taken.has_value();
    return taken.value_or(Bytes{});
  }
  Bytes rest() { return fine_ ? reader_.rest() : Bytes{}; }
  // An enumerator of a value below `end`.
  template <class E>
  E choice(uint8_t value, uint8_t end) {
    fine_ = fine_ && value < end;
    return static_cast<E>(fine_ ? value : 0);
  }
  [[nodiscard]] bool fine() const { return fine_; }
  [[nodiscard]] bool finished() const { return fine_ && reader_.empty(); }

 private:
  ByteReader reader_;
  bool fine_ = true;
};

// Qos in the lowest two bits, then flags.
constexpr uint8_t kQosMask = 0x03;
constexpr uint8_t kRetainBit = 0x04;     // messages and entries
constexpr uint8_t kBodyApartBit = 0x08;  // entries
constexpr uint8_t kNoLocalBit = 0x04;    // subscriptions, as all below
constexpr uint8_t kAsPublishedBit = 0x08;
constexpr unsigned kRetainHandlingShift = 4;

uint8_t flags_of(mqtt::Qos qos, mqtt::Retain retain) {
  return static_cast<uint8_t>(static_cast<uint8_t>(qos) |
                              (retain == mqtt::Retain::kYes ? kRetainBit : 0));
}

mqtt::Retain retain_of(uint8_t flags) {
  return (flags & kRetainBit) != 0 ? mqtt::Retain::kYes : mqtt::Retain::kNo;
}

void put(ByteBuffer& out, RecordId id) { out.u64(static_cast<uint64_t>(id)); }
void put(ByteBuffer& out, mqtt::PacketId id) { out.u16(static_cast<uint16_t>(id)); }

}  // namespace

// --- Sessions ------------------------------------------------------------------------------------

void encode(ByteBuffer& out, const SessionRecord& record, const WallTime& time) {
  out.u8(static_cast<uint8_t>(record.version));
  out.u32(record.expiry_seconds);
  out.u64(time.of(record.left_at));
  out.u64(time.of(record.will_due));
  out.u16(static_cast<uint16_t>(record.key.size()));
  out.append(record.key);
  out.u16(static_cast<uint16_t>(record.host.size()));
  out.append(record.host);
  if (!record.will) return;
  // A will is kept in the one form that there is for it: in a CONNECT.
  mqtt::ConnectPacket connect;
  connect.version = mqtt::ProtocolVersion::k5;
  connect.will = *record.will;
  mqtt::write(out, connect);
}

Result<SessionRecord> decode_session(Bytes bytes, const WallTime& time) {
  Fields fields(bytes);
  SessionRecord record;
  const auto version = fields.integer<uint8_t>();
  record.version = static_cast<mqtt::ProtocolVersion>(version);
  record.expiry_seconds = fields.integer<uint32_t>();
  record.left_at = fields.instant(time);
  record.will_due = fields.instant(time);
  record.key = as_text(fields.take(fields.integer<uint16_t>()));
  record.host = fields.take(fields.integer<uint16_t>());
  record.will_packet = fields.rest();
  if (!fields.fine() || version < 3 || version > 5 || record.key.empty()) return damaged("session");
  return record;
}

Result<std::optional<mqtt::Will>> read_will(const SessionRecord& record) {
  if (record.will_packet.empty()) return std::optional<mqtt::Will>();
  const auto header = mqtt::read_fixed_header(record.will_packet, record.will_packet.size());
  if (!header || !*header || (*header)->packet_size() != record.will_packet.size() ||
      (*header)->type != mqtt::PacketType::kConnect) {
    return damaged("session");
  }
  auto connect = mqtt::read_connect(record.will_packet.subspan((*header)->header_size));
  if (!connect || !connect->will) return damaged("session");
  return connect->will;
}

void encode(ByteBuffer& out, const SubscriptionRecord& record) {
  const mqtt::SubscriptionOptions& options = record.options;
  put(out, record.session);
  out.u32(record.identifier);
  out.u8(static_cast<uint8_t>(
      static_cast<uint8_t>(options.qos) | (options.no_local ? kNoLocalBit : 0) |
      (options.retain_as_published ? kAsPublishedBit : 0) |
      static_cast<uint8_t>(options.retain_handling) << kRetainHandlingShift));
  out.append(record.filter);
}

Result<SubscriptionRecord> decode_subscription(Bytes bytes) {
  Fields fields(bytes);
  SubscriptionRecord record;
  record.session = fields.id();
  record.identifier = fields.integer<uint32_t>();
  const auto flags = fields.integer<uint8_t>();
  record.options.qos = fields.choice<mqtt::Qos>(flags & kQosMask, 3);
  record.options.no_local = (flags & kNoLocalBit) != 0;
  record.options.retain_as_published = (flags & kAsPublishedBit) != 0;
  record.options.retain_handling =
      fields.choice<mqtt::RetainHandling>(flags >> kRetainHandlingShift, 3);
  record.filter = as_text(fields.rest());
  if (!fields.fine() || !mqtt::split_filter(record.filter).ok()) return damaged("subscription");
  return record;
}

// --- Messages ------------------------------------------------------------------------------------

void encode(ByteBuffer& out, const EntryRecord& record) {
  put(out, record.session);
  put(out, record.packet_id);
  const bool apart = record.body != RecordId::kNone;
  out.u8(static_cast<uint8_t>(flags_of(record.qos, record.retain) | (apart ? kBodyApartBit : 0)));
  out.u16(static_cast<uint16_t>(record.identifiers.size()));
  for (const uint32_t identifier : record.identifiers) out.u32(identifier);
  if (apart) put(out, record.body);
}

Result<EntryRecord> decode_entry(Bytes bytes) {
  Fields fields(bytes);
  EntryRecord record;
  record.session = fields.id();
  record.packet_id = fields.packet_id();
  const auto flags = fields.flags(kQosMask | kRetainBit | kBodyApartBit);
  record.qos = fields.choice<mqtt::Qos>(flags & kQosMask, 3);
  record.retain = retain_of(flags);
  for (auto left = fields.integer<uint16_t>(); left > 0 && fields.fine(); --left) {
    record.identifiers.push_back(fields.integer<uint32_t>());
  }
  if ((flags & kBodyApartBit) != 0) {
    record.body = fields.id();
    if (record.body == RecordId::kNone || !fields.finished()) return damaged("message");
  }
  record.message = fields.rest();
  if (!fields.fine() || record.qos == mqtt::Qos::kAtMostOnce) return damaged("message");
  return record;
}

void encode(ByteBuffer& out, const InflightRecord& record) {
  put(out, record.session);
  put(out, record.packet_id);
  out.u8(static_cast<uint8_t>(record.step));
}

Result<InflightRecord> decode_inflight(Bytes bytes) {
  Fields fields(bytes);
  InflightRecord record;
  record.session = fields.id();
  record.packet_id = fields.packet_id();
  record.step = fields.choice<InflightRecord::Step>(fields.integer<uint8_t>(), 2);
  if (!fields.finished() || record.packet_id == mqtt::PacketId{}) return damaged("delivery");
  return record;
}

void encode(ByteBuffer& out, const ReceivedRecord& record) {
  put(out, record.session);
  put(out, record.packet_id);
}

Result<ReceivedRecord> decode_received(Bytes bytes) {
  Fields fields(bytes);
  ReceivedRecord record;
  record.session = fields.id();
  record.packet_id = fields.packet_id();
  if (!fields.finished() || record.packet_id == mqtt::PacketId{}) return damaged("receipt");
  return record;
}

void encode(ByteBuffer& out, const mqtt::Message& message, const WallTime& time) {
  out.u64(time.of(message.expires_at()));
  out.u8(flags_of(message.qos(), message.retain()));
  out.u16(static_cast<uint16_t>(message.topic().size()));
  out.u32(static_cast<uint32_t>(message.properties().size()));
  out.append(message.topic());
  out.append(message.properties());
  out.append(message.payload());
}

Result<mqtt::MessageRef> decode_message(Bytes bytes, const WallTime& time) {
  Fields fields(bytes);
  mqtt::Message::Parts parts;
  parts.expires_at = fields.instant(time);
  const auto flags = fields.flags(kQosMask | kRetainBit);
  parts.qos = fields.choice<mqtt::Qos>(flags & kQosMask, 3);
  parts.retain = retain_of(flags);
  const auto topic_size = fields.integer<uint16_t>();
  const auto properties_size = fields.integer<uint32_t>();
  parts.topic = as_text(fields.take(topic_size));
  const Bytes block = fields.take(properties_size);
  parts.payload = fields.rest();
  if (!fields.fine() || !mqtt::check_topic_name(parts.topic).ok()) return damaged("message");
  const auto properties = mqtt::read_message_properties(block);
  if (!properties) return damaged("message");
  parts.properties = &*properties;
  return mqtt::Message::make(parts);
}

}  // namespace fairlead
