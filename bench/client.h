#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/loop.h"
#include "net/tcp.h"
#include "net/tls_stream.h"
#include "packet_stream.h"
#include "proto/mqtt/writer.h"
#include "proto/ws/frame_reader.h"

namespace fairlead::bench {

// Where the broker is. TLS when there is a context.
struct Target {
  SocketAddress address;
  std::string host;  // for the certificate and the Host header
  std::shared_ptr<const TlsContext> tls;
};

struct Login {
  std::string client_id;
  std::optional<std::string> user_name;
  std::optional<std::string> password;
  bool persistent = false;  // asks for a session that outlives the connection
};

class Client;

// A scenario: what its clients have to tell. A client may be destroyed when the turn is over only.
class Scenario {
 public:
  virtual ~Scenario() = default;
  virtual void on_ready(Client& client) = 0;  // CONNACK, accepted
  virtual void on_packet(Client& client, const mqtt::FixedHeader& header, Bytes body) = 0;
  virtual void on_closed(Client& client, const std::string& why) = 0;
};

// One MQTT 3.1.1 client over WebSocket, as lean as a load generator must be: output is gathered
// and sent once a turn. Thread of the loop.
class Client final : private IoHandler {
 public:
  Client(Loop& loop, const Target& target, Login login, Scenario& scenario);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  uint64_t tag = 0;  // the scenario's own

  // One packet in a frame of its own.
  void send(Bytes packet);
  template <class Packet>
  void send_packet(const Packet& packet) {
    packet_.clear();
    if constexpr (requires { mqtt::write(packet_, mqtt::ProtocolVersion::k311, packet); }) {
      mqtt::write(packet_, mqtt::ProtocolVersion::k311, packet);
    } else {
      mqtt::write(packet_, packet);
    }
    send(packet_.view());
  }
  void flush();
  [[nodiscard]] bool closed() const { return stage_ == Stage::kClosed; }

 private:
  enum class Stage : uint8_t { kConnecting, kTls, kUpgrade, kAwaitConnack, kReady, kClosed };
  struct FrameSink;

  void on_io(IoEvents events) override;
  void on_connected();
  void begin_upgrade();
  void receive();
  void on_plain(MutableBytes plain);
  void on_upgrade_bytes(MutableBytes plain);
  void on_mqtt(MutableBytes piece);
  void on_connack(Bytes body);
  void close(const std::string& why);
  void want(IoInterest interest);
  [[nodiscard]] ByteBuffer& out() { return tls_ ? plain_out_ : out_; }

  Loop& loop_;
  const Target& target_;
  Login login_;
  Scenario& scenario_;
  UniqueFd fd_;
  std::optional<TlsStream> tls_;
  FrameReader frames_;
  sdk::PacketStream packets_;
  ByteBuffer head_;
  ByteBuffer packet_;
  ByteBuffer plain_out_;
  ByteBuffer out_;
  Stage stage_ = Stage::kConnecting;
  IoInterest interest_ = IoInterest::kWrite;
};

}  // namespace fairlead::bench
