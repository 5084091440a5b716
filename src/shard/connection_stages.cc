// The stages of a connection before and with MQTT: what is made of the bytes that were read.

#include <algorithm>
#include <vector>

#include "base/log.h"
#include "proto/detect/detect.h"
#include "proto/http/request_head.h"
#include "proto/http/response.h"
#include "proto/proxy/forwarded.h"
#include "proto/proxy/header.h"
#include "proto/ws/frame_writer.h"
#include "proto/ws/handshake.h"
#include "shard/admission.h"
#include "shard/connection.h"
#include "shard/hosted_session.h"
#include "shard/shard.h"

namespace fairlead {

// What FrameReader tells: MQTT is a stream of bytes to it, so that frames end anywhere.
struct Connection::FrameSink {
  Connection& connection;

  [[nodiscard]] Flow flow() const {
    return connection.takes_packets() ? Flow::kContinue : Flow::kStop;
  }
  Flow on_data(MutableBytes piece) {
    connection.on_mqtt_bytes(piece);
    return flow();
  }
  Flow on_message_end(Opcode) { return Flow::kContinue; }
  Flow on_compressed(MutableBytes piece, LastPiece last, Opcode) {
    connection.on_compressed(piece, last);
    return flow();
  }
  Flow on_ping(Bytes payload) {
    append_pong(connection.out(), payload);
    return Flow::kContinue;
  }
  Flow on_pong(Bytes) { return Flow::kContinue; }
  Flow on_close(CloseCode code, std::string_view) {
    append_close(connection.out(), code);
    connection.begin_closing(DetachCause::kConnectionLost);
    return Flow::kStop;
  }
};

// --- Before MQTT ---------------------------------------------------------------------------------

void Connection::refuse(std::string_view sentence, RefusalCause cause, CloseCode code) {
  if (closing()) return;
  if (framing_ == Framing::kWebSocket) append_close(out(), code);
  shard_->counters().refused_for(cause).add();
  FL_LOG(kInfo, "connection.refused", {"source", peer_.text()}, {"transport", transport()},
         {"cause", sentence});
  begin_closing(DetachCause::kConnectionLost);
}

void Connection::on_proxy_header(MutableBytes piece) {
  tail_.append(piece);
  ProxyParse parsed = parse_proxy_header(tail_.view());
  if (std::holds_alternative<ProxyNeedsMore>(parsed)) return;
  if (auto* error = std::get_if<Reject>(&parsed)) {
    refuse(error->sentence);
    return;
  }
  const auto& header = std::get<ProxyHeader>(parsed);
  proxied_ = true;
  if (header.kind == ProxyHeader::Kind::kProxied) believe(header.source);
  ByteBuffer behind = std::move(tail_);
  enter(Stage::kDetect, shard_->options().suspect.detect_max);
  MutableBytes rest = behind.mutable_view().subspan(header.size);
  if (!rest.empty()) on_first_bytes(rest);
}

// From now on the client is who the proxy says that it is.
void Connection::believe(const ProxyEndpoint& client) {
  const auto address = SocketAddress::from_ip(client.ip(), client.port);
  if (!address) return;
  FL_LOG(kDebug, "connection.proxied", {"source", address->text()}, {"via", peer_.text()});
  peer_ = *address;
}

// Of a listener that can do without one.
void Connection::on_unasked_proxy_header(MutableBytes piece) {
  if (tls_) return refuse("a PROXY header inside TLS; it belongs in front");
  if (proxied_) return refuse("a second PROXY header");
  if (listener_->proxy_header == ProxyUse::kNone) {
    return refuse("a PROXY header, and this listener expects none (its proxy_header)");
  }
  if (!listener_->trusted_proxies.contains(peer_.ip())) {
    return refuse("a PROXY header of one who is no trusted proxy");
  }
  stage_ = Stage::kProxyHeader;  // within the time that the first byte had
  on_proxy_header(piece);
}

void Connection::on_first_bytes(MutableBytes piece) {
  if (!tail_.empty()) {  // what might begin a PROXY header
    tail_.append(piece);
    ByteBuffer whole = std::move(tail_);
    return on_first_bytes(whole.mutable_view());
  }
  const ListenerProtocols& allowed = listener_->protocols;
  const SuspectLimits& limits = shard_->options().suspect;
  const bool in_tls = tls_ != nullptr;
  switch (detect_protocol(piece, ProxyExpectation::kNotExpected)) {
    case Protocol::kNeedMore:
      tail_.append(piece);
      return;
    case Protocol::kTls: {
      auto context = shard_->tls();
      if (in_tls) return refuse("TLS inside TLS");
      if (!context || !allowed.any_tls()) return refuse("this listener does not take TLS");
      tls_ = std::make_unique<TlsStream>(std::move(context));
      enter(Stage::kTls, limits.tls_handshake_max);
      // The bytes lie in the buffer for plain ones: the other one serves for what is decrypted.
      return on_tls_bytes(piece, shard_->loop().cipher_scratch());
    }
    case Protocol::kHttp:
      enter(Stage::kHttpHead, limits.http_head_max);
      return on_http_head(piece);
    case Protocol::kMqtt:
      if (in_tls ? !allowed.mqtts : !allowed.mqtt) {
        return refuse("this listener does not take MQTT without WebSocket");
      }
      enter(Stage::kAwaitConnect, limits.connect_max);
      return on_mqtt_bytes(piece);
    case Protocol::kProxy:
      return on_unasked_proxy_header(piece);
    case Protocol::kUnknown:
      break;
  }
  refuse("the first byte is of no protocol that is spoken here");
}

void Connection::on_http_head(MutableBytes piece) {
  // The last two bytes may be of the line end that the head's own is to follow.
  const std::size_t searched = std::max<std::size_t>(tail_.size(), 2) - 2;
  tail_.append(piece);
  const HeadLimits limits{.head_bytes_max = shard_->options().suspect.http_head_bytes_max};
  RequestHeadParse parsed = parse_request_head(tail_.view(), limits, searched);
  if (std::holds_alternative<HeadNeedsMore>(parsed)) return;
  if (auto* refusal = std::get_if<HttpRefusal>(&parsed)) {
    append_refusal(out(), *refusal);
    refuse("HTTP: " + refusal->sentence);
    return;
  }
  const auto& head = std::get<RequestHead>(parsed);
  answer_http(head);
  ByteBuffer behind = std::move(tail_);  // the head's views are still good: it is the same memory
  MutableBytes rest = behind.mutable_view().subspan(head.head_size);
  if (!closing() && !rest.empty()) on_frames(rest);
}

// A header that cannot be read is a proxy's fault, not its client's: turning devices away for it
// would take them all off the line, so it is told in the log and the proxy's own address stays.
void Connection::read_forwarded(const RequestHead& head) {
  const bool list = listener_->forwarded_header == ForwardedHeader::kXForwardedFor;
  if (listener_->forwarded_header == ForwardedHeader::kNone) return;
  if (!listener_->trusted_proxies.contains(peer_.ip())) return;
  std::vector<std::string_view> told;
  for (std::string_view text : head.header_values(list ? "X-Forwarded-For" : "X-Real-IP")) {
    told.push_back(text);
  }
  const Forwarded client =
      list ? read_forwarded_for(told, listener_->trusted_proxies) : read_real_ip(told);
  if (const auto* address = std::get_if<ProxyEndpoint>(&client)) believe(*address);
  if (const auto* garbage = std::get_if<ForwardedGarbage>(&client)) {
    FL_LOG(kWarning, "forwarded.ignored", {"source", peer_.text()}, {"cause", garbage->sentence});
  }
}

void Connection::answer_http(const RequestHead& head) {
  read_forwarded(head);
  const auto body = head.method == "HEAD" ? ResponseBody::kLeftOut : ResponseBody::kSent;
  const bool is_get = head.method == "GET" || head.method == "HEAD";
  if (is_get && head.path() == "/healthz" && !head.headers.has_token("Upgrade", "websocket")) {
    append_response(out(), {.status = 200, .body = "ok\n", .headers = {}}, body);
    begin_closing(DetachCause::kConnectionLost);
    return;
  }
  if (tls_ ? !listener_->protocols.wss : !listener_->protocols.ws) {
    append_refusal(out(), 403, "This listener does not take WebSocket connections.", {}, body);
    return refuse("this listener does not take WebSocket");
  }
  const bool deflate = shard_->options().websocket.deflate;
  UpgradeVerdict verdict =
      evaluate_upgrade(head, {.deflate = deflate ? DeflateUse::kAgreed : DeflateUse::kDeclined});
  if (auto* refusal = std::get_if<UpgradeRefusal>(&verdict)) {
    append_refusal(out(), refusal->status, refusal->sentence, refusal->headers, body);
    refuse("HTTP " + std::to_string(refusal->status) + ": " + std::string(refusal->sentence));
    return;
  }
  const auto& accepted = std::get<UpgradeAccepted>(verdict);
  write_upgrade_response(out(), accepted);
  framing_ = Framing::kWebSocket;
  if (accepted.deflate) {
    server_window_bits_ = accepted.deflate->server_window_bits;
    frames_.set_compression(Compression::kNegotiated);
  }
  // CONNECT has a limit of its own; a message may hold more than CONNECT.
  frames_.set_message_bytes_max(uint64_t{shard_->options().connection.packet_bytes_max} + 16);
  enter(Stage::kAwaitConnect, shard_->options().suspect.connect_max);
}

void Connection::on_frames(MutableBytes piece) {
  std::optional<CloseCode> broken;
  if (!waits()) broken = frames_.feed_some(piece, FrameSink{*this});
  if (closing()) return;
  if (broken) return break_off(*broken);
  if (!waits()) return;
  tail_.append(piece);
  tail_rest_ += static_cast<uint32_t>(piece.size());
}

void Connection::on_compressed(Bytes piece, LastPiece last) {
  if (closing()) return;
  const std::size_t before = tail_.size() - tail_rest_;  // of a packet that is not complete
  const std::size_t suspect_bytes_max = shard_->options().suspect.bytes_max;
  const std::size_t size = tail_rest_ + piece.size();
  if (suspect_ && before + size > suspect_bytes_max) return break_off(CloseCode::kMessageTooBig);
  const bool gathered = tail_rest_ > 0 || last == LastPiece::kNo;
  if (gathered) {
    tail_.append(piece);
    tail_rest_ = static_cast<uint32_t>(size);
  }
  if (last == LastPiece::kNo) return;
  const std::size_t most =
      suspect_ ? suspect_bytes_max - before : std::size_t{packet_bytes_max_} + 16;
  // Taken away while it is in use: a CONNECT in it makes what its predecessor had held take effect.
  ByteBuffer message = std::move(shard_->inflated_scratch());
  message.clear();
  const auto outcome =
      shard_->inflater().inflate(gathered ? tail_.view().subspan(before) : piece, most, message);
  if (gathered) {
    tail_.truncate(before);
    tail_rest_ = 0;
    if (tail_.empty()) tail_.release();
  }
  switch (outcome) {
    case Inflater::Outcome::kDone:
      on_mqtt_bytes(message.view());
      shard_->inflated_scratch() = std::move(message);
      return;
    case Inflater::Outcome::kTooLarge:
      return break_off(CloseCode::kMessageTooBig);
    case Inflater::Outcome::kCorrupt:
      return break_off(CloseCode::kInvalidPayload);
  }
}

// The client broke RFC 6455, or RFC 7692.
void Connection::break_off(CloseCode code) {
  const std::string cause =
      "WebSocket: frame refused with close code " + std::to_string(static_cast<uint16_t>(code));
  if (!session_) return refuse(cause, RefusalCause::kProtocolError, code);
  append_close(out(), code);
  FL_LOG(kInfo, "connection.closed", {"device", session_->name()}, {"cause", cause},
         {"source", peer_.text()}, {"transport", transport()});
  begin_closing(DetachCause::kConnectionLost);
}

// --- MQTT ----------------------------------------------------------------------------------------

void Connection::on_mqtt_bytes(Bytes piece) {
  if (!waits() && !tail_.empty()) complete_tail(piece);
  while (!piece.empty() && takes_packets()) {
    if (hold_back(piece.front())) break;
    auto header = mqtt::read_fixed_header(piece, packet_bytes_max_, header_version());
    if (!header) return protocol_error(header.error());
    if (!*header || piece.size() < (*header)->packet_size()) break;
    Bytes packet = piece.first((*header)->packet_size());
    piece = piece.subspan(packet.size());
    on_packet(**header, packet);
  }
  if (!piece.empty() && !closing()) tail_.append(piece);
}

// Nothing is done before CONNACK is out, nor is leave taken before the answers that wait for the
// disk are. Answers have the order of what they answer: behind a SUBSCRIBE that waits for other
// shards only more of them go on, as many as the exchange has room for. It waits for the next turn
// when this one has found enough retained messages or seen enough filters, as UNSUBSCRIBE does, and
// while the client does not take the messages of earlier ones.
bool Connection::hold_back(std::byte first) {
  if (stage_ != Stage::kOpen || hurried_ || broken_) return false;
  constexpr int kTypeShift = 4;
  const auto type = static_cast<mqtt::PacketType>(std::to_integer<uint8_t>(first) >> kTypeShift);
  const Exchange& exchange = shard_->exchange();
  if (type != mqtt::PacketType::kSubscribe || output_held_) {
    const bool leaves = type == mqtt::PacketType::kDisconnect && !session_->held_answers.empty() &&
                        shard_->journal().accepts();
    const bool next_turn = type == mqtt::PacketType::kUnsubscribe && exchange.has_done_enough();
    input_held_ = leaves || next_turn || output_held_ || !session_->subscribes_pending.empty();
    if (next_turn) resume_later();
    return input_held_;
  }
  const bool next_turn = exchange.has_done_enough();
  const bool too_slow = congested();
  input_held_ = next_turn || too_slow || !exchange.has_room_for_subscribe(*session_);
  if (too_slow) starved_ = true;  // on_wire_writable() goes on
  if (next_turn) resume_later();
  return input_held_;
}

// Until CONNECT has said which, the strictest.
mqtt::ProtocolVersion Connection::header_version() const {
  return stage_ == Stage::kOpen ? version_ : mqtt::ProtocolVersion::k5;
}

// Takes from `piece` what the packet in tail_ lacks, and no more.
void Connection::complete_tail(Bytes& piece) {
  while (!tail_.empty() && takes_packets()) {
    if (hold_back(tail_.view().front())) return;
    auto header = mqtt::read_fixed_header(tail_.view(), packet_bytes_max_, header_version());
    if (!header) return protocol_error(header.error());
    const std::size_t wanted = *header ? (*header)->packet_size() : tail_.size() + 1;
    const std::size_t more = std::min(wanted - tail_.size(), piece.size());
    tail_.append(piece.first(more));
    piece = piece.subspan(more);
    if (tail_.size() < wanted) return;
    if (!*header) continue;
    ByteBuffer whole = std::move(tail_);
    on_packet(**header, whole.view());
  }
}

void Connection::protocol_error(const Reject& error) {
  if (session_) {
    close(CloseStyle::kWithDisconnect, error.code, error.sentence, DetachCause::kConnectionLost);
  } else {
    refuse(error.sentence, RefusalCause::kProtocolError, close_code_of(error.code));
  }
}

void Connection::on_packet(const mqtt::FixedHeader& header, Bytes packet) {
  last_packet_ = shard_->now();
  Bytes body = packet.subspan(header.header_size);
  if (stage_ == Stage::kOpen) {
    on_session_packet(header, body);
    shard_->settle();
  } else if (header.type == mqtt::PacketType::kConnect) {
    on_connect(packet, body);
  } else {
    refuse(std::string(mqtt::packet_name(header.type)) + " before CONNECT",
           RefusalCause::kProtocolError, CloseCode::kProtocolError);
  }
}

void Connection::resume_later() {
  if (input_held_ || end_held_) shard_->resume_later(*this);
}

void Connection::resume_input() {
  if (closing() || parked()) return;
  if (input_held_) {
    input_held_ = false;
    take_up_tail();
  } else if (end_held_) {
    abort(DetachCause::kConnectionLost);
  }
}

// Packets and frames that have waited, then the end if it was behind them; some may wait again.
void Connection::take_up_tail() {
  ByteBuffer waited = std::move(tail_);
  const std::size_t frames = std::exchange(tail_rest_, 0);
  const MutableBytes all = waited.mutable_view();
  on_mqtt_bytes(all.first(all.size() - frames));
  if (frames > 0 && !closing()) on_frames(all.last(frames));
  if (!takes_packets()) return;
  if (end_held_) return abort(DetachCause::kConnectionLost);
  update_interest();
}

void Connection::on_connect(Bytes packet, Bytes body) {
  auto connect = mqtt::read_connect(body);
  if (connect) {
    version_ = connect->version;
    shard_->admission().on_connect(*this, *connect, packet, std::move(pending_));
    return;
  }
  const Reject& error = connect.error();
  if (auto version = mqtt::peek_version(body)) version_ = *version;
  // MQTT 3.1.1 section 3.1.4: a malformed CONNECT is answered by closing, an unknown version and
  // an identifier that cannot be had by CONNACK. 5.0 has a code for each.
  const bool answered = version_ == mqtt::ProtocolVersion::k5 ||
                        error.code == ReasonCode::kUnsupportedProtocolVersion ||
                        error.code == ReasonCode::kClientIdentifierNotValid;
  if (answered) {
    FL_LOG(kInfo, "connect.refused", {"source", peer_.text()}, {"transport", transport()},
           {"cause", error.sentence});
    refuse_connect(error.code, error.sentence, mqtt::kNoPacketSizeLimit);
  } else {
    refuse(error.sentence, RefusalCause::kProtocolError, close_code_of(error.code));
  }
}

void Connection::move_with(Identity&& identity, Bytes connect_packet) {
  pending_ = std::make_unique<PendingConnect>(PendingConnect{.identity = std::move(identity)});
  tail_.append(connect_packet);
  stage_ = Stage::kMoving;
}

void Connection::wait_with(Identity&& identity, Bytes connect_packet, milliseconds wait) {
  pending_ = std::make_unique<PendingConnect>(PendingConnect{
      .identity = std::move(identity), .takeover = PendingConnect::Takeover::kReserved});
  tail_.append(connect_packet);
  enter(Stage::kWaiting, wait);
  update_interest();
}

template <class T, class Use>
void Connection::use_or_close(const Result<T>& parsed, Use&& use) {
  if (parsed.ok()) {
    use(parsed.value());
  } else {
    protocol_error(parsed.error());
  }
}

void Connection::on_session_packet(const mqtt::FixedHeader& header, Bytes body) {
  using mqtt::PacketType;
  HostedSession& session = *session_;
  Effects& effects = shard_->effects();
  const Instant now = shard_->now();
  switch (header.type) {
    case PacketType::kPublish:
      shard_->counters().messages_received.add();
      return use_or_close(mqtt::read_publish(version_, header.flags, body),
                          [&](const auto& p) { session.on_publish(p, effects, now); });
    case PacketType::kPuback:
    case PacketType::kPubrec:
    case PacketType::kPubrel:
    case PacketType::kPubcomp:
      return use_or_close(mqtt::read_ack(version_, header.type, body),
                          [&](const auto& p) { session.on_ack(p, effects, now); });
    case PacketType::kSubscribe:
      return use_or_close(mqtt::read_subscribe(version_, body),
                          [&](const auto& p) { session.on_subscribe(p, effects, now); });
    case PacketType::kUnsubscribe:
      return use_or_close(mqtt::read_unsubscribe(version_, body),
                          [&](const auto& p) { session.on_unsubscribe(p, effects); });
    case PacketType::kPingreq:
      return use_or_close(mqtt::read_empty(header.type, body),
                          [&](const auto&) { session.on_pingreq(effects); });
    case PacketType::kDisconnect:
      return use_or_close(mqtt::read_disconnect(version_, body),
                          [&](const auto& p) { session.on_disconnect(p, effects); });
    case PacketType::kConnect:
    case PacketType::kConnack:
    case PacketType::kSuback:
    case PacketType::kUnsuback:
    case PacketType::kPingresp:
    case PacketType::kAuth:
      break;
  }
  const bool again = header.type == PacketType::kConnect;
  protocol_error({ReasonCode::kProtocolError,
                  again ? "a second CONNECT on one connection"
                        : std::string(mqtt::packet_name(header.type)) + " from a client"});
}

// --- Handover ------------------------------------------------------------------------------------

void Connection::leave() {
  shard_->loop().forget(fd_.get(), *this);
  watched_ = false;
  timer_.cancel();
  ListLink<ResidentTag>::unlink();
  ListLink<FlushTag>::unlink();
  ListLink<LaterTag>::unlink();
}

bool Connection::join(Shard& shard) {
  shard_ = &shard;
  watched_ = shard.loop().watch(fd_.get(), *this, interest_);
  return watched_;
}

void Connection::resume_connect() {
  enter(Stage::kAwaitConnect, shard_->options().suspect.connect_max);
  take_up_tail();
}

void Connection::attach(HostedSession& session, seconds keep_alive_interval,
                        uint32_t packet_bytes_max) {
  session_ = &session;
  session.connection = this;
  suspect_ = false;
  packet_bytes_max_ = packet_bytes_max;
  frames_.set_message_bytes_max(uint64_t{packet_bytes_max} + 16);
  keep_alive_interval_ = std::chrono::duration<uint32_t>(keep_alive_interval.count());
  last_packet_ = shard_->now();
  note_output();
  stage_ = Stage::kOpen;
  stage_deadline_ = Instant::max();
  arm_timer();
}

}  // namespace fairlead
