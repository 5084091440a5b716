#include "app/bench_identity.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "app/command.h"
#include "app/text_file.h"
#include "auth/credentials.h"
#include "registry/csv.h"

namespace fairlead {
namespace {

constexpr std::size_t kDevicesMax = 1'000'000;

using Devices = std::vector<Device>;

std::optional<Devices> refuse(CommandContext& context, ExitCode code, const std::string& sentence,
                              std::string_view advice = {}) {
  context.exit_code = fail(context, code, sentence, advice);
  return std::nullopt;
}

std::optional<Devices> devices_of_file(CommandContext& context, const BenchIdentity& identity) {
  auto text = read_text_file(identity.device_file);
  if (!text) return refuse(context, ExitCode::kNotFound, text.error().sentence);
  auto rows = parse_device_csv(*text);
  if (!rows) {
    return refuse(context, ExitCode::kFailed, identity.device_file + ": " + rows.error().sentence);
  }
  Devices devices;
  for (ImportRow& row : *rows) {
    if (!identity.product.empty() && row.product_key != identity.product) continue;
    if (row.device_secret.empty()) {
      return refuse(context, ExitCode::kUsage,
                    identity.device_file + ": line " + std::to_string(row.line) + ": no secret");
    }
    devices.push_back({.product_key = std::move(row.product_key),
                       .name = std::move(row.device_name),
                       .secret = std::move(row.device_secret)});
  }
  return devices;
}

std::optional<Devices> devices_of_registry(CommandContext& context, const BenchIdentity& identity,
                                           std::size_t count) {
  std::error_code ignored;
  if (!std::filesystem::exists(context.data_dir / "registry.db", ignored)) {
    return refuse(context, ExitCode::kNotFound,
                  "there is no registry in " + context.data_dir.string(),
                  "Give --secret-file, --devices, or the right --data-dir.");
  }
  auto database = open_registry(context);
  if (!database) return std::nullopt;
  auto found = database->devices(identity.product, {}, count);
  if (!found) return refuse(context, ExitCode::kFailed, found.error().sentence);
  std::erase_if(*found, [](const Device& device) { return !device.enabled; });
  return std::move(*found);
}

Devices devices_by_prefix(const BenchIdentity& identity, const std::string& secret,
                          std::size_t count) {
  Devices devices;
  for (std::size_t i = 0; i < count; ++i) {
    devices.push_back({.product_key = identity.product,
                       .name = identity.device_prefix + std::to_string(i),
                       .secret = secret});
  }
  return devices;
}

std::optional<Devices> find_devices(CommandContext& context, const BenchIdentity& identity,
                                    const LoginsWanted& wanted) {
  if (!identity.device_file.empty()) return devices_of_file(context, identity);
  const std::size_t count = identity.device_count > 0 ? identity.device_count : wanted.at_most;
  const auto secret = take_secret(context, identity.secret);
  if (!secret) return std::nullopt;
  return secret->empty() ? devices_of_registry(context, identity, count)
                         : devices_by_prefix(identity, *secret, count);
}

std::vector<load::Login> signed_logins(const Devices& devices, const std::string& sign_method,
                                       const LoginsWanted& wanted) {
  std::vector<load::Login> logins;
  for (const Device& device : devices) {
    if (logins.size() == wanted.at_most) break;
    ConnectCredentials made = make_connect_credentials(
        {.product_key = device.product_key,
         .device_name = device.name,
         .device_secret = device.secret,
         .method = parse_sign_method(sign_method).value_or(SignMethod::kHmacSha256),
         .secure_mode = wanted.tls ? 2 : 3});
    logins.push_back(
        {std::move(made.client_id), std::move(made.user_name), std::move(made.password)});
  }
  return logins;
}

}  // namespace

void add_identity_options(CLI::App& command, BenchIdentity& identity) {
  auto* product =
      command.add_option("--product", identity.product,
                         "As devices of this product (default: those that the registry knows)");
  const SecretOptions secret = add_secret_options(
      command, "secret", "Of all devices; their names are a prefix and 0, 1, ...", identity.secret);
  secret.argument->needs(product);
  secret.file->needs(product);
  auto* file = command.add_option("--devices", identity.device_file,
                                  "As devices of a CSV file: productKey,deviceName,deviceSecret");
  file->excludes(secret.argument)->excludes(secret.file);
  command.add_option("--device-prefix", identity.device_prefix, "What their names begin with")
      ->capture_default_str();
  command
      .add_option("--device-count", identity.device_count,
                  "Use so many devices (default: as many as are needed)")
      ->check(CLI::Range(std::size_t{1}, kDevicesMax))
      ->needs(product);
  command.add_option("--sign-method", identity.sign_method, "Of the devices' passwords")
      ->check(CLI::IsMember({"hmacmd5", "hmacsha1", "hmacsha256"}))
      ->capture_default_str();
  auto* user = command.add_option("--user", identity.user, "As this application, all of them");
  user->excludes(product)->excludes(file);
  const SecretOptions password =
      add_secret_options(command, "password", "Its password", identity.password);
  password.argument->needs(user);
  password.file->needs(user);
}

std::optional<BenchLogins> bench_logins(CommandContext& context, const BenchIdentity& identity,
                                        const LoginsWanted& wanted) {
  BenchLogins found;
  if (!identity.user.empty()) {
    const auto password = take_secret(context, identity.password);
    if (!password) return std::nullopt;
    for (std::size_t i = 0; i < wanted.at_most; ++i) {
      found.logins.push_back(
          {wanted.client_prefix + "-" + std::to_string(i), identity.user, *password});
    }
    return found;
  }
  if (identity.product.empty() && identity.device_file.empty()) return found;
  const auto devices = find_devices(context, identity, wanted);
  if (!devices) return std::nullopt;
  found.logins = signed_logins(*devices, identity.sign_method, wanted);
  if (found.logins.size() < wanted.at_least) {
    context.exit_code =
        fail(context, ExitCode::kUsage,
             "this needs " + std::to_string(wanted.at_least) + " devices, and there are " +
                 std::to_string(found.logins.size()),
             "Ask for fewer connections, or make more devices: fairlead device import.");
    return std::nullopt;
  }
  const std::string& first = devices->front().product_key;
  const auto used = devices->begin() + static_cast<std::ptrdiff_t>(found.logins.size());
  const bool same = std::all_of(devices->begin(), used, [&first](const Device& device) {
    return device.product_key == first;
  });
  if (same) found.product = first;
  return found;
}

}  // namespace fairlead
