#include "net/hello_guard.h"

#include <algorithm>

namespace fairlead {
namespace {

constexpr uint8_t kChangeCipherSpec = 20;
constexpr uint8_t kAlert = 21;
constexpr uint8_t kHandshake = 22;
constexpr uint8_t kClientHello = 1;
constexpr uint16_t kMessageHeaderBytes = 4;

}  // namespace

HelloGuard::Verdict HelloGuard::pass(Bytes bytes, Retry retry) {
  while (!bytes.empty() && part_ != Part::kDone) {
    if (part_ != Part::kBody) {
      const auto byte = std::to_integer<uint8_t>(bytes.front());
      bytes = bytes.subspan(1);
      if (pass_header(byte, retry) == Verdict::kRefuse) return Verdict::kRefuse;
      continue;
    }
    const std::size_t count = std::min<std::size_t>(bytes.size(), record_left_);
    bytes = bytes.subspan(count);
    record_left_ = static_cast<uint16_t>(record_left_ - count);
    if (record_type_ == kHandshake) message_left_ -= static_cast<uint32_t>(count);
    if (record_left_ == 0) end_body();
  }
  return Verdict::kPass;
}

HelloGuard::Verdict HelloGuard::pass_header(uint8_t byte, Retry retry) {
  const auto next = static_cast<Part>(static_cast<uint8_t>(part_) + 1);
  switch (part_) {
    case Part::kRecordType: {
      record_type_ = byte;
      // Between hellos there may be what RFC 8446 appendix D.4 asks for, and warnings.
      const bool skipped = byte == kChangeCipherSpec || byte == kAlert;
      const bool over = first_passed_ && message_left_ == 0 && retry == Retry::kImpossible;
      const bool ours = (byte == kHandshake || skipped) && !over;
      part_ = ours ? next : Part::kDone;
      return Verdict::kPass;
    }
    case Part::kRecordVersionHigh:
    case Part::kRecordVersionLow:
      part_ = next;
      return Verdict::kPass;
    case Part::kRecordLengthHigh:
      record_left_ = static_cast<uint16_t>(byte << 8);
      part_ = next;
      return Verdict::kPass;
    case Part::kRecordLengthLow:
      record_left_ = static_cast<uint16_t>(record_left_ | byte);
      return begin_record_body();
    case Part::kMessageType:
      part_ = byte == kClientHello ? next : Part::kDone;
      return Verdict::kPass;
    case Part::kMessageLengthHigh:
    case Part::kMessageLengthMiddle:
      message_left_ = (message_left_ << 8) | byte;
      part_ = next;
      return Verdict::kPass;
    case Part::kMessageLengthLow:
      message_left_ = (message_left_ << 8) | byte;
      return begin_message_body();
    case Part::kBody:
    case Part::kDone:
      break;
  }
  unreachable();
}

HelloGuard::Verdict HelloGuard::begin_record_body() {
  part_ = Part::kBody;
  if (record_left_ == 0) return Verdict::kRefuse;  // RFC 8446 section 5.1
  if (record_type_ != kHandshake) return Verdict::kPass;
  if (message_left_ > 0) {  // a ClientHello goes on in a second record
    return record_left_ > message_left_ ? Verdict::kRefuse : Verdict::kPass;
  }
  if (record_left_ < kMessageHeaderBytes) return Verdict::kRefuse;
  part_ = Part::kMessageType;
  return Verdict::kPass;
}

HelloGuard::Verdict HelloGuard::begin_message_body() {
  record_left_ = static_cast<uint16_t>(record_left_ - kMessageHeaderBytes);
  // Nothing may follow a ClientHello in its record: the server speaks next.
  if (message_left_ > kHelloBytesMax || message_left_ < record_left_) return Verdict::kRefuse;
  part_ = Part::kBody;
  if (record_left_ == 0) end_body();
  return Verdict::kPass;
}

void HelloGuard::end_body() {
  part_ = Part::kRecordType;
  if (record_type_ != kHandshake || message_left_ > 0) return;
  if (first_passed_) part_ = Part::kDone;
  first_passed_ = true;
}

}  // namespace fairlead
