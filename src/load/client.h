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

namespace fairlead::load {

// Announced by every client; whoever keeps connections sends PINGREQ in time.
inline constexpr uint16_t kKeepAliveSeconds = 600;

enum class Carrier : uint8_t { kTcp, kWebSocket };

// Where the broker is, and how it is spoken to. TLS when there is a context.
struct Target {
  SocketAddress address;
  std::string host;       // for the certificate
  std::string authority;  // for the Host header: with the port unless it is the scheme's own
  std::string path = "/mqtt";
  Carrier carrier = Carrier::kWebSocket;
  mqtt::ProtocolVersion version = mqtt::ProtocolVersion::k311;
  std::shared_ptr<const TlsContext> tls;
};

struct Login {
  std::string client_id;
  std::optional<std::string> user_name;
  std::optional<std::string> password;
  bool persistent = false;  // asks for a session that outlives the connection
};

class Client;

// What clients have to tell. A client may be destroyed when the turn is over only.
class ClientEvents {
 public:
  virtual void on_ready(Client& client) = 0;  // CONNACK, accepted
  virtual void on_packet(Client& client, const mqtt::FixedHeader& header, Bytes body) = 0;
  virtual void on_closed(Client& client, const std::string& why) = 0;

 protected:
  ~ClientEvents() = default;
};

// The clients that have something to send: an idle crowd costs a turn nothing.
class FlushList {
 public:
  void add(Client& client) { clients_.push_back(&client); }
  void remove(const Client& client) { std::erase(clients_, &client); }
  // At the end of each turn.
  void flush_all();

 private:
  std::vector<Client*> clients_;
};

// One MQTT client, as lean as a load generator must be: output is gathered and sent once a turn.
// Thread of the loop; what it refers to outlives it.
class Client final : private IoHandler {
 public:
  // With TLS: `resume` is offered to the broker; it is read until the connection is there.
  Client(Loop& loop, FlushList& flushes, const Target& target, Login login, ClientEvents& events,
         const TlsSession* resume = nullptr);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  uint64_t tag = 0;  // the scenario's own

  // One packet, in WebSocket in a frame of its own.
  void send(Bytes packet);
  template <class Packet>
  void send_packet(const Packet& packet) {
    packet_.clear();
    if constexpr (requires { mqtt::write(packet_, target_.version, packet); }) {
      mqtt::write(packet_, target_.version, packet);
    } else {
      mqtt::write(packet_, packet);
    }
    send(packet_.view());
  }
  [[nodiscard]] bool closed() const { return stage_ == Stage::kClosed; }
  [[nodiscard]] bool ready() const { return stage_ == Stage::kReady; }
  [[nodiscard]] bool was_ready() const { return was_ready_; }  // it may have closed since
  [[nodiscard]] mqtt::ProtocolVersion version() const { return target_.version; }
  // What the kernel has not taken yet.
  [[nodiscard]] std::size_t unsent_bytes() const { return plain_out_.size() + out_.size(); }
  // Messages of QoS 1 and 2 that the broker takes without an acknowledgement; once ready.
  [[nodiscard]] uint16_t receive_maximum() const { return receive_maximum_; }
  // The TLS that there is; nothing before the connection, and without TLS.
  [[nodiscard]] const TlsStream* tls() const { return tls_ ? &*tls_ : nullptr; }

 private:
  enum class Stage : uint8_t { kConnecting, kTls, kUpgrade, kAwaitConnack, kReady, kClosed };
  struct FrameSink;
  friend class FlushList;

  void on_io(IoEvents events) override;
  void on_connected();
  void on_carrier_ready();
  void begin_upgrade();
  void begin_mqtt();
  void receive();
  void on_plain(MutableBytes plain);
  void on_upgrade_bytes(MutableBytes plain);
  void on_carried(MutableBytes plain);
  void on_mqtt(MutableBytes piece);
  void on_connack(Bytes body);
  void on_disconnect(Bytes body);
  void flush();
  void flush_later();
  void close(const std::string& why);
  void want(IoInterest interest);
  [[nodiscard]] ByteBuffer& out() { return tls_ ? plain_out_ : out_; }

  Loop& loop_;
  FlushList& flushes_;
  const Target& target_;
  Login login_;
  ClientEvents& events_;
  const TlsSession* resume_;
  UniqueFd fd_;
  std::optional<TlsStream> tls_;
  FrameReader frames_;
  sdk::PacketStream packets_;
  ByteBuffer head_;
  ByteBuffer packet_;
  ByteBuffer plain_out_;
  ByteBuffer out_;
  uint16_t receive_maximum_ = UINT16_MAX;
  Stage stage_ = Stage::kConnecting;
  IoInterest interest_ = IoInterest::kWrite;
  bool was_ready_ = false;
  bool in_flush_list_ = false;
};

}  // namespace fairlead::load
