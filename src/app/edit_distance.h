#pragma once

#include <string_view>
#include <vector>

namespace fairlead {

// Insertions, deletions and replacements between two texts (Levenshtein).
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

// The candidate that somebody who wrote `text` most likely meant: the nearest one, where a dotted
// name may also be meant by its last part alone. `candidates` is not empty; of equals, the first.
[[nodiscard]] std::string_view nearest(std::string_view text,
                                       const std::vector<std::string_view>& candidates);

}  // namespace fairlead
