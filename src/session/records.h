#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "proto/mqtt/message.h"
#include "proto/mqtt/packet.h"
#include "session/record_id.h"

// What of a session is written down, and its bytes. Integers are big-endian. A record says whose it
// is by the session's record, so that it stands for itself wherever it is kept. The format of the
// store (store/format.h) counts changes of these; docs/ARCHITECTURE.md describes them.
//
// Decoders take any bytes, and reject what no encoder writes. Views lie in what was decoded.

namespace fairlead {

// Between this process's clock and the calendar, which alone has a meaning after a restart.
class WallTime {
 public:
  WallTime() = default;
  WallTime(Instant now, milliseconds wall_now) : offset_(wall_now - now.time_since_epoch()) {}

  // Milliseconds since 1970, which is the earliest there is; kNever for Instant::max().
  [[nodiscard]] uint64_t of(Instant instant) const {
    if (instant == Instant::max()) return kNever;
    const auto wall = (instant.time_since_epoch() + offset_).count();
    return std::min(static_cast<uint64_t>(std::max<int64_t>(wall, 0)), kNever);
  }
  [[nodiscard]] Instant instant(uint64_t wall) const {
    if (wall >= kNever) return Instant::max();
    return Instant(milliseconds(static_cast<int64_t>(wall)) - offset_);
  }

  static constexpr uint64_t kNever = uint64_t{1} << 62;

 private:
  milliseconds offset_{0};
};

struct SessionRecord {
  std::string_view key;
  mqtt::ProtocolVersion version = mqtt::ProtocolVersion::k311;
  uint32_t expiry_seconds = 0;
  Instant left_at = Instant::max();  // when its connection went; max(): it was there
  Instant will_due = Instant::max();
  const mqtt::Will* will = nullptr;  // to be encoded
  Bytes will_packet = {};            // decoded: for read_will()
  Bytes host = {};                   // of whoever runs the session; opaque here
};
void encode(ByteBuffer& out, const SessionRecord& record, const WallTime& time);
[[nodiscard]] Result<SessionRecord> decode_session(Bytes bytes, const WallTime& time);
// The will of a decoded record; nullopt: it has none. Its views lie in the record's bytes.
[[nodiscard]] Result<std::optional<mqtt::Will>> read_will(const SessionRecord& record);

struct SubscriptionRecord {
  RecordId session = RecordId::kNone;
  std::string_view filter;  // whole, `$share/group/` included
  mqtt::SubscriptionOptions options;
  uint32_t identifier = 0;
};
void encode(ByteBuffer& out, const SubscriptionRecord& record);
[[nodiscard]] Result<SubscriptionRecord> decode_subscription(Bytes bytes);

// A message that waits for a session: itself, or the record of the body that others wait for too.
struct EntryRecord {
  RecordId session = RecordId::kNone;
  RecordId body = RecordId::kNone;  // kNone: the message follows
  mqtt::PacketId packet_id{};       // 0: not in flight yet
  mqtt::Qos qos = mqtt::Qos::kAtLeastOnce;
  mqtt::Retain retain = mqtt::Retain::kNo;
  std::vector<uint32_t> identifiers = {};
  Bytes message = {};  // decoded: for decode_message()
};
// Without the message; a caller appends it when `body` is kNone.
void encode(ByteBuffer& out, const EntryRecord& record);
[[nodiscard]] Result<EntryRecord> decode_entry(Bytes bytes);

// What became of an entry of the same number since it was written.
struct InflightRecord {
  RecordId session = RecordId::kNone;
  mqtt::PacketId packet_id{};
  enum class Step : uint8_t { kSent, kReleased } step = Step::kSent;  // kReleased: PUBREC has come
};
void encode(ByteBuffer& out, const InflightRecord& record);
[[nodiscard]] Result<InflightRecord> decode_inflight(Bytes bytes);

// A packet identifier of a QoS 2 message that was taken and is not released yet.
struct ReceivedRecord {
  RecordId session = RecordId::kNone;
  mqtt::PacketId packet_id{};
};
void encode(ByteBuffer& out, const ReceivedRecord& record);
[[nodiscard]] Result<ReceivedRecord> decode_received(Bytes bytes);

// A message, as a body, in an entry, or retained.
void encode(ByteBuffer& out, const mqtt::Message& message, const WallTime& time);
[[nodiscard]] Result<mqtt::MessageRef> decode_message(Bytes bytes, const WallTime& time);

}  // namespace fairlead
