#include "shard/connection.h"

#include "base/log.h"
#include "proto/http/response.h"
#include "proto/ws/frame_writer.h"
#include "shard/hosted_session.h"
#include "shard/shard.h"

namespace fairlead {

CloseCode close_code_of(ReasonCode reason) {
  switch (reason) {
    case ReasonCode::kPacketTooLarge:
      return CloseCode::kMessageTooBig;
    case ReasonCode::kMalformedPacket:
    case ReasonCode::kProtocolError:
      return CloseCode::kProtocolError;
    case ReasonCode::kServerShuttingDown:
      return CloseCode::kGoingAway;
    case ReasonCode::kNotAuthorized:
    case ReasonCode::kBadUserNameOrPassword:
    case ReasonCode::kAdministrativeAction:
    case ReasonCode::kSessionTakenOver:
    case ReasonCode::kQuotaExceeded:
      return CloseCode::kPolicyViolation;
    default:
      return CloseCode::kNormal;
  }
}

Connection::Connection(Shard& shard, UniqueFd fd, const SocketAddress& peer,
                       const ListenerOptions& listener)
    : shard_(&shard),
      listener_(&listener),
      frames_(Role::kServer, {}),
      last_packet_(shard.now()),
      peer_(peer),
      fd_(std::move(fd)),
      packet_bytes_max_(shard.options().suspect.bytes_max),
      stage_(listener.proxy_header == ProxyUse::kRequired ? Stage::kProxyHeader : Stage::kDetect) {
  enter(stage_, shard.options().suspect.detect_max);
}

Connection::~Connection() {
  if (watched_) shard_->loop().forget_and_close(std::move(fd_), *this);
}

bool Connection::start() {
  watched_ = shard_->loop().watch(fd_.get(), *this, interest_);
  return watched_;
}

std::string_view Connection::transport() const {
  if (stage_ == Stage::kHttpHead) return tls_ ? "https" : "http";
  if (framing_ == Framing::kWebSocket) return tls_ ? "wss" : "ws";
  return tls_ ? "mqtts" : "mqtt";
}

void Connection::enter(Stage stage, milliseconds limit) {
  stage_ = stage;
  stage_deadline_ = shard_->now() + limit;
  arm_timer();
}

// --- Input ---------------------------------------------------------------------------------------

void Connection::on_io(IoEvents events) {
  if (events.writable) on_wire_writable();
  if (events.readable && stage_ != Stage::kFinished) {
    if (waits()) {
      if (events.hang_up) on_hang_up();
      update_interest();
    } else if (suspect_) {
      read_as_suspect();
    } else {
      read();
    }
  }
  if (stage_ == Stage::kMoving) shard_->hand_over(*this);
}

void Connection::read_as_suspect() {
  AdmissionBudget& budget = shard_->admission_budget();
  if (!budget.may_step()) return;
  const auto begin = std::chrono::steady_clock::now();
  read();
  budget.spend(std::chrono::steady_clock::now() - begin);
}

void Connection::read() {
  if (stage_ >= Stage::kClosing) {  // what the peer still says is not listened to
    IoResult got = tcp_receive(fd_.get(), shard_->loop().scratch());
    if (got.kind == IoKind::kClosed || got.kind == IoKind::kError) abort(detach_cause_);
    return;
  }
  Loop& loop = shard_->loop();
  MutableBytes into = tls_ ? loop.cipher_scratch() : loop.scratch();
  IoResult got = tcp_receive(fd_.get(), into);
  switch (got.kind) {
    case IoKind::kWouldBlock:
      return;
    case IoKind::kClosed:
    case IoKind::kError:
      abort(DetachCause::kConnectionLost);
      return;
    case IoKind::kBytes:
      break;
  }
  shard_->counters().bytes_received.add(got.count);
  if (tls_) {
    on_tls_bytes(into.first(got.count), loop.scratch());
  } else {
    on_plain(into.first(got.count));
  }
}

void Connection::on_tls_bytes(MutableBytes cipher, MutableBytes plain_scratch) {
  ByteBuffer& answer = shard_->answer_scratch();
  answer.clear();
  decrypting_ = true;
  TlsProgress progress = tls_->feed(cipher, answer, plain_scratch,
                                    [this](MutableBytes plain) { return on_plain(plain); });
  decrypting_ = false;
  if (!answer.empty()) send_wire(answer.view());
  if (closing()) return;
  if (progress.state != TlsState::kOpen && waits()) {
    end_held_ = true;
    return;
  }
  switch (progress.state) {
    case TlsState::kOpen:
      if (stage_ == Stage::kTls && tls_->handshake_done()) {
        enter(Stage::kDetectInTls, shard_->options().suspect.detect_max);
      }
      return;
    case TlsState::kClosed:
      abort(DetachCause::kConnectionLost);
      return;
    case TlsState::kFailed:
      if (session_) {
        abort(DetachCause::kConnectionLost);
      } else {
        refuse("TLS: " + progress.reason);
      }
      return;
  }
}

PlainFlow Connection::on_plain(MutableBytes piece) {
  switch (stage_) {
    case Stage::kProxyHeader:
      on_proxy_header(piece);
      break;
    case Stage::kTls:
      enter(Stage::kDetectInTls, shard_->options().suspect.detect_max);
      [[fallthrough]];
    case Stage::kDetectInTls:
    case Stage::kDetect:
      on_first_bytes(piece);
      break;
    case Stage::kHttpHead:
      on_http_head(piece);
      break;
    case Stage::kAwaitConnect:
    case Stage::kMoving:
    case Stage::kWaiting:
    case Stage::kOpen:
      if (framing_ == Framing::kWebSocket) {
        on_frames(piece);
      } else {
        on_mqtt_bytes(piece);
      }
      break;
    case Stage::kClosing:
    case Stage::kLingering:
    case Stage::kFinished:
      break;
  }
  return closing() ? PlainFlow::kStop : PlainFlow::kContinue;
}

// --- Output --------------------------------------------------------------------------------------

ByteBuffer& Connection::out() {
  if (!ListLink<FlushTag>::linked()) {
    if (out_.capacity() == 0) out_ = shard_->lease();
    shard_->flush_later(*this);
  }
  return out_;
}

void Connection::send_packet(Bytes packet) {
  if (packet.empty()) return;  // would exceed the peer's Maximum Packet Size: left out
  if (closing()) return;       // nothing follows DISCONNECT and the close frame
  ByteBuffer& to = out();
  if (deflates() && stage_ == Stage::kOpen && packet.size() >= kDeflateBytesMin &&
      DeflateAgreement{.server_window_bits = server_window_bits_}.fits(packet.size())) {
    append_deflated_frame(to, Opcode::kBinary, packet, shard_->encoder().deflater());
  } else if (framing_ == Framing::kWebSocket) {
    append_frame(to, Opcode::kBinary, packet);
  } else {
    to.append(packet);
  }
}

// `write` appends one packet to a buffer. It is written where it goes: in WebSocket behind a header
// of the shortest size, which nearly all fit. One that is longer is taken back and framed apart.
template <class Write>
void Connection::send_written(Write&& write) {
  if (closing()) return;  // nothing follows DISCONNECT and the close frame
  constexpr std::size_t kShortHeader = frame_header_size(0);
  constexpr std::size_t kShortPacketMax = 125;
  static_assert(kShortPacketMax < kDeflateBytesMin);
  if (framing_ != Framing::kWebSocket) return write(out());
  ByteBuffer& to = out();
  const std::size_t begin = to.size();
  (void)to.extend(kShortHeader);
  write(to);
  const Bytes packet = to.view().subspan(begin + kShortHeader);
  if (!packet.empty() && packet.size() <= kShortPacketMax) {
    (void)write_frame_header(to.data() + begin, Opcode::kBinary, packet.size());
    return;
  }
  ByteBuffer& scratch = shard_->packet_scratch();
  scratch.clear();
  scratch.append(packet);
  to.truncate(begin);
  send_packet(scratch.view());
}

template <class Packet>
void Connection::send_framed(const Packet& packet, uint32_t peer_packet_size_max) {
  send_written([&](ByteBuffer& to) { mqtt::write(to, version_, packet, peer_packet_size_max); });
}

template <class Packet>
void Connection::send_framed(const Packet& packet) {
  send_framed(packet, session_ ? session_->peer_packet_size_max() : mqtt::kNoPacketSizeLimit);
}

void Connection::send(const mqtt::ConnackPacket& packet) { send_framed(packet); }
void Connection::send(const mqtt::AckPacket& packet) { send_framed(packet); }
void Connection::send(const mqtt::SubackPacket& packet) { send_framed(packet); }
void Connection::send(const mqtt::UnsubackPacket& packet) { send_framed(packet); }
void Connection::send(const mqtt::DisconnectPacket& packet) { send_framed(packet); }

void Connection::send(const mqtt::PingrespPacket& packet) {
  send_written([&](ByteBuffer& to) { mqtt::write(to, packet); });
}

void Connection::send_publish(const mqtt::Message& message, const mqtt::PublishForm& form) {
  if (closing()) return;
  shard_->counters().messages_sent.add();
  if (!deflates()) return shard_->encoder().append(out(), framing_, message, form);
  if (server_window_bits_ == DeflateAgreement::kWindowBitsMax) {
    return shard_->encoder().append(out(), Framing::kDeflated, message, form);
  }
  // A narrow window is rare: the image that others share may reach too far back for it.
  ByteBuffer& scratch = shard_->packet_scratch();
  scratch.clear();
  write_publish(scratch, message, form);
  send_packet(scratch.view());
}

Outlet Connection::outlet() {
  if (closing())
    return Outlet::kCongested;  // until the session is detached, at the end of the turn
  starved_ = congested();
  return starved_ ? Outlet::kCongested : Outlet::kReady;
}

bool Connection::congested() {
  const uint32_t limit = shard_->options().connection.congested_bytes;
  // A large burst within one turn is no sign of a slow peer: the socket may take it now.
  if (out_.size() >= limit && wire_left() == 0) flush();
  return unsent_bytes() >= limit;
}

void Connection::flush() {
  ListLink<FlushTag>::unlink();
  if (stage_ == Stage::kFinished) {
    out_.release();
    return;
  }
  if (output_held()) return;
  if (!out_.empty() && !broken_) {
    if (tls_) {
      ByteBuffer& cipher = cipher_out();
      if (tls_->seal(out_.view(), cipher)) {
        send_wire(cipher.view());
      } else {
        end_held_ = true;  // nor can anything be read any more
        on_broken();
      }
      cipher.clear();
    } else {
      send_wire(out_.view());
    }
  }
  shard_->give_back(std::move(out_));
  if (stage_ == Stage::kClosing && wire_left() == 0) on_all_sent();
}

// Where records are sealed to: behind what TLS has to say for itself while input is decrypted, for
// records have to leave in the order in which they were made; otherwise it is empty.
ByteBuffer& Connection::cipher_out() {
  if (decrypting_) return shard_->answer_scratch();
  shard_->cipher_scratch().clear();
  return shard_->cipher_scratch();
}

void Connection::release_output() {
  output_held_ = false;
  flush();
  resume_starved();
  resume_later();
}

void Connection::resume_starved() {
  if (!starved_ || !session_) return;
  if (unsent_bytes() >= shard_->options().connection.congested_bytes / 2) return;
  starved_ = false;
  resume_input();  // before what waits in the session congests the outlet again
  if (!session_) return;
  session_->on_outlet_ready(shard_->effects(), shard_->now());
  shard_->settle();
}

// Sends what the socket takes now; the rest waits in wire_ for writability.
void Connection::send_wire(Bytes bytes) {
  if (stage_ == Stage::kFinished || broken_) return;
  const bool first = wire_left() == 0;
  if (first) {
    // The last bytes of one who reads no more share a segment with our end of the stream.
    const bool last = stage_ == Stage::kClosing && !lingers_;
    IoResult sent = tcp_send(fd_.get(), bytes, last ? SendWhen::kWithWhatFollows : SendWhen::kNow);
    if (sent.kind == IoKind::kError || sent.kind == IoKind::kClosed) return on_broken();
    const std::size_t count = sent.kind == IoKind::kBytes ? sent.count : 0;
    shard_->counters().bytes_sent.add(count);
    note_output();
    bytes = bytes.subspan(count);
    if (bytes.empty()) return;
  }
  if (wire_sent_ > 0) {
    wire_.consume(wire_sent_);
    wire_sent_ = 0;
  }
  wire_.append(bytes);
  if (first) {
    stalled_since_ = shard_->now();
    arm_timer();
  }
  update_interest();
}

void Connection::on_wire_writable() {
  if (wire_left() == 0) {
    update_interest();
    return;
  }
  IoResult sent = tcp_send(fd_.get(), wire_.view().subspan(wire_sent_));
  if (sent.kind == IoKind::kWouldBlock) return;
  if (sent.kind != IoKind::kBytes) return on_broken();
  shard_->counters().bytes_sent.add(sent.count);
  note_output();
  wire_sent_ += static_cast<uint32_t>(sent.count);
  stalled_since_ = shard_->now();
  if (wire_left() == 0) {
    wire_.release();
    wire_sent_ = 0;
    stalled_since_ = Instant::max();
    if (stage_ == Stage::kClosing && out_.empty()) on_all_sent();
  }
  update_interest();
  resume_starved();
}

// A suspect has sent next to nothing: it need not be owed much either.
std::size_t Connection::wire_left_max() const {
  return suspect_ ? shard_->options().suspect.bytes_max
                  : shard_->options().connection.output_bytes_max;
}

// Reads unless the peer leaves too much of our output lying, or input waits; writes while there is
// some. Whoever lets input wait need not call this: on_io() does when more has come.
void Connection::update_interest() {
  if (!watched_) return;
  const bool read = (wire_left() <= wire_left_max() && !waits()) || closing();
  const bool write = wire_left() > 0;
  const auto wanted = static_cast<IoInterest>((read ? 1 : 0) | (write ? 2 : 0));
  if (wanted == interest_) return;
  interest_ = wanted;
  shard_->loop().change(fd_.get(), *this, interest_);
}

void Connection::refuse_connect(ReasonCode code, std::string_view peer_says,
                                uint32_t peer_packet_size_max) {
  if (closing()) return;
  shard_->counters().refused_for(RefusalCause::kConnectRefused).add();
  mqtt::ConnackPacket connack;
  connack.reason = code;
  if (!peer_says.empty()) connack.properties.reason_string = peer_says;
  send_framed(connack, peer_packet_size_max);
  if (framing_ == Framing::kWebSocket) append_close(out(), CloseCode::kPolicyViolation);
  begin_closing(DetachCause::kConnectionLost);
}

// --- The end -------------------------------------------------------------------------------------

void Connection::close(CloseStyle style, ReasonCode reason, std::string_view sentence,
                       DetachCause cause) {
  hurry_input();  // it was said before whatever ends the connection now
  if (closing()) return;
  if (style == CloseStyle::kWithDisconnect && session_) {
    FL_LOG(kInfo, "connection.closed", {"device", session_->name()},
           {"reason", reason_name(reason)}, {"cause", sentence}, {"source", peer_.text()},
           {"transport", transport()});
    if (version_ == mqtt::ProtocolVersion::k5) {
      mqtt::DisconnectPacket packet{.reason = reason, .properties = {}};
      if (!sentence.empty() && session_->peer_wants_problem_information()) {
        packet.properties.reason_string = sentence;
      }
      send(packet);
    }
  }
  if (framing_ == Framing::kWebSocket) append_close(out(), close_code_of(reason));
  // Who said DISCONNECT reads no more (MQTT 5.0 section 3.14.4); others shall see why.
  lingers_ = style == CloseStyle::kWithDisconnect;
  begin_closing(cause);
}

void Connection::begin_closing(DetachCause cause) {
  if (closing()) return;
  if (output_held()) return abort(cause);  // it was never told that it is accepted
  detach_cause_ = cause;
  enter(Stage::kClosing, shard_->options().connection.linger_max);
  update_interest();
  out();  // so that flush() comes by, even if there is nothing to send
  shard_->close_later(*this);
}

void Connection::on_all_sent() {
  if (tls_) {
    ByteBuffer& cipher = shard_->cipher_scratch();
    cipher.clear();
    tls_->shutdown(cipher);
    if (!cipher.empty()) (void)tcp_send(fd_.get(), cipher.view());
  }
  if (!lingers_) {
    abort(detach_cause_);
    return;
  }
  tcp_finish_sending(fd_.get());
  stage_ = Stage::kLingering;
}

void Connection::abort(DetachCause cause) {
  if (stage_ == Stage::kFinished) return;
  if (!closing()) detach_cause_ = cause;
  stage_ = Stage::kFinished;
  shard_->close_later(*this);
}

// The peer is gone, and input waits.
void Connection::on_hang_up() {
  if (parked()) return abort(DetachCause::kConnectionLost);
  on_broken();
  resume_input();
}

// Whoever reads no more may have said something before: the end of the stream, which is next, is
// the end. What waits for others waits no more.
void Connection::on_broken() {
  if (closing()) return abort(detach_cause_);
  broken_ = true;
  wire_.release();
  wire_sent_ = 0;
  stalled_since_ = Instant::max();
  update_interest();
  resume_later();
}

// It is about to be closed for a reason of our own.
void Connection::hurry_input() {
  if (!input_held_) return;
  hurried_ = true;
  resume_input();
}

void Connection::evict() {
  refuse("many connections wait to be let in: the oldest of them gives way",
         RefusalCause::kTooManySuspects);
  abort(DetachCause::kConnectionLost);
  suspect_ = false;
}

void Connection::detach_session() {
  if (!session_) return;
  HostedSession& session = *session_;
  session_ = nullptr;
  session.connection = nullptr;
  shard_->on_detached(session, detach_cause_);
}

// --- Time ----------------------------------------------------------------------------------------

void Connection::note_output() {
  last_output_ =
      std::chrono::duration_cast<std::chrono::duration<uint32_t>>(shard_->now().time_since_epoch());
}

Instant Connection::next_ping() const {
  const seconds interval = shard_->options().websocket.ping_interval;
  if (framing_ != Framing::kWebSocket || interval == seconds(0)) return Instant::max();
  return Instant(seconds(last_output_.count()) + interval);
}

void Connection::arm_timer() {
  Instant next = stage_deadline_;
  if (stage_ == Stage::kOpen) {
    next = std::min(next, next_ping());
    if (keep_alive_interval_.count() > 0) {
      next = std::min(next, last_packet_ + keep_alive_interval_);
    }
    if (wire_left() > 0) {
      next = std::min(next, stalled_since_ + shard_->options().connection.stalled_max);
    }
  }
  if (next == Instant::max()) {
    timer_.cancel();
  } else {
    shard_->loop().timers().arm(timer_, next);
  }
}

void Connection::on_timer(Instant now) {
  if (stage_ == Stage::kOpen) {
    if (wire_left() > 0 && now >= stalled_since_ + shard_->options().connection.stalled_max) {
      FL_LOG(kInfo, "connection.stalled", {"device", session_->name()},
             {"cause", "the client takes no more data"}, {"source", peer_.text()});
      hurry_input();
      abort(DetachCause::kConnectionLost);
      return;
    }
    if (input_held_) last_packet_ = now;  // nothing is read: it may have said something
    if (keep_alive_interval_.count() > 0 && now >= last_packet_ + keep_alive_interval_) {
      close(CloseStyle::kWithDisconnect, ReasonCode::kKeepAliveTimeout,
            "no packet within one and a half times the keep alive", DetachCause::kConnectionLost);
      return;
    }
    if (now >= next_ping()) {
      // What waits to be sent already does what a ping is for.
      if (wire_left() == 0) append_ping(out(), {});
      note_output();
    }
  } else if (now >= stage_deadline_) {
    if (closing()) {
      stage_ = Stage::kFinished;
      shard_->close_later(*this);
      return;
    }
    switch (stage_) {
      case Stage::kTls:
        refuse("TLS handshake took too long", RefusalCause::kTlsDeadline);
        return;
      case Stage::kHttpHead:
        append_refusal(out(), 408, "The head of the request did not come in time.");
        refuse("HTTP request head took too long", RefusalCause::kHttpDeadline);
        return;
      case Stage::kAwaitConnect:
        refuse("no CONNECT in time", RefusalCause::kConnectDeadline);
        return;
      case Stage::kWaiting:
        resume_connect();
        shard_->settle();
        return;
      default:
        refuse("nothing was sent in time", RefusalCause::kDetectDeadline);
        return;
    }
  }
  arm_timer();
}

}  // namespace fairlead
