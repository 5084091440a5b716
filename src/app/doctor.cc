#include "app/doctor.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <iterator>

#include "app/output.h"

namespace fairlead {

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "ok";
    case Verdict::kWarning:
      return "warning";
    case Verdict::kProblem:
      return "problem";
    case Verdict::kSkipped:
      return "skipped";
  }
  unreachable();
}

bool takes_tls(const DoctorRequest& request) {
  return std::ranges::any_of(request.listeners,
                             [](const auto& each) { return each.protocols.any_tls(); });
}

Finding skipped(Finding finding, std::string why) {
  finding.verdict = Verdict::kSkipped;
  finding.found = std::move(why);
  return finding;
}

std::string size_text(uint64_t bytes) {
  constexpr std::array kUnits = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  auto size = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; size >= 1024 && unit + 1 < kUnits.size(); ++unit) size /= 1024;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", size, kUnits[unit]);
  return text;
}

std::string set_kernel_value(std::string_view key, const std::string& value) {
  return "echo " + shell_word(std::string(key) + " = " + value) +
         " >> /etc/sysctl.d/60-fairlead.conf && sysctl --system";
}

std::vector<Finding> examine(const SystemFiles& files, const DoctorRequest& request) {
  std::vector<Finding> findings = examine_limits(files, request);
  std::ranges::move(examine_machine(files, request), std::back_inserter(findings));
  findings.push_back(examine_clock(clock_state()));
  std::ranges::move(examine_data(request), std::back_inserter(findings));
  return findings;
}

}  // namespace fairlead
