#pragma once

#include <filesystem>
#include <type_traits>

#include "base/result.h"
#include "sqlite/sqlite.h"

namespace fairlead {

// The sentence for the log, and the code for the peer, of what SQLite had to say about the file.
[[nodiscard]] Reject reject_of(const std::filesystem::path& file, const SqliteError& error);

[[nodiscard]] Reject newer_format(const std::filesystem::path& file, int64_t version);

// Leaves a command with a Reject.
struct Refused {
  Reject reject;
};
inline void require(const Status& status) {
  if (!status) throw Refused{status.error()};
}

// The border of the folder: what is thrown inside becomes a value here. A body that gives nothing
// makes a Status.
template <class Body>
auto attempt(const std::filesystem::path& file, Body&& body) {
  using Value = decltype(body());
  using Answer = std::conditional_t<std::is_void_v<Value>, Status, Result<Value>>;
  try {
    if constexpr (std::is_void_v<Value>) {
      body();
      return Answer(Done{});
    } else {
      return Answer(body());
    }
  } catch (const Refused& refused) {
    return Answer(refused.reject);
  } catch (const SqliteError& error) {
    return Answer(reject_of(file, error));
  }
}

}  // namespace fairlead
