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

uint64_t load_le(const std::byte* at) {
  uint64_t value = 0;
  std::memcpy(&value, at, sizeof value);  // little-endian hosts only: Debian amd64 and arm64
  return value;
}

// The last bytes, fewer than eight, zeros above them. What is in front of them can be read, too.
uint64_t load_rest(Bytes bytes) {
  const std::size_t count = bytes.size() % 8;
  if (count == 0) return 0;
  if (bytes.size() >= 8) return load_le(bytes.data() + bytes.size() - 8) >> ((8 - count) * 8);
  uint64_t value = 0;
  for (std::size_t i = count; i-- > 0;) value = value << 8 | std::to_integer<uint8_t>(bytes[i]);
  return value;
}

}  // namespace

static_assert(std::endian::native == std::endian::little);

uint64_t siphash(const HashKey& key, Bytes bytes) {
  SipState s{key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
             key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u};
  const auto take = [&s](uint64_t word) {
    s.v3 ^= word;
    s.round();
    s.v0 ^= word;
  };
  for (std::size_t i = 0; i + 8 <= bytes.size(); i += 8) take(load_le(bytes.data() + i));
  take((static_cast<uint64_t>(bytes.size()) << 56) | load_rest(bytes));
  s.v2 ^= 0xff;
  for (int i = 0; i < 3; ++i) s.round();
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
