#include "fairlead/client.h"

#include <gtest/gtest.h>

#include <thread>

#include "net/tcp.h"
#include "support/test_client.h"
#include "support/test_server.h"

namespace fairlead::testing {
namespace {

using sdk::Client;
using sdk::Outcome;
using sdk::OutcomeKind;

// An end of all waits that is never reached in a good run.
constexpr std::chrono::seconds kPatience{30};

sdk::Options options_for(const SocketAddress& address, const std::string& scheme) {
  sdk::Options options;
  options.url = scheme + "://" + address.text();
  options.tls.ca_file = test_certificates().ca_certificate;
  options.reconnect = sdk::Reconnect::kNever;
  options.backoff.first = std::chrono::milliseconds{1};
  return options;
}

sdk::Options backend(const TestServer& server, const std::string& scheme = "ws") {
  sdk::Options options = options_for(server.address(), scheme);
  options.client_id = unique("backend");
  options.user_name = "backend";
  options.password = "backend-pass";
  return options;
}

// A client and what it was told.
struct Party {
  explicit Party(const sdk::Options& options) : client(options, handlers()) {
    const Outcome outcome = client.connect();
    EXPECT_TRUE(outcome.ok()) << outcome.sentence;
  }

  sdk::Handlers handlers() {
    sdk::Handlers handlers;
    handlers.on_message = [this](const sdk::Message& message) {
      messages.push_back(std::string(message.topic) + "=" + std::string(message.payload));
    };
    handlers.on_connected = [this](const sdk::Connected& connected) {
      ++connected_count;
      session_present = connected.session_present;
    };
    handlers.on_disconnected = [this](const sdk::Disconnected& end) {
      ends.push_back(end.cause);
      will_retry = end.retry_in.has_value();
    };
    return handlers;
  }

  template <class Done>
  void until(Done&& done, int line = __builtin_LINE()) {
    EXPECT_TRUE(client.run_until(done, kPatience))
        << "line " << line << " " << (ends.empty() ? "no end" : ends.back().sentence);
  }
  void connect() {
    until([this] { return connected_count > 0; });
  }
  void subscribe(const std::string& filter, sdk::Qos qos) {
    bool granted = false;
    const Outcome accepted = client.subscribe({{.filter = filter, .qos = qos}},
                                              [&](const Outcome& outcome, const auto&) {
                                                EXPECT_TRUE(outcome.ok()) << outcome.sentence;
                                                granted = true;
                                              });
    ASSERT_TRUE(accepted.ok());
    until([&] { return granted; });
  }
  void publish(const std::string& topic, const std::string& payload, sdk::Qos qos) {
    bool settled = false;
    const Outcome accepted = client.publish({.topic = topic, .payload = payload, .qos = qos},
                                            [&](const Outcome& outcome) {
                                              EXPECT_TRUE(outcome.ok()) << outcome.sentence;
                                              settled = true;
                                            });
    ASSERT_TRUE(accepted.ok()) << accepted.sentence;
    until([&] { return settled; });
  }
  void expect_messages(std::vector<std::string> expected) {
    until([&] { return messages.size() >= expected.size(); });
    EXPECT_EQ(messages, expected);
  }

  std::vector<std::string> messages;
  std::vector<Outcome> ends;
  int connected_count = 0;
  bool session_present = false;
  bool will_retry = false;
  Client client;
};

Outcome end_of(const sdk::Options& options) {
  Party party(options);
  party.client.run_for(kPatience);
  EXPECT_EQ(party.ends.size(), 1u);
  return party.ends.empty() ? Outcome{} : party.ends.front();
}

class SdkClientOver : public ::testing::TestWithParam<std::tuple<std::string, sdk::Version>> {};

TEST_P(SdkClientOver, PublishesAndReceivesAtEachQos) {
  const auto& [scheme, version] = GetParam();
  sdk::Options options = backend(shared_server(), scheme);
  options.version = version;
  Party party(options);
  const std::string topic = unique("sdk/topic");
  party.subscribe(topic, sdk::Qos::kExactlyOnce);
  party.publish(topic, "zero", sdk::Qos::kAtMostOnce);
  party.publish(topic, "one", sdk::Qos::kAtLeastOnce);
  party.publish(topic, "two", sdk::Qos::kExactlyOnce);
  party.expect_messages({topic + "=zero", topic + "=one", topic + "=two"});
  party.client.disconnect();
  party.client.run_for(kPatience);
  ASSERT_EQ(party.ends.size(), 1u);
  EXPECT_EQ(party.ends[0].kind, OutcomeKind::kClosed);
}

TEST_P(SdkClientOver, KeepsTheOrderOfManyMessages) {
  const auto& [scheme, version] = GetParam();
  sdk::Options options = backend(shared_server(), scheme);
  options.version = version;
  Party party(options);
  const std::string topic = unique("sdk/order");
  party.subscribe(topic, sdk::Qos::kAtLeastOnce);
  std::vector<std::string> expected;
  std::size_t settled = 0;
  for (int i = 0; i < 500; ++i) {
    const std::string payload = std::to_string(i) + std::string(static_cast<std::size_t>(i), 'x');
    expected.push_back(topic + "=" + payload);
    ASSERT_TRUE(party.client
                    .publish({.topic = topic, .payload = payload, .qos = sdk::Qos::kAtLeastOnce},
                             [&](const Outcome& outcome) { settled += outcome.ok() ? 1u : 0u; })
                    .ok());
  }
  party.until([&] { return settled == expected.size(); });
  party.expect_messages(expected);
}

INSTANTIATE_TEST_SUITE_P(Transports, SdkClientOver,
                         ::testing::Combine(::testing::Values("mqtt", "mqtts", "ws", "wss"),
                                            ::testing::Values(sdk::Version::k31, sdk::Version::k311,
                                                              sdk::Version::k5)),
                         [](const auto& test) {
                           return std::get<0>(test.param) + "_v" +
                                  std::to_string(static_cast<int>(std::get<1>(test.param)));
                         });

TEST(SdkClient, SignsAsADevice) {
  sdk::Options options = options_for(shared_server().address(), "wss");
  options.device =
      sdk::Device{.product_key = "pk", .device_name = "d7", .device_secret = "secret-d7"};
  Party device(options);
  device.subscribe("/pk/d7/user/get", sdk::Qos::kAtLeastOnce);
  Party application(backend(shared_server()));
  application.publish("/pk/d7/user/get", "hello", sdk::Qos::kAtLeastOnce);
  device.expect_messages({"/pk/d7/user/get=hello"});
}

TEST(SdkClient, SaysWhyItWasRefused) {
  sdk::Options options = options_for(shared_server().address(), "ws");
  options.device = sdk::Device{.product_key = "pk", .device_name = "d7", .device_secret = "wrong"};
  const Outcome outcome = end_of(options);
  EXPECT_EQ(outcome.kind, OutcomeKind::kConnectRefused);
  EXPECT_EQ(outcome.code, 4);
  EXPECT_FALSE(outcome.advice.empty());
}

TEST(SdkClient, ReportsTheCodesOfASuback) {
  sdk::Options options = options_for(shared_server().address(), "mqtt");
  options.device =
      sdk::Device{.product_key = "pk", .device_name = "d8", .device_secret = "secret-d8"};
  Party party(options);
  std::vector<uint8_t> codes;
  OutcomeKind kind = OutcomeKind::kOk;
  const std::vector<sdk::Subscription> wanted{{.filter = "/pk/d8/user/get"},
                                              {.filter = "/pk/d9/user/get"}};
  ASSERT_TRUE(party.client
                  .subscribe(wanted,
                             [&](const Outcome& outcome, const auto& granted) {
                               kind = outcome.kind;
                               codes = granted;
                             })
                  .ok());
  party.until([&] { return !codes.empty(); });
  EXPECT_EQ(kind, OutcomeKind::kRefused);
  ASSERT_EQ(codes.size(), 2u);
  EXPECT_GE(codes[1], 0x80);
}

TEST(SdkClient, TrustsOnlyWhatItWasTold) {
  sdk::Options options = backend(shared_server(), "wss");
  options.tls.ca_file.clear();
  EXPECT_EQ(end_of(options).kind, OutcomeKind::kTlsFailed);
  options.tls.trust = sdk::Trust::kAnyCertificate;
  Party careless(options);
  careless.connect();
}

TEST(SdkClient, SubscribesAgainAfterAReconnect) {
  TestServer server;
  sdk::Options options = backend(server);
  options.reconnect = sdk::Reconnect::kAlways;
  Party party(options);
  const std::string topic = unique("sdk/again");
  party.subscribe(topic, sdk::Qos::kAtLeastOnce);
  TestClient thief(server, Transport::kTcp);
  thief.connect(thief.app_hello("backend", options.client_id));  // takes the session over
  party.until([&] { return party.connected_count == 2; });
  ASSERT_EQ(party.ends.size(), 1u);
  EXPECT_EQ(party.ends[0].kind, OutcomeKind::kConnectionLost);
  EXPECT_TRUE(party.will_retry);
  // The new SUBSCRIBE was sent before this message, on the same connection.
  party.publish(topic, "back", sdk::Qos::kAtLeastOnce);
  party.expect_messages({topic + "=back"});
}

TEST(SdkClient, ResumesItsSessionAndReceivesWhatItMissed) {
  TestServer server;
  sdk::Options options = backend(server);
  options.session = sdk::SessionMode::kPersistent;
  const std::string topic = unique("sdk/missed");
  {
    Party party(options);
    party.subscribe(topic, sdk::Qos::kAtLeastOnce);
    party.client.disconnect();
    party.client.run_for(kPatience);
  }
  Party other(backend(server));
  other.publish(topic, "while away", sdk::Qos::kAtLeastOnce);
  Party party(options);
  party.expect_messages({topic + "=while away"});
  EXPECT_TRUE(party.session_present);
}

TEST(SdkClient, DoesNotFightForASessionThatWasTakenOver) {
  TestServer server;
  sdk::Options options = backend(server);
  options.version = sdk::Version::k5;
  options.reconnect = sdk::Reconnect::kAlways;
  Party party(options);
  party.connect();
  TestClient thief(server, Transport::kTcp);
  thief.connect(thief.app_hello("backend", options.client_id));
  EXPECT_FALSE(party.client.run_for(kPatience));
  ASSERT_EQ(party.ends.size(), 1u);
  EXPECT_EQ(party.ends[0].kind, OutcomeKind::kServerDisconnect);
  EXPECT_EQ(party.ends[0].code, 0x8E);
}

TEST(SdkClient, LeavesItsWillWhenItIsDestroyed) {
  const std::string topic = unique("sdk/will");
  Party watcher(backend(shared_server()));
  watcher.subscribe(topic, sdk::Qos::kAtLeastOnce);
  sdk::Options options = backend(shared_server());
  options.will = sdk::Will{.topic = topic, .payload = "gone"};
  {
    Party party(options);
    party.connect();
  }
  watcher.expect_messages({topic + "=gone"});
}

TEST(SdkClient, PassesThePropertiesOfMqtt5Through) {
  sdk::Options options = backend(shared_server());
  options.version = sdk::Version::k5;
  sdk::UserProperties seen;
  std::string response_topic;
  bool received = false;
  Client client(options, {.on_message = [&](const sdk::Message& message) {
                  seen = message.user_properties;
                  response_topic = std::string(message.response_topic.value_or(""));
                  received = true;
                }});
  ASSERT_TRUE(client.connect().ok());
  const std::string topic = unique("sdk/properties");
  ASSERT_TRUE(client.subscribe({{.filter = topic}}).ok());
  const sdk::UserProperties sent{{"a", "1"}, {"a", "2"}};
  ASSERT_TRUE(client
                  .publish({.topic = topic,
                            .qos = sdk::Qos::kAtLeastOnce,
                            .response_topic = "answer/here",
                            .user_properties = sent})
                  .ok());
  EXPECT_TRUE(client.run_until([&] { return received; }, kPatience));
  EXPECT_EQ(seen, sent);
  EXPECT_EQ(response_topic, "answer/here");
}

TEST(SdkClient, CanBeStoppedAndGivenWorkByAnotherThread) {
  Party party(backend(shared_server()));
  party.connect();
  bool worked = false;
  std::thread other([&] {
    party.client.post([&] { worked = true; });
    party.client.stop();
  });
  party.client.run();
  other.join();
  party.client.poll();
  EXPECT_TRUE(worked);
  EXPECT_TRUE(party.client.connected());
}

TEST(SdkClient, SaysThatNobodyListens) {
  std::string url;
  {
    auto socket = ListeningSocket::open(*SocketAddress::parse("127.0.0.1", 0), {});
    ASSERT_TRUE(socket);
    url = "mqtt://" + socket->local().text();
  }
  sdk::Options options;
  options.url = url;
  options.reconnect = sdk::Reconnect::kNever;
  EXPECT_EQ(end_of(options).kind, OutcomeKind::kUnreachable);
}

TEST(SdkClient, GivesUpOnAServerThatDoesNotAnswer) {
  auto silent = ListeningSocket::open(*SocketAddress::parse("127.0.0.1", 0), {});
  ASSERT_TRUE(silent);
  for (const std::string scheme : {"mqtt", "mqtts", "ws"}) {
    sdk::Options options = options_for(silent->local(), scheme);
    options.limits.connect_max = std::chrono::milliseconds{10};
    const Outcome outcome = end_of(options);
    EXPECT_EQ(outcome.kind, OutcomeKind::kTimedOut) << scheme << " " << outcome.sentence;
  }
}

TEST(SdkClient, SaysThatTheServerSpeaksAnotherProtocol) {
  // A listener that answers anything with a line of text.
  auto listener = ListeningSocket::open(*SocketAddress::parse("127.0.0.1", 0), {});
  ASSERT_TRUE(listener);
  for (const std::string scheme : {"mqtt", "mqtts", "ws"}) {
    sdk::Options options = options_for(listener->local(), scheme);
    Party party(options);
    UniqueFd peer;
    while (party.ends.empty() && party.client.run_for(std::chrono::milliseconds{1})) {
      if (peer.valid()) continue;
      AcceptResult accepted = listener->accept();
      if (accepted.kind != AcceptKind::kAccepted) continue;
      peer = std::move(accepted.fd);
      EXPECT_EQ(tcp_send(peer.get(), as_bytes("220 mail ready\r\n\r\n")).kind, IoKind::kBytes);
    }
    ASSERT_EQ(party.ends.size(), 1u) << scheme;
    EXPECT_NE(party.ends[0].kind, OutcomeKind::kTimedOut) << scheme;
    EXPECT_FALSE(party.ends[0].sentence.empty());
  }
}

}  // namespace
}  // namespace fairlead::testing
