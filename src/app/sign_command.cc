#include <CLI/CLI.hpp>
#include <memory>

#include "app/command.h"
#include "app/listen_address.h"
#include "app/output.h"
#include "app/secret_option.h"
#include "auth/credentials.h"

namespace fairlead {
namespace {

struct Sign {
  std::string product;
  std::string name;
  ToldSecret secret;
  std::optional<std::string> client_id;
  std::optional<std::string> timestamp;
  std::string method = "hmacsha256";
  std::string url;
  std::optional<int> secure_mode;
  std::vector<std::string> parameters;  // "_ss=1"
};

// What of a URL matters for a command line: "wss://host:443/mqtt".
struct ServerUrl {
  enum class Scheme : uint8_t { kMqtt, kMqtts, kWs, kWss };
  Scheme scheme = Scheme::kMqtt;
  std::string host;
  uint16_t port = 0;
  std::string path;
  [[nodiscard]] bool tls() const { return scheme == Scheme::kMqtts || scheme == Scheme::kWss; }
  [[nodiscard]] bool web_socket() const { return scheme == Scheme::kWs || scheme == Scheme::kWss; }
};

Reject wrong(std::string sentence) {
  return Reject{ReasonCode::kImplementationSpecificError, std::move(sentence)};
}

Result<ServerUrl> parse_url(const std::string& text) {
  struct Known {
    std::string_view name;
    ServerUrl::Scheme scheme;
    uint16_t port;
  };
  using enum ServerUrl::Scheme;
  static constexpr Known kSchemes[] = {
      {"mqtt", kMqtt, 1883}, {"tcp", kMqtt, 1883}, {"mqtts", kMqtts, 8883}, {"ssl", kMqtts, 8883},
      {"tls", kMqtts, 8883}, {"ws", kWs, 80},      {"wss", kWss, 443}};
  const std::size_t colon = text.find("://");
  const auto* known =
      std::ranges::find(kSchemes, std::string_view(text).substr(0, colon), &Known::name);
  if (colon == std::string::npos || known == std::end(kSchemes)) {
    return wrong("\"" + text +
                 "\" is no URL of a server; it begins with mqtt://, mqtts://, "
                 "ws:// or wss://");
  }
  ServerUrl url;
  url.scheme = known->scheme;
  const std::string rest = text.substr(colon + 3);
  const std::size_t slash = rest.find('/');
  std::string authority = rest.substr(0, slash);
  if (slash != std::string::npos) url.path = rest.substr(slash);
  const bool has_port = authority.rfind(':') != std::string::npos && !authority.ends_with(']');
  if (!has_port) authority += ":" + std::to_string(known->port);
  auto where = parse_host_port(authority);
  if (!where) return where.error();
  if (where->host.empty()) return wrong("\"" + text + "\" names no host");
  url.host = where->host;
  url.port = where->port;
  return url;
}

std::string arguments(std::initializer_list<std::string_view> words) {
  std::string line;
  for (std::string_view word : words) {
    if (!line.empty()) line += ' ';
    line += shell_word(word);
  }
  return line;
}

// A line to paste that publishes as the device.
std::string ready_command(const CommandContext& context, const ServerUrl& url, const Sign& options,
                          const ConnectCredentials& connect) {
  const std::string topic = "/" + options.product + "/" + options.name + "/user/update";
  const std::string port = std::to_string(url.port);
  const std::string root = (context.data_dir / "certs" / "ca.crt").string();
  std::string line;
  if (url.web_socket()) {
    line = arguments(
        {"npx", "mqtt", "pub", "-l", url.tls() ? "wss" : "ws", "-h", url.host, "-p", port});
    if (!url.path.empty()) line += " " + arguments({"--path", url.path});
    if (url.tls()) line += " " + arguments({"--ca", root});
  } else {
    line = arguments({"mosquitto_pub", "-h", url.host, "-p", port});
    if (url.tls()) line += " " + arguments({"--cafile", root});
  }
  return line + " " +
         arguments({"-i", connect.client_id, "-u", connect.user_name, "-P", connect.password, "-t",
                    topic, "-m", "{\"hello\":1}", "-q", "1"});
}

Result<std::vector<std::pair<std::string_view, std::string_view>>> parse_parameters(
    const std::vector<std::string>& texts) {
  std::vector<std::pair<std::string_view, std::string_view>> parameters;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0 ||
        text.find_first_of("|,") != std::string::npos) {
      return wrong("\"" + text + "\" is no parameter of a client id; write KEY=VALUE, as in _ss=1");
    }
    const std::string_view view = text;
    parameters.emplace_back(view.substr(0, equals), view.substr(equals + 1));
  }
  return parameters;
}

// The secret as told, or that of the registry.
std::vector<SignMethod> methods_of(const std::string& name) {
  if (name == "all") {
    return {SignMethod::kHmacMd5, SignMethod::kHmacSha1, SignMethod::kHmacSha256};
  }
  const auto method = parse_sign_method(name);
  return method ? std::vector{*method} : std::vector<SignMethod>{};
}

ExitCode print_signed(const CommandContext& context, const std::vector<Record>& records) {
  if (records.size() == 1) {
    print_record(context, records.front());
  } else if (context.format == OutputFormat::kJson) {
    print_records(context, records, "");
  } else {
    for (const Record& record : records) {
      if (&record != &records.front()) std::printf("\n");
      print_record(context, record);
    }
  }
  return ExitCode::kOk;
}

ExitCode run_sign(CommandContext& context, Sign options) {
  std::optional<ServerUrl> url;
  if (!options.url.empty()) {
    auto parsed = parse_url(options.url);
    if (!parsed) return fail(context, ExitCode::kUsage, parsed.error().sentence);
    url = *parsed;
  }
  const std::vector<SignMethod> methods = methods_of(options.method);
  if (methods.empty()) {
    return fail(context, ExitCode::kUsage, "\"" + options.method + "\" is no sign method",
                "Choose from hmacmd5, hmacsha1, hmacsha256 and all.");
  }
  auto parameters = parse_parameters(options.parameters);
  if (!parameters) return fail(context, ExitCode::kUsage, parameters.error().sentence);
  const auto secret = take_device_secret(context, options.secret, options.product, options.name);
  if (!secret) return context.exit_code;

  std::vector<Record> records;
  for (SignMethod method : methods) {
    DeviceCredentials device;
    device.product_key = options.product;
    device.device_name = options.name;
    device.device_secret = *secret;
    device.client_id = options.client_id;
    device.timestamp = options.timestamp;
    device.method = method;
    device.secure_mode = options.secure_mode.value_or(url && !url->tls() ? 3 : 2);
    device.extra = *parameters;
    const ConnectCredentials connect = make_connect_credentials(device);
    if (connect.password.empty()) {
      return fail(context, ExitCode::kFailed,
                  "this machine's OpenSSL refuses " + std::string(sign_method_name(method)));
    }
    Record record{{"method", std::string(sign_method_name(method))},
                  {"clientId", connect.client_id},
                  {"username", connect.user_name},
                  {"password", connect.password}};
    if (url) {
      record.push_back({"url", options.url});
      record.push_back({"command", ready_command(context, *url, options, connect)});
    }
    records.push_back(std::move(record));
  }
  return print_signed(context, records);
}

}  // namespace

void add_sign_command(CLI::App& app, CommandContext& context) {
  auto options = std::make_shared<Sign>();
  CLI::App* command = app.add_subcommand(
      "sign", "Compute what a device sends in CONNECT: client id, username, password");
  command->add_option("--product", options->product, "Product key")->required();
  command->add_option("--name", options->name, "Device name")->required();
  add_device_secret_options(*command, options->secret);
  command->add_option("--client-id", options->client_id,
                      "What stands before the bars of the client id, and is signed (default: "
                      "PRODUCT.NAME, not signed)");
  command->add_option("--timestamp", options->timestamp, "Sent and signed (default: none)");
  command->add_option("--method", options->method, "hmacmd5, hmacsha1, hmacsha256, or all")
      ->capture_default_str();
  command->add_option("--url", options->url,
                      "mqtt://, mqtts://, ws:// or wss:// URL of the server: sets securemode, and "
                      "adds a command to paste");
  command->add_option("--securemode", options->secure_mode,
                      "2 with TLS, 3 without (default: as the URL says, or 2)");
  command
      ->add_option("--parameter", options->parameters,
                   "KEY=VALUE to add to the client id; repeat it")
      ->allow_extra_args(false);
  command->footer(
      "Examples:\n"
      "  fairlead sign --product pk --name device --secret secret --client-id 12345 \\\n"
      "    --timestamp 789 --method hmacsha1 --url wss://127.0.0.1:8443\n"
      "  fairlead sign --product pk --name dev1 --parameter _ss=1 --json");
  command->callback([&context, options] { context.exit_code = run_sign(context, *options); });
}

}  // namespace fairlead
