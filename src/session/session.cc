#include "session/session.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/assert.h"
#include "base/utf8.h"
#include "proto/mqtt/topic.h"
#include "session/keeper.h"

// A session's life: connections, will, expiry, administration. Packets of the client are in
// session_inbound.cc, messages for it in session_outbound.cc, what outlives the process in
// session_kept.cc.

namespace fairlead {

using mqtt::CleanStart;
using mqtt::ConnackPacket;
using mqtt::ConnectPacket;
using mqtt::ProtocolVersion;
using mqtt::Qos;

namespace {

bool will_is_ignored(const ConnectPacket& connect, const ProtocolProfile& profile) {
  return connect.version != ProtocolVersion::k5 && profile.will == WillPolicy::kIgnoreInV3;
}

uint32_t expiry_max_seconds(const SessionLimits& limits) {
  // Four bytes, of which the highest value would mean "never".
  constexpr int64_t kMax = std::numeric_limits<uint32_t>::max() - 1;
  return static_cast<uint32_t>(std::clamp<int64_t>(limits.expiry_max.count(), 0, kMax));
}

uint32_t session_expiry_seconds(const ConnectPacket& connect, const SessionLimits& limits) {
  const uint32_t longest = expiry_max_seconds(limits);
  if (connect.version == ProtocolVersion::k5) {
    return std::min(connect.properties.session_expiry_seconds.value_or(0), longest);
  }
  return connect.clean_start == CleanStart::kYes ? 0 : longest;
}

Status check_will(const mqtt::Will& will, const ProtocolProfile& profile) {
  if (Status name = mqtt::check_topic_name(will.topic); !name) {
    return Reject{ReasonCode::kTopicNameInvalid, "CONNECT: will topic: " + name.error().sentence};
  }
  if (!within_topic_limits(profile, will.topic)) {
    return Reject{ReasonCode::kTopicNameInvalid, "CONNECT: will topic is too long or too deep"};
  }
  if (static_cast<uint8_t>(will.qos) > profile.qos_max) {
    return Reject{ReasonCode::kQosNotSupported, "CONNECT: will QoS is above Maximum QoS"};
  }
  const auto& response_topic = will.properties.response_topic;
  if (response_topic && !mqtt::check_topic_name(*response_topic).ok()) {
    return Reject{ReasonCode::kProtocolError, "CONNECT: will response topic is not a topic name"};
  }
  if (will.properties.payload_format == uint8_t{1} && !is_utf8(will.payload)) {
    return Reject{ReasonCode::kPayloadFormatInvalid, "CONNECT: will payload is not UTF-8"};
  }
  return Done{};
}

uint16_t receive_maximum_of(const ProtocolProfile& profile, const SessionLimits& limits) {
  return std::max<uint16_t>(1, std::min(profile.receive_maximum, limits.inflight_count_max));
}

// Properties whose absence says the same are left out (section 3.2.2.3).
ConnackPacket make_connack(const ConnectPacket& connect, const ProtocolProfile& profile,
                           const SessionLimits& limits, const Session::ConnackExtras& extras,
                           ConnackPacket::SessionPresent present) {
  ConnackPacket connack;
  // MQTT 3.1 has no session present flag: the byte is reserved.
  if (connect.version != ProtocolVersion::k31) connack.session_present = present;
  if (connect.version != ProtocolVersion::k5) return connack;
  mqtt::ConnackProperties& say = connack.properties;
  const uint32_t expiry = session_expiry_seconds(connect, limits);
  if (expiry != connect.properties.session_expiry_seconds.value_or(0)) {
    say.session_expiry_seconds = expiry;
  }
  const uint16_t receive_maximum = receive_maximum_of(profile, limits);
  if (receive_maximum != 65'535) say.receive_maximum = receive_maximum;
  if (profile.qos_max < 2) say.maximum_qos = profile.qos_max;
  say.maximum_packet_size = extras.packet_bytes_max;
  if (!extras.assigned_client_id.empty()) say.assigned_client_id = extras.assigned_client_id;
  if (profile.topic_alias_maximum > 0) say.topic_alias_maximum = profile.topic_alias_maximum;
  if (!profile.subscription_identifiers_available) say.subscription_identifier_available = false;
  if (!profile.shared_available) say.shared_subscription_available = false;
  say.server_keep_alive_seconds = extras.server_keep_alive_seconds;
  return connack;
}

}  // namespace

Session::Session(uint64_t id, std::string key, const SessionLimits& limits, QueueTotal& total)
    : id_(id), key_(std::move(key)), limits_(&limits), waiting_(total) {}

Session::~Session() = default;

uint64_t Session::id() const { return id_; }
const std::string& Session::key() const { return key_; }
bool Session::connected() const { return peer_.connected; }
ProtocolVersion Session::version() const { return peer_.version; }
uint32_t Session::peer_packet_size_max() const { return peer_.packet_size_max; }
bool Session::peer_wants_problem_information() const { return peer_.wants_problem_information; }
bool Session::ended() const { return ended_; }

std::size_t Session::queue_count() const {
  return waiting_.size() + (backlog_ ? backlog_->size() : 0);
}

uint16_t Session::receive_maximum() const { return receive_maximum_of(*owner_.profile, *limits_); }

Status Session::check_connect(const ConnectPacket& connect, const SessionOwner& owner) {
  const ProtocolProfile& profile = *owner.profile;
  const seconds wanted(connect.keep_alive_seconds);
  if (connect.version != ProtocolVersion::k5 &&
      profile.keep_alive_policy == KeepAlivePolicy::kRefuse &&
      (wanted < profile.keep_alive_min || wanted > profile.keep_alive_max)) {
    return Reject{ReasonCode::kServerUnavailable,
                  "CONNECT: keep alive of " + std::to_string(wanted.count()) + " s is not within " +
                      std::to_string(profile.keep_alive_min.count()) + " to " +
                      std::to_string(profile.keep_alive_max.count()) + " s"};
  }
  if (connect.will && !will_is_ignored(connect, profile)) return check_will(*connect.will, profile);
  return Done{};
}

Status Session::check_connack(const ConnectPacket& connect, const SessionOwner& owner,
                              const ConnackExtras& extras, const SessionLimits& limits) {
  const auto packet_bytes_max = connect.properties.maximum_packet_size;
  if (!packet_bytes_max) return Done{};
  ByteBuffer out;
  mqtt::write(
      out, connect.version,
      make_connack(connect, *owner.profile, limits, extras, ConnackPacket::SessionPresent::kNo),
      *packet_bytes_max);
  if (!out.empty()) return Done{};
  return Reject{ReasonCode::kPacketTooLarge, "CONNECT: Maximum Packet Size of " +
                                                 std::to_string(*packet_bytes_max) +
                                                 " leaves no room for CONNACK"};
}

Session::KeepAlive Session::keep_alive(const ConnectPacket& connect,
                                       const ProtocolProfile& profile) {
  KeepAlive result;
  seconds in_force(connect.keep_alive_seconds);
  if (connect.version == ProtocolVersion::k5) {
    // "Off" is the longest of all where the profile does not have it.
    const bool off = in_force.count() == 0;
    const seconds allowed =
        off ? (profile.keep_alive_min.count() == 0 ? seconds(0) : profile.keep_alive_max)
            : std::clamp(in_force, profile.keep_alive_min, profile.keep_alive_max);
    if (allowed != in_force) {
      result.server_keep_alive_seconds = static_cast<uint16_t>(allowed.count());
      in_force = allowed;
    }
  }
  result.interval = (in_force * 3 + seconds(1)) / 2;
  return result;
}

void Session::attach(const ConnectPacket& connect, const SessionOwner& owner,
                     const ConnackExtras& extras, Effects& effects, Instant now) {
  affine_.check();
  FL_ASSERT(!peer_.connected && owner.policy != nullptr && owner.profile != nullptr);
  on_deadline(effects, now);  // in case the timer is late
  if (connect.clean_start == CleanStart::kYes && established_) {
    end(WillAtEnd::kPublish, effects, now);
  }
  const auto present =
      established_ ? ConnackPacket::SessionPresent::kYes : ConnackPacket::SessionPresent::kNo;
  will_.reset();  // one that waited for its delay: the client is back (section 3.1.3.2.2)
  established_ = true;
  ended_ = false;
  owner_ = owner;
  take_terms(connect);
  if (connect.will && !will_is_ignored(connect, *owner_.profile)) {
    will_ = std::make_unique<StoredWill>(*connect.will);
  }
  received_.on_new_connection();
  inflight_.repeat_all();
  write_down(Instant::max(), effects);
  apply_policy(effects);
  effects.send(*this, make_connack(connect, *owner_.profile, *limits_, extras, present));
  pump(effects, now);
}

void Session::take_terms(const ConnectPacket& connect) {
  const mqtt::ConnectProperties& said = connect.properties;
  expiry_seconds_ = session_expiry_seconds(connect, *limits_);
  peer_ = Peer{};
  peer_.version = connect.version;
  peer_.connected = true;
  peer_.window = receive_maximum();
  if (!is_v5()) return;
  peer_.window = std::max<uint16_t>(
      1, std::min(peer_.window, said.receive_maximum.value_or(uint16_t{65'535})));
  peer_.packet_size_max = said.maximum_packet_size.value_or(mqtt::kNoPacketSizeLimit);
  peer_.alias_out_max =
      std::min(said.topic_alias_maximum.value_or(uint16_t{0}), limits_->topic_alias_out_max);
  peer_.wants_problem_information = said.request_problem_information.value_or(true);
}

void Session::on_detached(DetachCause cause, Effects& effects, Instant now) {
  affine_.check();
  FL_ASSERT(peer_.connected);
  peer_.connected = peer_.closing = false;
  aliases_in_.reset();
  aliases_out_.reset();
  backlog_.reset();
  if (ended_) return;
  expires_at_ = now + seconds(expiry_seconds_);
  if (cause == DetachCause::kClientDisconnect) will_.reset();
  if (will_) {
    // The end of the session ends the delay too; and so does the server's, unless it is kept.
    const uint32_t delay = std::min(will_->delay_seconds(), expiry_seconds_);
    const bool stays = kept() || cause != DetachCause::kServerShutdown;
    if (delay == 0 || !stays) {
      publish_will(effects, now);
    } else {
      will_->wait_until(now + seconds(delay));
    }
  }
  if (expiry_seconds_ > 0) return write_down(now, effects);
  if (cause == DetachCause::kServerShutdown) {  // everybody leaves: there is nobody to hand it to
    inflight_.clear();
    waiting_.clear();
  }
  end(WillAtEnd::kPublish, effects, now);
}

void Session::publish_will(Effects& effects, Instant now) {
  const std::unique_ptr<StoredWill> will = std::move(will_);
  if (owner_.policy->may_publish(will->topic())) {
    effects.publish(*this, will->publish(id_, now), Answer{});
  } else {
    effects.journal(*this, JournalKind::kPublishForbidden, will->topic());
  }
}

void Session::end(WillAtEnd will, Effects& effects, Instant now) {
  affine_.check();
  if (will_ && will == WillAtEnd::kPublish) publish_will(effects, now);
  will_.reset();
  forget(effects);
  subscriptions_.drop_if(
      [](std::string_view) { return true; },
      [&](std::string_view filter, RecordId) { effects.unsubscribe(*this, filter); });
  hand_back_shared(effects, now);
  inflight_.clear();
  waiting_.clear();
  backlog_.reset();
  received_.clear();
  established_ = false;
  ended_ = true;
}

// Of QoS 1 only, sent or waiting: one of QoS 2 goes to nobody else (section 4.8.2).
void Session::hand_back_shared(Effects& effects, Instant now) {
  auto hand_back = [&](const Outgoing& outgoing) {
    if (!outgoing.extras || !outgoing.extras->shared || outgoing.message->expired(now)) return;
    effects.hand_back(*this, outgoing.extras->shared, outgoing.message);
  };
  for (uint32_t i = 0; i < inflight_.size(); ++i) hand_back(std::as_const(inflight_)[i]);
  waiting_.for_each(hand_back);
}

std::optional<Instant> Session::deadline() const {
  if (peer_.connected || !established_) return std::nullopt;
  if (will_ && will_->due()) return std::min(*will_->due(), expires_at_);
  return expires_at_;
}

void Session::on_deadline(Effects& effects, Instant now) {
  affine_.check();
  if (peer_.connected || !established_) return;
  const bool will_is_due = will_ && will_->due() && now >= *will_->due();
  if (will_is_due) publish_will(effects, now);
  if (now >= expires_at_) {
    end(WillAtEnd::kPublish, effects, now);
  } else if (will_is_due) {
    write_down(expires_at_ - seconds(expiry_seconds_), effects);
  }
}

Swept Session::sweep(Effects& effects, Instant now) {
  affine_.check();
  Swept swept;
  waiting_.drop_if([&](const Outgoing& outgoing) {
    if (!outgoing.message->expired(now)) return false;
    swept.note(outgoing.message->expires_at());
    let_go(outgoing, effects);
    return true;
  });
  return swept;
}

void Session::on_policy_changed(std::shared_ptr<const AccessPolicy> policy, Effects& effects) {
  affine_.check();
  FL_ASSERT(policy != nullptr);
  owner_.policy = std::move(policy);
  apply_policy(effects);
}

void Session::apply_policy(Effects& effects) {
  const AccessPolicy& policy = *owner_.policy;
  subscriptions_.drop_if(
      [&policy](std::string_view filter) { return !policy.may_subscribe(filter); },
      [&](std::string_view filter, RecordId record) {
        if (kept()) effects.keeper().erase_subscription(*this, record);
        effects.unsubscribe(*this, filter);
      });
  auto is_forbidden = [&](const Outgoing& outgoing) {
    if (policy.may_receive(outgoing.message->topic())) return false;
    let_go(outgoing, effects);
    return true;
  };
  waiting_.drop_if(is_forbidden);
  if (backlog_) backlog_->drop_if(is_forbidden);
  if (backlog_ && backlog_->empty()) backlog_.reset();
}

}  // namespace fairlead
