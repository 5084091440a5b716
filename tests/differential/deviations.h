#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "differential/dialogue.h"
#include "differential/heard.h"

namespace fairlead::testing {

// What one client heard from the two servers in some steps, where it is not the same.
struct Difference {
  const Dialogue& dialogue;
  std::span<const Step> steps;  // those before them were alike, or explained
  std::string_view client;      // its name; "pool": whoever shares
  std::vector<Heard>& fairlead;
  std::vector<Heard>& mosquitto;
};

// kYes: the lists have been made alike as far as this deviation goes.
enum class Explained : uint8_t { kNo, kYes };

// A way in which the two servers differ, and may. The list is kept true: one that no dialogue of
// `make test` needs is an error, and so is a difference that none explains.
struct Deviation {
  std::string_view name;
  std::string_view reason;
  // One of the two. The second says that from this step on the dialogue cannot be compared,
  // whether or not something is to be seen of it now.
  Explained (*explain)(Difference&) = nullptr;
  bool (*ends)(const Dialogue&, std::size_t step) = nullptr;
};

[[nodiscard]] std::span<const Deviation> known_deviations();

}  // namespace fairlead::testing
