#pragma once

#include <thread>

#include "base/assert.h"

namespace fairlead {

// Remembers the thread that owns an object and traps when another one calls. Sixteen bytes in
// debug builds, nothing but a byte otherwise.
class ShardAffine {
 public:
#ifdef NDEBUG
  void check() const {}
  void adopt() {}
#else
  void check() const { FL_ASSERT(owner_ == std::this_thread::get_id()); }
  // The calling thread owns the object from now on (a connection after its handover).
  void adopt() { owner_ = std::this_thread::get_id(); }

 private:
  std::thread::id owner_ = std::this_thread::get_id();
#endif
};

}  // namespace fairlead
