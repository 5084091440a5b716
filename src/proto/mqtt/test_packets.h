#pragma once

#include <deque>
#include <initializer_list>
#include <random>
#include <string>

#include "proto/mqtt/writer.h"

// For property tests: random valid packets of any type and version, as bytes.

namespace fairlead::mqtt::testing {

inline constexpr ProtocolVersion kVersions[] = {ProtocolVersion::k31, ProtocolVersion::k311,
                                                ProtocolVersion::k5};

class PacketMaker {
 public:
  explicit PacketMaker(uint64_t seed) : random_(seed) {}

  [[nodiscard]] std::size_t below(std::size_t limit) { return random_() % limit; }

  // A packet of the type; AUTH exists in MQTT 5.0 only.
  [[nodiscard]] ByteBuffer make(ProtocolVersion version, PacketType type) {
    version_ = version;
    texts_.clear();
    blocks_.clear();
    ByteBuffer out;
    switch (type) {
      case PacketType::kConnect:
        write(out, connect());
        break;
      case PacketType::kConnack:
        write(out, version, connack());
        break;
      case PacketType::kPublish:
        write(out, version, publish());
        break;
      case PacketType::kPuback:
      case PacketType::kPubrec:
      case PacketType::kPubrel:
      case PacketType::kPubcomp:
        write(out, version, ack(type));
        break;
      case PacketType::kSubscribe:
        write(out, version, subscribe());
        break;
      case PacketType::kSuback:
        write(out, version, suback());
        break;
      case PacketType::kUnsubscribe:
        write(out, version, unsubscribe());
        break;
      case PacketType::kUnsuback:
        write(out, version, unsuback());
        break;
      case PacketType::kPingreq:
        write(out, PingreqPacket{});
        break;
      case PacketType::kPingresp:
        write(out, PingrespPacket{});
        break;
      case PacketType::kDisconnect:
        write(out, version, disconnect());
        break;
      case PacketType::kAuth:
        write(out, auth());
        break;
    }
    return out;
  }

 private:
  [[nodiscard]] bool is_5() const { return version_ == ProtocolVersion::k5; }
  [[nodiscard]] bool coin() { return below(2) == 0; }
  [[nodiscard]] uint16_t number16() { return static_cast<uint16_t>(1 + below(0xffff)); }
  [[nodiscard]] uint32_t number32() { return static_cast<uint32_t>(1 + below(0xffffffff)); }
  [[nodiscard]] PacketId packet_id() { return PacketId{number16()}; }
  [[nodiscard]] Qos qos() { return static_cast<Qos>(below(3)); }

  // Texts of one to four bytes a character, now and then long enough for a length of two bytes.
  [[nodiscard]] std::string_view text(std::size_t size_min = 0) {
    static constexpr std::string_view kCharacters[] = {
        "a", "/", "$", "Z9", " ", "\xc3\xa9", "\xe4\xb8\xad", "\xf0\x9f\x98\x80", "\x7f", "\x01"};
    const std::size_t count = size_min + below(below(8) == 0 ? 200 : 12);
    std::string& made = texts_.emplace_back();
    for (std::size_t i = 0; i < count; ++i) made += kCharacters[below(std::size(kCharacters))];
    return made;
  }
  [[nodiscard]] Bytes binary() {
    std::string& made = texts_.emplace_back();
    for (std::size_t i = below(40); i > 0; --i) made += static_cast<char>(below(256));
    return as_bytes(made);
  }
  [[nodiscard]] ReasonCode one_of(std::initializer_list<int> codes) {
    return static_cast<ReasonCode>(*(codes.begin() + below(codes.size())));
  }

  // Sets an optional field, sometimes.
  template <class T, class Make>
  void maybe(std::optional<T>& field, Make&& make) {
    if (is_5() && coin()) field = static_cast<T>(make());
  }
  void maybe_text(std::optional<std::string_view>& field) {
    maybe(field, [this] { return text(); });
  }
  void maybe_binary(std::optional<Bytes>& field) {
    maybe(field, [this] { return binary(); });
  }
  void maybe16(std::optional<uint16_t>& field) {
    maybe(field, [this] { return number16(); });
  }
  void maybe32(std::optional<uint32_t>& field) {
    maybe(field, [this] { return number32(); });
  }
  template <class T>
  void maybe_bit(std::optional<T>& field) {
    maybe(field, [this] { return below(2) == 1; });
  }
  void maybe_method(std::optional<std::string_view>& method, std::optional<Bytes>& data) {
    maybe_text(method);
    if (method) maybe_binary(data);
  }

  [[nodiscard]] UserProperties user_properties() {
    if (!is_5() || coin()) return {};
    ByteBuffer& block = blocks_.emplace_back();
    for (std::size_t i = below(3); i > 0; --i) append_user_property(block, text(), text());
    return UserProperties(PropertyBlock(block.view()));
  }
  [[nodiscard]] SubscriptionIdentifiers subscription_identifiers() {
    if (!is_5() || coin()) return {};
    ByteBuffer& block = blocks_.emplace_back();
    for (std::size_t i = below(3); i > 0; --i) {
      append_subscription_identifier(block, 1 + number32() % kVarintMax);
    }
    return SubscriptionIdentifiers(PropertyBlock(block.view()));
  }
  [[nodiscard]] ReasonProperties reason_properties() {
    ReasonProperties properties;
    maybe_text(properties.reason_string);
    properties.user_properties = user_properties();
    return properties;
  }

  [[nodiscard]] ConnectPacket connect() {
    ConnectPacket packet;
    packet.version = version_;
    packet.clean_start = static_cast<CleanStart>(below(2));
    packet.keep_alive_seconds = number16();
    packet.client_id = text();
    if (coin()) packet.user_name = text();
    if ((packet.user_name || is_5()) && coin()) packet.password = binary();
    ConnectProperties& p = packet.properties;
    maybe32(p.session_expiry_seconds);
    maybe16(p.receive_maximum);
    maybe32(p.maximum_packet_size);
    maybe16(p.topic_alias_maximum);
    maybe_bit(p.request_response_information);
    maybe_bit(p.request_problem_information);
    maybe_method(p.authentication_method, p.authentication_data);
    p.user_properties = user_properties();
    if (coin()) packet.will = will();
    return packet;
  }

  [[nodiscard]] Will will() {
    Will will{text(1), binary(), qos(), static_cast<Retain>(below(2)), {}};
    maybe32(will.properties.will_delay_seconds);
    maybe_bit(will.properties.payload_format);
    maybe32(will.properties.message_expiry_seconds);
    maybe_text(will.properties.content_type);
    maybe_text(will.properties.response_topic);
    maybe_binary(will.properties.correlation_data);
    will.properties.user_properties = user_properties();
    return will;
  }

  [[nodiscard]] ConnackPacket connack() {
    ConnackPacket packet;
    packet.reason = one_of(is_5() ? std::initializer_list<int>{0, 0x80, 0x87, 0x9f}
                                  : std::initializer_list<int>{0, 0x84, 0x85, 0x86, 0x87, 0x88});
    if (packet.reason == ReasonCode::kSuccess && version_ != ProtocolVersion::k31) {
      packet.session_present = static_cast<ConnackPacket::SessionPresent>(below(2));
    }
    ConnackProperties& p = packet.properties;
    maybe32(p.session_expiry_seconds);
    maybe16(p.receive_maximum);
    maybe_bit(p.maximum_qos);
    maybe_bit(p.retain_available);
    maybe32(p.maximum_packet_size);
    maybe_text(p.assigned_client_id);
    maybe16(p.topic_alias_maximum);
    maybe_text(p.reason_string);
    maybe_bit(p.wildcard_subscription_available);
    maybe_bit(p.subscription_identifier_available);
    maybe_bit(p.shared_subscription_available);
    maybe16(p.server_keep_alive_seconds);
    maybe_text(p.response_information);
    maybe_text(p.server_reference);
    maybe_method(p.authentication_method, p.authentication_data);
    p.user_properties = user_properties();
    return packet;
  }

  [[nodiscard]] PublishPacket publish() {
    PublishPacket packet;
    packet.payload = binary();
    packet.qos = qos();
    packet.retain = static_cast<Retain>(below(2));
    if (packet.qos != Qos::kAtMostOnce) {
      packet.dup = static_cast<Dup>(below(2));
      packet.packet_id = packet_id();
    }
    PublishProperties& p = packet.properties;
    maybe_bit(p.payload_format);
    maybe32(p.message_expiry_seconds);
    maybe16(p.topic_alias);
    maybe_text(p.response_topic);
    maybe_binary(p.correlation_data);
    maybe_text(p.content_type);
    p.subscription_identifiers = subscription_identifiers();
    p.user_properties = user_properties();
    packet.topic = text(p.topic_alias ? 0 : 1);
    return packet;
  }

  [[nodiscard]] AckPacket ack(PacketType type) {
    AckPacket packet{type, packet_id(), ReasonCode::kSuccess, reason_properties()};
    const bool received = type == PacketType::kPuback || type == PacketType::kPubrec;
    if (is_5() && coin()) {
      packet.reason = received ? one_of({0x10, 0x80, 0x87, 0x97}) : one_of({0x92});
    }
    return packet;
  }

  [[nodiscard]] SubscribePacket subscribe() {
    SubscribePacket packet;
    packet.packet_id = packet_id();
    maybe(packet.properties.subscription_identifier,
          [this] { return 1 + number32() % kVarintMax; });
    packet.properties.user_properties = user_properties();
    for (std::size_t i = 1 + below(4); i > 0; --i) {
      SubscriptionOptions options{.qos = qos()};
      if (is_5()) {
        options.no_local = coin();
        options.retain_as_published = coin();
        options.retain_handling = static_cast<RetainHandling>(below(3));
      }
      packet.requests.push_back({text(), options});
    }
    return packet;
  }

  [[nodiscard]] SubackPacket suback() {
    SubackPacket packet{packet_id(), {}, reason_properties()};
    for (std::size_t i = 1 + below(5); i > 0; --i) {
      packet.reasons.push_back(is_5() ? one_of({0, 1, 2, 0x80, 0x8f, 0xa2})
                                      : one_of({0, 1, 2, 0x80}));
    }
    return packet;
  }

  [[nodiscard]] UnsubscribePacket unsubscribe() {
    UnsubscribePacket packet{packet_id(), {}, user_properties()};
    for (std::size_t i = 1 + below(4); i > 0; --i) packet.filters.push_back(text());
    return packet;
  }

  [[nodiscard]] UnsubackPacket unsuback() {
    UnsubackPacket packet{packet_id(), {}, reason_properties()};
    if (!is_5()) return packet;
    for (std::size_t i = 1 + below(5); i > 0; --i) {
      packet.reasons.push_back(one_of({0, 0x11, 0x80, 0x91}));
    }
    return packet;
  }

  [[nodiscard]] DisconnectPacket disconnect() {
    DisconnectPacket packet;
    if (!is_5()) return packet;
    packet.reason = one_of({0, 0x04, 0x81, 0x8e, 0x98, 0xa2});
    maybe32(packet.properties.session_expiry_seconds);
    maybe_text(packet.properties.reason_string);
    maybe_text(packet.properties.server_reference);
    packet.properties.user_properties = user_properties();
    return packet;
  }

  [[nodiscard]] AuthPacket auth() {
    AuthPacket packet{one_of({0, 0x18, 0x19}), {}};
    packet.properties.authentication_method = text();
    maybe_binary(packet.properties.authentication_data);
    maybe_text(packet.properties.reason_string);
    packet.properties.user_properties = user_properties();
    return packet;
  }

  std::mt19937_64 random_;
  ProtocolVersion version_ = ProtocolVersion::k311;
  std::deque<std::string> texts_;
  std::deque<ByteBuffer> blocks_;
};

}  // namespace fairlead::mqtt::testing
