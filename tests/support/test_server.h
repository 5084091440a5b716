#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/credentials.h"
#include "base/temp_dir_for_test.h"
#include "net/certificate.h"
#include "net/tls_context.h"
#include "registry/authenticator.h"
#include "registry/database.h"
#include "registry/registry.h"
#include "shard/server.h"

namespace fairlead::testing {

// Certificates for localhost, 127.0.0.1, ::1 and *.fairlead.test, made once per process: an RSA
// key takes seconds under a sanitizer.
const CertificateFiles& test_certificates();
std::shared_ptr<const TlsContext> test_server_tls();
std::shared_ptr<const TlsContext> test_client_tls();      // trusts the root above
std::shared_ptr<const TlsContext> careless_client_tls();  // trusts everything

// Whether sessions outlive the server, as they do by default.
enum class TestStore : uint8_t { kKept, kNone };

struct TestServerOptions {
  unsigned shard_count = 2;
  AuthenticatorOptions authenticator{.anonymous = AnonymousAccess::kAllowed,
                                     .failures_per_minute_max = 0};
  std::function<void(ServerOptions&)> adjust = {};  // before the server is made
  TestStore store = TestStore::kKept;
};

// A whole server in this process: registry in a directory of its own, engine, listeners on free
// ports of both loopback addresses with all four protocols. Registered are
//   product "pk"   compatible: devices "device" with "secret", and d1 to d9 with "secret-dN"
//   product "std"  standard: devices s1 to s9 with "secret-sN"
//   application "backend", password "backend-pass": sub:#, pub:#, sub:$SYS/#
//   application "watcher", password "watcher-pass": sub:/pk/+/user/#
class TestServer {
 public:
  explicit TestServer(const TestServerOptions& options = {});
  ~TestServer();
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  [[nodiscard]] SocketAddress address(std::size_t listener = 0) const {
    return server_->addresses().at(listener);
  }
  [[nodiscard]] SocketAddress address6() const { return address(1); }
  [[nodiscard]] Server& engine() { return *server_; }
  [[nodiscard]] Database& database() { return *database_; }
  [[nodiscard]] const std::filesystem::path& data_dir() const { return dir_.path(); }

  // Puts what was written to database() in force; returns when every shard has acted on it.
  void apply();
  // Returns when everything that shards had posted to each other before the call, and what
  // followed from it over `hops` shards, has been worked off, is durable, and has been answered.
  void settle(int hops = 4);
  void stop() { server_->stop(); }
  // Ends without a word, as after kill -9, and begins anew with what is in the store; its ports
  // are new ones.
  void crash();
  // The same after a graceful stop.
  void restart();
  // Of the next one.
  void set_shard_count(unsigned count) { options_.shard_count = count; }

 private:
  void fill_registry();
  void start();

  TempDir dir_;
  ServerOptions options_;
  TestStore store_ = TestStore::kKept;
  std::unique_ptr<Database> database_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<Authenticator> authenticator_;
  std::unique_ptr<Server> server_;
};

// A server that tests share which do not change it; one for each number of shards, made at first
// use and stopped after the last test.
TestServer& shared_server(unsigned shard_count = 2);

// A text that no other test of this process uses: for client identifiers and topics.
std::string unique(std::string_view prefix);

}  // namespace fairlead::testing
