#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "base/result.h"
#include "registry/registry.h"

// How a change made at the command line takes effect in a running server at once: a unix socket
// `<data_dir>/control.sock`, mode 0600. The client sends "sync\n"; the server applies the change
// feed, listener included, and answers "ok SEQUENCE\n" or "error SENTENCE\n".

namespace fairlead {

// The server's side: one thread. A socket that a dead server left is replaced; one that a living
// server answers on is refused. The file is removed on stop. The Registry must outlive it.
class ControlSocket {
 public:
  [[nodiscard]] static Result<std::unique_ptr<ControlSocket>> start(
      const std::filesystem::path& data_dir, Registry& registry);
  ~ControlSocket();
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

 private:
  struct State;
  explicit ControlSocket(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

enum class Notified : uint8_t {
  kApplied,   // the server has everything that was committed before the call
  kNoServer,  // none is running on this data directory
  kFailed,    // it did not answer in time, or with an error; it polls, so that changes still come
};

// The command line's side. Blocks for at most `timeout`.
[[nodiscard]] Notified notify_server(const std::filesystem::path& data_dir,
                                     std::chrono::milliseconds timeout);

}  // namespace fairlead
