#pragma once

#include <cstdint>

#include "base/swept.h"
#include "base/time.h"

namespace fairlead {

class HostedSession;
class Shard;

// The end of what has expired: sessions, wills that were delayed, messages that wait, retained
// messages. In slices, so that a great many at once (after a week without the server, say) hold up
// nobody's traffic; how late that makes them is counted. What has expired and is still there is
// not seen by clients: whoever comes upon it drops it. Shard thread only.
class Expiry {
 public:
  explicit Expiry(Shard& shard) : shard_(shard) {}

  void begin_turn() { deadlines_in_turn_ = 0; }
  // The session's deadline has come. False: its turn comes later, the timer is set.
  [[nodiscard]] bool may_end(HostedSession& session, Instant now);
  // Now and then: looks through the next of all that may have expired.
  void sweep(Instant now);

 private:
  void sweep_queues(Instant now);
  void note(const Swept& swept, Instant now);
  void note_lag(milliseconds lag);

  Shard& shard_;
  uint32_t deadlines_in_turn_ = 0;
  // The longest of this minute and of the one before.
  milliseconds lag_{};
  milliseconds lag_before_{};
  Instant minute_ends_{};
};

}  // namespace fairlead
