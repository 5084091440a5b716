#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <exception>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

#include "bench/growth/filler.h"
#include "load/process.h"

// Reads commands, one a line, and answers each with a line of JSON; ends when its input does:
//
//   connect COUNT            until there are so many clients
//   subscribe SHAPE COUNT    until they have so many filters: exact, plus, hash, crossed
//   unsubscribe              until they have none
//   retain COUNT             until so many messages are retained
//   ask QUESTION COUNT       so many times about them: exact, device, group, search
//   rest                     until the broker may have given its buffers back
//
// An answer has what the command took, and the broker's memory after it.

namespace fairlead::growth {
namespace {

using Json = nlohmann::ordered_json;

constexpr seconds kRest{1};
constexpr std::size_t kRetainedPayloadBytes = 64;

template <class Value>
Value named(const std::map<std::string, Value>& values, const std::string& name) {
  const auto found = values.find(name);
  if (found == values.end()) throw std::runtime_error("unknown: '" + name + "'");
  return found->second;
}

Json rest(Filler& filler) {
  const Instant end = MonotonicClock::now() + kRest;
  while (MonotonicClock::now() < end) filler.turn(milliseconds{50});
  return Json::object();
}

Json carry_out(Filler& filler, const std::string& line) {
  static const std::map<std::string, Shape> shapes = {{"exact", Shape::kExact},
                                                      {"plus", Shape::kPlus},
                                                      {"hash", Shape::kHash},
                                                      {"crossed", Shape::kCrossed}};
  static const std::map<std::string, Question> questions = {{"exact", Question::kExact},
                                                            {"device", Question::kDevice},
                                                            {"group", Question::kGroup},
                                                            {"search", Question::kSearch}};
  std::istringstream words(line);
  std::string command;
  std::string kind;
  std::size_t count = 0;
  words >> command;
  if (command == "subscribe" || command == "ask") words >> kind;
  words >> count;
  if (command == "connect") return filler.connect(count);
  if (command == "subscribe") return filler.subscribe(named(shapes, kind), count);
  if (command == "unsubscribe") return filler.unsubscribe();
  if (command == "retain") return filler.retain(count, kRetainedPayloadBytes);
  if (command == "ask") return filler.ask(named(questions, kind), count);
  if (command == "rest") return rest(filler);
  throw std::runtime_error("unknown command: " + line);
}

// False at the end of the input.
bool read_more(std::string& input) {
  pollfd state{STDIN_FILENO, POLLIN, 0};
  if (::poll(&state, 1, 0) == 0) return true;
  std::array<char, 4096> bytes{};
  const ssize_t count = ::read(STDIN_FILENO, bytes.data(), bytes.size());
  if (count > 0) input.append(bytes.data(), static_cast<std::size_t>(count));
  return count > 0;
}

void serve(Filler& filler, int broker_pid) {
  std::string input;
  while (read_more(input)) {
    const std::size_t end = input.find('\n');
    if (end == std::string::npos) {
      filler.turn(milliseconds{5});
      continue;
    }
    Json answer = carry_out(filler, input.substr(0, end));
    input.erase(0, end + 1);
    answer["private_bytes"] = load::private_bytes(broker_pid).value();
    std::printf("%s\n", answer.dump().c_str());
    std::fflush(stdout);
  }
}

int run(int argc, char** argv) {
  CLI::App app("Fills a broker of MQTT over WebSocket step by step; see bench/growth/main.cc.",
               "fairlead-growth");
  std::string address = "127.0.0.1";
  uint16_t port = 0;
  FillerOptions options;
  app.add_option("--address", address)->capture_default_str();
  app.add_option("--port", port)->required();
  app.add_option("--pid", options.broker_pid, "The broker")->required();
  app.add_option("--prefix", options.name_prefix, "Of client identifiers");
  app.add_option("--topic-prefix", options.topic_prefix, "Of topics")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  load::raise_descriptor_limit();
  const auto parsed = SocketAddress::parse(address, port);
  if (!parsed) throw std::runtime_error(parsed.error().sentence);
  if (const auto known = load::check_process(options.broker_pid); !known) {
    throw std::runtime_error(known.error().sentence);
  }
  options.target = {.address = *parsed, .host = "localhost", .authority = "localhost"};
  const int broker_pid = options.broker_pid;
  Filler filler(std::move(options));
  serve(filler, broker_pid);
  return 0;
}

}  // namespace
}  // namespace fairlead::growth

int main(int argc, char** argv) {
  try {
    return fairlead::growth::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fairlead-growth: %s\n", error.what());
    return 1;
  }
}
