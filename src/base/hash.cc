#include "base/hash.h"

#include "base/random.h"

namespace fairlead {
namespace {

struct SipState {
  uint64_t v0, v1, v2, v3;

  void round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
};

uint64_t load_le(const std::byte* at, std::size_t count) {
  uint64_t value = 0;
  std::memcpy(&value, at, count);  // little-endian hosts only: Debian amd64 and arm64
  return value;
}

}  // namespace

static_assert(std::endian::native == std::endian::little);

uint64_t siphash(const HashKey& key, Bytes bytes) {
  SipState s{key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
             key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u};
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) {
    uint64_t word = load_le(at, 8);
    s.v3 ^= word;
    s.round();
    s.round();
    s.v0 ^= word;
  }
  uint64_t last = (static_cast<uint64_t>(bytes.size()) << 56) | (left ? load_le(at, left) : 0);
  s.v3 ^= last;
  s.round();
  s.round();
  s.v0 ^= last;
  s.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) s.round();
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t keyed_hash(std::string_view text) {
  static const HashKey key = {random_u64(), random_u64()};
  return siphash(key, as_bytes(text));
}

uint64_t stable_hash(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (char c : text) {
    hash ^= static_cast<uint8_t>(c);
    hash *= 0x100000001b3u;
  }
  hash ^= hash >> 33;
  hash *= 0xff51afd7ed558ccdu;
  hash ^= hash >> 33;
  return hash;
}

}  // namespace fairlead
