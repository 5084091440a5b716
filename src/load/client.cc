#include "load/client.h"

#include "outcome.h"
#include "proto/http/response.h"
#include "proto/ws/frame_writer.h"
#include "proto/ws/handshake.h"

namespace fairlead::load {
namespace {

constexpr std::size_t kPacketBytesMax = 16 << 20;
constexpr uint32_t kSessionExpirySeconds = 3'600;
// Brokers must take any key and cannot know that it is always this one; asking the kernel for
// random bytes would be most of our work.
constexpr MaskKey kMask{std::byte{0x37}, std::byte{0xfa}, std::byte{0x21}, std::byte{0x3d}};
constexpr std::string_view kUpgradeKey = "dGhlIHNhbXBsZSBub25jZQ==";  // RFC 6455 section 1.3

}  // namespace

void FlushList::flush_all() {
  // What is sent may close a client, whose owner may then have another one send.
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    clients_[i]->in_flush_list_ = false;
    clients_[i]->flush();
  }
  clients_.clear();
}

struct Client::FrameSink {
  Client& client;

  [[nodiscard]] Flow flow() const { return client.closed() ? Flow::kStop : Flow::kContinue; }
  Flow on_data(MutableBytes piece) {
    client.on_mqtt(piece);
    return flow();
  }
  Flow on_message_end(Opcode) { return Flow::kContinue; }
  Flow on_ping(Bytes payload) {
    append_pong(client.out(), payload, kMask);
    client.flush_later();
    return Flow::kContinue;
  }
  Flow on_pong(Bytes) { return Flow::kContinue; }
  Flow on_close(CloseCode code, std::string_view reason) {
    std::string why =
        "the broker closed the WebSocket with code " + std::to_string(static_cast<int>(code));
    if (!reason.empty()) why += ": " + std::string(reason);
    client.close(why);
    return Flow::kStop;
  }
};

Client::Client(Loop& loop, FlushList& flushes, const Target& target, Login login,
               ClientEvents& events, const TlsSession* resume)
    : loop_(loop),
      flushes_(flushes),
      target_(target),
      login_(std::move(login)),
      events_(events),
      resume_(resume),
      frames_(Role::kClient, {.message_bytes_max = kPacketBytesMax, .text = TextFrames::kRefuse}),
      packets_(target.version, kPacketBytesMax) {
  auto fd = start_connect(target.address);
  if (!fd) {
    close(fd.error().sentence);
    return;
  }
  fd_ = std::move(*fd);
  if (!loop_.watch(fd_.get(), *this, interest_)) close("the kernel refuses to watch a socket");
}

Client::~Client() {
  if (in_flush_list_) flushes_.remove(*this);
  if (fd_.valid()) loop_.forget(fd_.get(), *this);
}

void Client::close(const std::string& why) {
  if (stage_ == Stage::kClosed) return;
  stage_ = Stage::kClosed;
  if (fd_.valid()) {
    loop_.forget(fd_.get(), *this);
    fd_.reset();
  }
  events_.on_closed(*this, why);
}

void Client::want(IoInterest interest) {
  if (interest == interest_) return;
  interest_ = interest;
  loop_.change(fd_.get(), *this, interest);
}

void Client::on_io(IoEvents events) {
  if (stage_ == Stage::kConnecting) {
    if (events.writable || events.hang_up) on_connected();
    return flush();
  }
  if (events.readable) receive();
  if (events.writable || stage_ != Stage::kReady) flush();
}

// --- Handshakes ----------------------------------------------------------------------------------

void Client::on_connected() {
  if (auto done = finish_connect(fd_.get()); !done) {
    return close(target_.address.text() + ": " + done.error().sentence);
  }
  want(IoInterest::kRead);
  if (!target_.tls) return on_carrier_ready();
  stage_ = Stage::kTls;
  tls_.emplace(TlsStream::client(target_.tls, target_.host, resume_));
  (void)tls_->feed({}, out_, loop_.scratch(), [](MutableBytes) {});
}

void Client::on_carrier_ready() {
  return target_.carrier == Carrier::kWebSocket ? begin_upgrade() : begin_mqtt();
}

void Client::begin_upgrade() {
  stage_ = Stage::kUpgrade;
  (void)write_upgrade_request(
      out(), {.host = target_.authority, .path = target_.path, .key = kUpgradeKey});
}

void Client::on_upgrade_bytes(MutableBytes plain) {
  head_.append(plain);
  ResponseHeadParse parsed = parse_response_head(head_.view());
  if (std::holds_alternative<HeadNeedsMore>(parsed)) return;
  const auto* head = std::get_if<ResponseHead>(&parsed);
  if (!head || head->status != 101) {
    return close("no WebSocket at " + target_.authority + target_.path +
                 (head ? ": status " + std::to_string(head->status) : ": not an HTTP response"));
  }
  const std::size_t head_size = head->head_size;
  begin_mqtt();
  ByteBuffer behind = std::move(head_);
  const MutableBytes rest = behind.mutable_view().subspan(head_size);
  if (!rest.empty()) on_carried(rest);
}

void Client::begin_mqtt() {
  stage_ = Stage::kAwaitConnack;
  mqtt::ConnectPacket connect;
  connect.version = target_.version;
  connect.client_id = login_.client_id;
  connect.keep_alive_seconds = kKeepAliveSeconds;
  if (login_.persistent) {
    connect.clean_start = mqtt::CleanStart::kNo;
    connect.properties.session_expiry_seconds = kSessionExpirySeconds;
  }
  if (login_.user_name) connect.user_name = *login_.user_name;
  if (login_.password) connect.password = as_bytes(*login_.password);
  send_packet(connect);
}

void Client::on_connack(Bytes body) {
  const auto packet = mqtt::read_connack(target_.version, body);
  if (!packet) return close("the broker broke the protocol: " + packet.error().sentence);
  if (packet->reason != ReasonCode::kSuccess) {
    const auto wire_code = std::to_integer<uint8_t>(body[1]);
    return close(sdk::connect_refused(wire_code, packet->reason,
                                      packet->properties.reason_string.value_or(""))
                     .sentence);
  }
  receive_maximum_ = packet->properties.receive_maximum.value_or(UINT16_MAX);
  stage_ = Stage::kReady;
  was_ready_ = true;
  events_.on_ready(*this);
}

void Client::on_disconnect(Bytes body) {
  const auto packet = mqtt::read_disconnect(target_.version, body);
  close("the broker ended the connection: " +
        (packet ? std::string(reason_name(packet->reason)) : packet.error().sentence));
}

// --- Bytes ---------------------------------------------------------------------------------------

void Client::receive() {
  const MutableBytes buffer = tls_ ? loop_.cipher_scratch() : loop_.scratch();
  const IoResult got = tcp_receive(fd_.get(), buffer);
  if (got.kind == IoKind::kWouldBlock) return;
  if (got.kind != IoKind::kBytes) {
    return close(got.kind == IoKind::kClosed
                     ? "the broker closed the connection"
                     : "the connection broke: " + error_text(got.error_number));
  }
  if (!tls_) return on_plain(buffer.first(got.count));
  const TlsProgress progress = tls_->feed(buffer.first(got.count), out_, loop_.scratch(),
                                          [this](MutableBytes plain) { on_plain(plain); });
  if (closed()) return;
  if (progress.state == TlsState::kFailed) return close("TLS: " + progress.reason);
  if (stage_ == Stage::kTls && tls_->handshake_done()) on_carrier_ready();
  if (progress.state == TlsState::kClosed) close("the broker closed the connection");
}

void Client::on_plain(MutableBytes plain) {
  if (closed()) return;
  if (stage_ == Stage::kUpgrade) return on_upgrade_bytes(plain);
  if (stage_ == Stage::kTls) return close("the broker spoke first");
  on_carried(plain);
}

void Client::on_carried(MutableBytes plain) {
  if (target_.carrier == Carrier::kTcp) return on_mqtt(plain);
  if (const auto broken = frames_.feed(plain, FrameSink{*this})) {
    close("the broker broke the WebSocket protocol");
  }
}

void Client::on_mqtt(MutableBytes piece) {
  const Status status = packets_.feed(piece, [this](const mqtt::FixedHeader& header, Bytes body) {
    if (header.type == mqtt::PacketType::kDisconnect) {
      on_disconnect(body);
    } else if (stage_ == Stage::kReady) {
      events_.on_packet(*this, header, body);
    } else if (header.type == mqtt::PacketType::kConnack) {
      on_connack(body);
    } else {
      close("the first packet of the broker is no CONNACK");
    }
    return !closed();
  });
  if (!status) close("the broker broke the protocol: " + status.error().sentence);
}

void Client::send(Bytes packet) {
  if (closed()) return;
  if (target_.carrier == Carrier::kWebSocket) {
    append_frame(out(), Opcode::kBinary, packet, kMask);
  } else {
    out().append(packet);
  }
  flush_later();
}

void Client::flush_later() {
  if (std::exchange(in_flush_list_, true)) return;
  flushes_.add(*this);
}

void Client::flush() {
  if (closed() || stage_ == Stage::kConnecting) return;
  if (!plain_out_.empty()) {
    const bool sealed = tls_->seal(plain_out_.view(), out_);
    plain_out_.release();
    if (!sealed) return close("TLS cannot send any more");
  }
  if (out_.empty()) return;
  const IoResult sent = tcp_send(fd_.get(), out_.view());
  if (sent.kind == IoKind::kBytes) {
    out_.consume(sent.count);
  } else if (sent.kind != IoKind::kWouldBlock) {
    return close("the connection broke: " + error_text(sent.error_number));
  }
  want(out_.empty() ? IoInterest::kRead : IoInterest::kReadWrite);
}

}  // namespace fairlead::load
