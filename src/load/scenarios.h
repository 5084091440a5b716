#pragma once

#include <string>

#include "load/histogram.h"
#include "load/plan.h"
#include "load/process.h"
#include "load/sequence_check.h"

// What can be measured. Each returns what it found, or why it could not be carried out: nobody
// answers, a client is refused, the broker breaks the protocol.

namespace fairlead::load {

struct TrafficReport {
  Cost cost;
  uint64_t sent = 0;  // these three while measuring
  uint64_t delivered = 0;
  uint64_t acknowledged = 0;
  // From the first message to the last, warm-up and the end included: nothing is lost unnoticed.
  SequenceCheck::Counts checked;
  uint64_t stalls = 0;  // times at which nothing moved for two seconds and all was given up
  Histogram answers;    // PUBLISH to PUBACK or PUBREC; with a window
  Histogram latencies;  // from the moment a message was due to its receivers; with a rate
  Histogram send_lags;  // how late the generator itself was; with a rate
};
// Pairs, fan-in, fan-out, at full speed or at a rate.
[[nodiscard]] Result<TrafficReport> run_traffic(const Plan& plan);

struct ConnectsReport {
  Cost cost;
  uint64_t accepted = 0;
  uint64_t resumed = 0;  // of them, by the broker's word: an offer may be declined
  uint64_t failed = 0;   // warm-up included
  std::string cause;     // of the last failure
  std::string tls;       // of the first connection, with what the broker proved who it is
  Histogram took;        // from the first packet to CONNACK
};
// Clients come and go.
[[nodiscard]] Result<ConnectsReport> run_connects(const Plan& plan);

struct IdleReport {
  uint64_t connections = 0;
  Cost connecting;
  Cost idling;
  std::optional<int64_t> private_bytes;   // of the broker, what all connections have added
  std::optional<int64_t> resident_bytes;  // of the broker, in the end
};
// Clients that subscribe and stay. With the broker's process known, so many more are there before
// its memory is read for the first time, so that what it makes once is not counted.
inline constexpr std::size_t kIdleFirst = 20;
[[nodiscard]] Result<IdleReport> run_idle(const Plan& plan);

}  // namespace fairlead::load
