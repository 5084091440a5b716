#pragma once

#include <string>

#include "base/result.h"
#include "fairlead/client.h"

// Outcomes for the users of the client, from what the layers below say.

namespace fairlead::sdk {

[[nodiscard]] inline Outcome failure(OutcomeKind kind, std::string sentence,
                                     std::string advice = {}) {
  return {kind, 0, std::move(sentence), std::move(advice)};
}

// A CONNACK with an error; `wire_code` is its byte, `said` the server's reason string.
[[nodiscard]] Outcome connect_refused(uint8_t wire_code, ReasonCode reason, std::string_view said);

// An acknowledgement with an error: `what` is "PUBACK", "SUBACK for a/#", ...
[[nodiscard]] Outcome refused(OutcomeKind kind, std::string_view what, ReasonCode reason,
                              std::string_view said = {});

}  // namespace fairlead::sdk
