#include "session/inflight.h"

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "base/assert.h"

namespace fairlead {

namespace {
constexpr uint32_t kPacketIdEnd = 65'536;
}

OutboundStep next(OutboundStep step, OutboundAck ack) {
  using enum OutboundStep;
  switch (step) {
    case kAwaitPuback:
      return ack == OutboundAck::kPuback ? kDone : step;
    case kAwaitPubrec:
      if (ack == OutboundAck::kPubrecError) return kDone;
      return ack == OutboundAck::kPubrec ? kAwaitPubcomp : step;
    case kAwaitPubcomp:
      return ack == OutboundAck::kPubcomp ? kDone : step;
    case kDone:
      return step;
  }
  unreachable();
}

Inflight::Entry& Inflight::add(Outgoing outgoing) {
  FL_ASSERT(outgoing.qos != mqtt::Qos::kAtMostOnce);
  if (next_id_ == free_end_) find_free_run();
  const auto step = outgoing.qos == mqtt::Qos::kAtLeastOnce ? OutboundStep::kAwaitPuback
                                                            : OutboundStep::kAwaitPubrec;
  const auto id = static_cast<mqtt::PacketId>(next_id_++);
  ++due_;
  return entries_.push_back(Entry{std::move(outgoing), id, step});
}

bool Inflight::restore(Outgoing&& outgoing, mqtt::PacketId id, OutboundStep step) {
  FL_ASSERT(id != mqtt::PacketId{});
  const bool above_all = static_cast<uint32_t>(id) >= next_id_;
  if (!above_all && find(id)) return false;
  ++due_;
  entries_.push_back(Entry{std::move(outgoing), id, step, true});
  next_id_ = free_end_ = std::max(next_id_, static_cast<uint32_t>(id) + 1);
  return true;
}

std::optional<uint32_t> Inflight::find(mqtt::PacketId id) const {
  for (uint32_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].id == id) return i;
  }
  return std::nullopt;
}

void Inflight::erase(uint32_t position) {
  if (position >= first_due()) --due_;
  entries_.erase(position);
}

void Inflight::clear() {
  entries_.clear();
  due_ = 0;
}

// The first free identifiers from next_id_ on, or, when there are none, from 1 on. Runs are short
// only where identifiers in use lie close together, so that on average a run is long.
void Inflight::find_free_run() {
  FL_ASSERT(entries_.size() < kPacketIdEnd - 1);
  std::vector<uint32_t> used;
  used.reserve(entries_.size() + 1);
  for (uint32_t i = 0; i < entries_.size(); ++i) {
    used.push_back(static_cast<uint32_t>(entries_[i].id));
  }
  used.push_back(kPacketIdEnd);
  std::sort(used.begin(), used.end());
  auto run_from = [&used](uint32_t start) {
    auto at = std::lower_bound(used.begin(), used.end(), start);
    while (at != used.end() && *at == start && start < kPacketIdEnd) ++at, ++start;
    return std::pair{start, start < kPacketIdEnd ? *at : start};
  };
  std::tie(next_id_, free_end_) = run_from(next_id_);
  if (next_id_ == free_end_) std::tie(next_id_, free_end_) = run_from(1);
  FL_ASSERT(next_id_ < free_end_);
}

}  // namespace fairlead
