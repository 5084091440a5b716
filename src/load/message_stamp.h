#pragma once

#include <chrono>
#include <cstdint>

#include "base/assert.h"
#include "base/bytes.h"

namespace fairlead::load {

// What each payload begins with: whose message it is, which one, and with a rate when it was due.
// As short as it can be without a run ever outgrowing it, so that small messages can be measured:
// a flow of a million messages a second needs twelve days to come to the end of its numbers.
struct MessageStamp {
  using Due = std::chrono::steady_clock::time_point;

  static constexpr std::size_t kBytes = 8;
  static constexpr std::size_t kBytesWithDue = 16;
  static constexpr uint64_t kFlowsMax = uint64_t{1} << 24;
  static constexpr uint64_t kSequencesMax = uint64_t{1} << 40;

  uint64_t flow = 0;
  uint64_t sequence = 0;

  // `payload` has room for kBytes.
  void write(std::byte* payload) const {
    FL_ASSERT(flow < kFlowsMax && sequence < kSequencesMax);
    store_be(payload, flow * kSequencesMax + sequence);
  }
  [[nodiscard]] static MessageStamp read(const std::byte* payload) {
    const auto both = load_be<uint64_t>(payload);
    return {both / kSequencesMax, both % kSequencesMax};
  }

  // `payload` has room for kBytesWithDue.
  static void write_due(std::byte* payload, Due due) {
    store_be(payload + kBytes, static_cast<uint64_t>(due.time_since_epoch().count()));
  }
  [[nodiscard]] static Due read_due(const std::byte* payload) {
    const auto count = static_cast<int64_t>(load_be<uint64_t>(payload + kBytes));
    return Due(Due::duration(count));
  }
};

}  // namespace fairlead::load
