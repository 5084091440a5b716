#pragma once

#include <cstdint>

#include "base/bytes.h"

// What a connection speaks, told from its first bytes (DESIGN section 2). Pure; keeps no state:
// call again with all the bytes so far after kNeedMore. Asked once for the bare connection and
// again for the bytes inside TLS, or behind a PROXY header.

namespace fairlead {

enum class Protocol : uint8_t { kNeedMore, kTls, kHttp, kMqtt, kProxy, kUnknown };

// Whether a PROXY header must come first. Where one must, anything else is kUnknown; elsewhere one
// is told, so that it can be refused by its name.
enum class ProxyExpectation : uint8_t { kNotExpected, kExpected };

// kTls: 0x16. kMqtt: 0x10, a CONNECT. kHttp: an upper-case letter, the start of a method. kProxy:
// a line that begins with "PROXY ", or the signature of version 2. At most 12 bytes are looked at,
// and one is enough unless it might begin a PROXY header.
[[nodiscard]] Protocol detect_protocol(Bytes first, ProxyExpectation proxy);

}  // namespace fairlead
