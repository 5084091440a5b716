#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"

// Stored passwords of applications: salted PBKDF2-HMAC-SHA256 (RFC 8018), written as
// "pbkdf2-sha256$ITERATIONS$SALT$HASH" with salt and hash in hex. Pure: the caller brings the salt.

namespace fairlead {

inline constexpr uint32_t kPasswordIterations = 10'000;
inline constexpr uint32_t kPasswordIterationsMax = 10'000'000;
inline constexpr std::size_t kPasswordSaltBytes = 16;

// Cost: milliseconds at kPasswordIterations. Empty when the crypto library refuses.
[[nodiscard]] std::string encode_password(std::string_view password, Bytes salt,
                                          uint32_t iterations = kPasswordIterations);

// False for a text that encode_password() did not write. Constant time for a given encoding.
[[nodiscard]] bool verify_password(std::string_view encoded, std::string_view password);

}  // namespace fairlead
