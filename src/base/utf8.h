#pragma once

#include "base/bytes.h"

namespace fairlead {

// Well-formed UTF-8 (RFC 3629): no overlong form, no surrogate, nothing above U+10FFFF.
// Cost: eight bytes at a time over ASCII.
[[nodiscard]] bool is_utf8(Bytes bytes);

// Bytes of the well-formed character at the front of `rest`, which is not empty; 0: there is none.
[[nodiscard]] std::size_t utf8_length(Bytes rest);

// MQTT 5.0 section 1.5.4: well-formed and without U+0000.
[[nodiscard]] bool is_mqtt_text(Bytes bytes);

}  // namespace fairlead
