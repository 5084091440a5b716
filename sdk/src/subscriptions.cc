#include "subscriptions.h"

#include <algorithm>

#include "outcome.h"
#include "proto/mqtt/writer.h"

namespace fairlead::sdk {
namespace {

// What servers of devices allow in one SUBSCRIBE.
constexpr std::size_t kRenewBatchCount = 8;

mqtt::SubscriptionOptions options_of(const Subscription& subscription) {
  return {.qos = static_cast<mqtt::Qos>(subscription.qos),
          .no_local = subscription.no_local,
          .retain_as_published = subscription.retain_as_published,
          .retain_handling = static_cast<mqtt::RetainHandling>(subscription.retain_handling)};
}

Reject count_mismatch(std::string_view packet, std::size_t expected, std::size_t got) {
  return Reject{ReasonCode::kProtocolError, std::string(packet) + ": " + std::to_string(got) +
                                                " codes for " + std::to_string(expected) +
                                                " topic filters"};
}

}  // namespace

void Subscriptions::subscribe(std::vector<Subscription> subscriptions, Client::Granted done) {
  requests_.push_back({Kind::kSubscribe, std::move(subscriptions), std::move(done), {}});
}

void Subscriptions::unsubscribe(std::vector<std::string> filters, Client::Completion done) {
  Request request{Kind::kUnsubscribe, {}, {}, {}};
  for (std::string& filter : filters) {
    granted_.erase(filter);
    request.subscriptions.push_back({.filter = std::move(filter)});
  }
  if (done) {
    request.done = [done = std::move(done)](const Outcome& outcome, const std::vector<uint8_t>&) {
      done(outcome);
    };
  }
  requests_.push_back(std::move(request));
}

void Subscriptions::pump(const PacketSink& send) {
  for (Request& request : requests_) {
    if (request.id != mqtt::PacketId{}) continue;
    if (ids_.taken_count() >= PacketIds::kCountMax) return;
    request.id = ids_.take();
    send_request(request, send);
  }
}

void Subscriptions::send_request(Request& request, const PacketSink& send) const {
  ByteBuffer out;
  if (request.kind == Kind::kUnsubscribe) {
    mqtt::UnsubscribePacket packet{request.id, {}, {}};
    for (const Subscription& gone : request.subscriptions) packet.filters.push_back(gone.filter);
    mqtt::write(out, version_, packet);
  } else {
    mqtt::SubscribePacket packet{request.id, {}, {}};
    for (const Subscription& subscription : request.subscriptions) {
      packet.requests.push_back({subscription.filter, options_of(subscription)});
    }
    mqtt::write(out, version_, packet);
  }
  send(out.view());
}

std::optional<Subscriptions::Request> Subscriptions::take_request(mqtt::PacketId id,
                                                                  bool unsubscribe) {
  const auto found = std::ranges::find_if(requests_, [&](const Request& request) {
    return request.id == id && (request.kind == Kind::kUnsubscribe) == unsubscribe;
  });
  if (found == requests_.end()) return std::nullopt;
  Request request = std::move(*found);
  requests_.erase(found);
  ids_.give_back(id);
  return request;
}

Result<std::optional<Subscriptions::Settled>> Subscriptions::on_suback(
    const mqtt::SubackPacket& packet) {
  auto request = take_request(packet.packet_id, false);
  if (!request) return std::optional<Settled>{};
  if (packet.reasons.size() != request->subscriptions.size()) {
    return count_mismatch("SUBACK", request->subscriptions.size(), packet.reasons.size());
  }
  Settled settled{std::move(request->done), {}, {}, {}};
  for (std::size_t i = 0; i < packet.reasons.size(); ++i) {
    const Subscription& subscription = request->subscriptions[i];
    const ReasonCode reason = packet.reasons[i];
    settled.codes.push_back(static_cast<uint8_t>(reason));
    if (!is_error(reason)) {
      // A renewal changes nothing: the subscription may have been given up in the meantime.
      if (request->kind == Kind::kSubscribe) {
        granted_.insert_or_assign(subscription.filter, subscription);
      }
      continue;
    }
    Outcome outcome = refused(OutcomeKind::kRefused, "SUBACK for \"" + subscription.filter + "\"",
                              reason, packet.properties.reason_string.value_or(std::string_view{}));
    if (request->kind == Kind::kRenew) {
      granted_.erase(subscription.filter);
      settled.lost.emplace_back(subscription.filter, outcome);
    }
    if (settled.outcome.ok()) settled.outcome = std::move(outcome);
  }
  return std::optional<Settled>{std::move(settled)};
}

Result<std::optional<Subscriptions::Settled>> Subscriptions::on_unsuback(
    const mqtt::UnsubackPacket& packet) {
  auto request = take_request(packet.packet_id, true);
  if (!request) return std::optional<Settled>{};
  // Again: a SUBACK may have come between the call and this answer.
  for (const Subscription& gone : request->subscriptions) granted_.erase(gone.filter);
  Settled settled{std::move(request->done), {}, {}, {}};
  if (version_ != mqtt::ProtocolVersion::k5) return std::optional<Settled>{std::move(settled)};
  if (packet.reasons.size() != request->subscriptions.size()) {
    return count_mismatch("UNSUBACK", request->subscriptions.size(), packet.reasons.size());
  }
  for (std::size_t i = 0; i < packet.reasons.size() && settled.outcome.ok(); ++i) {
    if (!is_error(packet.reasons[i])) continue;
    settled.outcome =
        refused(OutcomeKind::kRefused, "UNSUBACK for \"" + request->subscriptions[i].filter + "\"",
                packet.reasons[i]);
  }
  return std::optional<Settled>{std::move(settled)};
}

void Subscriptions::on_connection_lost() {
  std::erase_if(requests_, [this](Request& request) {
    if (request.id != mqtt::PacketId{}) ids_.give_back(request.id);
    request.id = {};
    return request.kind == Kind::kRenew;  // made anew, from what was granted
  });
}

void Subscriptions::on_session_lost() {
  std::vector<Request> renewals;
  for (const auto& [filter, subscription] : granted_) {
    if (renewals.empty() || renewals.back().subscriptions.size() == kRenewBatchCount) {
      renewals.push_back({Kind::kRenew, {}, {}, {}});
    }
    renewals.back().subscriptions.push_back(subscription);
  }
  requests_.insert(requests_.begin(), std::make_move_iterator(renewals.begin()),
                   std::make_move_iterator(renewals.end()));
}

std::vector<Subscriptions::Settled> Subscriptions::give_up(const Outcome& why) {
  on_connection_lost();
  std::vector<Settled> settled;
  for (Request& request : requests_) settled.push_back({std::move(request.done), why, {}, {}});
  requests_.clear();
  return settled;
}

}  // namespace fairlead::sdk
