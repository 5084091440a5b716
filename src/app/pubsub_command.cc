#include "app/pubsub_command.h"

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <deque>
#include <memory>
#include <optional>

#include "app/command.h"
#include "app/output.h"
#include "app/text_file.h"
#include "auth/hex.h"
#include "base/bytes.h"
#include "base/time.h"
#include "base/utf8.h"

namespace fairlead {
namespace {

// How often a signal to stop is looked for.
constexpr milliseconds kSignalInterval{200};
// Messages that are handed to the client and not settled.
constexpr std::size_t kWindow = 1'000;

volatile std::sig_atomic_t stop_signal = 0;

ExitCode fail_with(const CommandContext& context, const sdk::Outcome& outcome) {
  const bool usage = outcome.kind == sdk::OutcomeKind::kBadOptions;
  return fail(context, usage ? ExitCode::kUsage : ExitCode::kFailed, outcome.sentence,
              outcome.advice);
}

// Runs the client until `done`, SIGINT, SIGTERM or the end of the connection. False: the time was
// over first.
bool run_client(sdk::Client& client, double timeout_seconds, const std::function<bool()>& done) {
  std::signal(SIGINT, [](int) { stop_signal = 1; });
  std::signal(SIGTERM, [](int) { stop_signal = 1; });
  const auto timeout = milliseconds{static_cast<int64_t>(timeout_seconds * 1000)};
  const Instant end = MonotonicClock::now() + timeout;
  for (;;) {
    milliseconds wait = kSignalInterval;
    if (timeout.count() > 0) wait = std::min(wait, end - MonotonicClock::now());
    if (wait.count() <= 0) return false;
    bool ended = false;
    client.run_until([&] { return (ended = stop_signal != 0 || done()); }, wait);
    if (ended || !client.run_for(milliseconds{0})) return true;
  }
}

// Says good-bye and sees it out.
void finish(sdk::Client& client) {
  client.disconnect();
  client.run();
}

// --- pub -----------------------------------------------------------------------------------------

struct PublishArguments {
  ClientArguments client;
  std::string topic;
  std::optional<std::string> message;
  std::string file;
  bool lines = false;
  bool empty = false;
  bool retain = false;
  unsigned repeat = 1;
};

// One run of `pub`: keeps at most kWindow messages in the client's hands.
class Publisher {
 public:
  Publisher(CommandContext& context, const PublishArguments& arguments, sdk::Options options)
      : context_(context), arguments_(arguments), client_(std::move(options), handlers()) {}

  ExitCode run(std::string payload);

 private:
  [[nodiscard]] sdk::Handlers handlers();
  void fill();
  void publish(std::string_view payload);
  void settled(const sdk::Outcome& outcome);
  [[nodiscard]] bool done();
  void fail_once(const sdk::Outcome& outcome);

  CommandContext& context_;
  const PublishArguments& arguments_;
  sdk::Client client_;
  std::optional<InputLines> input_;
  std::deque<std::string> waiting_;  // lines
  std::string payload_;              // or one payload,
  unsigned copies_left_ = 0;         // so many times
  bool input_open_ = false;
  std::size_t open_count_ = 0;
  int64_t delivered_count_ = 0;
  std::optional<ExitCode> failed_;
};

sdk::Handlers Publisher::handlers() {
  sdk::Handlers handlers;
  handlers.on_disconnected = [this](const sdk::Disconnected& end) {
    if (end.cause.kind != sdk::OutcomeKind::kClosed) fail_once(end.cause);
  };
  return handlers;
}

void Publisher::fail_once(const sdk::Outcome& outcome) {
  if (!failed_) failed_ = fail_with(context_, outcome);
}

void Publisher::publish(std::string_view payload) {
  ++open_count_;
  const sdk::Outcome accepted =
      client_.publish({.topic = arguments_.topic,
                       .payload = payload,
                       .qos = static_cast<sdk::Qos>(arguments_.client.qos),
                       .retain = arguments_.retain ? sdk::Retain::kYes : sdk::Retain::kNo},
                      [this](const sdk::Outcome& outcome) { settled(outcome); });
  if (!accepted.ok()) settled(accepted);
}

void Publisher::settled(const sdk::Outcome& outcome) {
  --open_count_;
  if (outcome.ok()) {
    ++delivered_count_;
  } else {
    fail_once(outcome);
  }
}

void Publisher::fill() {
  while (open_count_ < kWindow && copies_left_ > 0 && !failed_) {
    --copies_left_;
    publish(payload_);
  }
  const bool had_lines = !waiting_.empty();
  while (open_count_ < kWindow && !waiting_.empty() && !failed_) {
    publish(waiting_.front());
    waiting_.pop_front();
  }
  if (had_lines && waiting_.empty() && input_open_) input_->more();
}

bool Publisher::done() {
  if (client_.connected()) fill();
  return failed_ || (copies_left_ == 0 && waiting_.empty() && !input_open_ && open_count_ == 0);
}

ExitCode Publisher::run(std::string payload) {
  if (const sdk::Outcome outcome = client_.connect(); !outcome.ok()) {
    return fail_with(context_, outcome);
  }
  if (arguments_.lines) {
    input_open_ = true;
    input_.emplace(client_, [this](InputLines::Batch batch) {
      for (std::string& line : batch.lines) waiting_.push_back(std::move(line));
      if (batch.end) input_open_ = false;
    });
  } else {
    payload_ = std::move(payload);
    copies_left_ = arguments_.repeat;
  }
  const bool in_time =
      run_client(client_, arguments_.client.timeout_seconds, [this] { return done(); });
  if (!in_time) {
    fail_once({sdk::OutcomeKind::kTimedOut, 0, "the time that --timeout allows is over", {}});
  }
  if (!done() && !failed_) failed_ = ExitCode::kFailed;  // by a signal
  if (client_.connected()) finish(client_);
  if (context_.format == OutputFormat::kJson) {
    print_record(context_, {{"topic", arguments_.topic}, {"published", delivered_count_}});
  }
  return failed_.value_or(ExitCode::kOk);
}

ExitCode run_publish(CommandContext& context, const PublishArguments& arguments) {
  auto options = client_options(context, arguments.client, "pub");
  if (!options) return context.exit_code;
  options->reconnect = sdk::Reconnect::kNever;
  std::string payload = arguments.message.value_or("");
  if (!arguments.file.empty()) {
    auto text = read_text_file(arguments.file);
    if (!text) return fail(context, ExitCode::kNotFound, text.error().sentence);
    payload = std::move(*text);
  }
  return Publisher(context, arguments, std::move(*options)).run(std::move(payload));
}

// --- sub -----------------------------------------------------------------------------------------

struct SubscribeArguments {
  ClientArguments client;
  std::vector<std::string> topics;
  uint64_t count = 0;  // 0: until told to stop
  bool show_topic = false;
  bool quiet = false;
};

// One run of `sub`. The first connection must succeed; a later one is made again when it breaks.
class Subscriber {
 public:
  Subscriber(CommandContext& context, const SubscribeArguments& arguments, sdk::Options options)
      : context_(context), arguments_(arguments), client_(std::move(options), handlers()) {}

  ExitCode run();

 private:
  [[nodiscard]] sdk::Handlers handlers();
  void subscribe(const std::string& topic);
  void print(const sdk::Message& message);
  void on_disconnected(const sdk::Disconnected& end);
  [[nodiscard]] bool enough() const {
    return arguments_.count > 0 && received_count_ >= arguments_.count;
  }

  CommandContext& context_;
  const SubscribeArguments& arguments_;
  sdk::Client client_;
  uint64_t received_count_ = 0;
  std::size_t refused_count_ = 0;
  bool was_connected_ = false;
  std::optional<ExitCode> failed_;
};

sdk::Handlers Subscriber::handlers() {
  sdk::Handlers handlers;
  handlers.on_message = [this](const sdk::Message& message) { print(message); };
  handlers.on_connected = [this](const sdk::Connected&) { was_connected_ = true; };
  handlers.on_disconnected = [this](const sdk::Disconnected& end) { on_disconnected(end); };
  handlers.on_subscription_lost = [this](const std::string&, const sdk::Outcome& outcome) {
    warn(context_, outcome.sentence);
  };
  return handlers;
}

void Subscriber::on_disconnected(const sdk::Disconnected& end) {
  if (end.cause.kind == sdk::OutcomeKind::kClosed || failed_) return;
  if (was_connected_ && end.retry_in) {
    return warn(context_, end.cause.sentence + "; trying again in " +
                              std::to_string(end.retry_in->count()) + " ms");
  }
  failed_ = fail_with(context_, end.cause);
}

void Subscriber::subscribe(const std::string& topic) {
  const auto granted = [this, topic](const sdk::Outcome& outcome, const std::vector<uint8_t>&) {
    if (outcome.ok()) {
      if (!arguments_.quiet) std::fprintf(stderr, "subscribed to %s\n", topic.c_str());
      return;
    }
    if (outcome.kind != sdk::OutcomeKind::kRefused) return;  // the connection: said already
    const ExitCode code = fail_with(context_, outcome);
    if (++refused_count_ == arguments_.topics.size()) failed_ = code;
  };
  const sdk::Outcome accepted = client_.subscribe(
      {{.filter = topic, .qos = static_cast<sdk::Qos>(arguments_.client.qos)}}, granted);
  if (!accepted.ok() && !failed_) failed_ = fail_with(context_, accepted);
}

void Subscriber::print(const sdk::Message& message) {
  if (enough()) return;
  ++received_count_;
  std::string line;
  if (context_.format == OutputFormat::kJson) {
    Record record{{"topic", std::string(message.topic)}};
    if (is_utf8(as_bytes(message.payload))) {
      record.push_back({"payload", std::string(message.payload)});
    } else {
      record.push_back({"payloadHex", to_hex(as_bytes(message.payload))});
    }
    record.push_back({"qos", static_cast<int64_t>(message.qos)});
    record.push_back({"retain", message.retain == sdk::Retain::kYes});
    line = to_json_line(record);
  } else {
    if (arguments_.show_topic) line = std::string(message.topic) + " ";
    line += message.payload;
  }
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fflush(stdout);
}

ExitCode Subscriber::run() {
  if (const sdk::Outcome outcome = client_.connect(); !outcome.ok()) {
    return fail_with(context_, outcome);
  }
  for (const std::string& topic : arguments_.topics) subscribe(topic);
  const bool in_time = run_client(client_, arguments_.client.timeout_seconds,
                                  [this] { return failed_ || enough(); });
  if (client_.connected()) finish(client_);
  if (failed_) return *failed_;
  if (!in_time && arguments_.count > 0) {
    return fail(context_, ExitCode::kFailed,
                "only " + std::to_string(received_count_) + " of " +
                    std::to_string(arguments_.count) + " messages came in time");
  }
  return ExitCode::kOk;
}

ExitCode run_subscribe(CommandContext& context, const SubscribeArguments& arguments) {
  auto options = client_options(context, arguments.client, "sub");
  if (!options) return context.exit_code;
  return Subscriber(context, arguments, std::move(*options)).run();
}

}  // namespace

void add_pub_command(CLI::App& app, CommandContext& context) {
  auto arguments = std::make_shared<PublishArguments>();
  CLI::App* command = app.add_subcommand("pub", "Publish, as a device or an application");
  add_client_options(*command, arguments->client);
  command->add_option("-t,--topic", arguments->topic, "Topic name")->required();
  auto* payload = command->add_option_group("payload", "What to publish; one of:");
  payload->add_option("-m,--message", arguments->message, "This text");
  payload->add_option("-f,--file", arguments->file, "A file as one message; - is standard input");
  payload->add_flag("-l,--stdin-line", arguments->lines, "A message for each line of input");
  payload->add_flag("-n,--null", arguments->empty, "An empty message");
  payload->require_option(1);
  command->add_flag("-r,--retain", arguments->retain, "The server keeps it for new subscribers");
  command->add_option("--repeat", arguments->repeat, "Publish it so many times")
      ->check(CLI::Range(1u, 100'000'000u))
      ->capture_default_str();
  command->add_option("-W,--timeout", arguments->client.timeout_seconds,
                      "Give up after so many seconds; fails with exit code 1");
  command->footer(
      "Ends with 0 when all messages are with the server: at QoS 1 and 2, acknowledged.\n"
      "Examples:\n"
      "  fairlead pub --product pk --device dev1 -t /pk/dev1/user/update -m hello -q 1\n"
      "  fairlead pub --user backend --password P --url wss://localhost:8443 \\\n"
      "    -t /pk/dev1/user/get -f command.json");
  command->callback(
      [&context, arguments] { context.exit_code = run_publish(context, *arguments); });
}

void add_sub_command(CLI::App& app, CommandContext& context) {
  auto arguments = std::make_shared<SubscribeArguments>();
  CLI::App* command = app.add_subcommand("sub", "Subscribe, and print what comes");
  add_client_options(*command, arguments->client);
  command->add_option("-t,--topic", arguments->topics, "Topic filter; repeat it for more")
      ->required()
      ->allow_extra_args(false);
  command->add_option("-C,--count", arguments->count, "End after so many messages");
  command->add_option("-W,--timeout", arguments->client.timeout_seconds,
                      "End after so many seconds; with --count, exit code 1 if too few came");
  command->add_flag("-v,--verbose", arguments->show_topic, "Print the topic before each message");
  command->add_flag("--quiet", arguments->quiet, "No \"subscribed to\" on standard error");
  command->footer(
      "Prints \"subscribed to TOPIC\" on standard error when the server has granted it, and each\n"
      "message on a line of its own; with --json as an object.\n"
      "Examples:\n"
      "  fairlead sub --user backend --password P -t '/pk/+/user/#' -v\n"
      "  fairlead sub --product pk --device dev1 -t /pk/dev1/user/get -C 1 -W 30 -q 1");
  command->callback(
      [&context, arguments] { context.exit_code = run_subscribe(context, *arguments); });
}

}  // namespace fairlead
