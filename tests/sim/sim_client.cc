#include "sim_client.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

namespace fairlead::sim {

using mqtt::AckPacket;
using mqtt::CleanStart;
using mqtt::Dup;
using mqtt::PacketId;
using mqtt::PacketType;
using mqtt::ProtocolVersion;
using mqtt::Qos;

namespace {

constexpr seconds kExpiryMax{std::chrono::hours(2)};  // of the server, and of clients of 3.x
constexpr seconds kTolerance{2};

// A number, and filling behind a space.
uint64_t number_in(std::string_view payload) {
  uint64_t number = UINT64_MAX;
  std::from_chars(payload.data(), payload.data() + payload.size(), number);
  return number;
}

}  // namespace

SimClient::SimClient(std::size_t index, Ledger& ledger, const SimClock& clock)
    : index_(index), name_("c" + std::to_string(index)), ledger_(ledger), clock_(clock) {}

std::string SimClient::wanting() const {
  if (phase_ == Phase::kConnecting) return "CONNACK";
  if (!out_.empty() || !owed_.empty()) return "somebody who reads";
  if (!sent_.empty()) return "the end of message " + std::to_string(sent_.front().number);
  if (!subscribing_.empty()) return "SUBACK";
  return unsubscribing_.empty() ? "" : "UNSUBACK";
}

void SimClient::fail(const std::string& what) {
  ledger_.fail("client " + std::to_string(index_) + ": " + what);
}

// --- The connection comes and goes ---------------------------------------------------------------

uint32_t SimClient::expiry_of(const Hello& hello) const {
  if (hello.version == ProtocolVersion::k5) return hello.expiry_seconds;
  return hello.clean_start == CleanStart::kYes ? 0 : static_cast<uint32_t>(kExpiryMax.count());
}

void SimClient::connect(UniqueFd fd, Hello hello) {
  const bool sure = expected_.session == Expectation::Session::kThere &&
                    clock_.at + kTolerance < expected_.sure_until;
  // MQTT 3.1 has no Session Present.
  if (must_start_clean_ || (hello.version == ProtocolVersion::k31 && !sure)) {
    hello.clean_start = CleanStart::kYes;
  }
  if (hello.version != ProtocolVersion::k5) hello.receive_maximum.reset();
  hello_ = hello;
  fd_ = std::move(fd);
  phase_ = Phase::kConnecting;
  retained_.clear();
  expected_at_connack_ = expected_;
  const uint32_t expiry = expiry_of(hello);
  if (hello.clean_start == CleanStart::kYes) forget();
  if (hello.clean_start == CleanStart::kYes || expiry == 0) {
    if (expiry == 0) ledger_.release_unkept_session(index_);
    ledger_.release_session(index_);
    must_start_clean_ = true;  // until it is known what has become of this
  } else if (expected_.session == Expectation::Session::kThere) {
    expected_.sure_until = std::min(expected_.sure_until, clock_.at + seconds(expiry));
  } else {
    expected_.session = Expectation::Session::kUnknown;
  }
  will_.reset();
  mqtt::ConnectPacket packet;
  packet.version = hello.version;
  packet.clean_start = hello.clean_start;
  packet.client_id = name_;
  if (hello.version == ProtocolVersion::k5) {
    packet.properties.session_expiry_seconds = expiry;
    packet.properties.receive_maximum = hello.receive_maximum;
  }
  const std::string topic = "w/" + std::to_string(index_);
  std::string payload;
  if (hello.will) {
    will_ = ledger_.publish(
        {.publisher = index_, .topic = topic, .qos = hello.will->qos, .is_will = true});
    payload = std::to_string(*will_);
    packet.will.emplace();
    packet.will->topic = topic;
    packet.will->payload = as_bytes(payload);
    packet.will->qos = hello.will->qos;
    if (hello.version == ProtocolVersion::k5) {
      packet.will->properties.will_delay_seconds = hello.will->delay_seconds;
    }
  }
  ledger_.note(name_ + " CONNECT version " + std::to_string(static_cast<int>(hello.version)) +
               (hello.clean_start == CleanStart::kYes ? " clean" : "") + " expiry " +
               std::to_string(expiry));
  say(packet);
}

// The end of the connection, of which the server may hear or not.
void SimClient::leave() {
  if (phase_ == Phase::kConnecting) had_no_answer_ = true;
  if (phase_ == Phase::kOnline) {
    const uint32_t expiry = expiry_of(hello_);
    if (expiry == 0) {
      expected_ = {};
      forget();
      ledger_.begin_session(index_, Ledger::Kept::kNo);
    } else {
      expected_ = {Expectation::Session::kThere, clock_.at + seconds(expiry)};
    }
  }
  phase_ = Phase::kAway;
  fd_ = UniqueFd();
  out_.clear();
  in_.clear();
  owed_.clear();
  unsettled_.clear();
  subscribing_.clear();
  unsubscribing_.clear();
}

// Without DISCONNECT: the will of a session that is kept is due.
void SimClient::leave_with_will() {
  const bool delayed =
      hello_.version == ProtocolVersion::k5 && hello_.will && hello_.will->delay_seconds > 0;
  if (phase_ == Phase::kOnline && will_ && !delayed && expiry_of(hello_) > 0) {
    ledger_.on_will_due(*will_);
  }
  leave();
}

void SimClient::forget() {
  sent_.clear();
  received_.clear();
}

void SimClient::disconnect() {
  ledger_.note(name_ + " DISCONNECT");
  say(hello_.version, mqtt::DisconnectPacket{});
  (void)carry_out(out_.size());
  leave();
}

void SimClient::cut() {
  ledger_.note(name_ + " is cut off");
  leave_with_will();
}

void SimClient::lose() {
  ledger_.note(name_ + " loses its connection");
  lost_.push_back(std::move(fd_));
  leave_with_will();
}

void SimClient::on_crash() {
  lost_.clear();
  if (away()) return;
  server_has_crashed_ = true;
  while (carry_in(SIZE_MAX)) {  // what had left the server comes
  }
  server_has_crashed_ = false;
  if (!away()) leave_with_will();
}

// --- What the client says ------------------------------------------------------------------------

PacketId SimClient::next_id() {
  for (;;) {
    last_id_ = static_cast<uint16_t>(last_id_ % 20'000 + 1);
    const PacketId id{last_id_};
    const bool taken = std::ranges::any_of(sent_, [id](const Sent& each) { return each.id == id; });
    if (!taken && !subscribing_.contains(id) && !unsubscribing_.contains(id)) return id;
  }
}

void SimClient::publish(const std::string& topic, Qos qos, mqtt::Retain retain,
                        std::optional<seconds> expiry, std::size_t size) {
  if (hello_.version != ProtocolVersion::k5) expiry.reset();
  Sent sent{.topic = topic, .payload = {}, .qos = qos, .retain = retain, .expiry = expiry};
  sent.number = ledger_.publish({.publisher = index_,
                                 .topic = topic,
                                 .qos = qos,
                                 .retain = retain,
                                 .expiry = expiry,
                                 .sent_at = clock_.at});
  sent.payload = std::to_string(sent.number);
  if (size > 0) sent.payload.append(" ").append(size, 'x');
  if (qos != Qos::kAtMostOnce) sent.id = next_id();
  send(sent, Dup::kNo);
  if (qos != Qos::kAtMostOnce) sent_.push_back(std::move(sent));
}

void SimClient::clear_retained(const std::string& topic, Qos qos) {
  Sent sent{.topic = topic, .payload = {}, .qos = qos, .retain = mqtt::Retain::kYes, .expiry = {}};
  sent.number = ledger_.publish({.publisher = index_,
                                 .topic = topic,
                                 .qos = qos,
                                 .retain = mqtt::Retain::kYes,
                                 .clears = true,
                                 .sent_at = clock_.at});
  sent.id = next_id();
  send(sent, Dup::kNo);
  sent_.push_back(std::move(sent));
}

void SimClient::send(const Sent& sent, Dup dup) {
  ledger_.note(name_ + " PUBLISH " + std::to_string(sent.number) + " id " +
               std::to_string(static_cast<int>(sent.id)) + " QoS " +
               std::to_string(static_cast<int>(sent.qos)) + " to " + sent.topic +
               (dup == Dup::kYes ? " again" : "") +
               (sent.retain == mqtt::Retain::kYes ? " retain" : ""));
  mqtt::PublishPacket packet;
  packet.topic = sent.topic;
  packet.payload = as_bytes(sent.payload);
  packet.packet_id = sent.id;
  packet.qos = sent.qos;
  packet.dup = dup;
  packet.retain = sent.retain;
  if (sent.expiry) {
    packet.properties.message_expiry_seconds = static_cast<uint32_t>(sent.expiry->count());
  }
  say(hello_.version, packet);
}

void SimClient::subscribe(const std::string& filter, Qos qos) {
  const PacketId id = next_id();
  ledger_.note(name_ + " SUBSCRIBE " + filter);
  subscribing_[id] = ledger_.on_subscribe(index_, filter, qos);
  mqtt::SubscribePacket packet;
  packet.packet_id = id;
  packet.requests = {{filter, {.qos = qos}}};
  say(hello_.version, packet);
}

void SimClient::unsubscribe(const std::string& filter) {
  const PacketId id = next_id();
  ledger_.note(name_ + " UNSUBSCRIBE " + filter);
  unsubscribing_[id] = ledger_.on_unsubscribe(index_, filter);
  mqtt::UnsubscribePacket packet;
  packet.packet_id = id;
  packet.filters = {filter};
  say(hello_.version, packet);
}

void SimClient::owe(PacketType type, PacketId id) {
  AckPacket ack;
  ack.type = type;
  ack.packet_id = id;
  owed_.push_back(ack);
}

bool SimClient::acknowledge(std::size_t count_max) {
  bool some = false;
  for (; count_max > 0 && !owed_.empty(); --count_max) {
    const AckPacket ack = owed_.front();
    owed_.pop_front();
    if (ack.type == PacketType::kPuback || ack.type == PacketType::kPubcomp) {
      unsettled_.erase(ack.packet_id);
    }
    say(hello_.version, ack);
    some = true;
  }
  return some;
}

// --- The network ---------------------------------------------------------------------------------

bool SimClient::carry_out(std::size_t bytes_max) {
  const std::size_t size = std::min(bytes_max, out_.size());
  if (size == 0 || !fd_.valid()) return false;
  const ssize_t sent = ::send(fd_.get(), out_.view().data(), size, MSG_NOSIGNAL);
  if (sent <= 0) return false;
  out_.consume(static_cast<std::size_t>(sent));
  return true;
}

bool SimClient::carry_in(std::size_t bytes_max) {
  std::array<std::byte, 4096> bytes;
  if (!fd_.valid()) return false;
  const std::size_t size = std::min(bytes_max, bytes.size());
  const ssize_t count = ::recv(fd_.get(), bytes.data(), size, 0);
  if (count == 0 || (count < 0 && errno != EAGAIN)) {
    if (server_has_crashed_) return false;
    const bool may_be_closed = ledger_.disk_may_fail() && hello_.version != ProtocolVersion::k5;
    if (!may_be_closed) fail("the server has closed the connection");
    ledger_.note(name_ + " is closed");
    leave_with_will();
    return false;
  }
  if (count < 0) return false;
  in_.append(Bytes(bytes).first(static_cast<std::size_t>(count)));
  while (!away() && take_packet()) {
  }
  return true;
}

// --- What the server says ------------------------------------------------------------------------

bool SimClient::take_packet() {
  const auto header = mqtt::read_fixed_header(in_.view(), mqtt::kNoPacketSizeLimit);
  FL_ASSERT(header.ok());
  if (!*header || (*header)->packet_size() > in_.size()) return false;
  ByteBuffer body;
  body.append(in_.view().subspan((*header)->header_size, (*header)->remaining_length));
  in_.consume((*header)->packet_size());
  on_packet(**header, body.view());
  return true;
}

void SimClient::on_packet(const mqtt::FixedHeader& header, Bytes body) {
  switch (header.type) {
    case PacketType::kConnack:
      return on_connack(body);
    case PacketType::kPublish:
      return on_publish(header, body);
    case PacketType::kPuback:
    case PacketType::kPubrec:
    case PacketType::kPubrel:
    case PacketType::kPubcomp:
      return on_ack(header.type, body);
    case PacketType::kSuback:
      return on_suback(body);
    case PacketType::kUnsuback:
      return on_unsuback(body);
    case PacketType::kDisconnect:
      return fail("DISCONNECT");
    case PacketType::kPingresp:
    case PacketType::kConnect:
    case PacketType::kSubscribe:
    case PacketType::kUnsubscribe:
    case PacketType::kPingreq:
    case PacketType::kAuth:
      return fail(std::string(mqtt::packet_name(header.type)) + " comes from the server");
  }
}

void SimClient::on_connack(Bytes body) {
  const auto packet = mqtt::read_connack(hello_.version, body);
  FL_ASSERT(packet.ok());
  if (is_error(packet->reason)) {
    if (!ledger_.disk_may_fail()) fail("CONNECT is refused");
    ledger_.note(name_ + " is refused");
    return leave();
  }
  phase_ = Phase::kOnline;
  must_start_clean_ = false;
  const bool has_flag = hello_.version != ProtocolVersion::k31;
  const bool clean = hello_.clean_start == CleanStart::kYes;
  // It may have expired on the way, and nobody says so; or a CONNECT that had no answer may have
  // made another one.
  const bool may_be_another = !clean && (!has_flag || had_no_answer_) &&
                              expected_at_connack_.session == Expectation::Session::kThere &&
                              clock_.at + kTolerance >= expected_at_connack_.sure_until;
  had_no_answer_ = false;
  if (may_be_another) {
    must_start_clean_ = true;
    phase_ = Phase::kConnecting;
    ledger_.release_session(index_);
    return leave();
  }
  on_session(has_flag ? packet->session_present == mqtt::ConnackPacket::SessionPresent::kYes
                      : !clean);
}

void SimClient::on_session(bool present) {
  ledger_.note(name_ + (present ? " CONNACK, session present" : " CONNACK"));
  const bool clean = hello_.clean_start == CleanStart::kYes;
  const Expectation& expected = expected_at_connack_;
  if (clean && present) fail("session present after a clean start");
  if (!clean && !present && expected.session == Expectation::Session::kThere &&
      clock_.at + kTolerance < expected.sure_until) {
    fail("the session is lost");
  }
  if (!clean && present && expected.session == Expectation::Session::kNone) {
    fail("a session that has ended is present");
  }
  const auto kept = expiry_of(hello_) > 0 ? Ledger::Kept::kYes : Ledger::Kept::kNo;
  if (!present) {
    forget();
    return ledger_.begin_session(index_, kept);
  }
  ledger_.resume_session(index_, kept);
  for (const Sent& sent : sent_) {
    if (sent.received) {
      owe(PacketType::kPubrel, sent.id);
    } else {
      send(sent, Dup::kYes);
    }
  }
}

void SimClient::on_publish(const mqtt::FixedHeader& header, Bytes body) {
  const auto packet = mqtt::read_publish(hello_.version, header.flags, body);
  FL_ASSERT(packet.ok());
  const uint64_t number = number_in(as_text(packet->payload));
  ledger_.note(name_ + " gets PUBLISH " + std::to_string(number) + " id " +
               std::to_string(static_cast<int>(packet->packet_id)) + " QoS " +
               std::to_string(static_cast<int>(packet->qos)) +
               (packet->dup == Dup::kYes ? " again" : "") +
               (packet->retain == mqtt::Retain::kYes ? " retained" : ""));
  if (packet->qos != Qos::kAtMostOnce) {
    if (!unsettled_.insert(packet->packet_id).second) fail("a packet identifier is in use twice");
    if (unsettled_.size() > hello_.receive_maximum.value_or(65'535)) {
      fail("more than Receive Maximum is in flight");
    }
    const bool once = packet->qos == Qos::kExactlyOnce;
    owe(once ? PacketType::kPubrec : PacketType::kPuback, packet->packet_id);
    if (once && !received_.insert(packet->packet_id).second) return;  // a repetition
  }
  if (packet->retain == mqtt::Retain::kYes) {
    retained_[std::string(packet->topic)] = number;
  } else if (!packet->payload.empty()) {
    ledger_.on_arrival(index_, number, packet->topic, packet->qos);
  }
}

void SimClient::on_ack(PacketType type, Bytes body) {
  const auto packet = mqtt::read_ack(hello_.version, type, body);
  FL_ASSERT(packet.ok());
  ledger_.note(name_ + " gets " + std::string(mqtt::packet_name(type)) + " " +
               std::to_string(static_cast<int>(packet->packet_id)));
  if (type == PacketType::kPubrel) {
    received_.erase(packet->packet_id);
    return owe(PacketType::kPubcomp, packet->packet_id);
  }
  const auto sent = std::ranges::find(sent_, packet->packet_id, &Sent::id);
  const Qos qos = type == PacketType::kPuback ? Qos::kAtLeastOnce : Qos::kExactlyOnce;
  if (sent == sent_.end() || sent->qos != qos ||
      (type != PacketType::kPuback && sent->received != (type == PacketType::kPubcomp))) {
    return fail(std::string(mqtt::packet_name(type)) + " for nothing");
  }
  if (type == PacketType::kPubcomp || is_error(packet->reason)) {
    sent_.erase(sent);
    return;
  }
  ledger_.on_acked(sent->number);
  if (type == PacketType::kPuback) {
    sent_.erase(sent);
  } else {
    sent->received = true;
    owe(PacketType::kPubrel, packet->packet_id);
  }
}

void SimClient::on_suback(Bytes body) {
  const auto packet = mqtt::read_suback(hello_.version, body);
  FL_ASSERT(packet.ok());
  const auto asked = subscribing_.extract(packet->packet_id);
  if (asked.empty()) return fail("SUBACK for nothing");
  ledger_.note(name_ + " gets SUBACK " + asked.mapped().filter);
  if (!is_error(packet->reasons.front())) ledger_.on_suback(index_, asked.mapped());
}

void SimClient::on_unsuback(Bytes body) {
  const auto packet = mqtt::read_unsuback(hello_.version, body);
  FL_ASSERT(packet.ok());
  const auto asked = unsubscribing_.extract(packet->packet_id);
  if (asked.empty()) return fail("UNSUBACK for nothing");
  ledger_.note(name_ + " gets UNSUBACK " + asked.mapped().filter);
  ledger_.on_unsuback(index_, asked.mapped());
}

}  // namespace fairlead::sim
