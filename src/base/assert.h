#pragma once

// FL_ASSERT: always on, for what only a bug of ours can break; never for input. It prints the
// expression and its place and aborts.

namespace fairlead {

[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

// Marks a place that control cannot reach: the end of a switch over all values of an enum.
[[noreturn]] void unreachable(const char* file = __builtin_FILE(), int line = __builtin_LINE());

}  // namespace fairlead

#define FL_ASSERT(expression)                           \
  (static_cast<bool>(expression) ? static_cast<void>(0) \
                                 : ::fairlead::assertion_failed(#expression, __FILE__, __LINE__))
