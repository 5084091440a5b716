#include "differential/deviations.h"

#include <algorithm>
#include <map>
#include <memory>

#include "proto/mqtt/topic.h"

namespace fairlead::testing {
namespace {

constexpr uint8_t kNoMatchingSubscribers = 0x10;
constexpr uint8_t kSessionTakenOver = 0x8E;
constexpr uint8_t kPacketIdentifierNotFound = 0x92;

bool is(const Heard& heard, PacketType type) {
  return heard.kind == Heard::Kind::kPacket && heard.type == type;
}

// The first action of that kind among the steps in question.
template <class Action>
const Action* action_of(const Difference& difference) {
  for (const Step& step : difference.steps) {
    if (const auto* action = std::get_if<Action>(&step.action)) return action;
  }
  return nullptr;
}

// --- What mosquitto says otherwise ---------------------------------------------------------------

Explained no_matching_subscribers(Difference& difference) {
  Explained explained = Explained::kNo;
  for (Heard& heard : difference.mosquitto) {
    const bool acknowledges = is(heard, PacketType::kPuback) || is(heard, PacketType::kPubrec);
    if (!acknowledges || heard.codes != std::vector{kNoMatchingSubscribers}) continue;
    heard.codes.clear();
    explained = Explained::kYes;
  }
  return explained;
}

Explained keep_alive_of_nothing(Difference& difference) {
  constexpr std::string_view kLongest = " keep-alive=65535";
  for (Heard& heard : difference.mosquitto) {
    const std::size_t at = heard.properties.find(kLongest);
    if (!is(heard, PacketType::kConnack) || at == std::string::npos) continue;
    heard.properties.erase(at, kLongest.size());
    return Explained::kYes;
  }
  return Explained::kNo;
}

Explained taken_over_without_a_word(Difference& difference) {
  if (!action_of<ConnectStep>(difference)) return Explained::kNo;
  const auto erased = std::erase_if(difference.fairlead, [](const Heard& heard) {
    return is(heard, PacketType::kDisconnect) && heard.codes == std::vector{kSessionTakenOver};
  });
  return erased > 0 ? Explained::kYes : Explained::kNo;
}

Explained release_of_nothing(Difference& difference) {
  Explained explained = Explained::kNo;
  for (Heard& heard : difference.fairlead) {
    const bool unknown =
        is(heard, PacketType::kPubcomp) && heard.codes == std::vector{kPacketIdentifierNotFound};
    if (!unknown) continue;
    heard.codes.clear();
    explained = Explained::kYes;
  }
  return explained;
}

void erase_one_release(std::vector<Heard>& heard, const std::string& name) {
  const auto at = std::find_if(heard.begin(), heard.end(), [&name](const Heard& each) {
    return is(each, PacketType::kPubrel) && each.name == name;
  });
  if (at != heard.end()) heard.erase(at);
}

// Retained messages that mosquitto sends for filters of which `differs` says yes, and Fairlead not.
Explained surplus_retained(Difference& difference, bool (*differs)(const FilterSpec&)) {
  auto concerns = [&](const std::string& topic) {
    bool found = false;
    for (const Step& step : difference.steps) {
      const auto* subscribe = std::get_if<SubscribeStep>(&step.action);
      for (const FilterSpec& each : subscribe ? subscribe->filters : std::vector<FilterSpec>{}) {
        const auto parts = mqtt::split_filter(each.filter);
        found |= differs(each) && mqtt::topic_matches(parts->filter, topic);
      }
    }
    return found;
  };
  std::vector<Heard>& heard = difference.mosquitto;
  Explained explained = Explained::kNo;
  for (std::size_t i = heard.size(); i-- > 0;) {
    if (!is(heard[i], PacketType::kPublish) || !heard[i].retain) continue;
    const auto count = [&heard = heard[i]](const std::vector<Heard>& in) {
      return std::count(in.begin(), in.end(), heard);
    };
    if (!concerns(heard[i].topic)) continue;
    if (count(heard) <= count(difference.fairlead)) continue;
    const Heard surplus = heard[i];
    heard.erase(heard.begin() + static_cast<std::ptrdiff_t>(i));
    if (surplus.qos == kQos2) erase_one_release(heard, surplus.name);
    explained = Explained::kYes;
  }
  return explained;
}

Explained retained_for_shared(Difference& difference) {
  return surplus_retained(
      difference, [](const FilterSpec& each) { return each.filter.starts_with("$share/"); });
}

Explained retained_of_its_own(Difference& difference) {
  return surplus_retained(difference, [](const FilterSpec& each) { return each.options.no_local; });
}

// The publisher's own copy: in flight before the connection breaks, or sent afterwards only.
Explained routed_when_published(Difference& difference) {
  const auto* publish = action_of<PublishStep>(difference);
  if (!publish || publish->message.qos != kQos2) return Explained::kNo;
  if (publish->cut != PublishStep::Cut::kAfterPublish) return Explained::kNo;
  std::vector<Heard>& heard = difference.fairlead;
  const auto repeated = std::find_if(heard.begin(), heard.end(), [publish](const Heard& each) {
    return is(each, PacketType::kPublish) && each.dup &&
           each.name == name_of(publish->message.payload);
  });
  if (repeated == heard.end()) return Explained::kNo;
  Heard first = *repeated;
  first.dup = false;
  const auto before = std::find(heard.begin(), repeated, first);
  if (before == repeated) return Explained::kNo;
  repeated->dup = false;
  heard.erase(before);
  return Explained::kYes;
}

Explained will_to_the_connection_taken_over(Difference& difference) {
  if (!action_of<ConnectStep>(difference)) return Explained::kNo;
  std::vector<Heard>& heard = difference.mosquitto;
  const auto closed = std::find_if(heard.begin(), heard.end(), [](const Heard& each) {
    return each.kind == Heard::Kind::kClosed;
  });
  if (closed == heard.end() || closed == heard.begin()) return Explained::kNo;
  const auto last = std::remove_if(
      heard.begin(), closed, [](const Heard& each) { return is(each, PacketType::kPublish); });
  if (last == closed) return Explained::kNo;
  heard.erase(last, closed);
  return Explained::kYes;
}

// --- Overlapping subscriptions -------------------------------------------------------------------

bool same_message(const Heard& one, const Heard& other) {
  return is(one, PacketType::kPublish) && is(other, PacketType::kPublish) &&
         one.topic == other.topic && one.name == other.name && one.dup == other.dup;
}

// Copies of one message leave one behind the other: those with the same `run` have no other
// message, nor the end of the connection, between them.
struct Copy {
  std::size_t at = 0;
  std::size_t run = 0;
};

std::vector<Copy> copies_of(const Heard& message, const std::vector<Heard>& in) {
  std::vector<Copy> found;
  std::size_t run = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (same_message(message, in[i])) {
      found.push_back({i, run});
    } else if (in[i].kind == Heard::Kind::kClosed || is(in[i], PacketType::kPublish)) {
      ++run;
    }
  }
  return found;
}

void merge(Heard& whole, const Heard& copy) {
  whole.qos = std::max(whole.qos, copy.qos);
  whole.retain |= copy.retain;
  whole.identifiers.insert(whole.identifiers.end(), copy.identifiers.begin(),
                           copy.identifiers.end());
  std::sort(whole.identifiers.begin(), whole.identifiers.end());
}

// Whether a copy may be missing because it would have been of QoS 0, which waits for nobody.
bool had_plain_copy(const Difference& difference, const Heard& message) {
  bool had = false;
  for (const Step* at = difference.dialogue.steps.data();
       at != std::to_address(difference.steps.end()); ++at) {
    const Step& step = *at;
    const auto* subscribe = std::get_if<SubscribeStep>(&step.action);
    if (!subscribe || difference.dialogue.clients[step.client].name != difference.client) {
      continue;
    }
    for (const FilterSpec& each : subscribe->filters) {
      had |= each.options.qos == kQos0 && mqtt::topic_matches(each.filter, message.topic);
    }
  }
  return had;
}

bool fits(const Difference& difference, Heard merged, const Heard& wanted) {
  if (merged == wanted) return true;
  if (merged.qos == kQos0 || !had_plain_copy(difference, wanted)) return false;
  if (!std::includes(wanted.identifiers.begin(), wanted.identifiers.end(),
                     merged.identifiers.begin(), merged.identifiers.end())) {
    return false;
  }
  merged.identifiers = wanted.identifiers;
  merged.retain |= wanted.retain;
  return merged == wanted;
}

// Finds out which copies are which of the messages `wanted`: tries them all.
class Assignment {
 public:
  static constexpr std::size_t kCopiesMax = 9;

  Assignment(const Difference& difference, const std::vector<Copy>& copies,
             const std::vector<Copy>& wanted)
      : difference_(difference), copies_(copies), wanted_(wanted), members_(wanted.size()) {}

  bool find(std::size_t next = 0) {
    if (next == copies_.size()) return fits_all();
    for (std::vector<Copy>& members : members_) {
      if (!members.empty() && members.front().run != copies_[next].run) continue;
      members.push_back(copies_[next]);
      if (find(next + 1)) return true;
      members.pop_back();
    }
    return false;
  }
  // Position of a first copy to the message that it is of.
  [[nodiscard]] std::map<std::size_t, Heard> firsts() const {
    std::map<std::size_t, Heard> found;
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
      found.emplace(members_[i].front().at, difference_.fairlead[wanted_[i].at]);
    }
    return found;
  }

 private:
  [[nodiscard]] bool fits_all() const {
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
      if (members_[i].empty()) return false;
      Heard whole = difference_.mosquitto[members_[i].front().at];
      for (std::size_t n = 1; n < members_[i].size(); ++n) {
        merge(whole, difference_.mosquitto[members_[i][n].at]);
      }
      if (!fits(difference_, whole, difference_.fairlead[wanted_[i].at])) return false;
    }
    return true;
  }

  const Difference& difference_;
  const std::vector<Copy>& copies_;
  const std::vector<Copy>& wanted_;
  std::vector<std::vector<Copy>> members_;
};

Explained overlapping_copies(Difference& difference) {
  std::vector<Heard>& many = difference.mosquitto;
  Explained explained = Explained::kNo;
  for (const Heard& message : difference.fairlead) {
    const std::vector<Copy> wanted = copies_of(message, difference.fairlead);
    const std::vector<Copy> copies = copies_of(message, many);
    if (wanted.empty() || copies.size() > Assignment::kCopiesMax) continue;
    Assignment assignment(difference, copies, wanted);
    if (!assignment.find()) continue;
    const std::map<std::size_t, Heard> firsts = assignment.firsts();
    for (std::size_t n = copies.size(); n-- > 0;) {
      const auto at = many.begin() + static_cast<std::ptrdiff_t>(copies[n].at);
      const auto first = firsts.find(copies[n].at);
      if (first == firsts.end()) {
        many.erase(at);
      } else if (*at != first->second) {
        *at = first->second;
      } else {
        continue;
      }
      explained = Explained::kYes;
    }
  }
  return explained;
}

// The exchanges of QoS 2 that those copies are in.
Explained overlapping_releases(Difference& difference) {
  auto count = [](const std::vector<Heard>& heard, const std::string& name) {
    return std::count_if(heard.begin(), heard.end(), [&](const Heard& each) {
      return is(each, PacketType::kPubrel) && each.name == name;
    });
  };
  std::vector<Heard>& many = difference.mosquitto;
  Explained explained = Explained::kNo;
  for (std::size_t i = many.size(); i-- > 0;) {
    if (!is(many[i], PacketType::kPubrel)) continue;
    const auto wanted = count(difference.fairlead, many[i].name);
    if (wanted == 0 || count(many, many[i].name) <= wanted) continue;
    many.erase(many.begin() + static_cast<std::ptrdiff_t>(i));
    explained = Explained::kYes;
  }
  return explained;
}

// --- What mosquitto does otherwise ---------------------------------------------------------------

template <class Visit>
void for_each_before(const Dialogue& dialogue, std::size_t step, Visit visit) {
  for (std::size_t i = 0; i < step; ++i) {
    if (dialogue.steps[i].client == dialogue.steps[step].client) visit(dialogue.steps[i].action);
  }
}

// The connection of the step's client just before it; null: there is none.
const ConnectStep* connection_before(const Dialogue& dialogue, std::size_t step) {
  const ConnectStep* connection = nullptr;
  for_each_before(dialogue, step, [&](const Action& action) {
    if (const auto* connect = std::get_if<ConnectStep>(&action)) connection = connect;
    if (std::holds_alternative<BreakStep>(action)) connection = nullptr;
    if (std::holds_alternative<DisconnectStep>(action)) connection = nullptr;
  });
  return connection;
}

bool will_of_the_taken_over(const Dialogue& dialogue, std::size_t step) {
  const auto* connect = std::get_if<ConnectStep>(&dialogue.steps[step].action);
  if (!connect || connect->clean == CleanStart::kYes) return false;
  const ConnectStep* before = connection_before(dialogue, step);
  if (!before || !before->will) return false;
  const bool is_v5 = dialogue.clients[dialogue.steps[step].client].version == ProtocolVersion::k5;
  return is_v5 ? before->session_expiry_seconds.value_or(0) > 0 : before->clean == CleanStart::kNo;
}

bool shared_and_resumed(const Dialogue& dialogue, std::size_t step) {
  const Action& action = dialogue.steps[step].action;
  const auto* connect = std::get_if<ConnectStep>(&action);
  const auto* publish = std::get_if<PublishStep>(&action);
  const bool resumes = (connect && connect->clean == CleanStart::kNo) ||
                       (publish && publish->cut != PublishStep::Cut::kNowhere);
  if (!resumes) return false;
  bool shares = false;
  for_each_before(dialogue, step, [&](const Action& before) {
    const auto* hello = std::get_if<ConnectStep>(&before);
    if (hello && hello->clean == CleanStart::kYes) shares = false;
    const auto* subscribe = std::get_if<SubscribeStep>(&before);
    for (const FilterSpec& each : subscribe ? subscribe->filters : std::vector<FilterSpec>{}) {
      shares |= each.filter.starts_with("$share/");
    }
  });
  return shares;
}

bool options_of_the_first_subscribe(const Dialogue& dialogue, std::size_t step) {
  const auto* subscribe = std::get_if<SubscribeStep>(&dialogue.steps[step].action);
  if (!subscribe) return false;
  bool changed = false;
  auto compare = [&](const Action& before) {
    const auto* earlier = std::get_if<SubscribeStep>(&before);
    if (!earlier) return;
    for (const FilterSpec& one : earlier->filters) {
      for (const FilterSpec& other : subscribe->filters) {
        changed |= one.filter == other.filter &&
                   (one.options.no_local != other.options.no_local ||
                    one.options.retain_as_published != other.options.retain_as_published);
      }
    }
  };
  for_each_before(dialogue, step, compare);
  compare(dialogue.steps[step].action);  // a filter may stand in it twice
  return changed;
}

bool oversize_into_a_window(const Dialogue& dialogue, std::size_t step) {
  bool narrow = false;
  std::size_t smallest = SIZE_MAX;
  std::size_t biggest = 0;
  for (std::size_t i = 0; i <= step; ++i) {
    const Action& action = dialogue.steps[i].action;
    if (const auto* publish = std::get_if<PublishStep>(&action)) {
      biggest = std::max(biggest, publish->message.payload.size());
    }
    const auto* connect = std::get_if<ConnectStep>(&action);
    if (!connect) continue;
    if (connect->will) biggest = std::max(biggest, connect->will->payload.size());
    if (!connect->receive_maximum || !connect->maximum_packet_size) continue;
    narrow = true;
    smallest = std::min<std::size_t>(smallest, *connect->maximum_packet_size);
  }
  return narrow && biggest > smallest;
}

// --- The list ------------------------------------------------------------------------------------

constexpr Deviation kDeviations[] = {
    {.name = "no matching subscribers",
     .reason =
         "MQTT 5.0 lets a server say in PUBACK and PUBREC that nobody has subscribed (3.4.2.1). "
         "mosquitto does; Fairlead, whose subscribers may live on other shards, does not ask.",
     .explain = no_matching_subscribers},
    {.name = "keep alive of nothing",
     .reason = "A client of MQTT 5.0 that wants no keep alive gets Server Keep Alive 65,535 from "
               "mosquitto, and none from Fairlead. A server may set what it likes (3.1.2.10).",
     .explain = keep_alive_of_nothing},
    {.name = "taken over without a word",
     .reason = "mosquitto closes a connection of MQTT 5.0 that is taken over without DISCONNECT "
               "0x8E, which the specification demands (MQTT-3.1.4-3).",
     .explain = taken_over_without_a_word},
    {.name = "release of nothing",
     .reason = "A PUBREL for a message that was released before (its PUBCOMP was lost) is answered "
               "by Fairlead with PUBCOMP 0x92, by mosquitto with success. Neither is an error "
               "while a session is resumed (3.7.2.1).",
     .explain = release_of_nothing},
    {.name = "routed when published",
     .reason = "Fairlead routes a message of QoS 2 when it is published, mosquitto when it is "
               "released; section 4.3.3 has both. A publisher that is a subscriber too, and breaks "
               "off in between, gets its own message twice, with DUP, or once.",
     .explain = routed_when_published},
    {.name = "will to the connection taken over",
     .reason = "The will of a clean session that is taken over, and has subscribed to the will's "
               "topic: mosquitto sends it to the old connection before it closes it, Fairlead "
               "closes first. A will is published after the connection is closed (3.1.2.5).",
     .explain = will_to_the_connection_taken_over},
    {.name = "retained messages for a shared subscription",
     .reason = "mosquitto sends retained messages to whoever subscribes to a shared filter. It "
               "must not (4.8.2).",
     .explain = retained_for_shared},
    {.name = "retained messages of its own",
     .reason = "No Local forbids to forward what the client itself has published (MQTT-3.8.3-3). "
               "mosquitto holds to it for live messages only, Fairlead for retained ones too.",
     .explain = retained_of_its_own},
    {.name = "a copy for each subscription",
     .reason = "Of a message that several subscriptions of a session match, Fairlead sends one "
               "copy at the highest granted QoS, with all subscription identifiers; mosquitto one "
               "for each subscription. A server may do either (3.3.4).",
     .explain = overlapping_copies},
    {.name = "a release for each copy",
     .reason = "The same, seen in PUBREL.",
     .explain = overlapping_releases},
    {.name = "will of the connection taken over",
     .reason = "mosquitto drops the will of a connection that is taken over by one that resumes "
               "its session. The connection was closed without DISCONNECT, so that its will is "
               "due (MQTT-3.1.2-8).",
     .ends = will_of_the_taken_over},
    {.name = "shared subscription of a resumed session",
     .reason = "mosquitto 2.0.11 forgets the shared subscriptions of a session when its client "
               "comes back. They are part of the session state (4.1).",
     .ends = shared_and_resumed},
    {.name = "options of the first SUBSCRIBE",
     .reason = "mosquitto 2.0.11 keeps No Local and Retain As Published of the first SUBSCRIBE "
               "when a filter is subscribed to again. The new subscription replaces the old one, "
               "options included (MQTT-3.8.4-3).",
     .ends = options_of_the_first_subscribe},
    {.name = "oversize message into a window",
     .reason = "A message above Maximum Packet Size is not sent, and is done with "
               "(MQTT-3.1.2-25). mosquitto 2.0.11 does not give its place in Receive Maximum "
               "back, so that the session gets fewer messages from then on, or none.",
     .ends = oversize_into_a_window},
};

}  // namespace

std::span<const Deviation> known_deviations() { return kDeviations; }

}  // namespace fairlead::testing
