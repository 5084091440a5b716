#include "differential/duel.h"

#include <algorithm>

#include "differential/player.h"

namespace fairlead::testing {
namespace {

constexpr std::size_t kColumn = 56;

bool is_publish(const Heard& heard) {
  return heard.kind == Heard::Kind::kPacket && heard.type == PacketType::kPublish;
}

// Messages for the pool are nobody's in particular, and come in no particular order.
void gather_pool(const Dialogue& dialogue, std::vector<std::vector<Heard>>& heard) {
  std::vector<Heard> pool;
  for (std::size_t i = 0; i < dialogue.clients.size(); ++i) {
    if (!dialogue.clients[i].in_pool) continue;
    const auto front = std::stable_partition(heard[i].begin(), heard[i].end(),
                                             [](const Heard& each) { return !is_publish(each); });
    pool.insert(pool.end(), front, heard[i].end());
    heard[i].erase(front, heard[i].end());
  }
  std::sort(pool.begin(), pool.end(),
            [](const Heard& a, const Heard& b) { return to_line(a) < to_line(b); });
  heard.push_back(std::move(pool));
}

// What the order is told within. That of PUBREL follows the client's own PUBRECs.
std::string stream_of(const Heard& heard) {
  if (heard.kind == Heard::Kind::kClosed) return "closed";
  if (is_publish(heard)) return heard.topic + " q" + std::to_string(static_cast<int>(heard.qos));
  return std::string(mqtt::packet_name(heard.type)) + ' ' + heard.name;
}

// Whether the client has a shared subscription, whose messages have no order (4.6).
bool shares(const Dialogue& dialogue, std::span<const Step> until, std::string_view client) {
  const Step* end = until.data() + until.size();
  return std::any_of(dialogue.steps.data(), end, [&](const Step& step) {
    const auto* subscribe = std::get_if<SubscribeStep>(&step.action);
    return subscribe && dialogue.clients[step.client].name == client &&
           std::any_of(subscribe->filters.begin(), subscribe->filters.end(),
                       [](const FilterSpec& each) { return each.filter.starts_with("$share/"); });
  });
}

enum class Order : uint8_t { kWithinStreams, kNone };

std::vector<std::pair<std::string, Heard>> sorted(const std::vector<Heard>& heard, Order order) {
  std::vector<std::pair<std::string, Heard>> keyed;
  for (const Heard& each : heard) {
    keyed.emplace_back(order == Order::kNone ? to_line(each) : stream_of(each), each);
  }
  std::stable_sort(keyed.begin(), keyed.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  return keyed;
}

// The steps from `at` on that are taken without a pause.
std::size_t end_of_breath(const Dialogue& dialogue, std::size_t at) {
  const auto& steps = dialogue.steps;
  while (steps[at].at_once && at + 1 < steps.size() && steps[at + 1].client == steps[at].client) {
    ++at;
  }
  return at + 1;
}

bool wrong(const std::vector<Heard>& heard) {
  return std::any_of(heard.begin(), heard.end(),
                     [](const Heard& each) { return !each.complaint.empty(); });
}

bool same(const Difference& between, Order order) {
  return sorted(between.fairlead, order) == sorted(between.mosquitto, order);
}

std::string beside(std::string_view mark, std::string_view who, std::string_view one,
                   std::string_view other) {
  std::string line(mark);
  line += who;
  line.resize(std::max<std::size_t>(line.size() + 1, 8), ' ');
  line += one;
  line.resize(std::max<std::size_t>(line.size() + 1, 8 + kColumn), ' ');
  line += "| ";
  line += other;
  return line + '\n';
}

std::string transcribe(std::string_view mark, std::string_view who, const std::vector<Heard>& one,
                       const std::vector<Heard>& other) {
  std::string text;
  for (std::size_t i = 0; i < std::max(one.size(), other.size()); ++i) {
    text += beside(mark, who, i < one.size() ? to_line(one[i]) : "",
                   i < other.size() ? to_line(other[i]) : "");
  }
  return text;
}

}  // namespace

Outcome Duel::play(const Dialogue& dialogue) {
  Outcome outcome;
  outcome.transcript = beside("", "", one_.name, other_.name);
  Player one(dialogue, one_.broker);
  Player other(dialogue, other_.broker);
  try {
    for (std::size_t at = 0, end = 0; at < dialogue.steps.size() && outcome.alike; at = end) {
      end = end_of_breath(dialogue, at);
      if (ends_comparison(dialogue, at, end)) break;
      for (std::size_t i = at; i < end; ++i) {
        outcome.transcript +=
            std::to_string(i + 1) + ". " + describe(dialogue, dialogue.steps[i]) + '\n';
      }
      const auto steps = std::span(dialogue.steps).subspan(at, end - at);
      compare(dialogue, steps, one.play(steps), other.play(steps), outcome);
    }
  } catch (const TestFailure& failure) {
    outcome.alike = false;
    outcome.transcript += std::string("! ") + failure.what() + '\n';
  }
  one.clean_up();
  other.clean_up();
  return outcome;
}

void Duel::compare(const Dialogue& dialogue, std::span<const Step> steps, Everyone one,
                   Everyone other, Outcome& outcome) {
  gather_pool(dialogue, one);
  gather_pool(dialogue, other);
  for (std::size_t i = 0; i < one.size(); ++i) {
    const std::string name = i < dialogue.clients.size() ? dialogue.clients[i].name : "pool";
    const std::string alike = transcribe("  ", name, one[i], other[i]);
    const std::string unlike = transcribe("! ", name, one[i], other[i]);
    const bool broken = wrong(one[i]) || wrong(other[i]);
    const Order order = shares(dialogue, steps, name) ? Order::kNone : Order::kWithinStreams;
    Difference difference{dialogue, steps, name, one[i], other[i]};
    for (const Deviation& deviation : deviations_) {
      if (same(difference, order)) break;
      if (deviation.explain && deviation.explain(difference) == Explained::kYes) {
        ++counts_[deviation.name];
      }
    }
    const bool fine = !broken && same(difference, order);
    outcome.alike &= fine;
    outcome.transcript += fine ? alike : unlike;
  }
}

bool Duel::ends_comparison(const Dialogue& dialogue, std::size_t from, std::size_t to) {
  for (std::size_t at = from; at < to; ++at) {
    for (const Deviation& deviation : deviations_) {
      if (!deviation.ends || !deviation.ends(dialogue, at)) continue;
      ++counts_[deviation.name];
      return true;
    }
  }
  return false;
}

Dialogue Duel::shorten(Dialogue dialogue) {
  for (bool shorter = true; shorter;) {
    shorter = false;
    for (std::size_t at = dialogue.steps.size(); at-- > 0;) {
      Dialogue without = dialogue;
      without.steps.erase(without.steps.begin() + static_cast<std::ptrdiff_t>(at));
      if (play(without).alike) continue;
      dialogue = std::move(without);
      shorter = true;
    }
  }
  return dialogue;
}

}  // namespace fairlead::testing
