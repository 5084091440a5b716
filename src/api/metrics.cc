#include <algorithm>
#include <map>
#include <string>

#include "api/admin.h"

namespace fairlead {
namespace {

constexpr std::string_view kExpiryName = "fairlead_certificate_expiry_timestamp_seconds";

enum class MetricKind : uint8_t { kGauge, kCounter };

struct Metric {
  std::string_view name;
  MetricKind kind;
  uint64_t ServerCounters::*value;
  std::string_view help;
};

constexpr Metric kMetrics[] = {
    {"fairlead_connections", MetricKind::kGauge, &ServerCounters::connections_now,
     "Open connections of clients."},
    {"fairlead_connections_total", MetricKind::kCounter, &ServerCounters::connections_total,
     "Connections taken since the start."},
    {"fairlead_connects_accepted_total", MetricKind::kCounter, &ServerCounters::connects_accepted,
     "CONNECT packets accepted."},
    {"fairlead_suspects", MetricKind::kGauge, &ServerCounters::suspects_now,
     "Open connections whose CONNECT is not accepted yet."},
    {"fairlead_sessions", MetricKind::kGauge, &ServerCounters::sessions_now,
     "Sessions, with and without a connection."},
    {"fairlead_subscriptions", MetricKind::kGauge, &ServerCounters::subscriptions_now,
     "Subscriptions of all sessions."},
    {"fairlead_retained_messages", MetricKind::kGauge, &ServerCounters::retained_now,
     "Retained messages."},
    {"fairlead_messages_received_total", MetricKind::kCounter, &ServerCounters::messages_received,
     "PUBLISH packets from clients."},
    {"fairlead_messages_sent_total", MetricKind::kCounter, &ServerCounters::messages_sent,
     "PUBLISH packets to clients."},
    {"fairlead_messages_dropped_total", MetricKind::kCounter, &ServerCounters::messages_dropped,
     "Messages dropped: forbidden, over a limit, expired."},
    {"fairlead_bytes_received_total", MetricKind::kCounter, &ServerCounters::bytes_received,
     "Bytes from clients."},
    {"fairlead_bytes_sent_total", MetricKind::kCounter, &ServerCounters::bytes_sent,
     "Bytes to clients."},
    {"fairlead_queued_messages", MetricKind::kGauge, &ServerCounters::queued_messages,
     "Messages that wait in sessions."},
    {"fairlead_queued_bytes", MetricKind::kGauge, &ServerCounters::queued_bytes,
     "The same in bytes; over session.total_queue_bytes PUBLISH of QoS 1 and 2 is refused."},
    {"fairlead_expiry_lag_milliseconds", MetricKind::kGauge, &ServerCounters::expiry_lag_ms,
     "How late something that had expired was dropped, at most, in the last minute or two."},
    {"fairlead_store_failing", MetricKind::kGauge, &ServerCounters::store_failing,
     "1 while the disk does not take what has to be stored: it is refused."},
    {"fairlead_store_commits_total", MetricKind::kCounter, &ServerCounters::store_commits,
     "Group commits of the store."},
    {"fairlead_store_failures_total", MetricKind::kCounter, &ServerCounters::store_failures,
     "Commits that the disk did not take; each is tried again."},
    {"fairlead_store_records_total", MetricKind::kCounter, &ServerCounters::store_records,
     "Records put into the store or erased from it."},
    {"fairlead_store_commit_microseconds_total", MetricKind::kCounter,
     &ServerCounters::store_commit_microseconds, "Time that commits took."},
    {"fairlead_store_slowest_commit_microseconds", MetricKind::kGauge,
     &ServerCounters::store_slowest_commit_microseconds, "The slowest commit since the start."},
    {"fairlead_store_unrecorded_total", MetricKind::kCounter, &ServerCounters::store_unrecorded,
     "Changes that were not recorded, as the store has failed for too long."},
    {"fairlead_store_file_bytes", MetricKind::kGauge, &ServerCounters::store_file_bytes,
     "Size of the store's files."},
    {"fairlead_store_free_bytes", MetricKind::kGauge, &ServerCounters::store_free_bytes,
     "Of that, not in use."},
};

void append(std::string& text, std::string_view name, MetricKind kind, std::string_view help,
            std::string_view sample) {
  text.append("# HELP ").append(name).append(" ").append(help).append("\n");
  text.append("# TYPE ").append(name);
  text.append(kind == MetricKind::kGauge ? " gauge\n" : " counter\n");
  text.append(sample).append("\n");
}

void append_refused(std::string& text, const ServerCounters& counters) {
  constexpr std::string_view kName = "fairlead_connections_refused_total";
  std::string samples;
  for (std::size_t i = 0; i < counters.refused.size(); ++i) {
    if (i > 0) samples += '\n';
    samples.append(kName).append("{cause=\"").append(kRefusalCauseNames[i]).append("\"} ");
    samples += std::to_string(counters.refused[i]);
  }
  append(text, kName, MetricKind::kCounter,
         "Connections that ended before a CONNECT was accepted, by cause.", samples);
}

// The value of a label.
std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

// A renewed authority may have its old name in the same file: one sample, the first to expire.
std::string expiry_samples(const std::vector<TlsExpiry>& expiries) {
  std::map<std::string, milliseconds> samples;
  for (const TlsExpiry& expiry : expiries) {
    const std::string labels = "{kind=\"" + std::string(expiry_kind_name(expiry.kind)) +
                               "\",file=\"" + escaped(expiry.file) + "\",subject=\"" +
                               escaped(expiry.subject) + "\"}";
    const auto [at, added] = samples.emplace(labels, expiry.not_after);
    if (!added) at->second = std::min(at->second, expiry.not_after);
  }
  std::string text;
  for (const auto& [labels, not_after] : samples) {
    if (!text.empty()) text += '\n';
    text += std::string(kExpiryName) + labels + ' ' + std::to_string(not_after.count() / 1000);
  }
  return text;
}

}  // namespace

std::string metrics_text(const ServerCounters& counters, const std::vector<TlsExpiry>& expiries) {
  std::string text;
  append(text, "fairlead_build_info", MetricKind::kGauge, "Always 1; the version is a label.",
         "fairlead_build_info{version=\"" FAIRLEAD_VERSION "\"} 1");
  for (const Metric& metric : kMetrics) {
    append(text, metric.name, metric.kind, metric.help,
           std::string(metric.name) + " " + std::to_string(counters.*metric.value));
  }
  append_refused(text, counters);
  if (!expiries.empty()) {
    append(text, kExpiryName, MetricKind::kGauge,
           "When a certificate or revocation list ends, in seconds since 1970.",
           expiry_samples(expiries));
  }
  return text;
}

std::string endpoints_json(const std::vector<AdminEndpoint>& endpoints) {
  struct Scheme {
    std::string_view name;
    bool ListenerProtocols::*allowed;
  };
  static constexpr Scheme kSchemes[] = {{"ws", &ListenerProtocols::ws},
                                        {"wss", &ListenerProtocols::wss},
                                        {"mqtt", &ListenerProtocols::mqtt},
                                        {"mqtts", &ListenerProtocols::mqtts}};
  std::string members;
  for (const Scheme& scheme : kSchemes) {
    for (const AdminEndpoint& endpoint : endpoints) {
      if (!(endpoint.protocols.*scheme.allowed)) continue;
      if (!members.empty()) members += ',';
      members.append("\"").append(scheme.name).append("\":\"").append(scheme.name);
      members.append("://").append(endpoint.address.text()).append("\"");
      break;
    }
  }
  return "{\"endpoints\":{" + members + "}}\n";
}

}  // namespace fairlead
