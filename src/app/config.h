#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "net/tls_context.h"
#include "registry/authenticator.h"
#include "shard/options.h"
#include "store/record_store.h"

// What a configuration file says, before addresses are resolved and files are read. Plain values;
// config_key.h has the table of the keys that fill them.

namespace fairlead {

// One [[listener]].
struct ListenerConfig {
  std::string address = "0.0.0.0";
  uint16_t port = 8443;
  std::vector<std::string> protocols = {"mqtt", "mqtts", "ws", "wss"};
  ProxyUse proxy_header = ProxyUse::kNone;
  std::vector<std::string> trusted_proxies;
  ForwardedHeader forwarded_header = ForwardedHeader::kXForwardedFor;
};

// One [[tls.certificate]]: certificates for the same names, an RSA and an ECDSA one side by side.
struct CertificateConfig {
  std::vector<std::string> certificate_files;
  std::vector<std::string> key_files;
};

struct TlsConfig {
  TlsProfile profile = TlsProfile::kModern;
  ClientCertificates client_certificates = ClientCertificates::kOff;
  std::string client_ca_file;
  std::string client_crl_file;
  std::vector<CertificateConfig> certificates;  // empty: those of DATA_DIR/certs
};

struct AdminConfig {
  std::string address;  // empty: 127.0.0.1:8080 if it is free; "off": none
  bool allow_remote = false;
};

struct AuthConfig {
  bool allow_anonymous = false;
  bool allow_anonymous_on_any_address = false;
  uint32_t failures_per_minute = 10;
  bool limit_loopback = false;
  uint32_t tracked_count = 65'536;
};

struct StoreConfig {
  bool enabled = true;
  StoreOptions options;
};

struct Config {
  std::vector<ListenerConfig> listeners;  // empty: the default ones
  unsigned shard_count = 0;               // 0: one per core
  LogLevel log_level = LogLevel::kInfo;
  TlsConfig tls;
  AdminConfig admin;
  AuthConfig auth;
  StoreConfig store;
  // Limits and times; its listeners, tls and shard_count are filled when the server starts.
  ServerOptions server;
};

// What is wrong with a configuration, in a sentence that names the valid choice.
struct ConfigProblem {
  int line = 0;     // of the file, from 1; 0: of no line in particular
  std::string key;  // as in the table; may be empty
  std::string sentence;
  friend bool operator==(const ConfigProblem&, const ConfigProblem&) = default;
};

struct ParsedConfig {
  Config config;
  std::vector<ConfigProblem> problems;  // in the order of lines; empty: the configuration is good
};

// Parses and checks a whole file; every problem is reported, not only the first. Pure: no file is
// opened, no name resolved.
[[nodiscard]] ParsedConfig parse_config(std::string_view toml);

// The same for a file, whose folder is where relative paths in it begin. Rejects when it cannot be
// read.
[[nodiscard]] Result<ParsedConfig> load_config(const std::string& path);

// "fairlead.toml:12: limits.conect_ms: unknown key; did you mean limits.connect_ms?"
[[nodiscard]] std::string describe(const ConfigProblem& problem, std::string_view file);

}  // namespace fairlead
