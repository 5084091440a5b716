// A script of a few clients against whole shards: sockets, timers and all, but on a clock that the
// script moves on. What it says is in Script::step(). Whatever the clients do, what each is sent is
// sound (client_end.h), everything is gone when all have left and time has passed, and where the
// script allows to tell, cutting the clients' bytes in pieces changes nothing.
//
// The input: a byte of settings, then steps: a byte of which the low four bits say what to do, the
// next two with which client, the next not to run the shards yet; then what the step needs.

#include <algorithm>
#include <cerrno>

#include "auth/credentials.h"
#include "base/log.h"
#include "base/temp_dir_for_test.h"
#include "client_end.h"
#include "proto/ws/handshake.h"
#include "shard/shard.h"

namespace {

using namespace fairlead;
using namespace fairlead::mqtt;
using fuzz::ClientEnd;

constexpr std::string_view kSecret = "0123456789abcdefghijklmnopqrstuv";
constexpr std::string_view kTopics[] = {"a",
                                        "a/b",
                                        "a topic/that pays for/an alias",
                                        "will",
                                        "/std/dev1/user/x",
                                        "/compat/dev1/user/get",
                                        "/sys/compat/dev1/thing/service/property/set",
                                        "$SYS/x"};
constexpr std::string_view kFilters[] = {"a",
                                         "a/+",
                                         "#",
                                         "$share/g/a/b",
                                         "$share/g/#",
                                         "will",
                                         "+/that pays for/#",
                                         "/std/dev1/user/x",
                                         "/compat/dev1/user/get",
                                         "$share/g/",
                                         "a/#/b"};

// The devices that the captured clients of the corpus are.
const Registry& registry() {
  static const auto opened = [] {
    set_log_level(LogLevel::kOff);
    const TempDir folder;
    auto database = Database::open(folder.path());
    FL_ASSERT(database.ok());
    for (const auto& [key, profile] : {std::pair("std", ProfileKind::kStandard),
                                       std::pair("compat", ProfileKind::kCompatible)}) {
      FL_ASSERT(database->create_product({.key = key, .profile = profile}).ok());
      std::vector<ImportRow> rows;
      for (int i = 1; i <= 30; ++i) {
        for (const char* name : {"dev", "mosquitto"}) {
          rows.push_back({1, key, name + std::to_string(i), std::string(kSecret)});
        }
      }
      FL_ASSERT(database->import_devices(rows).ok());
    }
    auto loaded = Registry::open(folder.path());
    FL_ASSERT(loaded.ok());
    return std::move(*loaded);
  }();
  return *opened;
}

// One for all scripts: making one costs as much as hundreds of scripts. So it must not remember
// failures from one to the next.
Authenticator& authenticator() {
  static Authenticator made(registry(),
                            {.anonymous = AnonymousAccess::kAllowed, .failures_per_minute_max = 0});
  return made;
}

// Small limits, so that scripts reach them.
ServerOptions small_options(unsigned shard_count) {
  ServerOptions options;
  const ListenerProtocols ws_only{.mqtt = false, .mqtts = false, .ws = true, .wss = false};
  const ListenerProtocols mqtt_only{.mqtt = true, .mqtts = false, .ws = false, .wss = false};
  const std::vector<std::string> proxies{"192.0.2.0/24"};
  const TrustedNetworks trusted = TrustedNetworks::parse(proxies).value();
  options.listeners = {{.proxy_header = ProxyUse::kOptional, .trusted_proxies = trusted},
                       {.proxy_header = ProxyUse::kRequired, .trusted_proxies = trusted},
                       {.protocols = ws_only},
                       {.protocols = mqtt_only}};
  options.shard_count = shard_count;
  options.connection.packet_bytes_max = 8 << 10;
  options.connection.output_bytes_max = 16 << 10;
  options.connection.congested_bytes = 4 << 10;
  options.session = {.queue_count_max = 8,
                     .queue_bytes_max = 16 << 10,
                     .congested_queue_bytes_max = 4 << 10,
                     .inflight_count_max = 4,
                     .expiry_max = std::chrono::hours(1),
                     .topic_alias_out_max = 2,
                     .device_publish_qos0_per_second_max = 3,
                     .device_publish_qos1_per_second_max = 2};
  options.retained = {.count_max = 16, .bytes_max = 16 << 10};
  return options;
}

class ScriptedClock final : public Clock {
 public:
  Instant at{};
  [[nodiscard]] Instant now() const override { return at; }
};

class World {
 public:
  explicit World(unsigned shard_count) : options_(small_options(shard_count)) {
    for (uint16_t i = 0; i < shard_count; ++i) {
      shards().push_back(std::make_unique<Shard>(i, peers_));
    }
    for (auto& shard : shards()) shard->begin();
  }

  std::array<std::optional<ClientEnd>, 4> clients;

  // A connection, as a listener would have accepted it.
  void open(std::size_t client, std::size_t listener, std::size_t shard) {
    constexpr int kSendBufferBytes = 8 << 10;
    std::array<int, 2> fds{};
    FL_ASSERT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) ==
              0);
    UniqueFd server(fds[0]);
    ::setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &kSendBufferBytes, sizeof kSendBufferBytes);
    clients[client].emplace(UniqueFd(fds[1]));
    const auto peer = SocketAddress::parse("192.0.2.7", static_cast<uint16_t>(1000 + client));
    shards()[shard % shards().size()]->add_connection(std::move(server), *peer,
                                                      options_.listeners[listener]);
  }

  // Until all that was set going has come to rest: mail goes to and fro a few times.
  void run() {
    const int rounds = shards().size() == 1 ? 1 : 5;
    for (int round = 0; round < rounds; ++round) {
      for (auto& shard : shards()) shard->turn(milliseconds{0});
    }
    for (auto& client : clients) {
      if (client) client->read();
    }
  }

  // Timers ring in time for the first few, then late, as on a machine that slept.
  void pass(milliseconds time) {
    const Instant end = clock_.at + time;
    for (int step = 0; step < 4; ++step) {
      Instant next = end;
      for (auto& shard : shards()) {
        next = std::min(next, shard->loop().timers().next_wake().value_or(end));
      }
      if (next >= end) break;
      clock_.at = std::max(clock_.at, next);
      run();
    }
    clock_.at = end;
    run();
  }

  void publish(std::string_view topic, Retain retain) {
    shards()[0]->exchange().publish(
        Message::make({.topic = topic, .payload = as_bytes("from the server"), .retain = retain}));
    shards()[0]->settle();
  }

  void change(RegistryChange::Kind kind) {
    for (auto& shard : shards()) shard->on_registry_change({kind, "std", "dev1"});
  }

  void stop() {
    for (auto& shard : shards()) shard->begin_stop();
    for (int i = 0; i < 2; ++i) pass(options_.connection.linger_max);
    FL_ASSERT(sum(&ShardCounters::connections_now) == 0);
  }

  // Everybody leaves, at once or told to; what they left behind goes with time.
  void finish() {
    for (int i = 0; i < 3; ++i) pass(options_.connection.linger_max);
    for (auto& client : clients) client.reset();
    for (int i = 0; i < 3; ++i) pass(options_.connection.linger_max);
    FL_ASSERT(sum(&ShardCounters::connections_now) == 0);
    FL_ASSERT(sum(&ShardCounters::clients_now) == 0);
    for (int i = 0; i < 3; ++i) pass(options_.session.expiry_max + seconds{1});
    FL_ASSERT(sum(&ShardCounters::sessions_now) == 0);
    FL_ASSERT(sum(&ShardCounters::subscriptions_now) == 0);
    FL_ASSERT(sum(&ShardCounters::retained_now) <= options_.retained.count_max);
    for (auto& shard : shards()) FL_ASSERT(shard->drained());
  }

 private:
  [[nodiscard]] std::vector<std::unique_ptr<Shard>>& shards() { return peers_.shards; }
  [[nodiscard]] uint64_t sum(Counter ShardCounters::*counter) {
    uint64_t total = 0;
    for (auto& shard : shards()) total += (shard->counters().*counter).get();
    return total;
  }

  ScriptedClock clock_;
  const ServerOptions options_;
  ShardPeers peers_{.options = options_,
                    .registry = registry(),
                    .authenticator = authenticator(),
                    .shards = {},
                    .clock = clock_};
};

class Script {
 public:
  struct Settings {
    unsigned shard_count = 1;
    bool stops_gracefully = false;
    std::size_t piece = 0;  // what clients send goes in pieces of so many bytes; 0: whole
  };

  Script(Bytes steps, Settings settings)
      : input_(steps), settings_(settings), world_(settings.shard_count) {}

  void run() {
    while (!input_.empty()) step(byte());
    world_.run();
    for (std::size_t i = 0; i < world_.clients.size(); ++i) note_end(i);
    if (settings_.stops_gracefully) world_.stop();
    world_.finish();
  }

  // What the clients got, one after the other. Not comparable: it may depend on when bytes come.
  [[nodiscard]] const std::string& transcript() const { return transcript_; }
  [[nodiscard]] bool comparable() const { return comparable_; }

 private:
  uint8_t byte() { return input_.u8().value_or(0); }
  template <class T, std::size_t kSize>
  const T& one_of(const T (&choices)[kSize]) {
    return choices[byte() % kSize];
  }
  [[nodiscard]] ClientEnd* client() {
    return world_.clients[client_] ? &*world_.clients[client_] : nullptr;
  }

  void step(uint8_t choice) {
    client_ = (choice >> 4) & 3;
    defer_ = (choice & 0x40) != 0;
    const unsigned what = choice & 15;
    if (what == 0) return open(byte());
    if (what == 1) return pass_time(byte());
    if (what == 2) return administer(byte());
    if (client() == nullptr) return;
    switch (what) {
      case 3:
        return reset();
      case 4:
        ::shutdown(client()->fd(), SHUT_WR);
        return world_.run();
      case 5:
        client()->set_reading(byte() % 2 != 0);
        comparable_ = false;
        return world_.run();
      case 6:
        return connect(byte(), byte(), byte());
      case 7:
        return subscribe(byte());
      case 8:
        return unsubscribe();
      case 9:
        return acknowledge(byte());
      case 10:
        return say_little(byte());
      case 11:
        return ask_for_websocket(byte());
      case 12:
        return send_proxy_header(byte());
      case 13:
      case 14:
        return publish(byte());
      default:
        return send_raw(byte());
    }
  }

  void open(uint8_t choice) {
    note_end(client_);
    world_.clients[client_].reset();
    world_.open(client_, choice % 4, choice / 4);
    world_.run();
  }

  void reset() {
    note_end(client_);
    world_.clients[client_].reset();
    world_.run();
  }

  void note_end(std::size_t index) {
    auto& end = world_.clients[index];
    if (end) transcript_ += "client " + std::to_string(index) + "\n" + end->transcript();
  }

  // From a millisecond to 18 hours.
  void pass_time(uint8_t choice) {
    const int exponent = (choice >> 4) * 3 / 2;
    world_.pass(milliseconds(uint64_t{1u + (choice & 15u)} << exponent));
  }

  void administer(uint8_t choice) {
    using Kind = RegistryChange::Kind;
    constexpr Kind kKinds[] = {Kind::kDeviceChanged, Kind::kDeviceDisabled, Kind::kDeviceDeleted,
                               Kind::kProductChanged};
    if (choice % 2 == 0) {
      world_.publish(kTopics[choice / 4 % std::size(kTopics)],
                     (choice & 2) != 0 ? Retain::kYes : Retain::kNo);
    } else {
      world_.change(kKinds[choice / 2 % std::size(kKinds)]);
    }
    world_.run();
  }

  // --- What a client sends -----------------------------------------------------------------------

  void send(Bytes bytes) {
    const std::size_t piece = settings_.piece == 0 || defer_
                                  ? std::max<std::size_t>(1, bytes.size())
                                  : std::max(settings_.piece, bytes.size() / 32);
    if (defer_) comparable_ = false;
    while (!bytes.empty()) {
      const Bytes now = bytes.first(std::min(piece, bytes.size()));
      bytes = bytes.subspan(now.size());
      const ssize_t sent = ::send(client()->fd(), now.data(), now.size(), MSG_NOSIGNAL);
      // The server has closed, or does not read while its output is stuck: the rest is lost.
      if (sent != static_cast<ssize_t>(now.size())) {
        client()->on_raw();
        if (sent >= 0 || errno == EAGAIN) comparable_ = false;
      }
      if (!defer_) world_.run();
    }
  }

  template <class... Packet>
  void send_packet(const Packet&... packet) {
    ByteBuffer out;
    write(out, packet...);
    send(client()->framed(out.view()).view());
  }

  // Captured bytes, or anything. A length of 255 stands for two more bytes of it.
  void send_raw(uint8_t length) {
    const std::size_t wanted = length < 255 ? length : input_.u16().value_or(0);
    client()->on_raw();
    send(input_.take(std::min(wanted, input_.size())).value());
  }

  void send_proxy_header(uint8_t choice) {
    static constexpr std::string_view kHeaders[] = {
        "PROXY TCP4 198.51.100.9 192.0.2.1 4000 443\r\n",
        "PROXY TCP6 2001:db8::9 2001:db8::1 4000 443\r\n",
        "PROXY UNKNOWN\r\n",
        {"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc6\x33\x64\x09\xc0\0\x02\x01\x0f\xa0\x01\xbb", 28},
        {"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0", 16}};
    send(as_bytes(kHeaders[choice % std::size(kHeaders)]));
  }

  void ask_for_websocket(uint8_t choice) {
    constexpr std::string_view kNames[] = {"mqtt", "mqttv3.1", "", "other"};
    ByteBuffer out;
    const Status written =
        write_upgrade_request(out, {.host = "broker.test",
                                    .path = choice % 8 < 7 ? "/mqtt" : "/healthz",
                                    .key = "dGhlIHNhbXBsZSBub25jZQ==",
                                    .subprotocol = kNames[choice / 8 % std::size(kNames)]});
    FL_ASSERT(written.ok());
    send(out.view());
    client()->on_upgrade_asked();
  }

  void connect(uint8_t who, uint8_t flags, uint8_t times) {
    constexpr std::string_view kIds[] = {"c0", "c1", "c2", ""};
    constexpr const char* kProducts[] = {"std", "compat"};
    ConnectPacket hello;
    hello.version = static_cast<ProtocolVersion>(3 + flags % 3);
    hello.clean_start = (flags & 4) != 0 ? CleanStart::kYes : CleanStart::kNo;
    hello.keep_alive_seconds = static_cast<uint16_t>((times & 15) * 20);
    hello.client_id = kIds[who % 4];
    ConnectCredentials made;
    if ((who & 12) == 12) {
      made = make_connect_credentials({.product_key = kProducts[who / 16 % 2],
                                       .device_name = (who & 1) != 0 ? "dev1" : "dev2",
                                       .device_secret = (who & 128) != 0 ? "wrong" : kSecret,
                                       .client_id = "fuzz",
                                       .secure_mode = 3,
                                       .extra = {{"_ss", "1"}}});
      hello.client_id = made.client_id;
      hello.user_name = made.user_name;
      hello.password = as_bytes(made.password);
    }
    if ((flags & 8) != 0) {
      hello.will.emplace(Will{"will",
                              as_bytes("gone"),
                              static_cast<Qos>(who % 3),
                              (flags & 16) != 0 ? Retain::kYes : Retain::kNo,
                              {}});
    }
    ClientEnd::Terms terms{.version = hello.version};
    if (hello.version == ProtocolVersion::k5) take_properties(hello, terms, flags, times);
    terms.window = std::min<std::size_t>(terms.window, 4);
    client()->on_connect_made(terms);
    send_packet(hello);
  }

  void take_properties(ConnectPacket& hello, ClientEnd::Terms& terms, uint8_t flags,
                       uint8_t times) {
    ConnectProperties& said = hello.properties;
    if ((times & 16) != 0) said.session_expiry_seconds = uint32_t{60} << (times >> 5);
    if ((flags & 32) != 0) terms.window = said.receive_maximum.emplace(1 + times % 3);
    if ((flags & 64) != 0) terms.packet_bytes_max = said.maximum_packet_size.emplace(24 + times);
    if ((flags & 128) != 0) terms.alias_max = said.topic_alias_maximum.emplace(1 + flags % 2);
    if (hello.will) hello.will->properties.will_delay_seconds = times & 127;
    if (times == 255) said.request_problem_information = false;
  }

  void subscribe(uint8_t choice) {
    SubscribePacket packet;
    packet.packet_id = PacketId{static_cast<uint16_t>(1 + choice)};
    for (unsigned i = 0; i <= choice % 3u; ++i) {
      const std::string_view filter = one_of(kFilters);
      SubscriptionOptions options{.qos = static_cast<Qos>(choice / 4 % 3)};
      if (client()->version() == ProtocolVersion::k5) {
        options.no_local = (choice & 64) != 0 && !filter.starts_with("$share");
        options.retain_as_published = (choice & 128) != 0;
        options.retain_handling = static_cast<RetainHandling>(choice / 32 % 3);
      }
      packet.requests.push_back({filter, options});
    }
    if (client()->version() == ProtocolVersion::k5 && choice % 5 == 0) {
      packet.properties.subscription_identifier = 1 + choice;
    }
    send_packet(client()->version(), packet);
  }

  void unsubscribe() {
    UnsubscribePacket packet;
    packet.packet_id = PacketId{9};
    packet.filters = {one_of(kFilters)};
    send_packet(client()->version(), packet);
  }

  void publish(uint8_t choice) {
    const uint8_t more = byte();
    const std::string payload(choice >= 128 ? std::size_t{more} * 16 : more % 8, 'x');
    PublishPacket packet;
    packet.topic = kTopics[choice % std::size(kTopics)];
    packet.payload = as_bytes(payload);
    packet.qos = static_cast<Qos>(choice / 8 % 3);
    packet.retain = (choice & 64) != 0 ? Retain::kYes : Retain::kNo;
    if (packet.qos != Qos::kAtMostOnce) {
      packet.packet_id = PacketId{static_cast<uint16_t>(1 + more % 8)};
    }
    if (client()->version() == ProtocolVersion::k5) {
      if (more % 4 == 1) packet.properties.message_expiry_seconds = more;
      if (more % 4 == 2) packet.properties.topic_alias = static_cast<uint16_t>(1 + more / 64);
      if (more % 8 == 6) packet.topic = {};
    }
    send_packet(client()->version(), packet);
  }

  // One, or all that is owed; an error for one of them.
  void acknowledge(uint8_t choice) {
    for (unsigned left = choice < 128 ? 1 : 16; left > 0 && client() != nullptr; --left) {
      auto ack = client()->take_owed();
      if (!ack) return;
      if (choice % 8 == 7 && client()->version() == ProtocolVersion::k5) {
        const bool late = ack->type == PacketType::kPubrel || ack->type == PacketType::kPubcomp;
        ack->reason = late ? ReasonCode::kPacketIdentifierNotFound : ReasonCode::kNotAuthorized;
      }
      client()->on_acked(*ack);
      send_packet(client()->version(), *ack);
    }
  }

  void say_little(uint8_t choice) {
    if (choice % 4 != 0) return send_packet(PingreqPacket{});
    DisconnectPacket packet;
    if (client()->version() == ProtocolVersion::k5) {
      if ((choice & 4) != 0) packet.reason = ReasonCode::kDisconnectWithWill;
      if ((choice & 8) != 0) packet.properties.session_expiry_seconds = choice;
    }
    send_packet(client()->version(), packet);
  }

  ByteReader input_;
  const Settings settings_;
  World world_;
  std::size_t client_ = 0;
  bool defer_ = false;
  bool comparable_ = true;
  std::string transcript_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > 16 << 10) return 0;
  const Bytes steps(reinterpret_cast<const std::byte*>(data + 1), size - 1);
  constexpr std::size_t kPieces[] = {0, 0, 0, 1, 2, 3, 7, 50};
  Script::Settings settings{.shard_count = 1u + data[0] % 2,
                            .stops_gracefully = (data[0] & 2) != 0,
                            .piece = kPieces[data[0] / 4 % 8]};
  Script script(steps, settings);
  script.run();
  if (settings.shard_count > 1 || settings.piece == 0 || !script.comparable()) return 0;
  settings.piece = 0;
  Script whole(steps, settings);
  whole.run();
  FL_ASSERT(!whole.comparable() || whole.transcript() == script.transcript());
  return 0;
}
