#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/intrusive_list.h"
#include "base/result.h"
#include "net/loop.h"
#include "net/tcp.h"
#include "net/tls_stream.h"
#include "net/unique_fd.h"
#include "proto/mqtt/packet.h"
#include "proto/mqtt/reader.h"
#include "proto/mqtt/writer.h"
#include "proto/ws/frame_reader.h"
#include "registry/authenticator.h"
#include "session/session.h"
#include "shard/counters.h"
#include "shard/options.h"
#include "shard/publish_encoder.h"

namespace fairlead {

class HostedSession;
class Shard;
struct ProxyEndpoint;
struct RequestHead;

// The close code that says to a browser what the reason code says to an MQTT 5.0 client.
[[nodiscard]] CloseCode close_code_of(ReasonCode reason);

struct ResidentTag {};
struct FlushTag {};
struct LaterTag {};

// A CONNECT that is authenticated and not accepted yet, as another shard or a later moment has to.
struct PendingConnect {
  Identity identity;
  enum class Takeover : uint8_t { kNotReserved, kReserved } takeover = Takeover::kNotReserved;
};

// One client's way in: socket, TLS if any, WebSocket if any, MQTT packets. Glue of stages in a
// row; the rules are in the parsers and in the session.
//
//   [proxy header] -> detect -> [TLS -> detect] -> [HTTP upgrade -> WebSocket] -> CONNECT -> open
//
// Owned by one shard at a time, on whose thread everything happens. Once CONNECT is authenticated
// it moves, once, to the shard of its session: leave() here, join() there, with what was read.
// Idle it owns no buffer. Output is gathered in out() and leaves at the end of the turn.
//
// permessage-deflate, where it is configured and offered: a browser that agreed on it compresses
// its CONNECT already, so refusing that would lock browsers out. Until CONNECT is accepted the
// limit for suspects therefore holds for what is compressed and for what comes out of it, in total,
// and nothing is compressed by us. A compressed message is gathered, bounded like any other, and
// inflated at once by the shard's inflater: there is no state between messages.
//
// Input may have to wait: behind a CONNECT that moves or waits, and behind a SUBSCRIBE (see
// hold_back()). It stays in tail_ as it came, and what ends the stream keeps its place behind it.
// Meanwhile no more is read, so that there is what one read gives, and a packet. Whoever let it
// wait calls resume_later(). When the connection breaks or is closed nothing waits any longer: what
// was said before that takes effect first.
//
// Nothing is destroyed while its own code runs: close() marks, the shard's end of turn does.
class Connection final : public IoHandler,
                         public ListLink<ResidentTag>,
                         public ListLink<FlushTag>,
                         public ListLink<LaterTag> {
 public:
  Connection(Shard& shard, UniqueFd fd, const SocketAddress& peer, const ListenerOptions& listener);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Begins to be read. False when the kernel refuses to watch it.
  [[nodiscard]] bool start();
  void on_io(IoEvents events) override;

  // --- Output: gathered, and sent by flush() at the end of the turn ------------------------------

  // One MQTT packet, in a WebSocket message of its own where there is one.
  void send_packet(Bytes packet);
  void send(const mqtt::ConnackPacket& packet);
  void send(const mqtt::AckPacket& packet);
  void send(const mqtt::SubackPacket& packet);
  void send(const mqtt::UnsubackPacket& packet);
  void send(const mqtt::PingrespPacket& packet);
  void send(const mqtt::DisconnectPacket& packet);
  // Through the shard's encoder, so that what many receive alike is encoded once.
  void send_publish(const mqtt::Message& message, const mqtt::PublishForm& form);
  void flush();
  [[nodiscard]] std::size_t unsent_bytes() const { return out_.size() + wire_left(); }
  [[nodiscard]] Outlet outlet();

  // Nothing leaves between these two: CONNACK, and all that comes behind it.
  void hold_output() { output_held_ = true; }
  void release_output();
  [[nodiscard]] bool output_held() const { return output_held_; }

  // --- The end -----------------------------------------------------------------------------------

  // Ends the connection after what was sent, with DISCONNECT (MQTT 5.0, if `style` says so) and a
  // close frame. The session is detached at the end of the turn, with `cause`.
  void close(CloseStyle style, ReasonCode reason, std::string_view sentence, DetachCause cause);
  // Nothing more can be sent: the socket failed or the peer is gone.
  void abort(DetachCause cause);
  // Of a suspect: gives way to another one.
  void evict();
  // End of turn, for a closing one: takes leave of the session. May publish its will.
  void detach_session();
  // Whether it can be destroyed; otherwise it still has last bytes to send (see linger_max).
  [[nodiscard]] bool finished() const { return stage_ == Stage::kFinished; }
  [[nodiscard]] bool closing() const { return stage_ >= Stage::kClosing; }

  // --- Handover ----------------------------------------------------------------------------------

  [[nodiscard]] std::string_view moving_to() const { return pending_->identity.session_key; }
  void leave();
  // On the new shard's thread. False when the kernel refuses to watch it.
  [[nodiscard]] bool join(Shard& shard);
  // Goes on with the CONNECT that it came with, and what was read behind it.
  void resume_connect();
  // Authenticated, but at home on another shard: waits for the end of on_io() to be moved.
  void move_with(Identity&& identity, Bytes connect_packet);
  // At home, but the take-over of its session has to wait: nothing is read until then.
  void wait_with(Identity&& identity, Bytes connect_packet, milliseconds wait);

  // CONNECT is refused: CONNACK with the code, then the end. `peer_says` is for the client, the log
  // has had its own line. What exceeds the client's Maximum Packet Size is left out.
  void refuse_connect(ReasonCode code, std::string_view peer_says, uint32_t peer_packet_size_max);

  // What input had to wait for is done: it is taken up in the shard's time for that, and here.
  void resume_later();
  void resume_input();
  // Whether somebody is still there to read answers.
  [[nodiscard]] bool reaches_peer() const { return !closing() && !hurried_ && !broken_; }

  // Accepted: packets go to the session from now on.
  void attach(HostedSession& session, seconds keep_alive_interval, uint32_t packet_bytes_max);
  [[nodiscard]] HostedSession* session() const { return session_; }
  // Whether its CONNECT is not accepted yet, or never was.
  [[nodiscard]] bool suspect() const { return suspect_; }
  // Of a suspect.
  [[nodiscard]] Instant arrived_at() const { return last_packet_; }

  // --- For logs and for authentication -----------------------------------------------------------

  [[nodiscard]] const SocketAddress& peer() const { return peer_; }
  [[nodiscard]] TransportSecurity security() const {
    return tls_ ? TransportSecurity::kTls : TransportSecurity::kPlain;
  }
  [[nodiscard]] std::string_view transport()
      const;  // "mqtt", "mqtts", "ws", "wss", "http", "https"

 private:
  enum class Stage : uint8_t {
    kProxyHeader,
    kDetect,
    kTls,  // handshake; then detect once more
    kDetectInTls,
    kHttpHead,
    kAwaitConnect,
    kMoving,   // authenticated; what is read now waits for the new shard
    kWaiting,  // authenticated, at home; its take-over comes later
    kOpen,
    kClosing,    // last bytes
    kLingering,  // all is sent, our side is shut: waits for the peer's end
    kFinished,
  };
  struct FrameSink;

  void read();
  void read_as_suspect();
  [[nodiscard]] bool congested();
  void on_wire_writable();
  void resume_starved();
  void update_interest();
  void on_all_sent();
  template <class Write>
  void send_written(Write&& write);
  template <class Packet>
  void send_framed(const Packet& packet, uint32_t peer_packet_size_max);
  template <class Packet>
  void send_framed(const Packet& packet);

  PlainFlow on_plain(MutableBytes piece);
  void on_proxy_header(MutableBytes piece);
  void on_first_bytes(MutableBytes piece);
  void on_unasked_proxy_header(MutableBytes piece);
  void read_forwarded(const RequestHead& head);
  void believe(const ProxyEndpoint& client);
  void on_tls_bytes(MutableBytes cipher, MutableBytes plain_scratch);
  void on_http_head(MutableBytes piece);
  void answer_http(const RequestHead& head);
  void on_frames(MutableBytes piece);
  void on_compressed(Bytes piece, LastPiece last);
  void break_off(CloseCode code);
  [[nodiscard]] bool deflates() const { return server_window_bits_ != 0; }

  void on_mqtt_bytes(Bytes piece);
  void complete_tail(Bytes& piece);
  // Whether a packet that begins so, and all behind it, has to wait from now on.
  [[nodiscard]] bool hold_back(std::byte first);
  // Whether what is read has to wait.
  [[nodiscard]] bool waits() const { return input_held_ || parked(); }
  [[nodiscard]] bool takes_packets() const { return !closing() && !waits(); }
  void take_up_tail();
  void hurry_input();
  void on_hang_up();
  void on_broken();
  [[nodiscard]] mqtt::ProtocolVersion header_version() const;
  void on_packet(const mqtt::FixedHeader& header, Bytes packet);
  void on_connect(Bytes packet, Bytes body);
  void on_session_packet(const mqtt::FixedHeader& header, Bytes body);
  template <class T, class Use>
  void use_or_close(const Result<T>& parsed, Use&& use);

  // Before CONNECT is accepted: log, count and close; `code` is for the close frame where there is
  // one.
  void refuse(std::string_view sentence, RefusalCause cause = RefusalCause::kProtocolError,
              CloseCode code = CloseCode::kPolicyViolation);
  void protocol_error(const Reject& error);  // of an accepted client, or before
  void begin_closing(DetachCause cause);
  void enter(Stage stage, milliseconds limit);
  void on_timer(Instant now);
  void arm_timer();
  [[nodiscard]] Instant next_ping() const;  // max(): never
  void note_output();

  ByteBuffer& out();
  ByteBuffer& cipher_out();
  void send_wire(Bytes bytes);
  [[nodiscard]] std::size_t wire_left() const { return wire_.size() - wire_sent_; }
  [[nodiscard]] std::size_t wire_left_max() const;
  // Authenticated, and not attached to its session yet.
  [[nodiscard]] bool parked() const {
    return stage_ == Stage::kMoving || stage_ == Stage::kWaiting;
  }

  Shard* shard_;
  HostedSession* session_ = nullptr;
  const ListenerOptions* listener_;  // of the server's options, which outlive the shards
  std::unique_ptr<TlsStream> tls_;
  std::unique_ptr<PendingConnect> pending_;  // while it moves or waits
  ByteBuffer tail_;  // an incomplete packet or head, or input that waits; tail_rest_ behind it
  ByteBuffer out_;   // leased: what is to be sent at the end of the turn
  ByteBuffer wire_;  // what the socket would not take
  FrameReader frames_;
  Instant stage_deadline_ = Instant::max();
  Instant last_packet_{};
  Instant stalled_since_ = Instant::max();
  SocketAddress peer_;
  UniqueFd fd_;
  uint32_t packet_bytes_max_;
  uint32_t wire_sent_ = 0;  // of wire_, which output_bytes_max keeps far below 4 GiB
  std::chrono::duration<uint32_t> keep_alive_interval_{0};  // seconds; at most 27 h
  std::chrono::duration<uint32_t> last_output_{0};  // seconds of the loop's clock; once open
  // Bytes at the end of tail_ that are not MQTT: the part of a compressed message that has come, or
  // else, while input waits, WebSocket frames.
  uint32_t tail_rest_ = 0;
  Stage stage_;
  uint8_t server_window_bits_ = 0;  // as in DeflateAgreement; 0: none
  Framing framing_ = Framing::kBare;
  mqtt::ProtocolVersion version_ = mqtt::ProtocolVersion::k311;
  IoInterest interest_ = IoInterest::kRead;
  DetachCause detach_cause_ = DetachCause::kConnectionLost;
  bool watched_ : 1 = false;
  bool suspect_ : 1 = true;
  bool proxied_ : 1 = false;     // a PROXY header has been read
  bool input_held_ : 1 = false;  // of one who is attached: waits in tail_
  bool end_held_ : 1 = false;    // of TLS, behind what waits
  bool hurried_ : 1 = false;     // about to be closed: nothing waits any more
  bool broken_ : 1 = false;      // nothing can be sent; what has come is still read
  bool decrypting_ : 1 = false;  // within on_tls_bytes()
  bool lingers_ : 1 = true;  // until the peer has closed its side, so that it gets our last bytes
  bool output_held_ : 1 = false;
  bool starved_ : 1 = false;  // the session was told that the outlet is congested
  MethodTimer<Connection, &Connection::on_timer> timer_{*this};
};
static_assert(sizeof(Connection) <= 336, "times a million: see tests/budget");

}  // namespace fairlead
