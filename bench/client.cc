#include "bench/client.h"

#include <array>

#include "proto/http/response.h"
#include "proto/ws/frame_writer.h"
#include "proto/ws/handshake.h"

namespace fairlead::bench {
namespace {

constexpr std::size_t kPacketBytesMax = 1 << 20;
// Brokers must take any key and cannot know that it is always this one; asking the kernel for
// random bytes would be most of our work.
constexpr MaskKey kMask{std::byte{0x37}, std::byte{0xfa}, std::byte{0x21}, std::byte{0x3d}};
constexpr std::string_view kUpgradeKey = "dGhlIHNhbXBsZSBub25jZQ==";  // RFC 6455 section 1.3

}  // namespace

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
    return Flow::kContinue;
  }
  Flow on_pong(Bytes) { return Flow::kContinue; }
  Flow on_close(CloseCode code, std::string_view) {
    client.close("WebSocket close code " + std::to_string(static_cast<int>(code)));
    return Flow::kStop;
  }
};

Client::Client(Loop& loop, const Target& target, Login login, Scenario& scenario)
    : loop_(loop),
      target_(target),
      login_(std::move(login)),
      scenario_(scenario),
      frames_(Role::kClient, {.message_bytes_max = kPacketBytesMax, .text = TextFrames::kRefuse}),
      packets_(mqtt::ProtocolVersion::k311, kPacketBytesMax) {
  auto fd = start_connect(target.address);
  if (!fd) {
    close(fd.error().sentence);
    return;
  }
  fd_ = std::move(*fd);
  if (!loop_.watch(fd_.get(), *this, interest_)) close("the kernel refuses to watch a socket");
}

Client::~Client() {
  if (fd_.valid()) loop_.forget(fd_.get(), *this);
}

void Client::close(const std::string& why) {
  if (stage_ == Stage::kClosed) return;
  stage_ = Stage::kClosed;
  if (fd_.valid()) {
    loop_.forget(fd_.get(), *this);
    fd_.reset();
  }
  scenario_.on_closed(*this, why);
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

void Client::on_connected() {
  if (auto done = finish_connect(fd_.get()); !done) return close(done.error().sentence);
  want(IoInterest::kRead);
  if (!target_.tls) return begin_upgrade();
  stage_ = Stage::kTls;
  tls_.emplace(TlsStream::client(target_.tls, target_.host));
  (void)tls_->feed({}, out_, loop_.scratch(), [](MutableBytes) {});
}

void Client::begin_upgrade() {
  stage_ = Stage::kUpgrade;
  (void)write_upgrade_request(
      out(), {.host = target_.host, .path = "/mqtt", .key = kUpgradeKey, .subprotocol = "mqtt"});
}

void Client::receive() {
  const MutableBytes buffer = tls_ ? loop_.cipher_scratch() : loop_.scratch();
  const IoResult got = tcp_receive(fd_.get(), buffer);
  if (got.kind == IoKind::kWouldBlock) return;
  if (got.kind != IoKind::kBytes) {
    return close(got.kind == IoKind::kClosed ? "closed" : error_text(got.error_number));
  }
  if (!tls_) return on_plain(buffer.first(got.count));
  const TlsProgress progress = tls_->feed(buffer.first(got.count), out_, loop_.scratch(),
                                          [this](MutableBytes plain) { on_plain(plain); });
  if (progress.state != TlsState::kOpen) return close("TLS: " + progress.reason);
  if (stage_ == Stage::kTls && tls_->handshake_done()) begin_upgrade();
}

void Client::on_plain(MutableBytes plain) {
  if (closed()) return;
  if (stage_ == Stage::kUpgrade) return on_upgrade_bytes(plain);
  if (const auto broken = frames_.feed(plain, FrameSink{*this})) {
    close("broken WebSocket frames");
  }
}

void Client::on_upgrade_bytes(MutableBytes plain) {
  head_.append(plain);
  ResponseHeadParse parsed = parse_response_head(head_.view());
  if (std::holds_alternative<HeadNeedsMore>(parsed)) return;
  const auto* head = std::get_if<ResponseHead>(&parsed);
  if (!head || head->status != 101) return close("no WebSocket upgrade");
  stage_ = Stage::kAwaitConnack;
  mqtt::ConnectPacket connect;
  connect.client_id = login_.client_id;
  connect.keep_alive_seconds = 600;
  if (login_.persistent) connect.clean_start = mqtt::CleanStart::kNo;
  if (login_.user_name) connect.user_name = *login_.user_name;
  if (login_.password) connect.password = as_bytes(*login_.password);
  send_packet(connect);
  ByteBuffer behind = std::move(head_);
  const MutableBytes rest = behind.mutable_view().subspan(head->head_size);
  if (!rest.empty()) on_plain(rest);
}

void Client::on_mqtt(MutableBytes piece) {
  const Status status = packets_.feed(piece, [this](const mqtt::FixedHeader& header, Bytes body) {
    if (stage_ == Stage::kReady) {
      scenario_.on_packet(*this, header, body);
    } else if (header.type == mqtt::PacketType::kConnack) {
      on_connack(body);
    } else {
      close("not a CONNACK");
    }
    return !closed();
  });
  if (!status) close(status.error().sentence);
}

void Client::on_connack(Bytes body) {
  const auto packet = mqtt::read_connack(mqtt::ProtocolVersion::k311, body);
  if (!packet || packet->reason != ReasonCode::kSuccess) {
    return close("refused: " +
                 (packet ? std::string(reason_name(packet->reason)) : packet.error().sentence));
  }
  stage_ = Stage::kReady;
  scenario_.on_ready(*this);
}

void Client::send(Bytes packet) {
  if (!closed()) append_frame(out(), Opcode::kBinary, packet, kMask);
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
    return close(error_text(sent.error_number));
  }
  want(out_.empty() ? IoInterest::kRead : IoInterest::kReadWrite);
}

}  // namespace fairlead::bench
