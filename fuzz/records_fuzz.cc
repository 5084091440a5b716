// What a store hands to the decoders of records: a kind, then any bytes. What is taken for a record
// is written in a form that reads back as the same, whatever the clock.

#include <cstdint>
#include <optional>
#include <string>

#include "base/assert.h"
#include "session/records.h"

namespace {

using namespace fairlead;

const WallTime kTime(Instant(milliseconds(5'000)), milliseconds(1'700'000'000'000));

std::string text_of(const ByteBuffer& buffer) { return std::string(as_text(buffer.view())); }

std::optional<std::string> session(Bytes bytes) {
  auto record = decode_session(bytes, kTime);
  if (!record) return std::nullopt;
  const auto will = read_will(*record);
  if (!will) return std::nullopt;
  if (*will) record->will = &**will;
  ByteBuffer out;
  encode(out, *record, kTime);
  return text_of(out);
}

std::optional<std::string> message(Bytes bytes) {
  const auto read = decode_message(bytes, kTime);
  if (!read) return std::nullopt;
  ByteBuffer out;
  encode(out, **read, kTime);
  return text_of(out);
}

std::optional<std::string> entry(Bytes bytes) {
  const auto record = decode_entry(bytes);
  if (!record) return std::nullopt;
  ByteBuffer out;
  encode(out, *record);
  if (record->body != RecordId::kNone) return text_of(out);
  const auto whole = message(record->message);
  if (!whole) return std::nullopt;
  out.append(*whole);
  return text_of(out);
}

template <class Record>
std::optional<std::string> small(const Result<Record>& record) {
  if (!record) return std::nullopt;
  ByteBuffer out;
  encode(out, *record);
  return text_of(out);
}

std::optional<std::string> rewrite(uint8_t kind, Bytes bytes) {
  switch (kind % 6) {
    case 0:
      return session(bytes);
    case 1:
      return small(decode_subscription(bytes));
    case 2:
      return message(bytes);
    case 3:
      return entry(bytes);
    case 4:
      return small(decode_inflight(bytes));
    default:
      return small(decode_received(bytes));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto once = rewrite(data[0], std::as_bytes(std::span(data + 1, size - 1)));
  if (!once) return 0;
  FL_ASSERT(once->size() < size || data[0] % 6 == 0);  // a will is written whole
  const auto twice = rewrite(data[0], as_bytes(*once));
  FL_ASSERT(twice && *twice == *once);
  return 0;
}
