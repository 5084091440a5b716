#include "differential/player.h"

#include <algorithm>

#include "differential/generator.h"

namespace fairlead::testing {
namespace {

constexpr int kRoundsMax = 1000;  // until everything has come to rest

// The properties of a message as a packet borrows them.
struct PublishProperties {
  explicit PublishProperties(const MessageSpec& message) {
    for (const auto& [name, value] : message.user_properties) {
      mqtt::append_user_property(user, name, value);
    }
    with.message_expiry_seconds = message.expiry_seconds;
    with.payload_format = message.payload_format;
    with.content_type = message.content_type;
    with.response_topic = message.response_topic;
    if (message.correlation_data) with.correlation_data = as_bytes(*message.correlation_data);
    with.user_properties = mqtt::UserProperties(mqtt::PropertyBlock(user.view()));
  }
  [[nodiscard]] mqtt::WillProperties for_will(std::optional<uint32_t> delay) const {
    mqtt::WillProperties will;
    will.will_delay_seconds = delay;
    will.payload_format = with.payload_format;
    will.message_expiry_seconds = with.message_expiry_seconds;
    will.content_type = with.content_type;
    will.response_topic = with.response_topic;
    will.correlation_data = with.correlation_data;
    will.user_properties = with.user_properties;
    return will;
  }
  ByteBuffer user;
  mqtt::PublishProperties with;
};

Retain retain_of(const MessageSpec& message) { return message.retain ? Retain::kYes : Retain::kNo; }

}  // namespace

Player::Player(const Dialogue& dialogue, Broker& broker)
    : dialogue_(dialogue), broker_(broker), peers_(dialogue.clients.size()) {}

std::vector<std::vector<Heard>> Player::play(std::span<const Step> steps) {
  ++step_;
  heard_.assign(peers_.size(), {});
  for (const Step& step : steps) {
    const bool connects = std::holds_alternative<ConnectStep>(step.action);
    if (!connects && !peers_[step.client].connection) continue;
    std::visit([&](const auto& action) { act(step.client, action); }, step.action);
  }
  come_to_rest(steps.front().client);
  return heard_;
}

// --- Steps ---------------------------------------------------------------------------------------

void Player::act(std::size_t client, const ConnectStep& step) {
  Peer& peer = peers_[client];
  const ClientSpec& who = spec(client);
  auto fresh = std::make_unique<TestClient>(broker_.connect(who.transport, who.version));
  mqtt::ConnectPacket packet = fresh->hello(who.id, step.clean);
  packet.keep_alive_seconds = step.keep_alive_seconds;
  packet.properties = {};
  packet.properties.session_expiry_seconds = step.session_expiry_seconds;
  packet.properties.receive_maximum = step.receive_maximum;
  packet.properties.topic_alias_maximum = step.topic_alias_maximum;
  packet.properties.maximum_packet_size = step.maximum_packet_size;
  std::optional<PublishProperties> with;
  if (step.will) {
    with.emplace(*step.will);
    packet.will = mqtt::Will{.topic = step.will->topic,
                             .payload = as_bytes(step.will->payload),
                             .qos = step.will->qos,
                             .retain = retain_of(*step.will),
                             .properties = with->for_will(step.will_delay_seconds)};
  }
  fresh->send(packet);
  // One that is there is taken over.
  if (peer.connection) {
    if (who.id.empty()) peer.connection->disconnect();
    await_end(client);
  }
  peer.connection = std::move(fresh);
  peer.mode = Mode::kAnswering;
  peer.alias_maximum = step.topic_alias_maximum.value_or(0);
  peer.hello = step;
  await_connack(client, step);
}

void Player::await_connack(std::size_t client, const ConnectStep& step) {
  Peer& peer = peers_[client];
  const Heard connack = take(client);
  if (connack.kind == Heard::Kind::kClosed) return;
  if (connack.type != PacketType::kConnack) heard_[client].back().complaint = "before CONNACK";
  const bool resumes = spec(client).version == ProtocolVersion::k31
                           ? step.clean == CleanStart::kNo && peer.kept_session
                           : connack.session_present;
  peer.kept_session = step.clean == CleanStart::kNo;
  if (resumes) return resume(peer);
  peer.unfinished.clear();
  peer.incoming.clear();
}

// MQTT 5.0 section 4.4.
void Player::resume(Peer& peer) {
  for (const Unfinished& unfinished : peer.unfinished) {
    if (unfinished.released) {
      peer.connection->ack(PacketType::kPubrel, unfinished.packet_id);
    } else {
      send(peer, unfinished, mqtt::Dup::kYes);
    }
  }
}

void Player::act(std::size_t client, const SubscribeStep& step) {
  Peer& peer = peers_[client];
  mqtt::SubscribePacket packet{
      .packet_id = PacketId{free_packet_id(peer)}, .requests = {}, .properties = {}};
  for (const FilterSpec& each : step.filters) {
    packet.requests.push_back({.filter = each.filter, .options = each.options});
  }
  packet.properties.subscription_identifier = step.identifier;
  peer.connection->send(packet);
}

void Player::act(std::size_t client, const UnsubscribeStep& step) {
  Peer& peer = peers_[client];
  mqtt::UnsubscribePacket packet{
      .packet_id = PacketId{free_packet_id(peer)}, .filters = {}, .user_properties = {}};
  packet.filters.assign(step.filters.begin(), step.filters.end());
  peer.connection->send(packet);
}

void Player::act(std::size_t client, const PublishStep& step) {
  Peer& peer = peers_[client];
  if (step.message.qos != kQos0) {
    const uint16_t id = free_packet_id(peer);
    peer.unfinished.push_back({.packet_id = id, .message = step.message});
  }
  PublishProperties made(step.message);
  mqtt::PublishPacket packet{.topic = step.message.topic,
                             .payload = as_bytes(step.message.payload),
                             .qos = step.message.qos,
                             .retain = retain_of(step.message),
                             .properties = made.with};
  if (step.message.qos != kQos0) packet.packet_id = PacketId{peer.unfinished.back().packet_id};
  packet.properties.topic_alias = step.alias;
  if (step.alias) {
    std::string& known = peer.aliases_out[*step.alias];
    if (known == step.message.topic) packet.topic = {};
    known = step.message.topic;
  }
  peer.connection->send(packet);
  const bool cut = step.cut != PublishStep::Cut::kNowhere;
  if (cut && session_outlives_connection(client)) break_and_resume(client, step.cut);
}

bool Player::session_outlives_connection(std::size_t client) const {
  const ConnectStep& hello = peers_[client].hello;
  const bool is_v5 = spec(client).version == ProtocolVersion::k5;
  return is_v5 ? hello.session_expiry_seconds.value_or(0) > 0 : hello.clean == CleanStart::kNo;
}

// What the server says before the connection breaks never reaches the client.
void Player::break_and_resume(std::size_t client, PublishStep::Cut cut) {
  Peer& peer = peers_[client];
  if (cut == PublishStep::Cut::kAfterPubrel) {
    while (peer.connection && !peer.unfinished.back().released) (void)take(client);
  }
  peer.mode = Mode::kDeaf;
  if (peer.connection) (void)drain(client);
  if (peer.connection) act(client, BreakStep{});
  ConnectStep again = peer.hello;
  again.clean = CleanStart::kNo;
  act(client, again);
}

void Player::act(std::size_t client, const HoldStep&) {
  Peer& peer = peers_[client];
  if (peer.mode == Mode::kAnswering) peer.mode = Mode::kHolding;
}

// The oldest messages first; among those that came in one step, whose order may be the server's
// choice, by name.
void Player::act(std::size_t client, const AnswerStep& step) {
  Peer& peer = peers_[client];
  if (peer.mode != Mode::kHolding) return;
  std::vector<Owed> owed = std::move(peer.owed);
  peer.owed.clear();
  std::stable_sort(owed.begin(), owed.end(), [](const Owed& a, const Owed& b) {
    return std::tie(a.step, a.name) < std::tie(b.step, b.name);
  });
  std::vector<std::string> names;
  for (const Owed& each : owed) {
    const bool chosen = std::find(names.begin(), names.end(), each.name) != names.end();
    if (!chosen && step.count && names.size() >= *step.count) {
      peer.owed.push_back(each);
      continue;
    }
    if (!chosen) names.push_back(each.name);
    answer(peer, each);
  }
  if (!step.count) peer.mode = Mode::kAnswering;
}

void Player::act(std::size_t client, const DeafenStep&) { peers_[client].mode = Mode::kDeaf; }

void Player::act(std::size_t client, const DisconnectStep& step) {
  Peer& peer = peers_[client];
  mqtt::DisconnectPacket packet{.reason = step.reason, .properties = {}};
  packet.properties.session_expiry_seconds = step.session_expiry_seconds;
  peer.connection->send(packet);
  await_end(client);
}

void Player::act(std::size_t client, const BreakStep&) {
  peers_[client].connection->wire().finish_sending();
  await_end(client);
}

// --- Packets of the client -----------------------------------------------------------------------

uint16_t Player::free_packet_id(Peer& peer) const {
  auto in_use = [&peer](uint16_t id) {
    return std::any_of(peer.unfinished.begin(), peer.unfinished.end(),
                       [id](const Unfinished& each) { return each.packet_id == id; });
  };
  while (in_use(++peer.last_packet_id)) {
  }
  return peer.last_packet_id;
}

void Player::send(Peer& peer, const Unfinished& unfinished, mqtt::Dup dup) {
  PublishProperties made(unfinished.message);
  peer.connection->send(mqtt::PublishPacket{.topic = unfinished.message.topic,
                                            .payload = as_bytes(unfinished.message.payload),
                                            .packet_id = PacketId{unfinished.packet_id},
                                            .qos = unfinished.message.qos,
                                            .dup = dup,
                                            .retain = retain_of(unfinished.message),
                                            .properties = made.with});
}

void Player::answer(Peer& peer, const Owed& owed) {
  TestClient& to = *peer.connection;
  switch (owed.to) {
    case PacketType::kPublish: {
      const bool once = owed.qos == kQos2;
      to.ack(once ? PacketType::kPubrec : PacketType::kPuback, owed.packet_id);
      if (!once) peer.incoming.erase(owed.packet_id);
      return;
    }
    case PacketType::kPubrel:
      to.ack(PacketType::kPubcomp, owed.packet_id);
      peer.incoming.erase(owed.packet_id);
      return;
    case PacketType::kPubrec:
      for (Unfinished& each : peer.unfinished) {
        if (each.packet_id == owed.packet_id) each.released = true;
      }
      to.ack(PacketType::kPubrel, owed.packet_id);
      return;
    default:
      unreachable();
  }
}

void Player::owe(Peer& peer, const Owed& owed) {
  if (peer.mode == Mode::kHolding) {
    peer.owed.push_back(owed);
  } else {
    answer(peer, owed);
  }
}

// --- Packets of the server -----------------------------------------------------------------------

Heard Player::take(std::size_t client) {
  Peer& peer = peers_[client];
  const std::string line = peer.connection->next();
  Heard heard = hear(*peer.connection, line);
  const bool has_id = heard.type == PacketType::kPublish && heard.qos != kQos0;
  const uint16_t packet_id = has_id ? peer.connection->last_id() : heard.packet_id;
  if (heard.type == PacketType::kPublish && heard.kind == Heard::Kind::kPacket) {
    resolve(peer, heard);
    if (has_id) {
      // MQTT 5.0 section 2.2.1 and 4.4.
      const auto known = peer.incoming.find(packet_id);
      if (known != peer.incoming.end() && (known->second != heard.name || !heard.dup)) {
        heard.complaint += "packet identifier of " + known->second;
      }
      peer.incoming[packet_id] = heard.name;
    }
  }
  if (heard.type == PacketType::kPubrel && heard.kind == Heard::Kind::kPacket) {
    const auto known = peer.incoming.find(packet_id);
    heard.packet_id = 0;
    heard.name = known == peer.incoming.end() ? "of nothing" : known->second;
  }
  if (heard.kind == Heard::Kind::kClosed) {
    peer.connection.reset();
    peer.owed.clear();
    peer.aliases_in.clear();
    peer.aliases_out.clear();
  } else if (heard.type != PacketType::kPingresp) {
    if (peer.mode != Mode::kDeaf) react(peer, heard, packet_id);
  }
  if (heard.kind == Heard::Kind::kClosed || heard.type != PacketType::kPingresp) {
    heard_[client].push_back(heard);
  }
  return heard;
}

// The topic that an alias stands for.
void Player::resolve(Peer& peer, Heard& heard) {
  const auto alias = peer.connection->last_publish().properties.topic_alias;
  if (!alias) return;
  if (*alias == 0 || *alias > peer.alias_maximum) heard.complaint += "alias above the maximum";
  if (!heard.topic.empty()) peer.aliases_in[*alias] = heard.topic;
  heard.topic = peer.aliases_in[*alias];
  if (heard.topic.empty()) heard.complaint += "alias of nothing";
}

void Player::react(Peer& peer, const Heard& heard, uint16_t packet_id) {
  auto& unfinished = peer.unfinished;
  const auto mine = std::find_if(unfinished.begin(), unfinished.end(), [&](const Unfinished& each) {
    return each.packet_id == packet_id;
  });
  const bool is_error = !heard.codes.empty() && heard.codes[0] >= 0x80;
  switch (heard.type) {
    case PacketType::kPublish:
      if (heard.qos != kQos0) owe(peer, {heard.type, heard.qos, packet_id, heard.name, step_});
      return;
    case PacketType::kPubrel:
      return owe(peer, {heard.type, kQos2, packet_id, heard.name, step_});
    case PacketType::kPubrec:
      if (mine == unfinished.end()) return;
      if (is_error) {
        unfinished.erase(mine);
        return;
      }
      return answer(peer, {heard.type, kQos2, packet_id, name_of(mine->message.payload), step_});
    case PacketType::kPuback:
    case PacketType::kPubcomp:
      if (mine != unfinished.end()) unfinished.erase(mine);
      return;
    default:
      return;
  }
}

// --- Coming to rest ------------------------------------------------------------------------------

void Player::await_end(std::size_t client) {
  peers_[client].mode = Mode::kDeaf;
  while (peers_[client].connection) (void)take(client);
}

void Player::come_to_rest(std::size_t actor) {
  if (peers_[actor].connection) drain(actor);
  for (int round = 0; round < kRoundsMax; ++round) {
    broker_.settle();
    bool moving = false;
    for (std::size_t i = 0; i < peers_.size(); ++i) {
      if (peers_[i].connection) moving |= drain(i);
    }
    if (!moving) return;
  }
  throw TestFailure("it does not come to rest");
}

// Whether anything came.
bool Player::drain(std::size_t client) {
  const std::size_t before = heard_[client].size();
  peers_[client].connection->ping();
  while (peers_[client].connection) {
    const Heard heard = take(client);
    if (heard.kind == Heard::Kind::kPacket && heard.type == PacketType::kPingresp) break;
  }
  return heard_[client].size() > before;
}

void Player::clean_up() {
  for (Peer& peer : peers_) {
    if (peer.connection) peer.connection->disconnect();
    while (peer.connection && peer.connection->next() != "CLOSED") {
    }
    peer.connection.reset();
  }
  for (const ClientSpec& who : dialogue_.clients) {
    if (who.id.empty()) continue;
    TestClient client = broker_.connect(Transport::kTcp, who.version);
    client.connect(who.id);
    client.disconnect();
    client.expect_closed();
  }
  TestClient client = broker_.connect(Transport::kTcp, ProtocolVersion::k311);
  client.connect("cleaner");
  for (const std::string_view topic : dialogue_topics()) {
    client.publish(topic, "", kQos1, Retain::kYes);
  }
  broker_.settle();
}

}  // namespace fairlead::testing
