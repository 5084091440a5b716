#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "differential/broker.h"
#include "differential/deviations.h"
#include "differential/dialogue.h"

namespace fairlead::testing {

// How often each deviation was needed.
using DeviationCounts = std::map<std::string_view, unsigned>;

struct Outcome {
  bool alike = true;
  std::string transcript;  // of the dialogue up to the difference, both sides beside each other
};

// Plays dialogues to two servers, step by step, and compares what the clients hear in each: per
// client the same packets; per topic and QoS, and per other packet type, in the same order.
// Members of a shared subscription are compared as if they were one client.
class Duel {
 public:
  struct Side {
    std::string_view name;
    Broker& broker;
  };
  Duel(Side one, Side other, std::span<const Deviation> deviations)
      : one_(one), other_(other), deviations_(deviations) {}

  [[nodiscard]] Outcome play(const Dialogue& dialogue);
  // Leaves out every step that the difference does not need.
  [[nodiscard]] Dialogue shorten(Dialogue dialogue);

  [[nodiscard]] const DeviationCounts& counts() const { return counts_; }

 private:
  using Everyone = std::vector<std::vector<Heard>>;  // by client; then the pool

  void compare(const Dialogue& dialogue, std::span<const Step> steps, Everyone one, Everyone other,
               Outcome& outcome);
  [[nodiscard]] bool ends_comparison(const Dialogue& dialogue, std::size_t from, std::size_t to);

  Side one_;
  Side other_;
  std::span<const Deviation> deviations_;
  DeviationCounts counts_;
};

}  // namespace fairlead::testing
