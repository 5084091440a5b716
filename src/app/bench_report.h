#pragma once

#include <string>
#include <vector>

#include "app/output.h"
#include "load/scenarios.h"

// What `fairlead bench` found, for people and for scripts.

namespace fairlead {

struct BenchFigure {
  std::string name;   // of the JSON, in camel case
  FieldValue value;   // likewise
  std::string label;  // for people
  std::string text;
};
using BenchFigures = std::vector<BenchFigure>;

[[nodiscard]] BenchFigures figures_of(const load::Plan& plan, const load::TrafficReport& report);
[[nodiscard]] BenchFigures figures_of(const load::Plan& plan, const load::ConnectsReport& report);
[[nodiscard]] BenchFigures figures_of(const load::Plan& plan, const load::IdleReport& report);

// What speaks against the broker, as a sentence: messages of QoS 1 or 2 that were lost, any that
// came twice or in the wrong order, connects that failed. Empty: nothing does.
[[nodiscard]] std::string fault_of(const load::Plan& plan, const load::TrafficReport& report);
[[nodiscard]] std::string fault_of(const load::Plan& plan, const load::ConnectsReport& report);
[[nodiscard]] std::string fault_of(const load::Plan& plan, const load::IdleReport& report);

[[nodiscard]] Record record_of(const BenchFigures& figures, OutputFormat format);

}  // namespace fairlead
