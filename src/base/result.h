#pragma once

#include <string>
#include <utility>
#include <variant>

#include "base/assert.h"
#include "base/reason_code.h"

namespace fairlead {

// Why something was refused: the code for the peer, and a sentence for the log and, in MQTT 5.0,
// for the reason string. The sentence names what was wrong and never holds a secret.
struct Reject {
  ReasonCode code = ReasonCode::kUnspecifiedError;
  std::string sentence;
};

// A value, or the Reject that says why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : held_(std::move(value)) {}         // NOLINT: implicit on purpose
  Result(Reject reject) : held_(std::move(reject)) {}  // NOLINT: implicit on purpose

  [[nodiscard]] bool ok() const { return held_.index() == 0; }
  explicit operator bool() const { return ok(); }

  [[nodiscard]] T& value() {
    FL_ASSERT(ok());
    return std::get<0>(held_);
  }
  [[nodiscard]] const T& value() const {
    FL_ASSERT(ok());
    return std::get<0>(held_);
  }
  [[nodiscard]] const Reject& error() const {
    FL_ASSERT(!ok());
    return std::get<1>(held_);
  }
  T& operator*() { return value(); }
  const T& operator*() const { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Reject> held_;
};

struct Done {};
using Status = Result<Done>;

}  // namespace fairlead
