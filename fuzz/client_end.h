#pragma once

#include <sys/socket.h>

#include <array>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "net/unique_fd.h"
#include "proto/http/response.h"
#include "proto/mqtt/reader.h"
#include "proto/mqtt/topic.h"
#include "proto/mqtt/writer.h"
#include "proto/ws/frame_reader.h"
#include "proto/ws/frame_writer.h"

// The client's end of a scripted connection, for connection_fuzz: takes apart what the server sends
// and asserts that it is what a client of that version may be sent.

namespace fairlead::fuzz {

class ClientEnd {
 public:
  // What CONNECT said, where the script made it and sent nothing odd before or after: then packet
  // identifiers, window, sizes and aliases can be checked.
  struct Terms {
    mqtt::ProtocolVersion version = mqtt::ProtocolVersion::k311;
    std::size_t window = 65'535;
    std::size_t packet_bytes_max = mqtt::kNoPacketSizeLimit;
    uint16_t alias_max = 0;
  };

  explicit ClientEnd(UniqueFd fd) : fd_(std::move(fd)) {}

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] mqtt::ProtocolVersion version() const { return terms_.version; }
  [[nodiscard]] bool reading() const { return reading_; }
  void set_reading(bool reading) { reading_ = reading; }
  // One line for each thing that came; the same however the client's bytes were cut.
  [[nodiscard]] const std::string& transcript() const { return transcript_; }

  // The bytes as they go to the socket: in a masked frame, once WebSocket was asked for.
  [[nodiscard]] ByteBuffer framed(Bytes packet) const {
    ByteBuffer out;
    if (framed_) {
      append_frame(out, Opcode::kBinary, packet,
                   MaskKey{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}});
    } else {
      out.append(packet);
    }
    return out;
  }
  void on_upgrade_asked() { framed_ = true; }
  void on_connect_made(const Terms& terms) {
    if (!exact_ || asked_) {
      exact_ = false;
      return;
    }
    asked_ = true;
    terms_ = terms;
  }
  // Bytes of any kind are sent: from now on nobody knows what the client has said.
  void on_raw() { exact_ = false; }

  // The next acknowledgement that the client owes.
  [[nodiscard]] std::optional<mqtt::AckPacket> take_owed() {
    if (owed_.empty()) return std::nullopt;
    const mqtt::AckPacket ack = owed_.front();
    owed_.pop_front();
    return ack;
  }
  void on_acked(const mqtt::AckPacket& ack) {
    const bool ends = ack.type == mqtt::PacketType::kPuback ||
                      ack.type == mqtt::PacketType::kPubcomp || is_error(ack.reason);
    if (ends && ack.type != mqtt::PacketType::kPubrel) unsettled_.erase(ack.packet_id);
  }

  // Takes what the socket has.
  void read() {
    if (!reading_ || ended_) return;
    std::array<std::byte, 4096> bytes;
    for (;;) {
      const ssize_t count = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
      if (count == 0) ended_ = true;
      if (count <= 0) return;
      take(MutableBytes(bytes).first(static_cast<std::size_t>(count)));
    }
  }

 private:
  enum class Speech : uint8_t { kUnknown, kHttpHead, kBody, kFrames, kMqtt };
  enum class Phase : uint8_t { kAwaitConnack, kOpen, kOver };

  struct Sink {
    ClientEnd& end;
    Flow on_data(MutableBytes piece) {
      end.stream_.append(piece);
      return Flow::kContinue;
    }
    // One packet in each message, and nothing else.
    Flow on_message_end(Opcode kind) {
      FL_ASSERT(kind == Opcode::kBinary);
      FL_ASSERT(end.take_packet() && end.stream_.empty());
      return Flow::kContinue;
    }
    Flow on_ping(Bytes) { return end.note("ping"); }
    Flow on_pong(Bytes payload) { return end.note("pong " + std::to_string(payload.size())); }
    Flow on_close(CloseCode code, std::string_view) {
      end.phase_ = Phase::kOver;
      end.closed_ = true;
      return end.note("close " + std::to_string(static_cast<int>(code)));
    }
  };

  Flow note(const std::string& line) {
    transcript_.append(line).append("\n");
    return Flow::kContinue;
  }

  void take(MutableBytes bytes) {
    FL_ASSERT(!closed_);
    if (speech_ == Speech::kUnknown) {
      speech_ = bytes[0] == std::byte{'H'} ? Speech::kHttpHead : Speech::kMqtt;
    }
    if (speech_ == Speech::kFrames) return take_frames(bytes);
    if (speech_ == Speech::kBody) return;
    stream_.append(bytes);
    if (speech_ == Speech::kHttpHead) return take_head();
    while (take_packet()) {
    }
  }

  void take_head() {
    const auto parsed = parse_response_head(stream_.view());
    if (std::holds_alternative<HeadNeedsMore>(parsed)) return;
    const auto& head = std::get<ResponseHead>(parsed);
    note("HTTP " + std::to_string(head.status));
    ByteBuffer rest;
    rest.append(stream_.view().subspan(head.head_size));
    framed_ = head.status == 101;
    speech_ = framed_ ? Speech::kFrames : Speech::kBody;
    stream_.clear();
    if (framed_) take_frames(rest.mutable_view());
  }

  void take_frames(MutableBytes bytes) { FL_ASSERT(!frames_.feed(bytes, Sink{*this})); }

  // False when there is no whole packet.
  bool take_packet() {
    const auto header = mqtt::read_fixed_header(stream_.view(), mqtt::kNoPacketSizeLimit);
    FL_ASSERT(header.ok());
    if (!*header || (*header)->packet_size() > stream_.size()) return false;
    const Bytes body = stream_.view().subspan((*header)->header_size, (*header)->remaining_length);
    on_packet(**header, body);
    stream_.consume((*header)->packet_size());
    return true;
  }

  void on_packet(const mqtt::FixedHeader& header, Bytes body) {
    using mqtt::PacketType;
    FL_ASSERT(phase_ != Phase::kOver);
    FL_ASSERT((phase_ == Phase::kAwaitConnack) == (header.type == PacketType::kConnack));
    note(std::string(mqtt::packet_name(header.type)) + " " + std::to_string(header.packet_size()));
    if (exact_) FL_ASSERT(header.packet_size() <= terms_.packet_bytes_max);
    switch (header.type) {
      case PacketType::kConnack:
        return on_connack(body);
      case PacketType::kPublish:
        return on_publish(header, body);
      case PacketType::kPuback:
      case PacketType::kPubrec:
      case PacketType::kPubrel:
      case PacketType::kPubcomp:
        return on_ack(header.type, body);
      case PacketType::kSuback:
        FL_ASSERT(mqtt::read_suback(version(), body).ok());
        return;
      case PacketType::kUnsuback:
        FL_ASSERT(mqtt::read_unsuback(version(), body).ok());
        return;
      case PacketType::kPingresp:
        FL_ASSERT(body.empty());
        return;
      case PacketType::kDisconnect:
        FL_ASSERT(is_v5() && mqtt::read_disconnect(version(), body).ok());
        phase_ = Phase::kOver;
        return;
      case PacketType::kConnect:
      case PacketType::kSubscribe:
      case PacketType::kUnsubscribe:
      case PacketType::kPingreq:
      case PacketType::kAuth:
        FL_ASSERT(header.type == PacketType::kConnack);  // a server sends none of these
    }
  }

  void on_connack(Bytes body) {
    // A CONNACK of 5.0 is three bytes or more: it has the length of its properties.
    const auto said = body.size() == 2 ? mqtt::ProtocolVersion::k311 : mqtt::ProtocolVersion::k5;
    FL_ASSERT(!exact_ || !asked_ || is_v5() == (said == mqtt::ProtocolVersion::k5));
    if (!exact_) terms_.version = said;
    const auto connack = mqtt::read_connack(said, body);
    FL_ASSERT(connack.ok());
    phase_ = is_error(connack->reason) ? Phase::kOver : Phase::kOpen;
    note("reason " + std::to_string(static_cast<int>(connack->reason)));
  }

  void on_publish(const mqtt::FixedHeader& header, Bytes body) {
    const auto packet = mqtt::read_publish(version(), header.flags, body);
    FL_ASSERT(packet.ok());
    check_topic(*packet);
    if (packet->qos == mqtt::Qos::kAtMostOnce) return;
    const bool once = packet->qos == mqtt::Qos::kExactlyOnce;
    mqtt::AckPacket ack;
    ack.type = once ? mqtt::PacketType::kPubrec : mqtt::PacketType::kPuback;
    ack.packet_id = packet->packet_id;
    owed_.push_back(ack);
    const bool is_new = unsettled_.insert(packet->packet_id).second;
    FL_ASSERT(!exact_ || (is_new && unsettled_.size() <= terms_.window));
  }

  void check_topic(const mqtt::PublishPacket& packet) {
    const auto alias = packet.properties.topic_alias;
    if (alias && packet.topic.empty()) {
      FL_ASSERT(aliases_.contains(*alias));
      return;
    }
    FL_ASSERT(mqtt::check_topic_name(packet.topic).ok());
    if (!alias) return;
    FL_ASSERT(!exact_ || *alias <= terms_.alias_max);
    aliases_.insert(*alias);
  }

  void on_ack(mqtt::PacketType type, Bytes body) {
    const auto packet = mqtt::read_ack(version(), type, body);
    FL_ASSERT(packet.ok());
    mqtt::AckPacket answer = *packet;
    answer.properties = {};
    answer.reason = ReasonCode::kSuccess;
    if (type == mqtt::PacketType::kPubrec && !is_error(packet->reason)) {
      answer.type = mqtt::PacketType::kPubrel;
      owed_.push_back(answer);
    } else if (type == mqtt::PacketType::kPubrel) {
      answer.type = mqtt::PacketType::kPubcomp;
      owed_.push_back(answer);
    }
  }

  [[nodiscard]] bool is_v5() const { return version() == mqtt::ProtocolVersion::k5; }

  UniqueFd fd_;
  FrameReader frames_{Role::kClient, {.message_bytes_max = 1u << 20}};
  ByteBuffer stream_;  // of the head, or of MQTT
  Speech speech_ = Speech::kUnknown;
  Phase phase_ = Phase::kAwaitConnack;
  Terms terms_;
  bool exact_ = true;    // terms_ is what the server was told
  bool asked_ = false;   // CONNECT was sent
  bool framed_ = false;  // WebSocket
  bool reading_ = true;
  bool ended_ = false;   // the server's side of the socket
  bool closed_ = false;  // by a close frame
  std::set<uint16_t> aliases_;
  std::set<mqtt::PacketId> unsettled_;
  std::deque<mqtt::AckPacket> owed_;
  std::string transcript_;
};

}  // namespace fairlead::fuzz
