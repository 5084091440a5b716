#include "differential/heard.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace fairlead::testing {
namespace {

constexpr std::size_t kNameBytesMax = 12;
constexpr uint32_t kExpiryStep = 100;

std::string hex(unsigned value) {
  std::array<char, 8> text;
  std::snprintf(text.data(), text.size(), "%02x", value);
  return text.data();
}

void note(std::string& text, std::string_view name, const auto& value) {
  text += ' ';
  text += name;
  text += '=';
  text += value;
}

// Seconds pass while a message is on its way.
uint32_t rounded(uint32_t expiry) { return (expiry + kExpiryStep - 1) / kExpiryStep * kExpiryStep; }

void hear_publish(const mqtt::PublishPacket& packet, Heard& heard) {
  heard.name = name_of(as_text(packet.payload));
  heard.topic = packet.topic;
  heard.qos = packet.qos;
  heard.dup = packet.dup == mqtt::Dup::kYes;
  heard.retain = packet.retain == Retain::kYes;
  const mqtt::PublishProperties& with = packet.properties;
  with.subscription_identifiers.for_each([&](uint32_t id) { heard.identifiers.push_back(id); });
  std::sort(heard.identifiers.begin(), heard.identifiers.end());
  std::string& text = heard.properties;
  if (with.message_expiry_seconds) {
    note(text, "expiry", std::to_string(rounded(*with.message_expiry_seconds)));
  }
  if (with.payload_format) note(text, "format", std::to_string(*with.payload_format));
  if (with.content_type) note(text, "content", *with.content_type);
  if (with.response_topic) note(text, "response", *with.response_topic);
  if (with.correlation_data) note(text, "correlation", as_text(*with.correlation_data));
  with.user_properties.for_each([&](auto name, auto value) { note(text, name, value); });
}

void hear_connack(const mqtt::ConnackPacket& packet, Heard& heard) {
  heard.session_present = packet.session_present == mqtt::ConnackPacket::SessionPresent::kYes;
  const mqtt::ConnackProperties& with = packet.properties;
  std::string& text = heard.properties;
  auto flag = [&text](std::string_view name, const auto& value) {
    if (value) note(text, name, std::to_string(static_cast<uint32_t>(*value)));
  };
  flag("expiry", with.session_expiry_seconds);
  flag("maximum-qos", with.maximum_qos);
  flag("retain", with.retain_available);
  flag("wildcards", with.wildcard_subscription_available);
  flag("identifiers", with.subscription_identifier_available);
  flag("shared", with.shared_subscription_available);
  flag("keep-alive", with.server_keep_alive_seconds);
  if (with.assigned_client_id) text += " assigned-id";
  if (with.response_information) note(text, "response-information", *with.response_information);
  if (with.server_reference) note(text, "reference", *with.server_reference);
  with.user_properties.for_each([&](auto name, auto value) { note(text, name, value); });
}

// The codes stand behind the identifier in the line that TestClient makes.
std::vector<uint8_t> codes_in(std::string_view line) {
  std::vector<uint8_t> codes;
  std::size_t at = line.find(' ', line.find(' ') + 1);
  while (at != std::string_view::npos) {
    const std::size_t end = line.find(' ', at + 1);
    codes.push_back(
        static_cast<uint8_t>(std::stoul(std::string(line.substr(at + 1, end - at - 1)), {}, 16)));
    at = end;
  }
  return codes;
}

uint16_t id_in(std::string_view line) {
  return static_cast<uint16_t>(std::stoul(std::string(line.substr(line.find(' ') + 1))));
}

}  // namespace

std::string name_of(std::string_view payload) {
  return payload.empty() ? "(empty)" : std::string(payload.substr(0, kNameBytesMax));
}

Heard hear(const TestClient& client, std::string_view line) {
  Heard heard;
  if (line == "CLOSED") {
    heard.kind = Heard::Kind::kClosed;
    return heard;
  }
  const std::string_view kind = line.substr(0, line.find(' '));
  auto is = [kind](PacketType type) { return kind == mqtt::packet_name(type); };
  for (int i = 1; i <= 15; ++i) {
    if (is(static_cast<PacketType>(i))) heard.type = static_cast<PacketType>(i);
  }
  switch (heard.type) {
    case PacketType::kPublish:
      hear_publish(client.last_publish(), heard);
      break;
    case PacketType::kConnack:
      hear_connack(client.last_connack(), heard);
      heard.codes = {std::to_integer<uint8_t>(client.last_bytes()[3])};
      break;
    case PacketType::kPuback:
    case PacketType::kPubrec:
    case PacketType::kPubrel:
    case PacketType::kPubcomp:
    case PacketType::kSuback:
    case PacketType::kUnsuback:
      heard.packet_id = id_in(line);
      heard.codes = codes_in(line);
      break;
    case PacketType::kDisconnect:
      heard.codes = {static_cast<uint8_t>(client.last_disconnect().reason)};
      break;
    default:
      break;
  }
  return heard;
}

std::string to_line(const Heard& heard) {
  if (heard.kind == Heard::Kind::kClosed) return "CLOSED";
  std::string line(mqtt::packet_name(heard.type));
  if (heard.packet_id != 0) line += ' ' + std::to_string(heard.packet_id);
  if (!heard.topic.empty()) line += ' ' + heard.topic;
  if (!heard.name.empty()) line += ' ' + heard.name;
  if (heard.type == PacketType::kPublish)
    line += " q" + std::to_string(static_cast<int>(heard.qos));
  if (heard.dup) line += " dup";
  if (heard.retain) line += " retain";
  for (const uint32_t id : heard.identifiers) line += " #" + std::to_string(id);
  for (const uint8_t code : heard.codes) line += ' ' + hex(code);
  if (heard.session_present) line += " present";
  line += heard.properties;
  if (!heard.complaint.empty()) line += " !! " + heard.complaint;
  return line;
}

}  // namespace fairlead::testing
