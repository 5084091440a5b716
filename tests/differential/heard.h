#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/test_client.h"

namespace fairlead::testing {

// What a client heard: one packet of the server, or the end of the connection. What differs from
// server to server and means nothing is not in it: the packet identifiers that the server chose,
// the client identifier that it assigned, its limits, its sentences.
struct Heard {
  enum class Kind : uint8_t { kPacket, kClosed } kind = Kind::kPacket;
  PacketType type = PacketType::kConnack;
  uint16_t packet_id = 0;      // of what the client itself had sent
  std::vector<uint8_t> codes;  // return code, or reason codes, as they stood in the packet
  bool session_present = false;
  // PUBLISH and PUBREL.
  std::string name;  // the payload, cut short
  std::string topic;
  Qos qos = kQos0;
  bool dup = false;
  bool retain = false;
  std::vector<uint32_t> identifiers;  // subscription identifiers, sorted
  std::string properties;             // the others, as text
  std::string complaint;              // what is wrong with it whatever others do; or empty

  friend bool operator==(const Heard&, const Heard&) = default;
};

[[nodiscard]] std::string to_line(const Heard& heard);

// The name of a message: its payload, or the front of it.
[[nodiscard]] std::string name_of(std::string_view payload);

// The packet that client.next() has just taken, but for what needs memory: topics behind aliases,
// names behind packet identifiers.
[[nodiscard]] Heard hear(const TestClient& client, std::string_view line);

}  // namespace fairlead::testing
