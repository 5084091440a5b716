#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "budget/counting.h"
#include "support/test_client.h"

// Clients whose own work is not counted, since they run on the test's thread, and whose packets
// come to the server together: what they say at once is one write of theirs.

namespace fairlead::testing {

constexpr int kWindow = 16;  // messages that a publisher has on their way
inline constexpr std::string_view kPayload =
    "sixty-four bytes of payload, as many as in the benchmarks' rows.";
static_assert(kPayload.size() == 64);

// One shard, nothing that happens by itself but the shard's housekeeping, once a second.
TestServerOptions quiet_server(TestStore store, unsigned shard_count = 1);

// Each in a WebSocket message of its own where there are any.
class Together {
 public:
  explicit Together(TestClient& client, Transport transport)
      : client_(client), transport_(transport) {}
  template <class Packet>
  Together& add(const Packet& packet) {
    packet_.clear();
    if constexpr (requires { mqtt::write(packet_, client_.version(), packet); }) {
      mqtt::write(packet_, client_.version(), packet);
    } else {
      mqtt::write(packet_, packet);
    }
    append(packet_.view());
    return *this;
  }
  Together& ack(PacketType type, uint16_t id) {
    return add(
        mqtt::AckPacket{.type = type, .packet_id = PacketId{id}, .reason = {}, .properties = {}});
  }
  void send() { client_.wire().send_plain(bytes_.view()); }

 private:
  void append(Bytes packet);

  TestClient& client_;
  const Transport transport_;
  ByteBuffer packet_;
  ByteBuffer bytes_;
};

// A publisher and the subscriber of its topic, on one server.
class Pair {
 public:
  Pair(TestServer& server, Transport transport, Qos qos, CleanStart subscriber = CleanStart::kYes);

  // A window of messages, with all that belongs to them: whoever has to say something says it
  // for all of them at once.
  void window();
  [[nodiscard]] TestClient& subscriber() { return subscriber_; }
  [[nodiscard]] TestClient& publisher() { return publisher_; }

 private:
  void answer(TestClient& client, std::string_view expected, PacketType type);
  void expect_all(TestClient& client, std::string_view expected);

  const Transport transport_;
  const Qos qos_;
  const bool answers_late_;  // the publisher's, after the subscriber's
  const std::string topic_ = unique("/budget/topic");
  TestClient subscriber_;
  TestClient publisher_;
  uint16_t last_id_ = 0;
};

// For lines that say what was counted.
[[nodiscard]] double each(uint64_t count, uint64_t of);

}  // namespace fairlead::testing
