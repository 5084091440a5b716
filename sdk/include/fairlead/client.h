#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The Fairlead client for devices and back ends: MQTT 3.1, 3.1.1 and 5.0 over TCP, TLS, WebSocket
// and WebSocket in TLS, to any server that speaks them.
//
//   fairlead::sdk::Options options;
//   options.url = "wss://iot.example.com";
//   options.device = {.product_key = "pk", .device_name = "dev1", .device_secret = secret};
//   fairlead::sdk::Client client(options, {.on_message = [](const auto& m) { use(m); }});
//   if (auto outcome = client.connect(); !outcome.ok()) return complain(outcome.sentence);
//   client.subscribe({{.filter = "/pk/dev1/user/get"}});
//   client.publish({.topic = "/pk/dev1/user/update", .payload = "21.5", .qos = Qos::kAtLeastOnce});
//   client.run();   // until stop() or disconnect()

namespace fairlead::sdk {

enum class Version : uint8_t { k31 = 3, k311 = 4, k5 = 5 };
enum class Qos : uint8_t { kAtMostOnce = 0, kAtLeastOnce = 1, kExactlyOnce = 2 };
enum class Retain : uint8_t { kNo, kYes };
enum class SignMethod : uint8_t { kHmacMd5, kHmacSha1, kHmacSha256 };

enum class OutcomeKind : uint8_t {
  kOk,
  kBadOptions,        // what was asked for makes no sense; trying again does not help
  kUnreachable,       // no such host, or nothing answers there
  kTlsFailed,         // certificate or protocol; the sentence says which
  kUpgradeFailed,     // the server does not speak WebSocket there
  kConnectRefused,    // CONNACK with an error; see code
  kTimedOut,          // no answer in time
  kConnectionLost,    // the connection broke
  kServerDisconnect,  // the server sent DISCONNECT (5.0); see code
  kProtocolError,     // the server broke the specification
  kNotConnected,      // QoS 0 is not kept for later
  kQueueFull,         // too much waits to be sent; see Limits
  kRefused,           // the server refused this message or subscription; see code
  kClosed,            // disconnect() came first
};

// How something ended. `code` is the reason or return code as it stood in the packet, 0 if there
// was none. The sentence says what happened, the advice what to do about it, if that is known.
struct Outcome {
  OutcomeKind kind = OutcomeKind::kOk;
  uint8_t code = 0;
  std::string sentence{};
  std::string advice{};
  [[nodiscard]] bool ok() const { return kind == OutcomeKind::kOk; }
};

using UserProperties = std::vector<std::pair<std::string, std::string>>;

// A message, sent or received. Views are valid during the call. What is behind `retain` exists in
// MQTT 5.0 only and is not sent in other versions.
struct Message {
  std::string_view topic{};
  std::string_view payload{};  // any bytes
  Qos qos = Qos::kAtMostOnce;
  Retain retain = Retain::kNo;
  std::optional<uint32_t> expiry_seconds{};
  std::optional<std::string_view> content_type{};
  std::optional<std::string_view> response_topic{};
  std::optional<std::string_view> correlation_data{};
  bool payload_is_text = false;
  UserProperties user_properties{};
};

enum class RetainHandling : uint8_t { kSend = 0, kSendIfNew = 1, kDoNotSend = 2 };

struct Subscription {
  std::string filter{};
  Qos qos = Qos::kAtMostOnce;
  // MQTT 5.0 only:
  bool no_local = false;
  bool retain_as_published = false;
  RetainHandling retain_handling = RetainHandling::kSend;
};

// A device of an Alibaba-Cloud-compatible server. The client signs each CONNECT itself.
struct Device {
  std::string product_key{};
  std::string device_name{};
  std::string device_secret{};
  std::string client_id{};  // before the bars of the MQTT client id; empty: "pk.name", unsigned
  std::string timestamp{};  // empty: none is sent
  SignMethod method = SignMethod::kHmacSha256;
  std::vector<std::pair<std::string, std::string>> parameters{};  // {"_ss", "1"}, ...
};

struct Will {
  std::string topic{};
  std::string payload{};
  Qos qos = Qos::kAtMostOnce;
  Retain retain = Retain::kNo;
  std::optional<uint32_t> delay_seconds{};  // 5.0
};

enum class Trust : uint8_t { kVerify, kAnyCertificate /* for tests: anybody may be the server */ };

struct Tls {
  Trust trust = Trust::kVerify;
  std::string ca_file{};           // empty: the system's roots
  std::string certificate_file{};  // of the client, with its key; empty: none
  std::string key_file{};
};

enum class SessionMode : uint8_t { kClean, kPersistent };
enum class Reconnect : uint8_t { kNever, kAlways };

// After each failure in a row the wait doubles, from `first` to `max`; the second half of it is
// random, so that a fleet does not come back at once.
struct Backoff {
  std::chrono::milliseconds first{1'000};
  std::chrono::milliseconds max{60'000};
};

struct Limits {
  std::chrono::milliseconds connect_max{15'000};  // from the first packet to CONNACK
  std::chrono::milliseconds pingresp_max{10'000};
  uint16_t inflight_count_max = 20;       // QoS 1 and 2; the server may allow fewer
  uint32_t queue_count_max = 10'000;      // QoS 1 and 2, waiting for their turn
  uint32_t queue_bytes_max = 16u << 20;   // of those, and those in flight
  uint32_t output_bytes_max = 4u << 20;   // QoS 0 is refused when so much is unsent
  uint32_t packet_bytes_max = 16u << 20;  // that we accept
};

struct Options {
  // mqtt:// (or tcp://) 1883, mqtts:// (ssl://, tls://) 8883, ws:// 80, wss:// 443, then host,
  // port, path and query: "wss://iot.example.com:8443/mqtt". The path of ws and wss is /mqtt if
  // there is none.
  std::string url{};
  Version version = Version::k311;
  std::optional<Device> device{};  // or:
  std::string client_id{};
  std::optional<std::string> user_name{};
  std::optional<std::string> password{};

  SessionMode session = SessionMode::kClean;
  uint32_t session_expiry_seconds = 7 * 24 * 3600;  // 5.0, of a persistent session
  std::chrono::seconds keep_alive{60};              // 0: none; at most 65,535
  std::optional<Will> will{};
  Tls tls{};
  Reconnect reconnect = Reconnect::kAlways;
  Backoff backoff{};
  Limits limits{};
};

struct Connected {
  bool session_present = false;
  std::string_view client_id{};  // as sent, or assigned by the server
};

struct Disconnected {
  Outcome cause{};
  // When the next attempt comes; nullopt: there is none, and run() returns.
  std::optional<std::chrono::milliseconds> retry_in{};
};

// Called on the thread that runs the client. They may call everything but the destructor.
struct Handlers {
  std::function<void(const Message&)> on_message{};
  std::function<void(const Connected&)> on_connected{};
  // A connection ended, or an attempt failed.
  std::function<void(const Disconnected&)> on_disconnected{};
  // After a reconnect the server refused a subscription that it had granted before.
  std::function<void(const std::string& filter, const Outcome&)> on_subscription_lost{};
};

// One client, one connection at a time. Subscriptions that were granted are made again after a
// reconnect when the server lost the session; messages of QoS 1 and 2 are kept until they are
// settled, and sent again: with DUP in the same session, as new messages in a new one, which for
// QoS 2 may mean twice. All of it is in memory.
// A completion is called exactly once, later, on the running thread: with kOk when QoS 0 was given
// to the network, QoS 1 and 2 acknowledged, SUBACK received; with an error otherwise. When the
// client is destroyed, or a call has answered with an error itself, it is not called.
// Thread: the one that made it, except stop() and post().
class Client {
 public:
  using Completion = std::function<void(const Outcome&)>;
  // `codes`: of SUBACK, one for each subscription. kRefused when any of them is an error.
  using Granted = std::function<void(const Outcome&, const std::vector<uint8_t>& codes)>;

  // Throws std::system_error when the process has no descriptors left.
  explicit Client(Options options, Handlers handlers = {});
  ~Client();  // without a DISCONNECT: the server publishes the will
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Checks the options and makes the first attempt within run(). Names are looked up there, which
  // blocks. Answers an error for options that cannot work.
  [[nodiscard]] Outcome connect();

  // At any time after connect(); what is said while there is no connection waits for the next one,
  // except QoS 0.
  Outcome publish(const Message& message, Completion done = {});
  Outcome subscribe(const std::vector<Subscription>& subscriptions, Granted done = {});
  Outcome unsubscribe(const std::vector<std::string>& filters, Completion done = {});

  // Sends what is ready to be sent, DISCONNECT, and closes; no reconnect. run() then returns.
  void disconnect();

  // Runs until stop(), or until the connection has ended and none will follow.
  void run();
  // The same for at most `max`. False: the connection has ended and none will follow.
  bool run_for(std::chrono::milliseconds max);
  // The same, or until `done()` says true, which it is asked after each turn. Its last answer.
  bool run_until(const std::function<bool()>& done, std::chrono::milliseconds max);
  // One turn without waiting.
  void poll();

  // Any thread, but no signal handler. The present run(), or the next one, returns; the connection
  // stays as it is.
  void stop();
  // Any thread: `work` is called on the thread that runs the client.
  void post(std::function<void()> work);

  [[nodiscard]] bool connected() const;
  // QoS 1 and 2 that are not settled.
  [[nodiscard]] std::size_t unsettled_count() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fairlead::sdk
