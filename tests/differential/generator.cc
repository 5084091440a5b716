#include "differential/generator.h"

#include <algorithm>
#include <array>
#include <random>

#include "proto/mqtt/topic.h"

namespace fairlead::testing {
namespace {

constexpr std::array<std::string_view, 9> kTopics = {"a",  "a/b", "a/b/c", "a/c", "b",
                                                     "/a", "a/",  "a//c",  "b/b"};
constexpr std::array<std::string_view, 16> kFilters = {"a",     "a/b", "a/b/c", "b",    "#",  "+",
                                                       "a/#",   "a/+", "+/b",   "+/+",  "/#", "/+",
                                                       "a/+/c", "+/#", "a/",    "a/b/#"};
constexpr uint32_t kLong = 3600;
constexpr std::size_t kBigPayload = 300;
constexpr uint32_t kSmallPackets = 200;

// The rule that a narrow window must never depend on the order of what is not ordered: see below.
bool overlap(std::string_view one, std::string_view other) {
  return std::any_of(kTopics.begin(), kTopics.end(), [&](std::string_view topic) {
    return mqtt::topic_matches(one, topic) && mqtt::topic_matches(other, topic);
  });
}

std::string_view filter_of(std::string_view maybe_shared) {
  auto parts = mqtt::split_filter(maybe_shared);
  return parts.ok() ? parts->filter : maybe_shared;
}

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed * 0x9E3779B97F4A7C15u + 1) {
    dialogue_.seed = seed;
  }

  Dialogue make() {
    make_clients();
    const std::size_t count = 12 + below(30);
    for (std::size_t i = 0; i < states_.size(); ++i) {
      if (states_[i].in_pool || chance(80)) connect(i);
      if (states_[i].in_pool) join_pool(i);
    }
    while (dialogue_.steps.size() < count) {
      if (chance(80)) {
        make_step(below(states_.size()));
      } else {
        make_sequence(below(states_.size()));
      }
    }
    return std::move(dialogue_);
  }

 private:
  // What the generator remembers of a client, to make steps that make sense.
  struct State {
    bool is_v5 = false;
    bool narrow = false;  // small Receive Maximum
    bool picky = false;   // small Maximum Packet Size
    bool in_pool = false;
    bool connected = false;
    bool holding = false;
    bool deaf = false;
    bool hurried = false;  // in a sequence
    bool ends_with_connection = true;
    std::optional<std::string> will_topic;
    std::vector<std::string> filters;
  };

  std::size_t below(std::size_t limit) { return random_() % limit; }
  bool chance(unsigned percent) { return below(100) < percent; }
  Qos qos() { return static_cast<Qos>(below(3)); }
  std::string topic() { return std::string(kTopics[below(kTopics.size())]); }
  void add(std::size_t client, Action action) {
    dialogue_.steps.push_back({client, std::move(action)});
  }

  void make_clients() {
    const std::size_t count = 2 + below(5);
    const std::size_t pool = count >= 4 && chance(35) ? 2 + below(2) : 0;
    const ProtocolVersion pool_version = version();
    for (std::size_t i = 0; i < count; ++i) {
      State state;
      state.in_pool = i >= count - pool;
      ClientSpec client;
      client.in_pool = state.in_pool;
      client.name = "c" + std::to_string(i + 1);
      client.version = state.in_pool ? pool_version : version();
      client.transport = chance(50) ? Transport::kTcp : Transport::kWs;
      const bool nameless = client.version != ProtocolVersion::k31 && chance(5);
      if (!nameless) client.id = "s" + std::to_string(dialogue_.seed) + client.name;
      state.is_v5 = client.version == ProtocolVersion::k5;
      state.narrow = state.is_v5 && !state.in_pool && chance(30);
      state.picky = state.is_v5 && !state.in_pool && chance(15);
      dialogue_.clients.push_back(client);
      states_.push_back(state);
    }
  }

  ProtocolVersion version() {
    if (chance(50)) return ProtocolVersion::k5;
    return chance(60) ? ProtocolVersion::k311 : ProtocolVersion::k31;
  }

  void make_step(std::size_t client) {
    State& state = states_[client];
    if (!state.connected) return connect(client);
    const std::size_t die = below(100);
    if (state.in_pool) return publish(client);
    if (state.deaf) return die < 30 ? publish(client) : break_off(client);
    if (die < 45) return publish(client);
    if (die < 60) return subscribe(client);
    if (die < 66) return unsubscribe(client);
    if (die < 80) return hold_or_answer(client);
    if (die < 84) {
      state.deaf = true;
      return add(client, DeafenStep{});
    }
    if (die < 90) return disconnect(client);
    // mosquitto forgets the will of a session that is taken over, and then there is no more to say.
    const bool would_differ = state.will_topic && !state.ends_with_connection && chance(90);
    if (die < 94 || would_differ) return break_off(client);
    connect(client);  // takes its own connection over
  }

  // Publishes, and perhaps subscribes, without waiting for an answer. What the specification leaves
  // open until SUBACK is not done: publishing at QoS 2 (routed early or late), sharing (in force
  // when another shard has said so), unsubscribing (from what is not confirmed yet), subscribing
  // again (whether its retained messages come before what is held for the first SUBACK).
  void make_sequence(std::size_t client) {
    State& state = states_[client];
    if (!state.connected || state.deaf) return;
    state.hurried = true;
    const std::size_t count = 2 + below(5);
    const std::size_t subscribes_at = state.in_pool ? count : below(2 * count);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t before = dialogue_.steps.size();
      if (i != subscribes_at) {
        publish(client);
      } else {
        subscribe(client);
      }
      if (dialogue_.steps.size() > before) dialogue_.steps.back().at_once = i + 1 < count;
    }
    state.hurried = false;
  }

  void connect(std::size_t client) {
    State& state = states_[client];
    const bool nameless = dialogue_.clients[client].id.empty();
    ConnectStep step;
    step.clean = nameless || state.in_pool || chance(35) ? CleanStart::kYes : CleanStart::kNo;
    step.keep_alive_seconds = static_cast<uint16_t>(std::array{0, 60, 600}[below(3)]);
    if (!state.in_pool && chance(40)) step.will = message(state.is_v5);
    if (state.is_v5) {
      if (!nameless && !state.in_pool && chance(70)) step.session_expiry_seconds = kLong;
      if (step.will && chance(30)) step.will_delay_seconds = 0;
      if (state.narrow) step.receive_maximum = static_cast<uint16_t>(1 + below(3));
      if (chance(50)) step.topic_alias_maximum = static_cast<uint16_t>(below(4));
      if (state.picky) step.maximum_packet_size = kSmallPackets;
    }
    const bool ends_with_connection =
        state.is_v5 ? !step.session_expiry_seconds : step.clean == CleanStart::kYes;
    if (step.clean == CleanStart::kYes) state.filters.clear();
    state.ends_with_connection = ends_with_connection;
    state.will_topic.reset();
    if (step.will) state.will_topic = step.will->topic;
    state.connected = true;
    state.holding = state.deaf = false;
    add(client, std::move(step));
  }

  void join_pool(std::size_t client) {
    SubscribeStep step;
    step.filters.push_back({"$share/pool/a/#", {.qos = kQos1}});
    add(client, std::move(step));
  }

  MessageSpec message(bool is_v5) {
    MessageSpec message;
    message.topic = topic();
    message.qos = qos();
    message.retain = chance(30);
    const bool empty = chance(message.retain ? 25 : 4);
    if (!empty) message.payload = "m" + std::to_string(++messages_);
    if (!empty && chance(7)) message.payload += '.' + std::string(kBigPayload, 'x');
    if (!is_v5 || !chance(40)) return message;
    if (chance(30)) message.expiry_seconds = static_cast<uint32_t>(100 * (1 + below(100)));
    if (chance(20)) message.payload_format = static_cast<uint8_t>(below(2));
    if (chance(20)) message.content_type = "text/plain";
    if (chance(20)) message.response_topic = "answer/here";
    if (chance(20)) message.correlation_data = "corr" + std::to_string(messages_);
    for (std::size_t i = below(3); i > 0; --i) {
      message.user_properties.emplace_back("k" + std::to_string(below(2)), "v" + std::to_string(i));
    }
    return message;
  }

  void publish(std::size_t client) {
    PublishStep step{.message = message(states_[client].is_v5), .alias = {}};
    const State& state = states_[client];
    if (state.is_v5 && chance(30)) step.alias = static_cast<uint16_t>(1 + below(4));
    // When the message is routed is the server's choice: at its PUBLISH or at its PUBREL.
    if (state.deaf || state.hurried) step.message.qos = std::min(step.message.qos, kQos1);
    // The order of the message and of the will of the connection that breaks then is, too.
    const bool beside_will = state.will_topic == step.message.topic;
    if (!state.deaf && !state.hurried && !beside_will && step.message.qos != kQos0 && chance(15)) {
      const bool late = step.message.qos == kQos2 && chance(50);
      step.cut = late ? PublishStep::Cut::kAfterPubrel : PublishStep::Cut::kAfterPublish;
    }
    add(client, std::move(step));
  }

  // A narrow client has no two subscriptions that overlap (one server sends a message once, the
  // other twice), asks for one filter at a time, and for no retained messages by wildcard.
  void subscribe(std::size_t client) {
    State& state = states_[client];
    SubscribeStep step;
    const std::size_t count = state.narrow ? 1 : 1 + below(3);
    for (std::size_t i = 0; i < count; ++i) {
      FilterSpec spec = filter(client);
      const std::string_view core = filter_of(spec.filter);
      auto collides = [&](std::string_view other) {
        return other != spec.filter && overlap(core, filter_of(other));
      };
      if (state.narrow && std::any_of(state.filters.begin(), state.filters.end(), collides)) {
        return;
      }
      if (state.narrow && mqtt::has_wildcard(core)) {
        spec.options.retain_handling = RetainHandling::kDoNotSend;
      }
      auto same = [&spec](const FilterSpec& other) { return other.filter == spec.filter; };
      if (std::any_of(step.filters.begin(), step.filters.end(), same) && chance(80)) continue;
      remember(state, spec.filter);
      step.filters.push_back(std::move(spec));
    }
    if (state.is_v5 && chance(40)) step.identifier = static_cast<uint32_t>(1 + below(300));
    add(client, std::move(step));
  }

  FilterSpec filter(std::size_t client) {
    const State& state = states_[client];
    const bool quiet = !state.holding && !state.deaf && !state.hurried;
    const bool shared = quiet && chance(state.ends_with_connection ? 15 : 2);
    FilterSpec spec{.filter = std::string(kFilters[below(kFilters.size())]), .options = {}};
    if (shared) spec.filter = "$share/g" + std::to_string(client) + "/" + spec.filter;
    spec.options.qos = qos();
    if (!state.is_v5) return spec;
    // Mostly the same each time: mosquitto keeps those of the first SUBSCRIBE.
    const std::size_t mark = chance(90) ? spec.filter.size() + client : below(30);
    spec.options.no_local = !shared && mark % 5 == 0;
    spec.options.retain_as_published = mark % 3 == 0;
    if (chance(40)) spec.options.retain_handling = static_cast<RetainHandling>(1 + below(2));
    return spec;
  }

  static void remember(State& state, const std::string& filter) {
    auto& known = state.filters;
    if (std::find(known.begin(), known.end(), filter) == known.end()) known.push_back(filter);
  }

  void unsubscribe(std::size_t client) {
    State& state = states_[client];
    UnsubscribeStep step;
    for (std::size_t i = 1 + below(2); i > 0; --i) {
      std::string filter(kFilters[below(kFilters.size())]);
      if (!state.filters.empty() && chance(75)) {
        filter = state.filters[below(state.filters.size())];
        std::erase(state.filters, filter);
      }
      step.filters.push_back(filter);
    }
    add(client, std::move(step));
  }

  void hold_or_answer(std::size_t client) {
    State& state = states_[client];
    if (!state.holding) {
      state.holding = true;
      return add(client, HoldStep{});
    }
    AnswerStep step;
    if (chance(60)) step.count = 1 + below(3);
    state.holding = step.count.has_value();
    add(client, step);
  }

  void disconnect(std::size_t client) {
    State& state = states_[client];
    DisconnectStep step;
    if (state.is_v5 && chance(25)) step.reason = ReasonCode::kDisconnectWithWill;
    if (state.is_v5 && chance(15)) step.session_expiry_seconds = 0;
    if (step.session_expiry_seconds) state.ends_with_connection = true;
    leave(state);
    add(client, step);
  }

  void break_off(std::size_t client) {
    leave(states_[client]);
    add(client, BreakStep{});
  }

  static void leave(State& state) {
    state.connected = state.holding = state.deaf = false;
    if (state.ends_with_connection) state.filters.clear();
  }

  std::mt19937_64 random_;
  Dialogue dialogue_;
  std::vector<State> states_;
  unsigned messages_ = 0;
};

}  // namespace

Dialogue make_dialogue(uint64_t seed) { return Generator(seed).make(); }

std::span<const std::string_view> dialogue_topics() { return kTopics; }

}  // namespace fairlead::testing
