#pragma once

#include <bit>
#include <cstring>

#include "base/bytes.h"
#include "proto/ws/frame.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace fairlead {
namespace mask_detail {

// The key as a word whose first byte in memory is that of position `offset`.
inline uint32_t rotated_key(MaskKey key, std::size_t offset) {
  const auto word = std::bit_cast<uint32_t>(key);
  const int bits = static_cast<int>(offset & 3) * 8;
  return std::endian::native == std::endian::little ? std::rotr(word, bits) : std::rotl(word, bits);
}

template <class Word>
inline void xor_at(std::byte* at, Word key) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  word ^= key;
  std::memcpy(at, &word, sizeof word);
}

// At least one Word of data. The last one overlaps its predecessor, so it is computed before any
// byte changes and stored after all: no loop over single bytes at the end.
template <class Word>
inline void xor_overlapping(std::byte* data, std::size_t size, Word key, Word last_key) {
  Word last;
  std::memcpy(&last, data + size - sizeof last, sizeof last);
  last ^= last_key;
  for (std::size_t i = 0; i + sizeof(Word) < size; i += sizeof(Word)) xor_at(data + i, key);
  std::memcpy(data + size - sizeof last, &last, sizeof last);
}

inline uint64_t twice(uint32_t key) { return static_cast<uint64_t>(key) << 32 | key; }

}  // namespace mask_detail

// Masks or unmasks `data` in place (RFC 6455 section 5.3); `offset` is the position of its first
// byte in the payload of the frame. Cost: sixteen bytes at a time.
inline void apply_mask(MutableBytes data, MaskKey key, std::size_t offset) {
  using namespace mask_detail;
  std::byte* at = data.data();
  const std::size_t size = data.size();
  const uint32_t word = rotated_key(key, offset);
  const uint32_t last_word = rotated_key(key, offset + size);
#ifdef __SSE2__
  if (size >= 16) {
    auto load = [](const std::byte* from) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    };
    auto store = [](std::byte* to, __m128i block) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to), block);
    };
    const __m128i block_key = _mm_set1_epi32(static_cast<int>(word));
    const __m128i last =
        _mm_xor_si128(load(at + size - 16), _mm_set1_epi32(static_cast<int>(last_word)));
    for (std::size_t i = 0; i + 16 < size; i += 16) {
      store(at + i, _mm_xor_si128(load(at + i), block_key));
    }
    store(at + size - 16, last);
    return;
  }
#endif
  if (size >= 8) {
    xor_overlapping<uint64_t>(at, size, twice(word), twice(last_word));
  } else if (size >= 4) {
    xor_overlapping<uint32_t>(at, size, word, last_word);
  } else {
    for (std::size_t i = 0; i < size; ++i) at[i] ^= key[(offset + i) & 3];
  }
}

}  // namespace fairlead
