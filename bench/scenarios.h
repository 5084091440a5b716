#pragma once

#include <nlohmann/json_fwd.hpp>

#include "load/plan.h"

// What only the project's own tables need; all else is in src/load, for `fairlead bench` too.

namespace fairlead::bench {

using namespace load;

// Each throws std::runtime_error when it cannot be carried out.
[[nodiscard]] nlohmann::ordered_json run_storm(const Plan& plan);
// `queued_count` messages for each of plan.connection_count sessions.
[[nodiscard]] nlohmann::ordered_json run_fill(const Plan& plan, std::size_t queued_count);

}  // namespace fairlead::bench
