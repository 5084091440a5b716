#pragma once

#include <sys/resource.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "support/fixture.h"

// What the tests of hostile input share: bytes that no writer of packets would write, the heap, and
// somebody honest who must not notice anything.

namespace fairlead::testing {

// --- Bytes ---------------------------------------------------------------------------------------

namespace raw {

[[nodiscard]] std::string u16(std::size_t value);
[[nodiscard]] std::string text(std::string_view text);  // with its length before it
[[nodiscard]] std::string varint(std::size_t value);
[[nodiscard]] std::string packet(unsigned first_byte, std::string_view body);
// The block with its length, in MQTT 5.0; nothing otherwise.
[[nodiscard]] std::string properties(ProtocolVersion version, std::string_view block = {});
inline constexpr uint8_t kClean = 0x02;
inline constexpr uint8_t kWill = 0x04;
inline constexpr uint8_t kPassword = 0x40;
inline constexpr uint8_t kUserName = 0x80;
// `payload` begins with the client identifier.
[[nodiscard]] std::string connect(ProtocolVersion version, unsigned flags, std::string_view payload,
                                  std::string_view block = {});
// The bytes of any packet that the codec writes.
template <class Packet>
[[nodiscard]] std::string bytes_of(ProtocolVersion version, const Packet& packet) {
  ByteBuffer out;
  if constexpr (requires { mqtt::write(out, version, packet); }) {
    mqtt::write(out, version, packet);
  } else {
    mqtt::write(out, packet);
  }
  return std::string(as_text(out.view()));
}

}  // namespace raw

// --- The process ---------------------------------------------------------------------------------

[[nodiscard]] bool under_sanitizer();

// What is in use by everything in this process, the test's own included, since this was made. A
// sanitizer has a heap of its own: there tests look at behaviour only, and nothing is compared.
class HeapGrowth {
 public:
  HeapGrowth();
  [[nodiscard]] std::size_t bytes() const;
  void expect_below(std::size_t bytes, Where at = Where::here()) const;

 private:
  std::size_t before_;
};

// As much as a socket takes by itself is for the kernel to say, and may be 32 MiB: here it stays as
// it is now, so that a peer that does not read is soon noticed.
void keep_receive_buffer_small(Wire& wire);

// Sends `bytes`, WebSocket frames or MQTT packets as they are, again and again without reading,
// until the server reads no more. Returns how many bytes the sockets took.
std::size_t flood(TestServer& server, Wire& wire, Bytes bytes);

// So many descriptors are free for both ends of connections; false when the machine refuses.
[[nodiscard]] bool allow_descriptors(std::size_t count);

// Waits until the server says so; throws a TestFailure when it never does.
template <class Condition>
void wait_until(TestServer& server, std::string_view what, Condition&& condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) {
      throw TestFailure("did not come to pass: " + std::string(what));
    }
    server.settle(1);
  }
}
inline void wait_for_connections(TestServer& server, uint64_t count) {
  wait_until(server, "connections go",
             [&] { return server.engine().counters().connections_now <= count; });
}

// --- The fixture ---------------------------------------------------------------------------------

// Beside whatever a test does there is a client in the middle of its life, with a subscription. It
// must neither lose its connection nor a message.
class HostileTest : public ConformanceTest {
 protected:
  void SetUp() override;
  void TearDown() override;

  // What a peer gets that sent a malformed CONNECT: in 5.0 the code, then the end.
  void expect_connect_refused(TestClient& client, ReasonCode reason, Where at = Where::here());
  // Bytes sent, all of which the server has read when this returns.
  void send_and_settle(TestClient& client, std::string_view bytes) {
    client.send_bytes(bytes);
    server().settle(1);
  }

 private:
  std::string topic_;
  std::unique_ptr<TestClient> bystander_;
};

}  // namespace fairlead::testing
