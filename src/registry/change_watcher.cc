#include <string>
#include <thread>

#include "base/log.h"
#include "registry/registry.h"
#include "registry/wake_event.h"

namespace fairlead {
namespace {

constexpr std::chrono::milliseconds kPollInterval{200};

}  // namespace

struct ChangeWatcher::State {
  explicit State(Registry& watched) : registry(watched) {}

  Registry& registry;
  WakeEvent wake;
  std::jthread thread;  // last: it stops before what it uses goes

  void run(const std::stop_token& stop) {
    std::string last_error;
    while (!stop.stop_requested()) {
      auto applied = registry.apply_changes_if_any();
      std::string error = applied ? std::string() : applied.error().sentence;
      if (!error.empty() && error != last_error) {
        FL_LOG(kError, "registry.watch_failed", {"cause", error});
      }
      last_error = std::move(error);
      if (!stop.stop_requested()) wake.wait(kPollInterval);
    }
  }
};

ChangeWatcher::ChangeWatcher(Registry& registry) : state_(std::make_unique<State>(registry)) {
  state_->thread = std::jthread([state = state_.get()](std::stop_token stop) { state->run(stop); });
}

ChangeWatcher::~ChangeWatcher() {
  state_->thread.request_stop();
  state_->wake.signal();
}

void ChangeWatcher::poke() { state_->wake.signal(); }

}  // namespace fairlead
