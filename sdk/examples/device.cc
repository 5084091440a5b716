// A device that reports a temperature every few seconds and prints what it is told:
//   device wss://127.0.0.1:8443 PRODUCT_KEY DEVICE_NAME DEVICE_SECRET [CA_FILE]

#include <cstdio>
#include <cstdlib>
#include <string>

#include "fairlead/client.h"

namespace sdk = fairlead::sdk;

namespace {

void print_message(const sdk::Message& message) {
  std::printf("%.*s %.*s\n", static_cast<int>(message.topic.size()), message.topic.data(),
              static_cast<int>(message.payload.size()), message.payload.data());
}

void print_end(const sdk::Disconnected& end) {
  std::fprintf(stderr, "%s\n%s\n", end.cause.sentence.c_str(), end.cause.advice.c_str());
}

void report(sdk::Client& client, const std::string& topic, int temperature) {
  const std::string payload = "{\"temperature\":" + std::to_string(temperature) + "}";
  const sdk::Outcome accepted =
      client.publish({.topic = topic, .payload = payload, .qos = sdk::Qos::kAtLeastOnce},
                     [](const sdk::Outcome& outcome) {
                       if (!outcome.ok())
                         std::fprintf(stderr, "not delivered: %s\n", outcome.sentence.c_str());
                     });
  if (!accepted.ok()) std::fprintf(stderr, "%s\n", accepted.sentence.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "usage: %s URL PRODUCT_KEY DEVICE_NAME DEVICE_SECRET [CA_FILE]\n",
                 argv[0]);
    return 2;
  }
  sdk::Options options;
  options.url = argv[1];
  options.device = {.product_key = argv[2], .device_name = argv[3], .device_secret = argv[4]};
  if (argc > 5) options.tls.ca_file = argv[5];

  sdk::Client client(options, {.on_message = print_message, .on_disconnected = print_end});
  if (const sdk::Outcome outcome = client.connect(); !outcome.ok()) {
    std::fprintf(stderr, "%s\n", outcome.sentence.c_str());
    return 1;
  }
  const std::string topics = std::string("/") + argv[2] + "/" + argv[3] + "/user/";
  client.subscribe({{.filter = topics + "get"}});
  int temperature = 20;
  do {
    report(client, topics + "update", temperature);
    temperature = temperature < 30 ? temperature + 1 : 20;
  } while (client.run_for(std::chrono::seconds{5}));
  return 1;
}
