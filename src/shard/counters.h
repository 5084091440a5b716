#pragma once

#include "base/counter.h"

namespace fairlead {

// What one shard counts; written by its thread, read by any. ServerCounters are their sums.
struct ShardCounters {
  Counter connections_now;
  Counter connections_total;
  Counter clients_now;
  Counter connects_accepted;
  Counter connects_refused;
  Counter sessions_now;
  Counter subscriptions_now;
  Counter retained_now;
  Counter messages_received;
  Counter messages_sent;
  Counter messages_dropped;
  Counter bytes_received;
  Counter bytes_sent;
};

}  // namespace fairlead
