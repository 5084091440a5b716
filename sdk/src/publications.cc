#include "publications.h"

#include <algorithm>

#include "outcome.h"
#include "proto/mqtt/writer.h"

namespace fairlead::sdk {
namespace {

constexpr std::byte kDupFlag{0x08};  // MQTT 5.0 section 3.3.1.1

std::string_view said(const mqtt::AckPacket& ack) {
  return ack.properties.reason_string.value_or(std::string_view{});
}

}  // namespace

Outcome Publications::add(ByteBuffer packet, std::size_t id_at, mqtt::Qos qos,
                          Client::Completion done) {
  if (entries_.size() >= limits_.count_max || packet.size() > limits_.bytes_max - bytes_) {
    return failure(OutcomeKind::kQueueFull,
                   "too many messages wait to be sent: " + std::to_string(entries_.size()),
                   "Publish more slowly, or raise the limits of the queue.");
  }
  bytes_ += packet.size();
  entries_.push_back({std::move(packet), std::move(done), id_at, {}, qos, State::kUnsent});
  return {};
}

void Publications::pump(uint16_t window, const PacketSink& send) {
  while (sent_count_ < window && sent_count_ < entries_.size()) {
    Entry& entry = entries_[sent_count_];
    if (entry.id == mqtt::PacketId{}) {
      if (ids_.taken_count() >= PacketIds::kCountMax) return;
      entry.id = ids_.take();
      store_be(entry.packet.data() + entry.id_at, static_cast<uint16_t>(entry.id));
    }
    ++sent_count_;
    send_entry(entry, send);
  }
}

void Publications::send_entry(Entry& entry, const PacketSink& send) {
  switch (entry.state) {
    case State::kAwaitPubcomp:
      return send_pubrel(entry.id, ReasonCode::kSuccess, send);
    case State::kUnsent:
      entry.state =
          entry.qos == mqtt::Qos::kAtLeastOnce ? State::kAwaitPuback : State::kAwaitPubrec;
      return send(entry.packet.view());
    case State::kAwaitPuback:
    case State::kAwaitPubrec:
      entry.packet.data()[0] |= kDupFlag;
      return send(entry.packet.view());
  }
  unreachable();
}

void Publications::send_pubrel(mqtt::PacketId id, ReasonCode reason, const PacketSink& send) const {
  ByteBuffer out;
  mqtt::write(out, version_, mqtt::AckPacket{mqtt::PacketType::kPubrel, id, reason, {}});
  send(out.view());
}

Publications::Entries::iterator Publications::find_sent(mqtt::PacketId id) {
  const auto end = entries_.begin() + static_cast<std::ptrdiff_t>(sent_count_);
  const auto found = std::find_if(entries_.begin(), end, [&](auto& e) { return e.id == id; });
  return found == end ? entries_.end() : found;
}

Publications::Settled Publications::settle(Entries::iterator entry, Outcome outcome) {
  Settled settled{std::move(entry->done), std::move(outcome)};
  if (entry->id != mqtt::PacketId{}) ids_.give_back(entry->id);
  bytes_ -= entry->packet.size();
  if (entry - entries_.begin() < static_cast<std::ptrdiff_t>(sent_count_)) --sent_count_;
  entries_.erase(entry);
  return settled;
}

std::optional<Publications::Settled> Publications::on_ack(const mqtt::AckPacket& ack,
                                                          const PacketSink& send) {
  const auto entry = find_sent(ack.packet_id);
  const bool known = entry != entries_.end();
  const auto outcome = [&ack] {
    return is_error(ack.reason)
               ? refused(OutcomeKind::kRefused, mqtt::packet_name(ack.type), ack.reason, said(ack))
               : Outcome{};
  };
  switch (ack.type) {
    case mqtt::PacketType::kPuback:
      if (known && entry->state == State::kAwaitPuback) return settle(entry, outcome());
      return std::nullopt;
    case mqtt::PacketType::kPubrec:
      if (!known) {
        // Of a session that we have forgotten: the server waits for an answer all the same.
        if (!is_error(ack.reason)) {
          send_pubrel(ack.packet_id, ReasonCode::kPacketIdentifierNotFound, send);
        }
        return std::nullopt;
      }
      if (entry->qos != mqtt::Qos::kExactlyOnce) return std::nullopt;
      if (is_error(ack.reason)) return settle(entry, outcome());
      entry->state = State::kAwaitPubcomp;
      send_entry(*entry, send);
      return std::nullopt;
    case mqtt::PacketType::kPubcomp:
      // Packet Identifier not found means that it had been completed before: success.
      if (known && entry->state == State::kAwaitPubcomp) return settle(entry, {});
      return std::nullopt;
    default:
      unreachable();
  }
}

std::vector<Publications::Settled> Publications::on_session_lost() {
  FL_ASSERT(sent_count_ == 0);
  std::vector<Settled> settled;
  for (std::size_t i = 0; i < entries_.size();) {
    Entry& entry = entries_[i];
    if (entry.state == State::kAwaitPubcomp) {
      settled.push_back(settle(entries_.begin() + static_cast<std::ptrdiff_t>(i), {}));
      continue;
    }
    entry.packet.data()[0] &= ~kDupFlag;
    entry.state = State::kUnsent;
    ++i;
  }
  return settled;
}

Outcome Publications::check_fit(Bytes packet, const ServerLimits& limits) {
  const auto flags = std::to_integer<uint8_t>(packet[0]);
  const auto unfit = [](ReasonCode reason, std::string sentence) {
    return Outcome{OutcomeKind::kRefused, static_cast<uint8_t>(reason), std::move(sentence), {}};
  };
  if (packet.size() > limits.packet_bytes_max) {
    return unfit(ReasonCode::kPacketTooLarge, "the message is larger than the server's " +
                                                  std::to_string(limits.packet_bytes_max) +
                                                  " bytes");
  }
  if (((flags >> 1) & 3) > static_cast<int>(limits.qos_max)) {
    return unfit(ReasonCode::kQosNotSupported, "the server does not take messages of this QoS");
  }
  if ((flags & 1) != 0 && !limits.retain_available) {
    return unfit(ReasonCode::kRetainNotSupported, "the server does not retain messages");
  }
  return {};
}

std::vector<Publications::Settled> Publications::give_up_unfit(const ServerLimits& limits) {
  FL_ASSERT(sent_count_ == 0);
  std::vector<Settled> settled;
  for (std::size_t i = 0; i < entries_.size();) {
    Outcome fit = check_fit(entries_[i].packet.view(), limits);
    if (fit.ok() || entries_[i].state == State::kAwaitPubcomp) {
      ++i;
    } else {
      settled.push_back(settle(entries_.begin() + static_cast<std::ptrdiff_t>(i), std::move(fit)));
    }
  }
  return settled;
}

std::vector<Publications::Settled> Publications::give_up(const Outcome& why) {
  std::vector<Settled> settled;
  while (!entries_.empty()) settled.push_back(settle(entries_.begin(), why));
  return settled;
}

}  // namespace fairlead::sdk
