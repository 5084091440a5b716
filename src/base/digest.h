#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>

#include "base/bytes.h"

namespace fairlead {

enum class DigestKind : uint8_t { kMd5, kSha1, kSha256 };

struct DigestValue {
  std::array<std::byte, 32> bytes{};  // as many as `size` says
  std::size_t size = 0;
  [[nodiscard]] Bytes view() const { return Bytes(bytes).first(size); }
};

// The digest of the parts, one behind the other, by the crypto library. To find an algorithm takes
// it longer than to hash a short text, so each thread does that once. Any thread. nullopt: the
// library refuses the algorithm (MD5 under a FIPS policy).
[[nodiscard]] std::optional<DigestValue> digest_of(DigestKind kind,
                                                   std::initializer_list<Bytes> parts);

// HMAC (RFC 2104). Keeps nothing of the key.
[[nodiscard]] std::optional<DigestValue> hmac_of(DigestKind kind, Bytes key, Bytes content);

}  // namespace fairlead
