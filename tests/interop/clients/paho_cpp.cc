// Paho C++, led by lines on its input: the dialogue is described in lib/puppet.mjs.

#include <mqtt/async_client.h>

#include <iostream>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

namespace {

std::mutex output;

template <class... Fields>
void say(const Fields&... fields) {
  const std::lock_guard guard(output);
  std::size_t left = sizeof...(fields);
  ((std::cout << fields << (--left > 0 ? '\t' : '\n')), ...);
  std::cout.flush();
}

struct Login {
  std::string url, ca, client_id, user_name, password;
  int version;
};

mqtt::connect_options connect_options(const Login& login, const bool resume) {
  mqtt::connect_options options(login.user_name, login.password);
  options.set_mqtt_version(login.version);
  options.set_keep_alive_interval(60);
  options.set_connect_timeout(10);
  if (login.version == MQTTVERSION_5) {
    options.set_clean_start(!resume);
    options.set_properties({{mqtt::property::SESSION_EXPIRY_INTERVAL, resume ? 300 : 0}});
  } else {
    options.set_clean_session(!resume);
  }
  if (login.url.starts_with("ssl") || login.url.starts_with("wss")) {
    mqtt::ssl_options tls;
    tls.set_trust_store(login.ca);
    tls.set_enable_server_cert_auth(true);
    tls.set_verify(true);
    options.set_ssl(tls);
  }
  return options;
}

void publish(mqtt::async_client& client, const std::vector<std::string>& words) {
  const int count = std::stoi(words.at(4));
  std::vector<mqtt::delivery_token_ptr> sent;
  for (int i = 0; i < count; ++i) {
    sent.push_back(client.publish(words.at(1), words.at(3) + "-" + std::to_string(i),
                                  std::stoi(words.at(2)), false));
  }
  for (const auto& token : sent) token->wait();
  say("published", count);
}

void obey(mqtt::async_client& client, const Login& login, const std::vector<std::string>& words) {
  const std::string& verb = words.at(0);
  if (verb == "connect") {
    const auto token = client.connect(connect_options(login, words.at(1) == "1"));
    say("connected", token->get_connect_response().is_session_present() ? 1 : 0);
  } else if (verb == "subscribe") {
    const auto token = client.subscribe(words.at(1), std::stoi(words.at(2)));
    token->wait();
    say("subscribed", static_cast<int>(token->get_subscribe_response().get_reason_codes().at(0)));
  } else if (verb == "publish") {
    publish(client, words);
  } else if (verb == "disconnect") {
    client.disconnect()->wait();
    say("disconnected");
  }
}

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> words;
  std::istringstream in(line);
  for (std::string word; std::getline(in, word, '\t');) words.push_back(word);
  return words;
}

}  // namespace

int main(int argc, char* argv[]) {
  if (argc != 7) {
    std::cerr << "URL CA CLIENT_ID USERNAME PASSWORD VERSION\n";
    return 2;
  }
  const Login login{argv[1], argv[2], argv[3], argv[4], argv[5], std::stoi(argv[6])};
  mqtt::create_options create(login.version == 5 ? MQTTVERSION_5 : MQTTVERSION_DEFAULT);
  mqtt::async_client client(login.url, login.client_id, create);
  client.set_message_callback([](const mqtt::const_message_ptr& message) {
    say("message", message->get_qos(), message->get_topic(), message->to_string());
  });
  for (std::string line; std::getline(std::cin, line);) {
    try {
      obey(client, login, split(line));
    } catch (const std::exception& error) {
      say("failed", error.what());
    }
  }
  return 0;
}
