#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/bytes.h"

namespace fairlead {

// SipHash (Aumasson, Bernstein 2012) with a key that is random in each process: keys of our tables
// come from peers, who must not be able to aim for one bucket. 1-3, as in the tables of Rust and
// Python: the rounds of 2-4 are for who sees the hashes, and these are never shown.
using HashKey = std::array<uint64_t, 2>;
[[nodiscard]] uint64_t siphash(const HashKey& key, Bytes bytes);

// With this process's key. Values differ from run to run: never stored, never sent.
[[nodiscard]] uint64_t keyed_hash(std::string_view text);

// Stable in all versions and on all machines (FNV-1a, mixed): decides where a session lives, so
// that nodes of a cluster agree. Not against a chosen input; tables use keyed_hash.
[[nodiscard]] uint64_t stable_hash(std::string_view text);

// Hash for unordered containers of strings, with look-up by string_view.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return keyed_hash(text); }
};

template <class T>
using TextMap = std::unordered_map<std::string, T, TextHash, std::equal_to<>>;

}  // namespace fairlead
