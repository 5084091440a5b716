#include "ledger.h"

#include <algorithm>

#include "base/assert.h"
#include "proto/mqtt/topic.h"

namespace fairlead::sim {
namespace {

using mqtt::Qos;

// Times in the store are those of another clock: it may be off by a bit.
constexpr seconds kTolerance{2};
constexpr std::string_view kSharedTopics = "s/";

bool is_shared(std::string_view filter) { return filter.starts_with("$share/"); }

// Of `$share/group/filter`, too.
bool matches(std::string_view filter, std::string_view topic) {
  const auto parts = mqtt::split_filter(filter);
  FL_ASSERT(parts.ok());
  return mqtt::topic_matches(parts->filter, topic);
}

}  // namespace

void Ledger::fail(const std::string& what) {
  note("VIOLATION " + what);
  if (violation_.empty()) violation_ = what;
}

std::string Ledger::describe(uint64_t number) const {
  const Published& message = published_[number];
  return "message " + std::to_string(number) + " to " + message.topic + " of QoS " +
         std::to_string(static_cast<int>(message.qos)) + (message.is_will ? ", the will" : "") +
         " of client " + std::to_string(message.publisher);
}

// --- Publishers ----------------------------------------------------------------------------------

uint64_t Ledger::publish(Published message) {
  message.sent = ++events_;
  published_.push_back(std::move(message));
  return published_.size() - 1;
}

void Ledger::on_acked(uint64_t number) {
  published_[number].acked = ++events_;
  ++acknowledged_;
  note("acknowledged: " + describe(number));
  owe(number);
}

void Ledger::on_will_due(uint64_t number) {
  published_[number].sent = published_[number].acked = ++events_;
  note("due: " + describe(number));
  owe(number);
}

void Ledger::owe(uint64_t number) {
  const Published& message = published_[number];
  if (message.clears || message.qos == Qos::kAtMostOnce) return;
  std::set<std::string> groups;
  for (Session& session : sessions_) {
    if (session.kept == Kept::kNo) continue;
    for (const Asked& asked : session.asked) {
      if (!has_confirmed(session, message, asked.filter)) continue;
      if (is_shared(asked.filter)) {
        groups.insert(asked.filter);
      } else {
        session.owed.insert(number);
      }
    }
  }
  for (const std::string& group : groups) {
    // It may have gone with a member that left before the publisher had its answer.
    const auto left = last_left_.find(group);
    const bool may_have_left = left != last_left_.end() && message.sent < left->second;
    if (may_have_left && goes_with_its_member(message)) continue;
    if (!mixed_.contains(group)) group_owed_.emplace(group, number);
  }
}

// Whether the session, when the message was published, had the SUBACK for a filter that gets it at
// QoS 1 or 2, and has not taken it back.
bool Ledger::has_confirmed(const Session& session, const Published& message,
                           std::string_view filter) {
  if (!matches(filter, message.topic)) return false;
  return std::ranges::any_of(session.asked, [&](const Asked& asked) {
    return asked.filter == filter && asked.qos != Qos::kAtMostOnce && asked.granted != 0 &&
           asked.granted < message.sent && asked.given_up == 0;
  });
}

bool Ledger::has_keeper(const std::string& group, const Published& message) const {
  return std::ranges::any_of(sessions_, [&](const Session& session) {
    return session.kept == Kept::kYes && has_confirmed(session, message, group);
  });
}

// --- Sessions ------------------------------------------------------------------------------------

void Ledger::begin_session(std::size_t client, Kept kept) {
  ++events_;
  end_session(client);
  sessions_[client].kept = kept;
}

void Ledger::resume_session(std::size_t client, Kept kept) {
  ++events_;
  if (kept == Kept::kNo) return release_unkept_session(client);
  sessions_[client].kept = kept;
}

void Ledger::release_unkept_session(std::size_t client) {
  release_session(client);
  for (const Asked& asked : sessions_[client].asked) {
    if (is_shared(asked.filter)) mix(asked.filter);
  }
}

void Ledger::release_session(std::size_t client) {
  Session& session = sessions_[client];
  session.kept = Kept::kNo;
  session.owed.clear();
  for (const Asked& asked : session.asked) {
    if (is_shared(asked.filter)) forgive(asked.filter, Leaving::kForGood);
  }
}

void Ledger::end_session(std::size_t client) {
  release_session(client);
  sessions_[client] = Session{};
}

// What a member was given at QoS 2 goes to nobody else. After a restart nobody knows that a message
// came by a group.
bool Ledger::goes_with_its_member(const Published& message) const {
  return message.qos == Qos::kExactlyOnce || message.sent < last_crash_;
}

// A member has gone. What it was given goes to another one, if there is one that stays.
void Ledger::forgive(const std::string& group, Leaving leaving) {
  if (leaving == Leaving::kForGood) last_left_[group] = events_;
  std::erase_if(group_owed_, [&](const auto& owed) {
    if (owed.first != group) return false;
    const Published& message = published_[owed.second];
    const bool is_lost = leaving == Leaving::kForGood && goes_with_its_member(message);
    return is_lost || !has_keeper(group, message);
  });
}

// What it gives to a member that is not kept is lost with the process: nothing is owed to it.
void Ledger::mix(const std::string& group) {
  mixed_.insert(group);
  std::erase_if(group_owed_, [&](const auto& owed) { return owed.first == group; });
}

Ledger::Request Ledger::on_subscribe(std::size_t client, const std::string& filter, Qos qos) {
  const Request request{filter, ++events_};
  sessions_[client].asked.push_back({filter, qos, request.sent});
  if (!is_shared(filter)) return request;
  members_[filter].insert(client);
  if (sessions_[client].kept == Kept::kNo || qos == Qos::kAtMostOnce) mix(filter);
  return request;
}

void Ledger::on_suback(std::size_t client, const Request& request) {
  ++events_;
  for (Asked& asked : sessions_[client].asked) {
    if (asked.filter == request.filter && asked.sent == request.sent) asked.granted = events_;
  }
}

Ledger::Request Ledger::on_unsubscribe(std::size_t client, const std::string& filter) {
  const Request request{filter, ++events_};
  Session& session = sessions_[client];
  for (Asked& asked : session.asked) {
    if (asked.filter == filter && asked.given_up == 0) asked.given_up = events_;
  }
  if (is_shared(filter)) forgive(filter, Leaving::kGroup);
  std::erase_if(session.owed, [&](uint64_t number) {
    return std::ranges::none_of(session.asked, [&](const Asked& asked) {
      return !is_shared(asked.filter) && has_confirmed(session, published_[number], asked.filter);
    });
  });
  return request;
}

void Ledger::on_unsuback(std::size_t client, const Request& request) {
  ++events_;
  for (Asked& asked : sessions_[client].asked) {
    const bool is_meant = asked.filter == request.filter && asked.sent < request.sent;
    if (is_meant && asked.gone == 0) asked.gone = events_;
  }
}

void Ledger::on_arrival(std::size_t client, uint64_t number, std::string_view topic, Qos qos) {
  ++events_;
  ++arrived_;
  if (number >= published_.size() || published_[number].topic != topic) {
    return fail("client " + std::to_string(client) + " got what nobody has sent, on " +
                std::string(topic));
  }
  const Published& message = published_[number];
  Session& session = sessions_[client];
  const std::string at_client = " at client " + std::to_string(client);
  note("arrives at QoS " + std::to_string(static_cast<int>(qos)) + at_client + ": " +
       describe(number));
  if (qos > message.qos) fail(describe(number) + " has a higher QoS" + at_client);
  const bool asked_for = std::ranges::any_of(session.asked, [&](const Asked& asked) {
    return matches(asked.filter, topic) && (asked.gone == 0 || asked.gone > message.sent);
  });
  if (!asked_for) {
    fail(describe(number) + " was not asked for" + at_client);
  }
  const unsigned count = ++session.arrivals[number];
  takers_[number].insert(client);
  session.owed.erase(number);
  if (qos == Qos::kExactlyOnce) check_once(session, message, ++session.arrivals_once[number]);
  if (count > 1 || message.is_will || topic.starts_with(kSharedTopics)) return;
  const auto [newest, is_first] =
      session.newest.emplace(Flow(message.publisher, message.topic, message.qos, qos), number);
  if (is_first || newest->second < number) {
    newest->second = number;
    return;
  }
  // A repetition may come to who had not subscribed when it was sent first.
  const bool was_there = std::ranges::any_of(session.asked, [&](const Asked& asked) {
    return has_confirmed(session, message, asked.filter);
  });
  if (was_there) {
    fail(describe(number) + " comes after message " + std::to_string(newest->second) + at_client);
  }
}

// A session gets a copy for itself, and one for each shared group that it may have been in.
void Ledger::check_once(const Session& session, const Published& message, unsigned count) {
  std::set<std::string> copies;
  for (const Asked& asked : session.asked) {
    if (!matches(asked.filter, message.topic)) continue;
    copies.insert(is_shared(asked.filter) ? asked.filter : std::string());
  }
  if (count > copies.size()) {
    const auto number = static_cast<uint64_t>(&message - published_.data());
    fail(describe(number) + " was delivered to client " +
         std::to_string(&session - sessions_.data()) + " again");
  }
}

// --- What must hold ------------------------------------------------------------------------------

bool Ledger::is_over(const Published& message, Instant now) const {
  return message.expiry && now + kTolerance >= message.sent_at + *message.expiry;
}

void Ledger::check_settled(Instant now) {
  for (std::size_t client = 0; client < sessions_.size(); ++client) {
    for (const uint64_t number : sessions_[client].owed) {
      if (sessions_[client].arrivals.contains(number) || is_over(published_[number], now)) continue;
      fail(describe(number) + " was acknowledged and never came to client " +
           std::to_string(client));
    }
    sessions_[client].owed.clear();
  }
  for (const auto& [group, number] : group_owed_) {
    if (is_over(published_[number], now)) continue;
    const auto& members = members_[group];
    const bool taken = std::ranges::any_of(
        takers_[number], [&](std::size_t client) { return members.contains(client); });
    if (!taken) fail(describe(number) + " was acknowledged and came to nobody in " + group);
  }
  group_owed_.clear();
}

// The last that was acknowledged, or one that was not certainly before it.
void Ledger::check_retained(const std::map<std::string, uint64_t>& found,
                            const std::vector<std::string>& topics, Instant now) {
  for (const std::string& topic : topics) {
    uint64_t latest_certain = 0;  // of what was acknowledged: when it was sent
    for (const Published& message : published_) {
      // One that clears is acknowledged at once where it finds nothing, though what it found gone
      // may be gone in memory only: it proves nothing.
      const bool is_certain = message.acked != 0 && !message.clears;
      if (is_certain && message.topic == topic && message.retain == mqtt::Retain::kYes) {
        latest_certain = std::max(latest_certain, message.sent);
      }
    }
    auto may_be = [&](const Published& message) {
      return message.topic == topic && message.retain == mqtt::Retain::kYes &&
             (message.acked == 0 || message.acked > latest_certain);
    };
    const auto value = found.find(topic);
    if (value != found.end()) {
      if (value->second >= published_.size() || !may_be(published_[value->second])) {
        fail(describe(value->second) + " is retained and was replaced before");
      }
      continue;
    }
    const bool may_be_none =
        latest_certain == 0 || std::ranges::any_of(published_, [&](const Published& message) {
          return may_be(message) && (message.clears || is_over(message, now));
        });
    if (!may_be_none) fail("what was retained on " + topic + " is lost");
  }
}

}  // namespace fairlead::sim
