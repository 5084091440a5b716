#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/secret_option.h"
#include "load/client.h"

// Who the clients of `fairlead bench` are.

namespace CLI {
class App;
}

namespace fairlead {

struct CommandContext;

struct BenchIdentity {
  std::string product;
  std::string device_prefix = "bench-";
  std::size_t device_count = 0;  // 0: as many as are needed
  std::string device_file;
  ToldSecret secret;
  std::string sign_method = "hmacsha256";
  std::string user;
  ToldSecret password;
};

void add_identity_options(CLI::App& command, BenchIdentity& identity);

struct BenchLogins {
  std::vector<load::Login> logins;  // empty: whoever connects is anonymous
  std::string product;              // that all of them are devices of; empty: none
};

struct LoginsWanted {
  std::size_t at_least = 1;
  std::size_t at_most = 1;
  std::string client_prefix;  // of applications
  bool tls = false;
};

// Nothing when a failure was printed and left in the context.
[[nodiscard]] std::optional<BenchLogins> bench_logins(CommandContext& context,
                                                      const BenchIdentity& identity,
                                                      const LoginsWanted& wanted);

}  // namespace fairlead
