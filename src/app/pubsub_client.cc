#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <map>

#include "app/command.h"
#include "app/pubsub_command.h"
#include "app/text_file.h"
#include "base/random.h"

namespace fairlead {
namespace {

constexpr std::size_t kGeneratedIdCharacters = 8;
constexpr std::size_t kLineBytesMax = 16u << 20;
constexpr std::size_t kReadBytes = 64u << 10;

const std::map<std::string, sdk::Version>& versions() {
  static const std::map<std::string, sdk::Version> known{{"3.1", sdk::Version::k31},
                                                         {"3.1.1", sdk::Version::k311},
                                                         {"5", sdk::Version::k5},
                                                         {"5.0", sdk::Version::k5}};
  return known;
}

const std::map<std::string, sdk::SignMethod>& sign_methods() {
  static const std::map<std::string, sdk::SignMethod> known{
      {"hmacmd5", sdk::SignMethod::kHmacMd5},
      {"hmacsha1", sdk::SignMethod::kHmacSha1},
      {"hmacsha256", sdk::SignMethod::kHmacSha256}};
  return known;
}

template <class Value>
std::vector<std::string> names_of(const std::map<std::string, Value>& known) {
  std::vector<std::string> names;
  for (const auto& [name, value] : known) names.push_back(name);
  return names;
}

bool fill_device(CommandContext& context, const ClientArguments& told, sdk::Options& options) {
  auto secret = take_device_secret(context, told.secret, told.product, told.device);
  if (!secret) return false;
  options.device = sdk::Device{.product_key = told.product,
                               .device_name = told.device,
                               .device_secret = std::move(*secret),
                               .client_id = told.client_id,
                               .method = sign_methods().at(told.sign_method)};
  return true;
}

bool fill_application(CommandContext& context, const ClientArguments& told,
                      std::string_view command, sdk::Options& options) {
  options.client_id = told.client_id;
  if (told.client_id.empty() && !told.persistent) {
    options.client_id =
        "fairlead-" + std::string(command) + "-" + random_text(kGeneratedIdCharacters);
  }
  if (told.user.empty()) return true;
  options.user_name = told.user;
  options.password = take_secret(context, told.password);
  return options.password.has_value();
}

}  // namespace

void add_client_tls_options(CLI::App& command, ClientTlsArguments& arguments,
                            std::string_view whose) {
  command.add_option("--ca", arguments.ca_file,
                     "CA certificate to trust (default: DATA_DIR/certs/ca.crt if it is there)");
  command.add_flag("--insecure", arguments.insecure, "Trust any certificate");
  auto* certificate =
      command.add_option("--cert", arguments.certificate_file,
                         "Certificate of the " + std::string(whose) + ", with --key");
  certificate->needs(command.add_option("--key", arguments.key_file, "Its key"));
}

void add_client_options(CLI::App& command, ClientArguments& arguments) {
  command.add_option("--url", arguments.url, "mqtt://, mqtts://, ws:// or wss:// of the server")
      ->capture_default_str();
  auto* product = command.add_option("--product", arguments.product, "As a device: product key");
  auto* device = command.add_option("--device", arguments.device, "As a device: its name");
  product->needs(device);
  device->needs(product);
  const SecretOptions secret = add_device_secret_options(command, arguments.secret);
  secret.argument->needs(device);
  secret.file->needs(device);
  command.add_option("--sign-method", arguments.sign_method, "Of the device's password")
      ->check(CLI::IsMember(names_of(sign_methods())))
      ->capture_default_str()
      ->needs(device);
  auto* user = command.add_option("--user", arguments.user, "As an application: its name");
  user->excludes(device);
  const SecretOptions password =
      add_secret_options(command, "password", "Its password", arguments.password);
  password.argument->needs(user);
  password.file->needs(user);
  command.add_option("-i,--client-id", arguments.client_id,
                     "MQTT client id; of a device, what stands before the bars");
  add_client_tls_options(command, arguments.tls, "client");
  command.add_option("--mqtt-version", arguments.version, "3.1, 3.1.1 or 5")
      ->check(CLI::IsMember(names_of(versions())))
      ->capture_default_str();
  command.add_flag("--persistent,!--clean", arguments.persistent,
                   "The server keeps the session between connections");
  command.add_option("-q,--qos", arguments.qos, "0, 1 or 2")
      ->check(CLI::Range(0, 2))
      ->capture_default_str();
  command.add_option("-k,--keep-alive", arguments.keep_alive_seconds, "Seconds; 0: none")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
}

std::string trusted_ca_file(const CommandContext& context, const std::string& told) {
  const std::filesystem::path own_root = context.data_dir / "certs" / "ca.crt";
  if (told.empty() && is_there(own_root)) return own_root.string();
  return told;
}

std::optional<sdk::Options> client_options(CommandContext& context,
                                           const ClientArguments& arguments,
                                           std::string_view command) {
  sdk::Options options;
  options.url = arguments.url;
  options.version = versions().at(arguments.version);
  options.session = arguments.persistent ? sdk::SessionMode::kPersistent : sdk::SessionMode::kClean;
  options.keep_alive = std::chrono::seconds{arguments.keep_alive_seconds};
  options.tls.trust = arguments.tls.insecure ? sdk::Trust::kAnyCertificate : sdk::Trust::kVerify;
  options.tls.ca_file = trusted_ca_file(context, arguments.tls.ca_file);
  options.tls.certificate_file = arguments.tls.certificate_file;
  options.tls.key_file = arguments.tls.key_file;
  const bool filled = arguments.device.empty()
                          ? fill_application(context, arguments, command, options)
                          : fill_device(context, arguments, options);
  if (!filled) return std::nullopt;
  return options;
}

// --- Standard input ------------------------------------------------------------------------------

InputLines::InputLines(sdk::Client& client, std::function<void(Batch)> take)
    : client_(client), take_(std::move(take)), stop_event_(::eventfd(0, EFD_CLOEXEC)) {
  thread_ = std::thread([this] { read_all(); });
}

InputLines::~InputLines() {
  stopped_ = true;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(stop_event_.get(), &one, sizeof one);
  wanted_.release();
  thread_.join();
}

void InputLines::hand_over(Batch batch) {
  wanted_.acquire();
  if (stopped_) return;
  auto shared = std::make_shared<Batch>(std::move(batch));
  client_.post([this, shared] { take_(std::move(*shared)); });
}

void InputLines::read_all() {
  std::string rest;
  std::vector<char> buffer(kReadBytes);
  std::array<pollfd, 2> watched{{{STDIN_FILENO, POLLIN, 0}, {stop_event_.get(), POLLIN, 0}}};
  while (!stopped_) {
    if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) break;
    if (watched[1].revents != 0) return;
    if (watched[0].revents == 0) continue;
    const ssize_t count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count <= 0) break;
    rest.append(buffer.data(), static_cast<std::size_t>(count));
    Batch batch;
    std::size_t begin = 0;
    for (std::size_t end; (end = rest.find('\n', begin)) != std::string::npos; begin = end + 1) {
      batch.lines.push_back(rest.substr(begin, end - begin));
    }
    rest.erase(0, begin);
    if (rest.size() > kLineBytesMax) batch.lines.push_back(std::exchange(rest, {}));
    if (!batch.lines.empty()) hand_over(std::move(batch));
  }
  Batch last{{}, true};
  if (!rest.empty()) last.lines.push_back(std::move(rest));
  hand_over(std::move(last));
}

}  // namespace fairlead
