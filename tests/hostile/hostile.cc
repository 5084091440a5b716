#include "hostile/hostile.h"

#include <malloc.h>
#include <sys/socket.h>

namespace fairlead::testing {
namespace raw {

std::string u16(std::size_t value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
}

std::string text(std::string_view text) { return u16(text.size()).append(text); }

std::string varint(std::size_t value) {
  std::string bytes;
  do {
    const std::size_t low = value % 128;
    value /= 128;
    bytes.push_back(static_cast<char>(low | (value > 0 ? 0x80 : 0)));
  } while (value > 0);
  return bytes;
}

std::string packet(unsigned first_byte, std::string_view body) {
  return std::string(1, static_cast<char>(first_byte)).append(varint(body.size())).append(body);
}

std::string properties(ProtocolVersion version, std::string_view block) {
  if (version != ProtocolVersion::k5) return {};
  return varint(block.size()).append(block);
}

std::string connect(ProtocolVersion version, unsigned flags, std::string_view payload,
                    std::string_view block) {
  std::string body = text(version == ProtocolVersion::k31 ? "MQIsdp" : "MQTT");
  body.push_back(static_cast<char>(version));
  body.push_back(static_cast<char>(flags));
  body += u16(300);
  body += properties(version, block);
  return packet(0x10, body.append(payload));
}

}  // namespace raw

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
constexpr bool kSanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
constexpr bool kSanitized = false;
#endif

std::size_t heap_bytes() {
  if (kSanitized) return 0;
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

}  // namespace

bool under_sanitizer() { return kSanitized; }

HeapGrowth::HeapGrowth() : before_(heap_bytes()) {}

std::size_t HeapGrowth::bytes() const {
  const std::size_t now = heap_bytes();
  return now > before_ ? now - before_ : 0;
}

void HeapGrowth::expect_below(std::size_t bytes, Where at) const {
  if (under_sanitizer()) return;
  EXPECT_LT(this->bytes(), bytes) << at.file << ':' << at.line << ": the heap has grown so much";
}

void keep_receive_buffer_small(Wire& wire) {
  const int bytes = 32 << 10;
  if (::setsockopt(wire.fd(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) != 0) {
    throw TestFailure("setsockopt failed");
  }
}

std::size_t flood(TestServer& server, Wire& wire, Bytes bytes) {
  ByteBuffer cipher;
  for (std::size_t total = 0;;) {
    Bytes left = bytes;
    if (wire.tls()) {
      cipher.clear();
      if (!wire.tls()->seal(bytes, cipher)) throw TestFailure("TLS is closed");
      left = cipher.view();
    }
    for (bool full = false; !left.empty();) {
      const IoResult sent = tcp_send(wire.fd(), left);
      if (sent.kind == IoKind::kBytes) {
        total += sent.count;
        left = left.subspan(sent.count);
        full = false;
      } else if (full || sent.kind != IoKind::kWouldBlock) {
        return total;
      } else {
        full = true;
        server.settle();  // whatever it reads makes room
      }
    }
  }
}

bool allow_descriptors(std::size_t count) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  if (limit.rlim_cur >= count) return true;
  if (limit.rlim_max < count) return false;
  limit.rlim_cur = count;
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

void HostileTest::SetUp() {
  // Those of the test before may still be going: what this one counts would change by itself.
  wait_for_connections(server(), 0);
  server().settle(1);
  topic_ = unique("bystander");
  bystander_ = std::make_unique<TestClient>(server(), Transport::kTcp);
  bystander_->connect(topic_);
  bystander_->subscribe(topic_, kQos1);
}

void HostileTest::TearDown() {
  if (HasFatalFailure() || !bystander_) return;
  TestClient publisher(server(), Transport::kTcp);
  publisher.connect(unique("publisher"));
  publisher.publish(topic_, "still here", kQos1);
  bystander_->expect_receive("PUBLISH " + topic_ + " still here q1");
}

void HostileTest::expect_connect_refused(TestClient& client, ReasonCode reason, Where at) {
  if (is_v5()) {
    std::string wanted = "CONNACK 0x";
    constexpr std::string_view kHex = "0123456789abcdef";
    wanted += kHex[static_cast<std::size_t>(reason) >> 4];
    wanted += kHex[static_cast<std::size_t>(reason) & 15];
    client.expect(wanted, at);
  }
  client.expect_closed(at);
}

}  // namespace fairlead::testing
