#include "support/test_client.h"

#include <array>
#include <cstdio>

namespace fairlead::testing {
namespace {

std::string hex(unsigned value) {
  std::array<char, 8> text;
  std::snprintf(text.data(), text.size(), "%02x", value);
  return text.data();
}

std::string number(PacketId id) { return std::to_string(static_cast<unsigned>(id)); }

template <class T>
const T& must(const Result<T>& result) {
  if (!result) throw TestFailure("the server sent nonsense: " + result.error().sentence);
  return *result;
}

std::string at_line(const Where& at) {
  return std::string(at.file) + ":" + std::to_string(at.line);
}

}  // namespace

std::string_view version_name(ProtocolVersion version) {
  switch (version) {
    case ProtocolVersion::k31:
      return "v31";
    case ProtocolVersion::k311:
      return "v311";
    case ProtocolVersion::k5:
      return "v5";
  }
  unreachable();
}

TestClient::TestClient(const TestServer& server, Transport transport, ProtocolVersion version,
                       WireOptions options)
    : TestClient(server.address(), transport, version, std::move(options)) {}

TestClient::TestClient(const SocketAddress& address, Transport transport, ProtocolVersion version,
                       WireOptions options)
    : wire_(address, transport, std::move(options)), version_(version) {}

std::string_view TestClient::keep(std::string text) { return texts_.emplace_back(std::move(text)); }

// --- CONNECT -------------------------------------------------------------------------------------

mqtt::ConnectPacket TestClient::hello(std::string_view client_id, CleanStart clean) {
  mqtt::ConnectPacket packet;
  packet.version = version_;
  packet.clean_start = clean;
  packet.keep_alive_seconds = 300;
  packet.client_id = keep(std::string(client_id));
  // A session that is kept, as in 3.x.
  if (is_v5() && clean == CleanStart::kNo) packet.properties.session_expiry_seconds = 3600;
  return packet;
}

mqtt::ConnectPacket TestClient::device_hello(const TestDevice& device, CleanStart clean) {
  const std::string registered = device.name == "device" ? "secret" : "secret-" + device.name;
  const ConnectCredentials made =
      make_connect_credentials({.product_key = device.product_key,
                                .device_name = device.name,
                                .device_secret = device.secret.empty() ? registered : device.secret,
                                .client_id = "12345",
                                .timestamp = "789",
                                .method = device.method,
                                .secure_mode = device.secure_mode});
  std::string client_id = made.client_id;
  if (!device.extra.empty()) client_id.insert(client_id.size() - 1, "," + device.extra);
  mqtt::ConnectPacket packet = hello(client_id, clean);
  packet.user_name = keep(made.user_name);
  packet.password = as_bytes(keep(made.password));
  return packet;
}

mqtt::ConnectPacket TestClient::app_hello(std::string_view name, std::string_view client_id,
                                          CleanStart clean) {
  mqtt::ConnectPacket packet = hello(client_id, clean);
  packet.user_name = keep(std::string(name));
  packet.password = as_bytes(keep(std::string(name) + "-pass"));
  return packet;
}

mqtt::ConnackPacket TestClient::connect(const mqtt::ConnectPacket& packet) {
  send(packet);
  const std::string answer = next();
  if (!answer.starts_with("CONNACK 0") || answer.starts_with("CONNACK 0x")) {
    throw TestFailure("CONNECT was answered by: " + answer);
  }
  return last_connack();
}

// --- Saying --------------------------------------------------------------------------------------

void TestClient::ack(PacketType type, uint16_t id, ReasonCode reason) {
  send(
      mqtt::AckPacket{.type = type, .packet_id = PacketId{id}, .reason = reason, .properties = {}});
}

void TestClient::disconnect(ReasonCode reason) {
  send(mqtt::DisconnectPacket{.reason = reason, .properties = {}});
}

uint16_t TestClient::send_publish(std::string_view topic, std::string_view payload, Qos qos,
                                  Retain retain, const mqtt::PublishProperties& with) {
  const uint16_t id = qos == kQos0 ? uint16_t{0} : next_id();
  send(mqtt::PublishPacket{.topic = topic,
                           .payload = as_bytes(payload),
                           .packet_id = PacketId{id},
                           .qos = qos,
                           .retain = retain,
                           .properties = with});
  return id;
}

void TestClient::publish(std::string_view topic, std::string_view payload, Qos qos, Retain retain,
                         const mqtt::PublishProperties& with) {
  const uint16_t id = send_publish(topic, payload, qos, retain, with);
  const std::string number_text = std::to_string(id);
  switch (qos) {
    case Qos::kAtMostOnce:
      ping();
      return expect_ack("PINGRESP");
    case Qos::kAtLeastOnce:
      return expect_ack("PUBACK " + number_text);
    case Qos::kExactlyOnce:
      expect_ack("PUBREC " + number_text);
      ack(PacketType::kPubrel, id);
      return expect_ack("PUBCOMP " + number_text);
  }
}

uint16_t TestClient::send_subscribe(const std::vector<mqtt::SubscriptionRequest>& requests,
                                    std::optional<uint32_t> identifier) {
  const uint16_t id = next_id();
  mqtt::SubscribePacket packet{.packet_id = PacketId{id}, .requests = requests, .properties = {}};
  packet.properties.subscription_identifier = identifier;
  send(packet);
  return id;
}

std::string TestClient::subscribe(const std::vector<mqtt::SubscriptionRequest>& requests,
                                  std::optional<uint32_t> identifier) {
  const std::string front = "SUBACK " + std::to_string(send_subscribe(requests, identifier)) + " ";
  const std::string line = next();
  if (!line.starts_with(front)) throw TestFailure("SUBSCRIBE was answered by: " + line);
  return line.substr(front.size());
}

std::string TestClient::subscribe(std::string_view filter, Qos qos) {
  return subscribe({mqtt::SubscriptionRequest{.filter = filter, .options = {.qos = qos}}});
}

std::string TestClient::unsubscribe(std::string_view filter) {
  const uint16_t id = next_id();
  send(mqtt::UnsubscribePacket{
      .packet_id = PacketId{id}, .filters = {filter}, .user_properties = {}});
  const std::string front = "UNSUBACK " + std::to_string(id);
  const std::string line = next();
  if (!line.starts_with(front)) throw TestFailure("UNSUBSCRIBE was answered by: " + line);
  return line.substr(std::min(front.size() + 1, line.size()));
}

// --- Expecting -----------------------------------------------------------------------------------

bool TestClient::take_packet() {
  for (;;) {
    auto header = mqtt::read_fixed_header(wire_.stream().view(), 64u << 20);
    if (must(header) && (*header)->packet_size() <= wire_.stream().size()) {
      header_ = **header;
      last_.clear();
      last_.append(wire_.stream().view().first(header_.packet_size()));
      wire_.stream().consume(header_.packet_size());
      return true;
    }
    if (!wire_.fill()) {
      if (!wire_.stream().empty()) throw TestFailure("closed in the middle of a packet");
      return false;
    }
  }
}

std::string TestClient::next() {
  if (take_early()) return describe();
  if (!take_packet()) return "CLOSED";
  EXPECT_TRUE(wire_.one_packet_per_message())
      << "a WebSocket message is not one packet, or not binary";
  return describe();
}

void TestClient::expect(std::string_view line, Where at) {
  const std::string got = next();
  if (got != line) {
    throw TestFailure(at_line(at) + ": expected " + std::string(line) + ", got " + got);
  }
}

bool TestClient::take_early() {
  if (early_.empty()) return false;
  last_ = std::move(early_.front());
  early_.pop_front();
  header_ = **mqtt::read_fixed_header(last_.view(), last_.size(), version_);
  return true;
}

void TestClient::expect_ack(std::string_view line, Where at) {
  std::deque<ByteBuffer> before = std::exchange(early_, {});
  std::string got = next();
  for (; got.starts_with("PUBLISH "); got = next()) before.push_back(std::move(last_));
  early_ = std::move(before);
  if (got != line && got != std::string(line) + " 0x10") {
    throw TestFailure(at_line(at) + ": expected " + std::string(line) + ", got " + got);
  }
}

std::string TestClient::receive() {
  std::string line = next();
  if (!line.starts_with("PUBLISH ")) throw TestFailure("expected a PUBLISH, got " + line);
  const uint16_t id = last_id();
  const Qos qos = last_publish().qos;
  if (qos == kQos1) ack(PacketType::kPuback, id);
  if (qos == kQos2) {
    ByteBuffer publish;
    publish.append(last_.view());
    const mqtt::FixedHeader header = header_;
    ack(PacketType::kPubrec, id);
    expect_ack("PUBREL " + std::to_string(id));
    ack(PacketType::kPubcomp, id);
    last_ = std::move(publish);
    header_ = header;
  }
  return line;
}

void TestClient::expect_receive(std::string_view line, Where at) {
  const std::string got = receive();
  if (got != line) {
    throw TestFailure(at_line(at) + ": expected " + std::string(line) + ", got " + got);
  }
}

void TestClient::expect_silence(TestServer& server, Where at) {
  server.settle();
  ping();
  expect("PINGRESP", at);
}

void TestClient::expect_closed(Where at) { expect("CLOSED", at); }

void TestClient::expect_disconnect(ReasonCode reason, Where at) {
  if (is_v5()) expect("DISCONNECT 0x" + hex(static_cast<unsigned>(reason)), at);
  expect("CLOSED", at);
}

int TestClient::close_code() {
  while (wire_.fill()) {
  }
  return wire_.close_code() ? static_cast<int>(*wire_.close_code()) : 0;
}

mqtt::PublishPacket TestClient::last_publish() const {
  return must(mqtt::read_publish(version_, header_.flags, body()));
}
mqtt::ConnackPacket TestClient::last_connack() const {
  return must(mqtt::read_connack(version_, body()));
}
mqtt::AckPacket TestClient::last_ack() const {
  return must(mqtt::read_ack(version_, header_.type, body()));
}
mqtt::DisconnectPacket TestClient::last_disconnect() const {
  return must(mqtt::read_disconnect(version_, body()));
}
uint16_t TestClient::last_id() const {
  return static_cast<uint16_t>(header_.type == PacketType::kPublish ? last_publish().packet_id
                                                                    : last_ack().packet_id);
}

// --- Lines ---------------------------------------------------------------------------------------

std::string TestClient::code(ReasonCode reason) const {
  return reason == ReasonCode::kSuccess ? "" : " 0x" + hex(static_cast<unsigned>(reason));
}

std::string TestClient::describe_publish() const {
  const mqtt::PublishPacket packet = last_publish();
  std::string line = "PUBLISH " + std::string(packet.topic) + ' ' +
                     std::string(as_text(packet.payload)) + " q" +
                     std::to_string(static_cast<int>(packet.qos));
  if (packet.dup == mqtt::Dup::kYes) line += " dup";
  if (packet.retain == Retain::kYes) line += " retain";
  return line;
}

std::string TestClient::describe() const {
  std::string line(mqtt::packet_name(header_.type));
  switch (header_.type) {
    case PacketType::kConnack: {
      const auto packet = last_connack();
      const unsigned raw = std::to_integer<unsigned>(body()[1]);
      line += raw == 0 ? " 0" : is_v5() ? " 0x" + hex(raw) : " " + std::to_string(raw);
      if (packet.session_present == mqtt::ConnackPacket::SessionPresent::kYes) line += " present";
      return line;
    }
    case PacketType::kPublish:
      return describe_publish();
    case PacketType::kPuback:
    case PacketType::kPubrec:
    case PacketType::kPubrel:
    case PacketType::kPubcomp: {
      const auto packet = last_ack();
      return line + ' ' + number(packet.packet_id) + code(packet.reason);
    }
    case PacketType::kSuback: {
      const auto packet = must(mqtt::read_suback(version_, body()));
      line += ' ' + number(packet.packet_id);
      for (const ReasonCode reason : packet.reasons)
        line += ' ' + hex(static_cast<unsigned>(reason));
      return line;
    }
    case PacketType::kUnsuback: {
      const auto packet = must(mqtt::read_unsuback(version_, body()));
      line += ' ' + number(packet.packet_id);
      for (const ReasonCode reason : packet.reasons)
        line += ' ' + hex(static_cast<unsigned>(reason));
      return line;
    }
    case PacketType::kDisconnect:
      return line + code(last_disconnect().reason);
    default:
      return line;
  }
}

}  // namespace fairlead::testing
