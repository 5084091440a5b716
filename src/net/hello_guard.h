#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace fairlead {

// Looks at the TLS records of a client before OpenSSL does, as long as they are plaintext
// ClientHellos (RFC 8446 section 4.1.2, 5.1), and refuses lengths that no client needs. OpenSSL
// reserves and clears up to 128 KiB for what the first nine bytes announce: a stranger's nine
// bytes would cost us that much, a thousand times over. Pure; any split gives the same answer.
class HelloGuard {
 public:
  static constexpr uint32_t kHelloBytesMax = 16 * 1024;
  enum class Verdict : uint8_t { kPass, kRefuse };
  // Whether a second ClientHello may follow (after a HelloRetryRequest: TLS 1.3 only). To be told
  // with each call; it matters at the first record after a ClientHello.
  enum class Retry : uint8_t { kPossible, kImpossible };

  // `bytes` follow those of the call before. After kRefuse it must not be called again.
  [[nodiscard]] Verdict pass(Bytes bytes, Retry retry);
  // Nothing more to look at: all hellos have passed, or it is not for us to judge.
  [[nodiscard]] bool done() const { return part_ == Part::kDone; }

 private:
  enum class Part : uint8_t {
    kRecordType,
    kRecordVersionHigh,
    kRecordVersionLow,
    kRecordLengthHigh,
    kRecordLengthLow,
    kMessageType,
    kMessageLengthHigh,
    kMessageLengthMiddle,
    kMessageLengthLow,
    kBody,
    kDone,
  };

  [[nodiscard]] Verdict pass_header(uint8_t byte, Retry retry);
  [[nodiscard]] Verdict begin_record_body();
  [[nodiscard]] Verdict begin_message_body();
  void end_body();

  uint32_t message_left_ = 0;
  uint16_t record_left_ = 0;
  uint8_t record_type_ = 0;
  Part part_ = Part::kRecordType;
  bool first_passed_ = false;
};

}  // namespace fairlead
