#pragma once

#include <cstdint>

#include "base/bytes.h"

// What a connection speaks, told from its first bytes (DESIGN section 2). Pure; keeps no state:
// call again with all the bytes so far after kNeedMore. Asked once for the bare connection and
// again for the bytes inside TLS, or behind a PROXY header.

namespace fairlead {

enum class Protocol : uint8_t { kNeedMore, kTls, kHttp, kMqtt, kProxy, kUnknown };

// Whether a PROXY header must come first. The PROXY protocol (section 2) forbids guessing: where
// one is expected anything else is kUnknown, and elsewhere a PROXY header is no protocol of ours.
enum class ProxyExpectation : uint8_t { kNotExpected, kExpected };

// kTls: 0x16. kMqtt: 0x10, a CONNECT. kHttp: an upper-case letter, the start of a method. At most
// 12 bytes are looked at, and one is enough unless a PROXY header is expected.
[[nodiscard]] Protocol detect_protocol(Bytes first, ProxyExpectation proxy);

}  // namespace fairlead
