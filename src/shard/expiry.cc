#include "shard/expiry.h"

#include <algorithm>
#include <chrono>

#include "shard/hosted_session.h"
#include "shard/shard.h"

namespace fairlead {
namespace {

constexpr uint32_t kDeadlinesInTurn = 256;
// Of one sweep: retained messages, and sessions or messages that wait for them. Under a millisecond
// each; a million of either are looked through in less than two minutes.
constexpr uint32_t kRetainedInSweep = 10'000;
constexpr uint32_t kQueuedInSweep = 10'000;

}  // namespace

// Those beyond the limit are spread over the turns to come, as many to a millisecond.
bool Expiry::may_end(HostedSession& session, Instant now) {
  const uint32_t before = deadlines_in_turn_++;
  if (before >= kDeadlinesInTurn) {
    session.put_off(now + milliseconds(before / kDeadlinesInTurn));
    return false;
  }
  if (const auto due = session.deadline()) note_lag(now - *due);
  return true;
}

void Expiry::sweep(Instant now) {
  if (now >= minute_ends_) {
    minute_ends_ = now + std::chrono::minutes(1);
    lag_before_ = std::exchange(lag_, milliseconds{});
    note_lag(milliseconds{});
  }
  note(shard_.exchange().sweep(now, kRetainedInSweep), now);
  sweep_queues(now);
}

void Expiry::sweep_queues(Instant now) {
  if (shard_.queue_total().messages() == 0) return;
  SessionTable& sessions = shard_.sessions();
  auto budget = static_cast<uint32_t>(std::min<std::size_t>(kQueuedInSweep, sessions.places()));
  while (HostedSession* session = sessions.next(budget)) {
    const auto waiting = static_cast<uint32_t>(session->queue_count());
    if (waiting > 0) note(session->sweep(shard_.effects(), now), now);
    budget -= std::min(budget, waiting + 1);
  }
  shard_.settle();
}

void Expiry::note(const Swept& swept, Instant now) {
  if (swept.dropped > 0) note_lag(now - swept.earliest);
}

void Expiry::note_lag(milliseconds lag) {
  lag_ = std::max(lag_, lag);
  const auto longest = std::max(lag_, lag_before_);
  shard_.counters().expiry_lag_ms.set(static_cast<uint64_t>(longest.count()));
}

}  // namespace fairlead
