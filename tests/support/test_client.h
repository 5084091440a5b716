#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "auth/credentials.h"
#include "proto/mqtt/reader.h"
#include "proto/mqtt/writer.h"
#include "support/test_server.h"
#include "support/wire.h"

namespace fairlead::testing {

using mqtt::CleanStart;
using mqtt::PacketId;
using mqtt::PacketType;
using mqtt::ProtocolVersion;
using mqtt::Qos;
using mqtt::Retain;
using mqtt::RetainHandling;

inline constexpr Qos kQos0 = Qos::kAtMostOnce;
inline constexpr Qos kQos1 = Qos::kAtLeastOnce;
inline constexpr Qos kQos2 = Qos::kExactlyOnce;

[[nodiscard]] std::string_view version_name(ProtocolVersion version);

// The line of a test, for what it says when it fails (std::source_location is not in clang 14).
struct Where {
  const char* file;
  int line;
  static constexpr Where here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return {file, line};
  }
};

// Credentials of the devices that TestServer registers: "secret-NAME", or "secret" for "device".
struct TestDevice {
  std::string product_key = "pk";
  std::string name = "device";
  SignMethod method = SignMethod::kHmacSha1;
  int secure_mode = 3;
  std::string extra = {};   // "_ss=1,ext=1"
  std::string secret = {};  // none: the registered one
};

// One MQTT client, written as a dialogue: say something, expect an answer. What is expected is a
// line of text:
//   CONNACK 0 | CONNACK 0 present | CONNACK 0x86 (5.0) | CONNACK 4 (3.x: the return code)
//   PUBLISH topic payload q1 dup retain     PUBACK 7 | PUBREC 7 0x91     SUBACK 1 00 01 80
//   UNSUBACK 2 00 11     PINGRESP     DISCONNECT 0x8e     CLOSED
// Blocking; every wait has the limit kPatience and throws a TestFailure.
class TestClient {
 public:
  TestClient(const TestServer& server, Transport transport,
             ProtocolVersion version = ProtocolVersion::k311, WireOptions options = {});
  TestClient(const SocketAddress& address, Transport transport,
             ProtocolVersion version = ProtocolVersion::k311, WireOptions options = {});

  [[nodiscard]] Wire& wire() { return wire_; }
  [[nodiscard]] ProtocolVersion version() const { return version_; }
  [[nodiscard]] bool is_v5() const { return version_ == ProtocolVersion::k5; }

  // --- CONNECT ---------------------------------------------------------------------------------
  // Packets to be filled in further; the texts live as long as this client.
  mqtt::ConnectPacket hello(std::string_view client_id, CleanStart clean = CleanStart::kYes);
  mqtt::ConnectPacket device_hello(const TestDevice& device, CleanStart clean = CleanStart::kYes);
  mqtt::ConnectPacket app_hello(std::string_view name, std::string_view client_id,
                                CleanStart clean = CleanStart::kYes);
  // Sends it and expects to be accepted; the answer's views are good until the next packet.
  mqtt::ConnackPacket connect(const mqtt::ConnectPacket& packet);
  mqtt::ConnackPacket connect(std::string_view client_id) { return connect(hello(client_id)); }

  // --- Saying ----------------------------------------------------------------------------------
  template <class Packet>
  void send(const Packet& packet) {
    ByteBuffer out;
    if constexpr (requires { mqtt::write(out, version_, packet); }) {
      mqtt::write(out, version_, packet);
    } else {
      mqtt::write(out, packet);
    }
    wire_.send(out.view());
  }
  void send_bytes(std::string_view bytes) { wire_.send(as_bytes(bytes)); }
  void ack(PacketType type, uint16_t id, ReasonCode reason = ReasonCode::kSuccess);
  void ping() { send(mqtt::PingreqPacket{}); }
  void disconnect(ReasonCode reason = ReasonCode::kSuccess);
  // Returns the packet identifier; does not wait.
  uint16_t send_publish(std::string_view topic, std::string_view payload, Qos qos = kQos0,
                        Retain retain = Retain::kNo, const mqtt::PublishProperties& with = {});
  uint16_t send_subscribe(const std::vector<mqtt::SubscriptionRequest>& requests,
                          std::optional<uint32_t> identifier = {});
  // With the whole ladder of acknowledgements; QoS 0: until the server has taken it.
  void publish(std::string_view topic, std::string_view payload, Qos qos = kQos0,
               Retain retain = Retain::kNo, const mqtt::PublishProperties& with = {});
  // Returns the codes of the SUBACK as text, "01 80".
  std::string subscribe(const std::vector<mqtt::SubscriptionRequest>& requests,
                        std::optional<uint32_t> identifier = {});
  std::string subscribe(std::string_view filter, Qos qos = kQos1);
  std::string unsubscribe(std::string_view filter);  // the line of the UNSUBACK without its id

  // --- Expecting -------------------------------------------------------------------------------
  std::string next();  // the next packet as a line, or CLOSED
  void expect(std::string_view line, Where at = Where::here());
  // The next step of an exchange: messages may come before it, and are kept for next().
  void expect_ack(std::string_view line, Where at = Where::here());
  // A PUBLISH with its acknowledgements; the line says what came.
  std::string receive();
  void expect_receive(std::string_view line, Where at = Where::here());
  // Nothing is on its way: asks with PINGREQ after every shard has worked off its mail.
  void expect_silence(TestServer& server, Where at = Where::here());
  void expect_closed(Where at = Where::here());
  // MQTT 5.0: DISCONNECT with the code first; 3.x: just the end.
  void expect_disconnect(ReasonCode reason, Where at = Where::here());
  // Reads to the end and answers with the close frame's code; 0 when there was none.
  int close_code();

  // The packet that next() has just described; views are good until the next one.
  [[nodiscard]] mqtt::PublishPacket last_publish() const;
  [[nodiscard]] mqtt::ConnackPacket last_connack() const;
  [[nodiscard]] mqtt::AckPacket last_ack() const;
  [[nodiscard]] mqtt::DisconnectPacket last_disconnect() const;
  [[nodiscard]] Bytes last_bytes() const { return last_.view(); }
  [[nodiscard]] uint16_t last_id() const;

 private:
  bool take_packet();
  bool take_early();
  [[nodiscard]] Bytes body() const { return last_.view().subspan(header_.header_size); }
  [[nodiscard]] std::string describe() const;
  [[nodiscard]] std::string describe_publish() const;
  [[nodiscard]] std::string code(ReasonCode reason) const;
  std::string_view keep(std::string text);
  uint16_t next_id() { return ++last_packet_id_ == 0 ? ++last_packet_id_ : last_packet_id_; }

  Wire wire_;
  ProtocolVersion version_;
  mqtt::FixedHeader header_{};
  ByteBuffer last_;
  std::deque<ByteBuffer> early_;  // read before their turn
  std::deque<std::string> texts_;
  uint16_t last_packet_id_ = 0;
};

}  // namespace fairlead::testing
