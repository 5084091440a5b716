#include "base/bytes.h"

#include <algorithm>

namespace fairlead {

void ByteBuffer::grow(std::size_t more) {
  constexpr std::size_t kSmallest = 64;
  std::size_t wanted = std::max({size_ + more, capacity_ + capacity_ / 2, kSmallest});
  void* moved = std::realloc(data_, wanted);
  FL_ASSERT(moved != nullptr);
  data_ = static_cast<std::byte*>(moved);
  capacity_ = wanted;
}

}  // namespace fairlead
