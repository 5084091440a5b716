#include "session.h"

#include <algorithm>

#include "base/utf8.h"
#include "outcome.h"
#include "proto/mqtt/topic.h"
#include "proto/mqtt/writer.h"

namespace fairlead::sdk {
namespace {

constexpr std::size_t kTextBytesMax = 65'535;

template <class Settled>
void call_all(std::vector<Settled> settled) {
  for (auto& one : settled) {
    if (one.done) one.done(one.outcome);
  }
}

Outcome protocol_error(const Reject& reject) {
  return {OutcomeKind::kProtocolError,
          static_cast<uint8_t>(reject.code),
          "the server broke the protocol: " + reject.sentence,
          {}};
}
Outcome protocol_error(std::string_view sentence) {
  return protocol_error(Reject{ReasonCode::kProtocolError, std::string(sentence)});
}

bool fits(std::string_view text) {
  return text.size() <= kTextBytesMax && is_mqtt_text(as_bytes(text));
}

Outcome check_message(const Message& message) {
  const auto wrong = [](std::string sentence) {
    return failure(OutcomeKind::kBadOptions, std::move(sentence));
  };
  if (!fits(message.topic)) return wrong("the topic is not UTF-8 text of at most 65,535 bytes");
  if (auto topic = mqtt::check_topic_name(message.topic); !topic) {
    return wrong(topic.error().sentence);
  }
  bool texts_fit = fits(message.content_type.value_or(std::string_view{})) &&
                   fits(message.response_topic.value_or(std::string_view{})) &&
                   message.correlation_data.value_or(std::string_view{}).size() <= kTextBytesMax;
  for (const auto& [name, value] : message.user_properties) {
    texts_fit = texts_fit && fits(name) && fits(value);
  }
  if (!texts_fit) return wrong("a property of the message is over 65,535 bytes or not UTF-8 text");
  std::size_t size = message.payload.size();
  for (const auto& [name, value] : message.user_properties) size += name.size() + value.size() + 5;
  if (size > mqtt::kVarintMax - 5 * kTextBytesMax) return wrong("the message is over 256 MB");
  return {};
}

// `user_block` lends its bytes to the packet.
mqtt::PublishPacket publish_packet(const Message& message, ByteBuffer& user_block) {
  mqtt::PublishPacket packet;
  packet.topic = message.topic;
  packet.payload = as_bytes(message.payload);
  packet.qos = static_cast<mqtt::Qos>(message.qos);
  packet.retain = static_cast<mqtt::Retain>(message.retain);
  if (packet.qos != mqtt::Qos::kAtMostOnce) packet.packet_id = mqtt::PacketId{1};  // patched later
  auto& properties = packet.properties;
  properties.message_expiry_seconds = message.expiry_seconds;
  properties.content_type = message.content_type;
  properties.response_topic = message.response_topic;
  if (message.correlation_data) properties.correlation_data = as_bytes(*message.correlation_data);
  if (message.payload_is_text) properties.payload_format = uint8_t{1};
  for (const auto& [name, value] : message.user_properties) {
    mqtt::append_user_property(user_block, name, value);
  }
  properties.user_properties = mqtt::UserProperties(mqtt::PropertyBlock(user_block.view()));
  return packet;
}

}  // namespace

Session::Session(const Options& options, ConnectFields fields, const Handlers& handlers)
    : options_(options),
      handlers_(handlers),
      fields_(std::move(fields)),
      version_(static_cast<mqtt::ProtocolVersion>(options.version)),
      publications_(version_, ids_,
                    {options.limits.queue_count_max, options.limits.queue_bytes_max}),
      subscriptions_(version_, ids_) {}

template <class Packet>
void Session::send(const Packet& packet) {
  ByteBuffer out;
  mqtt::write(out, version_, packet);
  send_(out.view());
}

// --- The connection ------------------------------------------------------------------------------

mqtt::ConnectPacket Session::connect_packet() const {
  mqtt::ConnectPacket packet;
  packet.version = version_;
  packet.clean_start = static_cast<mqtt::CleanStart>(options_.session == SessionMode::kClean);
  packet.keep_alive_seconds = static_cast<uint16_t>(options_.keep_alive.count());
  packet.client_id = fields_.client_id;
  if (fields_.user_name) packet.user_name = *fields_.user_name;
  if (fields_.password) packet.password = as_bytes(*fields_.password);
  if (options_.session == SessionMode::kPersistent) {
    packet.properties.session_expiry_seconds = options_.session_expiry_seconds;
  }
  packet.properties.maximum_packet_size = options_.limits.packet_bytes_max;
  if (options_.will) {
    mqtt::Will will{.topic = options_.will->topic,
                    .payload = as_bytes(options_.will->payload),
                    .qos = static_cast<mqtt::Qos>(options_.will->qos),
                    .retain = static_cast<mqtt::Retain>(options_.will->retain),
                    .properties = {}};
    will.properties.will_delay_seconds = options_.will->delay_seconds;
    packet.will = will;
  }
  return packet;
}

void Session::begin(PacketSink send_packet) {
  FL_ASSERT(state_ == State::kOffline);
  send_ = std::move(send_packet);
  state_ = State::kAwaitConnack;
  ByteBuffer out;
  mqtt::write(out, connect_packet());
  send_(out.view());
}

void Session::end() {
  state_ = State::kOffline;
  send_ = {};
  publications_.on_connection_lost();
  subscriptions_.on_connection_lost();
  const auto lost = std::exchange(in_output_, {});
  const Outcome why =
      failure(OutcomeKind::kConnectionLost, "the connection broke before the message was sent");
  for (const auto& done : lost) done(why);
}

void Session::give_up(const Outcome& why) {
  FL_ASSERT(state_ == State::kOffline);
  call_all(publications_.give_up(why));
  for (auto& one : subscriptions_.give_up(why)) {
    if (one.done) one.done(one.outcome, one.codes);
  }
}

void Session::ping() {
  ByteBuffer out;
  mqtt::write(out, mqtt::PingreqPacket{});
  send_(out.view());
}

void Session::disconnect() {
  if (state_ == State::kOnline) send(mqtt::DisconnectPacket{});
}

// --- From the server -----------------------------------------------------------------------------

Outcome Session::take(const mqtt::FixedHeader& header, Bytes body) {
  if (state_ == State::kOnline) return take_online(header, body);
  if (header.type != mqtt::PacketType::kConnack) {
    return protocol_error(std::string(mqtt::packet_name(header.type)) + " before CONNACK");
  }
  return on_connack(body);
}

Outcome Session::take_online(const mqtt::FixedHeader& header, Bytes body) {
  using enum mqtt::PacketType;
  switch (header.type) {
    case kPublish:
      return on_publish(header, body);
    case kPuback:
    case kPubrec:
    case kPubcomp:
      return on_ack(header.type, body);
    case kPubrel:
      return on_pubrel(body);
    case kSuback: {
      const auto packet = mqtt::read_suback(version_, body);
      return packet ? settle(subscriptions_.on_suback(*packet)) : protocol_error(packet.error());
    }
    case kUnsuback: {
      const auto packet = mqtt::read_unsuback(version_, body);
      return packet ? settle(subscriptions_.on_unsuback(*packet)) : protocol_error(packet.error());
    }
    case kPingresp: {
      const auto packet = mqtt::read_empty(kPingresp, body);
      return packet ? Outcome{} : protocol_error(packet.error());
    }
    case kDisconnect:
      return on_disconnect(body);
    case kConnect:
    case kConnack:
    case kSubscribe:
    case kUnsubscribe:
    case kPingreq:
    case kAuth:
      return protocol_error("it sent " + std::string(mqtt::packet_name(header.type)));
  }
  unreachable();
}

Outcome Session::on_connack(Bytes body) {
  const auto packet = mqtt::read_connack(version_, body);
  if (!packet) return protocol_error(packet.error());
  if (packet->reason != ReasonCode::kSuccess) {
    return connect_refused(std::to_integer<uint8_t>(body[1]), packet->reason,
                           packet->properties.reason_string.value_or(std::string_view{}));
  }
  const bool present = packet->session_present == mqtt::ConnackPacket::SessionPresent::kYes;
  if (present && options_.session == SessionMode::kClean) {
    return protocol_error("CONNACK: a session is present after a clean start");
  }
  adopt(*packet);
  state_ = State::kOnline;
  resume(present);
  if (handlers_.on_connected) handlers_.on_connected({present, fields_.client_id});
  return {};
}

void Session::adopt(const mqtt::ConnackPacket& packet) {
  const mqtt::ConnackProperties& said = packet.properties;
  if (said.assigned_client_id) fields_.client_id = *said.assigned_client_id;
  keep_alive_ = said.server_keep_alive_seconds
                    ? std::chrono::seconds{*said.server_keep_alive_seconds}
                    : options_.keep_alive;
  window_ = std::min(options_.limits.inflight_count_max, said.receive_maximum.value_or(UINT16_MAX));
  server_limits_.packet_bytes_max = said.maximum_packet_size.value_or(UINT32_MAX);
  server_limits_.qos_max = static_cast<mqtt::Qos>(said.maximum_qos.value_or(2));
  server_limits_.retain_available = said.retain_available.value_or(true);
}

void Session::resume(bool session_present) {
  if (!session_present) {
    received_exactly_once_.clear();
    subscriptions_.on_session_lost();
    call_all(publications_.on_session_lost());
  }
  call_all(publications_.give_up_unfit(server_limits_));
  pump();
}

Outcome Session::on_publish(const mqtt::FixedHeader& header, Bytes body) {
  const auto packet = mqtt::read_publish(version_, header.flags, body);
  if (!packet) return protocol_error(packet.error());
  if (packet->topic.empty())
    return protocol_error("PUBLISH: a topic alias, which we never allowed");
  switch (packet->qos) {
    case mqtt::Qos::kAtMostOnce:
      deliver(*packet);
      break;
    case mqtt::Qos::kAtLeastOnce:
      deliver(*packet);
      answer(mqtt::PacketType::kPuback, packet->packet_id);
      break;
    case mqtt::Qos::kExactlyOnce:
      if (received_exactly_once_.insert(static_cast<uint16_t>(packet->packet_id)).second) {
        deliver(*packet);
      }
      answer(mqtt::PacketType::kPubrec, packet->packet_id);
      break;
  }
  return {};
}

Outcome Session::on_pubrel(Bytes body) {
  const auto packet = mqtt::read_ack(version_, mqtt::PacketType::kPubrel, body);
  if (!packet) return protocol_error(packet.error());
  const bool known = received_exactly_once_.erase(static_cast<uint16_t>(packet->packet_id)) > 0;
  answer(mqtt::PacketType::kPubcomp, packet->packet_id,
         known ? ReasonCode::kSuccess : ReasonCode::kPacketIdentifierNotFound);
  return {};
}

Outcome Session::on_ack(mqtt::PacketType type, Bytes body) {
  const auto packet = mqtt::read_ack(version_, type, body);
  if (!packet) return protocol_error(packet.error());
  auto settled = publications_.on_ack(*packet, send_);
  pump();
  if (settled && settled->done) settled->done(settled->outcome);
  return {};
}

Outcome Session::on_disconnect(Bytes body) {
  const auto packet = mqtt::read_disconnect(version_, body);
  if (!packet) return protocol_error(packet.error());
  return refused(OutcomeKind::kServerDisconnect, "the server disconnected", packet->reason,
                 packet->properties.reason_string.value_or(std::string_view{}));
}

Outcome Session::settle(Result<std::optional<Subscriptions::Settled>> result) {
  if (!result) return protocol_error(result.error());
  if (!*result) return {};
  Subscriptions::Settled& settled = **result;
  if (settled.done) settled.done(settled.outcome, settled.codes);
  if (handlers_.on_subscription_lost) {
    for (const auto& [filter, why] : settled.lost) handlers_.on_subscription_lost(filter, why);
  }
  return {};
}

void Session::deliver(const mqtt::PublishPacket& packet) const {
  if (!handlers_.on_message) return;
  Message message;
  message.topic = packet.topic;
  message.payload = as_text(packet.payload);
  message.qos = static_cast<Qos>(packet.qos);
  message.retain = static_cast<Retain>(packet.retain);
  const mqtt::PublishProperties& properties = packet.properties;
  message.expiry_seconds = properties.message_expiry_seconds;
  message.content_type = properties.content_type;
  message.response_topic = properties.response_topic;
  if (properties.correlation_data) message.correlation_data = as_text(*properties.correlation_data);
  message.payload_is_text = properties.payload_format == uint8_t{1};
  properties.user_properties.for_each([&message](std::string_view name, std::string_view value) {
    message.user_properties.emplace_back(name, value);
  });
  handlers_.on_message(message);
}

void Session::answer(mqtt::PacketType type, mqtt::PacketId id, ReasonCode reason) {
  send(mqtt::AckPacket{type, id, reason, {}});
}

// --- From the user -------------------------------------------------------------------------------

void Session::pump() {
  if (state_ != State::kOnline) return;
  subscriptions_.pump(send_);
  publications_.pump(window_, send_);
}

bool Session::on_output_sent() {
  const auto sent = std::exchange(in_output_, {});
  for (const auto& done : sent) done({});
  return !sent.empty();
}

Outcome Session::publish(const Message& message, Client::Completion done) {
  if (Outcome check = check_message(message); !check.ok()) return check;
  ByteBuffer user_block;
  const mqtt::PublishPacket packet = publish_packet(message, user_block);
  const bool at_most_once = packet.qos == mqtt::Qos::kAtMostOnce;
  if (at_most_once && state_ != State::kOnline) {
    return failure(OutcomeKind::kNotConnected, "there is no connection",
                   "QoS 0 needs one; QoS 1 and 2 wait for it.");
  }
  ByteBuffer bytes;
  mqtt::write(bytes, version_, packet);
  if (state_ == State::kOnline) {
    if (Outcome fit = Publications::check_fit(bytes.view(), server_limits_); !fit.ok()) return fit;
  }
  if (at_most_once) {
    send_(bytes.view());
    if (done) in_output_.push_back(std::move(done));
    return {};
  }
  const std::size_t body = 2 + message.topic.size();  // up to the packet identifier
  const auto header = mqtt::read_fixed_header(bytes.view(), SIZE_MAX, version_);
  FL_ASSERT(header && *header);
  Outcome added = publications_.add(std::move(bytes), (*header)->header_size + body, packet.qos,
                                    std::move(done));
  pump();
  return added;
}

Outcome Session::subscribe(const std::vector<Subscription>& subscriptions, Client::Granted done) {
  if (subscriptions.empty()) return failure(OutcomeKind::kBadOptions, "there is no topic filter");
  for (const Subscription& subscription : subscriptions) {
    if (!fits(subscription.filter)) {
      return failure(OutcomeKind::kBadOptions, "a topic filter is not UTF-8 text");
    }
    if (auto filter = mqtt::split_filter(subscription.filter); !filter) {
      return failure(OutcomeKind::kBadOptions, filter.error().sentence);
    }
  }
  subscriptions_.subscribe(subscriptions, std::move(done));
  pump();
  return {};
}

Outcome Session::unsubscribe(const std::vector<std::string>& filters, Client::Completion done) {
  if (filters.empty()) return failure(OutcomeKind::kBadOptions, "there is no topic filter");
  if (!std::ranges::all_of(filters, [](const std::string& f) { return !f.empty() && fits(f); })) {
    return failure(OutcomeKind::kBadOptions, "a topic filter is empty or not UTF-8 text");
  }
  subscriptions_.unsubscribe(filters, std::move(done));
  pump();
  return {};
}

}  // namespace fairlead::sdk
