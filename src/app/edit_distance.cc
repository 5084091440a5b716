#include "app/edit_distance.h"

#include <algorithm>
#include <numeric>

#include "base/assert.h"

namespace fairlead {
namespace {

// A text of a peer's length against ours: longer ones are equally far from everything.
constexpr std::size_t kComparedMax = 64;

std::string_view last_part(std::string_view name) { return name.substr(name.rfind('.') + 1); }

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row[b.size()];
}

std::string_view nearest(std::string_view text, const std::vector<std::string_view>& candidates) {
  FL_ASSERT(!candidates.empty());
  text = text.substr(0, kComparedMax);
  const auto distance = [text](std::string_view candidate) {
    const std::size_t whole = edit_distance(text, candidate);
    return std::min(whole, edit_distance(last_part(text), last_part(candidate)) + 1);
  };
  return *std::ranges::min_element(candidates, {}, distance);
}

}  // namespace fairlead
