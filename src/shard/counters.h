#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/counter.h"

namespace fairlead {

// Why a connection ended before its CONNECT was accepted.
enum class RefusalCause : uint8_t {
  kDetectDeadline,
  kTlsDeadline,
  kHttpDeadline,
  kConnectDeadline,
  kProtocolError,       // what was sent is not of a protocol, malformed, or not taken here
  kConnectRefused,      // CONNECT was understood, and refused with a code
  kTooManySuspects,     // too many that had not sent a CONNECT: the oldest gave way
  kTooManyConnections,  // or the server was stopping
};
inline constexpr std::array<std::string_view, 8> kRefusalCauseNames{
    "detect_deadline", "tls_deadline",    "http_deadline",     "connect_deadline",
    "protocol_error",  "connect_refused", "too_many_suspects", "too_many_connections"};

// What one shard counts; written by its thread, read by any. ServerCounters are their sums.
struct ShardCounters {
  Counter connections_now;
  Counter connections_total;
  Counter clients_now;
  Counter connects_accepted;
  std::array<Counter, kRefusalCauseNames.size()> refused;  // by RefusalCause
  Counter suspects_now;
  Counter sessions_now;
  Counter subscriptions_now;
  Counter retained_now;
  Counter messages_received;
  Counter messages_sent;
  Counter messages_dropped;
  Counter bytes_received;
  Counter bytes_sent;
  Counter expiry_lag_ms;  // the longest of the last minute or two

  Counter& refused_for(RefusalCause cause) { return refused[static_cast<std::size_t>(cause)]; }
};

}  // namespace fairlead
