#include "app/tls_keeper.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "app/output.h"
#include "base/log.h"
#include "net/certificate.h"
#include "net/tls_client_trust.h"

namespace fairlead {
namespace {

constexpr std::chrono::hours kExpiryInterval{24};
constexpr milliseconds kDay = std::chrono::hours{24};

enum class WhenMissing : uint8_t { kCreate, kRefuse, kGoWithout };

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

bool is_dns_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.';
  };
  return !name.empty() && std::ranges::all_of(name, fits);
}

Status create_own_certificates(const std::string& directory,
                               const std::vector<ListenerOptions>& listeners) {
  CertificateRequest request;
  request.directory = directory;
  request.hosts = {"localhost"};
  if (std::string name = host_name(); is_dns_name(name) && name != "localhost") {
    request.hosts.push_back(std::move(name));
  }
  request.ips = {"127.0.0.1", "::1"};
  for (const ListenerOptions& listener : listeners) {
    const std::string ip = listener.address.ip_text();
    const bool known = std::ranges::find(request.ips, ip) != request.ips.end();
    if (!listener.address.is_any() && !known && ip.find('%') == std::string::npos) {
      request.ips.push_back(ip);
    }
  }
  auto files = create_certificates(request);
  if (!files) return files.error();
  FL_LOG(kInfo, "tls.created", {"root", files->ca_certificate},
         {"hint", "for other names: fairlead cert init --host NAME"});
  return Done{};
}

// Those of `certs` that exist. Both are made when there is neither, but not under a running server,
// whose clients trust the root that it had, and not by who only looks.
Result<TlsCertificateSet> own_certificates(const std::string& directory,
                                           const std::vector<ListenerOptions>& listeners,
                                           WhenMissing when_missing) {
  const CertificateFiles files = certificate_files(directory);
  const auto existing = [&files] {
    TlsCertificateSet set;
    std::error_code ignored;
    for (const auto& [certificate, key] : {std::pair{files.rsa_certificate, files.rsa_key},
                                           std::pair{files.ec_certificate, files.ec_key}}) {
      if (std::filesystem::exists(certificate, ignored)) set.pairs.push_back({certificate, key});
    }
    return set;
  };
  TlsCertificateSet set = existing();
  if (!set.pairs.empty() || when_missing == WhenMissing::kGoWithout) return set;
  if (when_missing == WhenMissing::kRefuse) {
    return Reject{
        ReasonCode::kImplementationSpecificError,
        "there are no certificates in " + directory + "; create them: fairlead cert init"};
  }
  if (Status status = create_own_certificates(directory, listeners); !status) {
    return status.error();
  }
  return existing();
}

bool uses_tls(const std::vector<ListenerOptions>& listeners) {
  return std::ranges::any_of(listeners, [](const auto& each) { return each.protocols.any_tls(); });
}

Result<TlsServerOptions> plan_tls(const TlsConfig& config, const std::string& own_directory,
                                  const std::vector<ListenerOptions>& listeners,
                                  WhenMissing when_missing) {
  TlsServerOptions options;
  options.profile = config.profile;
  options.client_certificates = config.client_certificates;
  options.client_ca_file = config.client_ca_file;
  options.client_crl_file = config.client_crl_file;
  for (const CertificateConfig& wanted : config.certificates) {
    TlsCertificateSet& set = options.certificates.emplace_back();
    for (std::size_t i = 0; i < wanted.certificate_files.size(); ++i) {
      set.pairs.push_back({wanted.certificate_files[i], wanted.key_files[i]});
    }
  }
  if (options.certificates.empty()) {
    auto own = own_certificates(own_directory, listeners, when_missing);
    if (!own) return own.error();
    if (!own->pairs.empty()) options.certificates.push_back(std::move(*own));
  }
  return options;
}

// With those of the server's own that are not there yet.
std::vector<std::string> files_of(const TlsServerOptions& options, const TlsConfig& config,
                                  const std::string& own_directory) {
  std::vector<std::string> files;
  for (const TlsCertificateSet& set : options.certificates) {
    for (const TlsKeyPair& pair : set.pairs) {
      files.push_back(pair.certificate_file);
      files.push_back(pair.key_file);
    }
  }
  if (config.certificates.empty()) {
    const CertificateFiles own = certificate_files(own_directory);
    files = {own.rsa_certificate, own.rsa_key, own.ec_certificate, own.ec_key};
  }
  for (const std::string& file : {options.client_ca_file, options.client_crl_file}) {
    if (!file.empty()) files.push_back(file);
  }
  return files;
}

void log_expiry(LogLevel level, const TlsExpiry& expiry, milliseconds left) {
  if (!log_enabled(level)) return;
  const bool expired = left <= milliseconds{0};
  log(level, expired ? "tls.expired" : "tls.expires_soon",
      {{"file", expiry.file},
       {"subject", expiry.subject},
       {"kind", expiry_kind_name(expiry.kind)},
       {"not_after", format_time(expiry.not_after.count())},
       {"days_left", expired ? 0 : left / kDay}});
}

}  // namespace

std::optional<LogLevel> expiry_level(TlsExpiry::Kind kind, milliseconds left) {
  // Lists are made anew all the time, many of them each day or week.
  const bool list = kind == TlsExpiry::Kind::kRevocations;
  if (left <= milliseconds{0} || (!list && left < kDay)) return LogLevel::kError;
  if (left < (list ? kDay : 30 * kDay)) return LogLevel::kWarning;
  return std::nullopt;
}

Status check_tls(const TlsConfig& config, const std::filesystem::path& data_dir,
                 const std::vector<ListenerOptions>& listeners) {
  if (!uses_tls(listeners)) return Done{};
  const auto options =
      plan_tls(config, (data_dir / "certs").string(), listeners, WhenMissing::kGoWithout);
  if (!options) return options.error();
  if (options->certificates.empty()) {
    const auto trust = TlsClientTrust::load(*options);
    return trust ? Status(Done{}) : trust.error();
  }
  const auto context = TlsContext::server(*options);
  return context ? Status(Done{}) : context.error();
}

Status TlsKeeper::start(const TlsConfig& config, std::vector<ListenerOptions> listeners) {
  listeners_ = std::move(listeners);
  return load(config);
}

Status TlsKeeper::load(const TlsConfig& config) {
  if (!uses_tls(listeners_)) return Done{};
  const std::string own_directory = (data_dir_ / "certs").string();
  auto options = plan_tls(config, own_directory, listeners_,
                          ticket_keys_ ? WhenMissing::kRefuse : WhenMissing::kCreate);
  if (!options) return options.error();
  options->ticket_keys =
      ticket_keys_ ? TlsTicketKeys::rotate(*ticket_keys_) : TlsTicketKeys::generate();
  FileWatch watch;
  watch.begin(files_of(*options, config, own_directory));
  auto context = TlsContext::server(*options);
  if (!context) return context.error();
  config_ = config;
  watch_ = std::move(watch);
  ticket_keys_ = options->ticket_keys;
  context_.write([&](auto& shared) { shared = *context; });
  log_expiries();
  return Done{};
}

std::shared_ptr<const TlsContext> TlsKeeper::look(Instant now) {
  if (now >= next_expiry_log_) {
    if (next_expiry_log_ != Instant{}) log_expiries();
    next_expiry_log_ = now + kExpiryInterval;
  }
  if (!watch_.settled_change()) return nullptr;
  if (Status status = load(TlsConfig(config_)); !status) {
    FL_LOG(kError, "tls.reload_failed", {"cause", status.error().sentence},
           {"hint", "what was loaded stays in use; the next change of a file is the next attempt"});
    return nullptr;
  }
  FL_LOG(kInfo, "tls.reloaded", {"cause", "a file has changed"});
  return context();
}

std::shared_ptr<const TlsContext> TlsKeeper::context() const {
  return context_.read([](const auto& shared) { return shared; });
}

std::vector<TlsExpiry> TlsKeeper::expiries() const {
  const auto held = context();
  return held ? held->expiries() : std::vector<TlsExpiry>{};
}

void TlsKeeper::log_expiries() const {
  const milliseconds now = wall_clock_now();
  for (const TlsExpiry& expiry : expiries()) {
    const milliseconds left = expiry.not_after - now;
    if (const auto level = expiry_level(expiry.kind, left)) log_expiry(*level, expiry, left);
  }
}

}  // namespace fairlead
