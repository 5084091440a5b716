#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "net/hello_guard.h"

// The first byte says where the rest is cut in two: the verdict is that of the whole, as it is byte
// by byte.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace fairlead;
  if (size == 0) return 0;
  const Bytes bytes{reinterpret_cast<const std::byte*>(data + 1), size - 1};
  const std::size_t cut = bytes.empty() ? 0 : data[0] % bytes.size();
  const auto retry =
      (data[0] & 1) != 0 ? HelloGuard::Retry::kPossible : HelloGuard::Retry::kImpossible;
  HelloGuard whole;
  const auto expected = whole.pass(bytes, retry);
  HelloGuard parts;
  auto verdict = parts.pass(bytes.first(cut), retry);
  if (verdict == HelloGuard::Verdict::kPass) verdict = parts.pass(bytes.subspan(cut), retry);
  if (verdict != expected) std::abort();
  if (verdict == HelloGuard::Verdict::kPass && parts.done() != whole.done()) std::abort();
  HelloGuard steps;
  verdict = HelloGuard::Verdict::kPass;
  for (std::size_t i = 0; i < bytes.size() && verdict == HelloGuard::Verdict::kPass; ++i) {
    verdict = steps.pass(bytes.subspan(i, 1), retry);
  }
  if (verdict != expected) std::abort();
  return 0;
}
