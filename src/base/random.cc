#include "base/random.h"

#include <sys/random.h>

#include <cerrno>

namespace fairlead {

void random_bytes(MutableBytes out) {
  while (!out.empty()) {
    ssize_t got = getrandom(out.data(), out.size(), 0);
    if (got < 0) {
      FL_ASSERT(errno == EINTR);
      continue;
    }
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

uint64_t random_u64() {
  uint64_t value = 0;
  random_bytes({reinterpret_cast<std::byte*>(&value), sizeof value});
  return value;
}

std::string random_text(std::size_t count) {
  constexpr std::string_view kAlphabet =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::string text;
  text.reserve(count);
  while (text.size() < count) {
    std::byte raw[32];
    random_bytes(raw);
    for (std::byte b : raw) {
      auto value = std::to_integer<std::size_t>(b);
      // 248 = 4 * 62: what lies above would favour the first characters.
      if (value < 248 && text.size() < count) text.push_back(kAlphabet[value % kAlphabet.size()]);
    }
  }
  return text;
}

}  // namespace fairlead
