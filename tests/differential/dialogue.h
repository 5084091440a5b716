#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "support/test_client.h"

// A dialogue: what several clients do, one step after the other. It is data, so that the same one
// can be played to different servers, written down, and made shorter: any part of its steps is a
// dialogue too.

namespace fairlead::testing {

// A message as a client publishes it, or leaves it as its will.
struct MessageSpec {
  std::string topic;
  std::string payload;  // unlike that of any other message of the dialogue, or empty
  Qos qos = kQos0;
  bool retain = false;
  // MQTT 5.0 only.
  std::optional<uint32_t> expiry_seconds;  // in hundreds: what is left of it is rounded
  std::optional<uint8_t> payload_format;
  std::optional<std::string> content_type;
  std::optional<std::string> response_topic;
  std::optional<std::string> correlation_data;
  std::vector<std::pair<std::string, std::string>> user_properties;
};

struct FilterSpec {
  std::string filter;
  mqtt::SubscriptionOptions options;
};

// The steps. One that makes no sense where it stands (a PUBLISH of a client that is not connected)
// is passed over, so that any part of a dialogue is a dialogue.
struct ConnectStep {
  CleanStart clean = CleanStart::kYes;
  uint16_t keep_alive_seconds = 0;
  std::optional<MessageSpec> will;
  // MQTT 5.0 only.
  std::optional<uint32_t> session_expiry_seconds;
  std::optional<uint32_t> will_delay_seconds;
  std::optional<uint16_t> receive_maximum;
  std::optional<uint16_t> topic_alias_maximum;
  std::optional<uint32_t> maximum_packet_size;
};
struct SubscribeStep {
  std::vector<FilterSpec> filters;
  std::optional<uint32_t> identifier;
};
struct UnsubscribeStep {
  std::vector<std::string> filters;
};
struct PublishStep {
  MessageSpec message;
  std::optional<uint16_t> alias;  // stands for the topic from its second use on
  // Where the connection breaks; the client resumes its session, and finishes.
  enum class Cut : uint8_t { kNowhere, kAfterPublish, kAfterPubrel } cut = Cut::kNowhere;
};
// From now on the client keeps back what it owes an answer: PUBLISH, PUBREL.
struct HoldStep {};
// Answers what it owes about the `count` oldest messages; about all, and from now on at once.
struct AnswerStep {
  std::optional<std::size_t> count;
};
// From now on nothing reaches the client, until it connects again.
struct DeafenStep {};
struct DisconnectStep {
  ReasonCode reason = ReasonCode::kSuccess;
  std::optional<uint32_t> session_expiry_seconds;
};
// The connection ends without DISCONNECT.
struct BreakStep {};

using Action = std::variant<ConnectStep, SubscribeStep, UnsubscribeStep, PublishStep, HoldStep,
                            AnswerStep, DeafenStep, DisconnectStep, BreakStep>;

struct Step {
  std::size_t client = 0;
  Action action;
  // The next step is taken without waiting for what comes of this one, if it is the same client's.
  bool at_once = false;
};

struct ClientSpec {
  std::string name;  // "c1"
  std::string id;    // empty: the server chooses
  ProtocolVersion version = ProtocolVersion::k311;
  Transport transport = Transport::kTcp;
  // Shares a subscription with others: which of them gets a message is the server's choice.
  bool in_pool = false;
};

struct Dialogue {
  uint64_t seed = 0;
  std::vector<ClientSpec> clients;
  std::vector<Step> steps;
};

// "c2 (v5) publishes m3 to a/b, q1, retained".
[[nodiscard]] std::string describe(const Dialogue& dialogue, const Step& step);

}  // namespace fairlead::testing
