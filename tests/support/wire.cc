#include "support/wire.h"

#include <poll.h>

#include "proto/http/response.h"
#include "proto/mqtt/reader.h"
#include "support/test_server.h"

namespace fairlead::testing {
namespace {

constexpr MaskKey kMask{std::byte{0x12}, std::byte{0x9a}, std::byte{0x37}, std::byte{0xc5}};
constexpr std::size_t kReadBytes = 64u << 10;

bool is_one_packet(Bytes message) {
  auto header = mqtt::read_fixed_header(message, message.size());
  return header.ok() && *header && (*header)->packet_size() == message.size();
}

}  // namespace

std::string_view transport_name(Transport transport) {
  switch (transport) {
    case Transport::kTcp:
      return "tcp";
    case Transport::kTls:
      return "tls";
    case Transport::kWs:
      return "ws";
    case Transport::kWss:
      return "wss";
  }
  unreachable();
}

struct Wire::Sink {
  Wire& wire;
  Flow on_data(MutableBytes piece) {
    wire.message_.append(piece);
    return Flow::kContinue;
  }
  Flow on_message_end(Opcode kind) {
    if (kind != Opcode::kBinary || !is_one_packet(wire.message_.view())) {
      wire.one_packet_per_message_ = false;
    }
    wire.stream_.append(wire.message_.view());
    wire.message_.clear();
    return Flow::kContinue;
  }
  Flow on_compressed(MutableBytes piece, LastPiece last, Opcode kind) {
    wire.compressed_.append(piece);
    if (last == LastPiece::kNo) return Flow::kContinue;
    ++wire.compressed_count_;
    const auto done = wire.inflater_->inflate(wire.compressed_.view(), 64u << 20, wire.message_);
    if (done != Inflater::Outcome::kDone) throw TestFailure("the server sent corrupt DEFLATE");
    wire.compressed_.clear();
    return on_message_end(kind);
  }
  Flow on_ping(Bytes) {
    ++wire.ping_count_;
    return Flow::kContinue;
  }
  Flow on_pong(Bytes payload) {
    wire.pongs_.emplace_back(as_text(payload));
    return Flow::kContinue;
  }
  Flow on_close(CloseCode code, std::string_view) {
    wire.close_code_ = code;
    return Flow::kStop;
  }
};

Wire::Wire(const SocketAddress& address, Transport transport, WireOptions options)
    : transport_(transport),
      options_(std::move(options)),
      in_(kReadBytes),
      plain_(kReadBytes),
      random_(options_.chop_seed.value_or(0)) {
  auto fd = start_connect(address);
  if (!fd) throw TestFailure("connect: " + fd.error().sentence);
  fd_ = std::move(*fd);
  wait(POLLOUT);
  if (Status done = finish_connect(fd_.get()); !done) throw TestFailure(done.error().sentence);
  if (!options_.preamble.empty()) send_socket(as_bytes(options_.preamble));
  if (is_tls(transport)) connect_tls();
  if (is_ws(transport)) upgrade();
}

void Wire::wait(short events) {
  pollfd poll_fd{.fd = fd_.get(), .events = events, .revents = 0};
  const int ready =
      ::poll(&poll_fd, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count()));
  if (ready <= 0) throw TestFailure("nothing came in time");
}

void Wire::connect_tls() {
  auto context = options_.tls ? options_.tls : test_client_tls();
  tls_ = std::make_unique<TlsStream>(TlsStream::client(context, options_.host));
  ByteBuffer out;
  (void)tls_->feed({}, out, plain_, [](MutableBytes) {});
  send_socket(out.view());
  while (!tls_->handshake_done()) {
    if (!fill()) throw TestFailure("the server closed during the TLS handshake");
  }
}

void Wire::upgrade() {
  const std::array<std::byte, 16> nonce{std::byte{7}};
  const std::string key = upgrade_key(nonce);
  const UpgradeOffer offer{.host = options_.host,
                           .path = options_.path,
                           .key = key,
                           .subprotocol = options_.subprotocol,
                           .extensions = options_.extensions,
                           .headers = options_.headers};
  ByteBuffer out;
  if (Status fine = write_upgrade_request(out, offer); !fine) {
    throw TestFailure(fine.error().sentence);
  }
  send_plain(out.view());
  for (;;) {
    auto parsed = parse_response_head(stream_.view());
    if (auto* head = std::get_if<ResponseHead>(&parsed)) {
      if (Status agreed = check_upgrade_response(*head, offer); !agreed) {
        throw TestFailure("upgrade: " + agreed.error().sentence);
      }
      for (std::string_view name : head->header_values("Sec-WebSocket-Protocol")) {
        subprotocol_ = name;
      }
      deflates_ = !head->header_values("Sec-WebSocket-Extensions").empty();
      if (deflates_) frames_.set_compression(Compression::kNegotiated);
      ByteBuffer behind;
      behind.append(stream_.view().subspan(head->head_size));
      stream_.clear();
      upgraded_ = true;
      if (!behind.empty()) take_plain(behind.mutable_view());
      return;
    }
    if (!std::holds_alternative<HeadNeedsMore>(parsed)) throw TestFailure("malformed response");
    if (!fill()) throw TestFailure("the server closed during the upgrade");
  }
}

std::size_t Wire::next_piece(std::size_t left) {
  if (!options_.chop_seed) return left;
  return std::min<std::size_t>(left, 1 + random_() % (random_() % 4 == 0 ? 64 : 3));
}

void Wire::send(Bytes mqtt) {
  if (!is_ws(transport_)) return send_plain(mqtt);
  if (const auto small = deflates_ ? deflater_->deflate(mqtt) : std::nullopt) {
    return send_compressed(*small, options_.chop_seed ? 1 + random_() % 50 : SIZE_MAX);
  }
  if (!options_.chop_seed) return send_frame(Opcode::kBinary, mqtt);
  // Cut into frames, and messages of one or more frames, that have nothing to do with packets.
  ByteBuffer frames;
  bool fresh = true;
  while (!mqtt.empty()) {
    const std::size_t count = next_piece(mqtt.size());
    const bool last = count == mqtt.size() || random_() % 2 == 0;
    append_frame(frames, fresh ? Opcode::kBinary : Opcode::kContinuation, mqtt.first(count), kMask,
                 last ? Fragment::kFinal : Fragment::kMoreFollow);
    if (random_() % 8 == 0) append_ping(frames, as_bytes("hi"), kMask);
    fresh = last;
    mqtt = mqtt.subspan(count);
  }
  send_plain(frames.view());
}

void Wire::send_frame(Opcode opcode, Bytes payload, Fragment fragment) {
  ByteBuffer frame;
  append_frame(frame, opcode, payload, kMask, fragment);
  send_plain(frame.view());
}

void Wire::send_compressed(Bytes compressed, std::size_t fragment_bytes) {
  ByteBuffer frames;
  for (bool first = true; first || !compressed.empty(); first = false) {
    const Bytes piece = compressed.first(std::min(fragment_bytes, compressed.size()));
    compressed = compressed.subspan(piece.size());
    const std::size_t at = frames.size();
    append_frame(frames, first ? Opcode::kBinary : Opcode::kContinuation, piece, kMask,
                 compressed.empty() ? Fragment::kFinal : Fragment::kMoreFollow);
    if (first) frames.data()[at] |= kCompressedBit;
    if (!compressed.empty()) append_ping(frames, as_bytes("between"), kMask);
  }
  send_plain(frames.view());
}

void Wire::send_plain(Bytes bytes) {
  if (!tls_) return send_socket(bytes);
  ByteBuffer cipher;
  while (!bytes.empty()) {
    const std::size_t count = next_piece(bytes.size());
    if (!tls_->seal(bytes.first(count), cipher)) throw TestFailure("TLS is closed");
    bytes = bytes.subspan(count);
  }
  send_socket(cipher.view());
}

// A peer that has closed is no failure here: the test learns it when it reads.
void Wire::send_socket(Bytes bytes) {
  while (!bytes.empty()) {
    const std::size_t count = next_piece(bytes.size());
    const IoResult sent = tcp_send(fd_.get(), bytes.first(count));
    if (sent.kind == IoKind::kClosed || sent.kind == IoKind::kError) return;
    if (sent.kind == IoKind::kWouldBlock) {
      wait(POLLOUT);
      continue;
    }
    bytes = bytes.subspan(sent.count);
  }
}

bool Wire::fill() {
  if (closed_) return false;
  for (;;) {
    const IoResult got = tcp_receive(fd_.get(), in_);
    if (got.kind == IoKind::kWouldBlock) {
      wait(POLLIN);
      continue;
    }
    if (got.kind != IoKind::kBytes) {
      closed_ = true;
      return false;
    }
    MutableBytes bytes = MutableBytes(in_).first(got.count);
    if (!tls_) {
      take_plain(bytes);
      return true;
    }
    ByteBuffer out;
    const TlsProgress progress =
        tls_->feed(bytes, out, plain_, [this](MutableBytes plain) { take_plain(plain); });
    if (!out.empty()) send_socket(out.view());
    closed_ = progress.state != TlsState::kOpen;
    if (progress.state == TlsState::kFailed) throw TestFailure("TLS: " + progress.reason);
    return !closed_ || !stream_.empty();
  }
}

void Wire::take_plain(MutableBytes plain) {
  if (!upgraded_) return stream_.append(plain);
  if (!close_code_) {
    if (auto broken = frames_.feed_some(plain, Sink{*this})) {
      throw TestFailure("the server broke RFC 6455: " + std::to_string(static_cast<int>(*broken)));
    }
  }
  if (close_code_ && !plain.empty()) throw TestFailure("the server went on behind its close frame");
}

void Wire::reset() {
  tcp_reset_on_close(fd_.get());
  fd_ = UniqueFd();
  closed_ = true;
}

void Wire::finish_sending() { tcp_finish_sending(fd_.get()); }

}  // namespace fairlead::testing
