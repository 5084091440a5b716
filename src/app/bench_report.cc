#include "app/bench_report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace fairlead {
namespace {

std::string fixed(double value, int digits) {
  char text[64];
  const int size = std::snprintf(text, sizeof text, "%.*f", digits, value);
  return {text, static_cast<std::size_t>(size)};
}

// What a run cannot tell apart is not printed.
double rounded(double value) { return std::round(value * 1000) / 1000; }

double per_second(uint64_t count, double seconds_count) {
  return seconds_count > 0 ? static_cast<double>(count) / seconds_count : 0;
}

class Figures {
 public:
  void count(std::string name, std::string label, uint64_t value) {
    add(std::move(name), static_cast<int64_t>(value), std::move(label), grouped(value));
  }
  void rate(std::string name, std::string label, double value) {
    add(std::move(name), rounded(value), std::move(label),
        grouped(static_cast<uint64_t>(std::llround(value))));
  }
  void number(std::string name, std::string label, double value, std::string_view unit) {
    add(std::move(name), rounded(value), std::move(label),
        fixed(value, 3) + " " + std::string(unit));
  }
  void bytes(std::string name, std::string label, int64_t value) {
    add(std::move(name), value, std::move(label),
        fixed(static_cast<double>(value) / 1024, 1) + " KiB");
  }
  void percentiles(const std::string& name, const std::string& label,
                   const load::Histogram& times) {
    if (times.count() == 0) return;
    struct Share {
      const char* name;
      const char* label;
      double share;
    };
    constexpr Share kShares[] = {{"P50Ms", " p50", 0.5},
                                 {"P90Ms", " p90", 0.9},
                                 {"P99Ms", " p99", 0.99},
                                 {"P999Ms", " p99.9", 0.999},
                                 {"MaxMs", " max", 1.0}};
    for (const Share& each : kShares) {
      number(name + each.name, label + each.label, times.at_ms(each.share), "ms");
    }
  }
  // `done`: what each second of the broker's processor is divided by; 0: nothing.
  void cost(const load::Cost& cost, uint64_t done) {
    const double wall = std::max(cost.wall, 0.001);  // somebody may have been quick to stop it
    const double own = 100 * cost.own_cpu / wall;
    add("generatorCpuPercent", rounded(own), "generator cpu", fixed(own, 0) + " % of a core");
    const bool limit = load::generator_was_bottleneck(cost);
    add("generatorWasBottleneck", limit, {}, {});
    if (!cost.broker_cpu) return;
    const double broker = 100 * *cost.broker_cpu / wall;
    add("brokerCpuPercent", rounded(broker), "broker cpu", fixed(broker, 0) + " % of a core");
    if (done > 0 && *cost.broker_cpu > 0) {
      rate("perBrokerCpuSecond", "per broker cpu second", per_second(done, *cost.broker_cpu));
    }
  }
  void memory(int pid) {
    if (const auto resident = load::resident_bytes(pid)) {
      bytes("brokerRssBytes", "broker rss", *resident);
    }
  }

  [[nodiscard]] BenchFigures take() { return std::move(figures_); }

 private:
  void add(std::string name, FieldValue value, std::string label, std::string text) {
    figures_.push_back({std::move(name), std::move(value), std::move(label), std::move(text)});
  }

  BenchFigures figures_;
};

bool acknowledged(const load::Plan& plan) { return plan.qos != mqtt::Qos::kAtMostOnce; }

}  // namespace

BenchFigures figures_of(const load::Plan& plan, const load::TrafficReport& report) {
  Figures figures;
  const std::size_t receivers =
      plan.common_receivers ? plan.receiver_count : plan.flow_count * plan.receiver_count;
  figures.count("publishers", "publishers", plan.flow_count);
  figures.count("subscribers", "subscribers", receivers);
  figures.count("qos", "qos", static_cast<uint64_t>(plan.qos));
  figures.count("payloadBytes", "payload bytes", load::payload_size(plan));
  if (plan.rate > 0) {
    figures.count("rate", "rate asked for", plan.rate);
  } else {
    figures.count("window", "window", plan.window);
  }
  figures.number("seconds", "measured", report.cost.wall, "s");
  figures.count("sent", "sent", report.sent);
  figures.rate("sentPerSecond", "sent per second", per_second(report.sent, report.cost.wall));
  figures.count("delivered", "delivered", report.delivered);
  figures.rate("deliveredPerSecond", "delivered per second",
               per_second(report.delivered, report.cost.wall));
  if (acknowledged(plan)) figures.count("acknowledged", "acknowledged", report.acknowledged);
  figures.count("checked", "checked, with warm-up", report.checked.received + report.checked.lost);
  figures.count("lost", "lost", report.checked.lost);
  figures.count("duplicates", "came twice", report.checked.duplicates);
  figures.count("reordered", "out of order", report.checked.reordered);
  figures.count("stalls", "stalls of two seconds", report.stalls);
  figures.percentiles("latency", "latency", report.latencies);
  figures.percentiles("sendLag", "sent late by us", report.send_lags);
  figures.percentiles("answer", "publish to answer", report.answers);
  figures.cost(report.cost, report.delivered);
  figures.memory(plan.broker_pid);
  return figures.take();
}

BenchFigures figures_of(const load::Plan& plan, const load::ConnectsReport& report) {
  Figures figures;
  figures.count("concurrent", "at a time", plan.concurrent_count);
  figures.number("seconds", "measured", report.cost.wall, "s");
  figures.count("connects", "connects", report.accepted);
  figures.rate("connectsPerSecond", "connects per second",
               per_second(report.accepted, report.cost.wall));
  if (plan.resume) figures.count("resumed", "with a resumed session", report.resumed);
  figures.count("failed", "failed", report.failed);
  figures.percentiles("connect", "until connack", report.took);
  figures.cost(report.cost, report.accepted);
  figures.memory(plan.broker_pid);
  return figures.take();
}

BenchFigures figures_of(const load::Plan&, const load::IdleReport& report) {
  Figures figures;
  figures.count("connections", "connections", report.connections);
  figures.number("connectSeconds", "connected in", report.connecting.wall, "s");
  figures.rate("connectsPerSecond", "connects per second",
               per_second(report.connections, report.connecting.wall));
  figures.number("seconds", "kept for", report.idling.wall, "s");
  if (report.private_bytes) {
    const auto each = *report.private_bytes / static_cast<int64_t>(report.connections);
    figures.bytes("privateBytes", "private memory added", *report.private_bytes);
    figures.bytes("privateBytesPerConnection", "of each connection", each);
  }
  if (report.resident_bytes) figures.bytes("brokerRssBytes", "broker rss", *report.resident_bytes);
  figures.cost(report.idling, 0);
  return figures.take();
}

std::string fault_of(const load::Plan& plan, const load::TrafficReport& report) {
  const load::SequenceCheck::Counts& counts = report.checked;
  const bool lost = acknowledged(plan) && counts.lost > 0;
  if (!lost && counts.duplicates == 0 && counts.reordered == 0) return {};
  return grouped(counts.lost) + " messages were lost, " + grouped(counts.duplicates) +
         " came twice, " + grouped(counts.reordered) + " out of order";
}

std::string fault_of(const load::Plan&, const load::ConnectsReport& report) {
  if (report.failed == 0) return {};
  return grouped(report.failed) + " connects failed; the last: " + report.cause;
}

std::string fault_of(const load::Plan&, const load::IdleReport&) { return {}; }

Record record_of(const BenchFigures& figures, OutputFormat format) {
  Record record;
  for (const BenchFigure& figure : figures) {
    if (format == OutputFormat::kJson) {
      record.push_back({figure.name, figure.value});
    } else if (!figure.label.empty()) {
      record.push_back({figure.label, figure.text});
    }
  }
  return record;
}

}  // namespace fairlead
