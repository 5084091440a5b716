#include "transport.h"

#include <array>

#include "base/random.h"
#include "proto/http/response.h"
#include "proto/ws/frame_writer.h"
#include "proto/ws/handshake.h"

namespace fairlead::sdk {
namespace {

// Reads of one turn: a fast server must not keep timers from being served.
constexpr int kReadsPerTurn = 16;

MaskKey fresh_mask() {
  MaskKey key;
  random_bytes(key);
  return key;
}

std::string advice_for_tls(std::string_view reason) {
  const auto says = [reason](std::string_view part) {
    return reason.find(part) != std::string_view::npos;
  };
  if (says("hostname mismatch") || says("IP address mismatch")) {
    return "The certificate does not cover this name; use one that it covers.";
  }
  if (says("certificate verify failed") || says("self-signed") || says("self signed") ||
      says("unable to get local issuer")) {
    return "Name the CA certificate of the server, or skip the check for a test.";
  }
  if (says("wrong version number") || says("http request") || says("packet length too long")) {
    return "The server does not speak TLS on this port; try mqtt:// or ws://.";
  }
  return {};
}

}  // namespace

// What FrameReader tells.
struct Transport::FrameSink {
  Transport& transport;

  Flow on_data(MutableBytes piece) { return transport.on_bytes_(piece); }
  Flow on_message_end(Opcode) { return Flow::kContinue; }
  Flow on_ping(Bytes payload) {
    append_pong(transport.tls_ ? transport.plain_ : transport.out_, payload, fresh_mask());
    return Flow::kContinue;
  }
  Flow on_pong(Bytes) { return Flow::kContinue; }
  Flow on_close(CloseCode code, std::string_view reason) {
    std::string sentence = "the server closed the WebSocket connection with code " +
                           std::to_string(static_cast<int>(code));
    if (!reason.empty()) sentence += ": " + std::string(reason);
    transport.fail(OutcomeKind::kConnectionLost, std::move(sentence));
    return Flow::kStop;
  }
};

Transport::Transport(Loop& loop, const Url& url, std::shared_ptr<const TlsContext> tls,
                     const SocketAddress& address, OnBytes on_bytes)
    : loop_(loop),
      url_(url),
      address_(address),
      on_bytes_(std::move(on_bytes)),
      tls_context_(std::move(tls)),
      frames_(Role::kClient, {.message_bytes_max = UINT64_MAX, .text = TextFrames::kRefuse}) {
  auto fd = start_connect(address);
  if (!fd) {
    fail(OutcomeKind::kUnreachable, fd.error().sentence);
    return;
  }
  fd_ = std::move(*fd);
  interest_ = IoInterest::kWrite;
  if (!loop_.watch(fd_.get(), *this, interest_)) {
    fd_.reset();
    fail(OutcomeKind::kUnreachable, "the kernel refuses to watch another socket");
  }
}

Transport::~Transport() {
  if (fd_.valid()) loop_.forget(fd_.get(), *this);
}

std::string Transport::doing() const {
  switch (stage_) {
    case Stage::kConnecting:
      return "connecting to " + address_.text();
    case Stage::kTls:
      return "the TLS handshake with " + address_.text();
    case Stage::kUpgrade:
      return "the WebSocket handshake with " + address_.text();
    case Stage::kOpen:
    case Stage::kLost:
      return "the CONNACK of " + address_.text();
  }
  unreachable();
}

void Transport::fail(OutcomeKind kind, std::string sentence, std::string advice) {
  if (stage_ == Stage::kLost) return;  // the first cause counts
  stage_ = Stage::kLost;
  why_ = failure(kind, std::move(sentence), std::move(advice));
  if (fd_.valid()) want(IoInterest::kNone);
}

void Transport::want(IoInterest interest) {
  if (interest == interest_) return;
  interest_ = interest;
  loop_.change(fd_.get(), *this, interest);
}

// --- Handshakes ----------------------------------------------------------------------------------

void Transport::on_io(IoEvents events) {
  if (stage_ == Stage::kLost) return;
  if (stage_ == Stage::kConnecting) {
    if (events.writable || events.hang_up) on_connected();
    return;
  }
  if (events.readable) receive();
  flush();  // also when it is lost: an alert or a close frame may be left to say
}

void Transport::on_connected() {
  if (auto done = finish_connect(fd_.get()); !done) {
    return fail(OutcomeKind::kUnreachable, address_.text() + ": " + done.error().sentence,
                "Check host and port, and whether the server runs.");
  }
  want(IoInterest::kRead);
  if (url_.tls()) {
    stage_ = Stage::kTls;
    tls_.emplace(TlsStream::client(tls_context_, url_.host));
    feed_tls({});
    return flush();
  }
  on_tls_done();
  flush();
}

void Transport::on_tls_done() {
  if (url_.web_socket()) return begin_upgrade();
  stage_ = Stage::kOpen;
}

void Transport::begin_upgrade() {
  stage_ = Stage::kUpgrade;
  std::array<std::byte, 16> nonce;
  random_bytes(nonce);
  upgrade_key_ = upgrade_key(nonce);
  const std::string host = url_.authority();
  const UpgradeOffer offer{.host = host, .path = url_.path, .key = upgrade_key_};
  if (auto written = write_upgrade_request(tls_ ? plain_ : out_, offer); !written) {
    fail(OutcomeKind::kBadOptions, written.error().sentence);
  }
}

Flow Transport::on_upgrade_bytes(MutableBytes plain) {
  head_.append(plain);
  ResponseHeadParse parsed = parse_response_head(head_.view());
  if (std::holds_alternative<HeadNeedsMore>(parsed)) return Flow::kContinue;
  if (const auto* reject = std::get_if<Reject>(&parsed)) {
    fail(OutcomeKind::kUpgradeFailed, "the answer to the WebSocket handshake: " + reject->sentence,
         "The server may not speak WebSocket on this port; try mqtt:// or mqtts://.");
    return Flow::kStop;
  }
  const auto& head = std::get<ResponseHead>(parsed);
  const UpgradeOffer offer{.key = upgrade_key_};
  if (auto agreed = check_upgrade_response(head, offer); !agreed) {
    fail(OutcomeKind::kUpgradeFailed,
         "no WebSocket at " + url_.authority() + url_.path + ": " + agreed.error().sentence);
    return Flow::kStop;
  }
  stage_ = Stage::kOpen;
  ByteBuffer behind = std::move(head_);
  const MutableBytes rest = behind.mutable_view().subspan(head.head_size);
  return rest.empty() ? Flow::kContinue : on_frames(rest);
}

// --- Bytes in ------------------------------------------------------------------------------------

void Transport::receive() {
  for (int i = 0; i < kReadsPerTurn && stage_ != Stage::kLost; ++i) {
    const MutableBytes buffer = tls_ ? loop_.cipher_scratch() : loop_.scratch();
    const IoResult got = tcp_receive(fd_.get(), buffer);
    switch (got.kind) {
      case IoKind::kBytes:
        if (tls_) {
          feed_tls(buffer.first(got.count));
        } else if (on_plain(buffer.first(got.count)) == Flow::kStop) {
          return;
        }
        if (got.count < buffer.size()) return;
        break;
      case IoKind::kWouldBlock:
        return;
      case IoKind::kClosed:
        return fail(OutcomeKind::kConnectionLost, "the server closed the connection");
      case IoKind::kError:
        return fail(OutcomeKind::kConnectionLost,
                    "the connection broke: " + error_text(got.error_number));
    }
  }
}

void Transport::feed_tls(MutableBytes cipher) {
  const TlsProgress progress =
      tls_->feed(cipher, out_, loop_.scratch(), [this](MutableBytes plain) {
        return on_plain(plain) == Flow::kStop ? PlainFlow::kStop : PlainFlow::kContinue;
      });
  if (stage_ == Stage::kLost) return;
  if (progress.state == TlsState::kFailed) {
    plain_.clear();  // what can be sent is the alert
    return fail(OutcomeKind::kTlsFailed, "TLS with " + url_.authority() + ": " + progress.reason,
                advice_for_tls(progress.reason));
  }
  if (stage_ == Stage::kTls && tls_->handshake_done()) on_tls_done();
  if (progress.state == TlsState::kClosed) {
    fail(OutcomeKind::kConnectionLost, "the server closed the connection");
  }
}

Flow Transport::on_plain(MutableBytes plain) {
  switch (stage_) {
    case Stage::kUpgrade:
      return on_upgrade_bytes(plain);
    case Stage::kOpen:
      return url_.web_socket() ? on_frames(plain) : on_bytes_(plain);
    case Stage::kConnecting:
    case Stage::kTls:
      fail(OutcomeKind::kProtocolError, "the server spoke first");
      return Flow::kStop;
    case Stage::kLost:
      return Flow::kStop;
  }
  unreachable();
}

Flow Transport::on_frames(MutableBytes plain) {
  if (const auto broken = frames_.feed(plain, FrameSink{*this})) {
    append_close(tls_ ? plain_ : out_, *broken, {}, fresh_mask());
    fail(OutcomeKind::kProtocolError, "the server broke the WebSocket protocol (close code " +
                                          std::to_string(static_cast<int>(*broken)) + ")");
  }
  return stage_ == Stage::kLost ? Flow::kStop : Flow::kContinue;
}

// --- Bytes out -----------------------------------------------------------------------------------

void Transport::send(Bytes packet) {
  if (stage_ != Stage::kOpen) return;
  ByteBuffer& out = tls_ ? plain_ : out_;
  if (url_.web_socket()) {
    append_frame(out, Opcode::kBinary, packet, fresh_mask());
  } else {
    out.append(packet);
  }
}

void Transport::flush() {
  if (!fd_.valid() || stage_ == Stage::kConnecting) return;
  if (!plain_.empty()) {
    const bool sealed = tls_->seal(plain_.view(), out_);
    plain_.clear();
    if (!sealed) return fail(OutcomeKind::kTlsFailed, "TLS cannot send any more");
  }
  while (!out_.empty()) {
    const IoResult sent = tcp_send(fd_.get(), out_.view());
    if (sent.kind == IoKind::kWouldBlock) break;
    if (sent.kind != IoKind::kBytes) {
      // What the server said before it closed is still to be read, and says more.
      if (stage_ != Stage::kLost) receive();
      return fail(OutcomeKind::kConnectionLost,
                  "the connection broke: " + error_text(sent.error_number));
    }
    out_.consume(sent.count);
  }
  if (stage_ != Stage::kLost) want(out_.empty() ? IoInterest::kRead : IoInterest::kReadWrite);
}

void Transport::shutdown() {
  if (stage_ != Stage::kOpen) return;
  if (url_.web_socket()) {
    append_close(tls_ ? plain_ : out_, CloseCode::kNormal, {}, fresh_mask());
  }
  flush();
  if (tls_ && stage_ == Stage::kOpen) tls_->shutdown(out_);
  flush();
}

}  // namespace fairlead::sdk
