#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

// The three-tuple signature (reference: aliyun-device-protocol section 2.2, 2.3 and appendix A).
// Pure; any thread. Nothing here keeps or logs a key.

namespace fairlead {

enum class SignMethod : uint8_t { kHmacMd5, kHmacSha1, kHmacSha256 };

// Reads a name as clients write it, in any case: hmacmd5, hmacsha1, hmacsha256, and the same
// without "hmac" or with a dash ("sha256", "hmac-sha256"). nullopt for any other.
[[nodiscard]] std::optional<SignMethod> parse_sign_method(std::string_view name);

// The canonical lower-case name: "hmacsha1".
[[nodiscard]] std::string_view sign_method_name(SignMethod method);

// Hex characters of a signature (32, 40, 64), and back.
[[nodiscard]] std::size_t sign_hex_size(SignMethod method);
[[nodiscard]] std::optional<SignMethod> sign_method_of_hex_size(std::size_t size);

// One submitted parameter that enters the signature.
struct SignField {
  std::string_view key;
  std::string_view value;
};

// Keys sorted, each followed by its raw value, nothing in between:
// {productKey=pk, deviceName=d} -> "deviceNamedproductKeypk". For every flow of the platform:
// direct devices, sub-devices, dynamic registration.
[[nodiscard]] std::string canonical_content(std::span<const SignField> fields);

// HMAC of `content` in lower-case hex. Empty when the crypto library refuses the method (MD5 under
// a FIPS policy): an empty text equals nothing, so that such a sign never verifies.
[[nodiscard]] std::string sign(SignMethod method, std::string_view key, std::string_view content);

// Compares two hex texts without regard to case. The time depends on the lengths only, never on
// where they differ. An empty text equals nothing.
[[nodiscard]] bool constant_time_equal_hex(std::string_view a, std::string_view b);

}  // namespace fairlead
