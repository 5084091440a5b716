#include "support/test_server.h"

#include <atomic>
#include <map>
#include <stdexcept>

#include "base/log.h"

namespace fairlead::testing {
namespace {

constexpr milliseconds kFlushMax{30'000};

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().sentence);
  return std::move(*result);
}

class SharedServers final : public ::testing::Environment {
 public:
  void TearDown() override { servers.clear(); }
  std::map<unsigned, std::unique_ptr<TestServer>> servers;
};

SharedServers& shared_servers() {
  static auto* environment = static_cast<SharedServers*>(
      ::testing::AddGlobalTestEnvironment(std::make_unique<SharedServers>().release()));
  return *environment;
}

// Registered before main(), so that its TearDown runs.
[[maybe_unused]] const SharedServers& kRegistered = shared_servers();

}  // namespace

const CertificateFiles& test_certificates() {
  static const TempDir dir;
  static const CertificateFiles files =
      must(create_certificates({.directory = dir.path().string(),
                                .hosts = {"localhost", "*.fairlead.test"},
                                .ips = {"127.0.0.1", "::1"}}));
  return files;
}

std::shared_ptr<const TlsContext> test_server_tls() {
  static const auto context = [] {
    const CertificateFiles& files = test_certificates();
    return must(
        TlsContext::server({.certificates = {{.pairs = {{files.rsa_certificate, files.rsa_key},
                                                        {files.ec_certificate, files.ec_key}}}}}));
  }();
  return context;
}

std::shared_ptr<const TlsContext> test_client_tls() {
  static const auto context =
      must(TlsContext::client({.ca_file = test_certificates().ca_certificate}));
  return context;
}

std::shared_ptr<const TlsContext> careless_client_tls() {
  static const auto context = must(TlsContext::client({.trust = TlsTrust::kAnyCertificate}));
  return context;
}

TestServer::TestServer(const TestServerOptions& options) {
  set_log_level(LogLevel::kOff);
  database_ = std::make_unique<Database>(must(Database::open(dir_.path())));
  fill_registry();
  registry_ = must(Registry::open(dir_.path()));
  authenticator_ = std::make_unique<Authenticator>(*registry_, options.authenticator);
  ServerOptions& server = options_;
  store_ = options.store;
  server.listeners.push_back({.address = must(SocketAddress::parse("127.0.0.1", 0))});
  server.listeners.push_back({.address = must(SocketAddress::parse("::1", 0))});
  server.tls = test_server_tls();
  server.shard_count = options.shard_count;
  server.sys_interval = seconds(1);
  server.commit.gap = milliseconds(0);
  server.takeovers_per_minute_max = 0;  // tests take over as fast as they can
  if (options.adjust) options.adjust(server);
  registry_->set_listener(
      [this](const RegistryChange& change) { server_->on_registry_change(change); });
  start();
}

TestServer::~TestServer() = default;

void TestServer::start() {
  std::optional<RecordStore> store;
  if (store_ == TestStore::kKept) {
    // Tests end processes, not machines.
    RecordStore::Opened opened;
    store = must(RecordStore::open(dir_.path(), {.sync = SyncPolicy::kNever}, opened));
  }
  server_ = std::make_unique<Server>(options_, *registry_, *authenticator_, std::move(store));
  must(server_->start());
}

void TestServer::crash() {
  server_.reset();
  start();
}

void TestServer::restart() {
  server_->stop();
  crash();
}

void TestServer::fill_registry() {
  must(database_->create_product({.key = "pk", .name = "compatible"}));
  must(database_->create_product(
      {.key = "std", .name = "standard", .profile = ProfileKind::kStandard}));
  std::vector<ImportRow> rows;
  auto add = [&rows](std::string_view product, const std::string& name, const std::string& secret) {
    rows.push_back({.line = rows.size() + 1,
                    .product_key = std::string(product),
                    .device_name = name,
                    .device_secret = secret});
  };
  add("pk", "device", "secret");
  for (char n = '1'; n <= '9'; ++n) {
    const std::string d = std::string("d") + n;
    const std::string s = std::string("s") + n;
    add("pk", d, "secret-" + d);
    add("std", s, "secret-" + s);
  }
  must(database_->import_devices(rows));  // one transaction
  auto app = [this](std::string_view name, const std::vector<std::string>& permissions) {
    std::vector<Permission> parsed;
    for (const std::string& text : permissions) parsed.push_back(must(parse_permission(text)));
    must(database_->create_app(
        must(make_app(name, std::string(name) + "-pass", std::move(parsed)))));
  };
  app("backend", {"sub:#", "pub:#", "sub:$SYS/#"});
  app("watcher", {"sub:/pk/+/user/#"});
}

void TestServer::apply() { must(registry_->apply_changes()); }

void TestServer::settle(int hops) {
  // A change that asks for nothing: it only has to pass through every inbox.
  const RegistryChange nothing{
      .kind = RegistryChange::Kind::kDeviceCreated, .product_key = "pk", .name = "nobody"};
  auto pass = [&] {
    for (int i = 0; i < hops; ++i) server_->on_registry_change(nothing);
  };
  pass();
  if (!server_->flush_store(kFlushMax)) throw std::runtime_error("the store takes too long");
  pass();  // what waited for that
}

TestServer& shared_server(unsigned shard_count) {
  auto& server = shared_servers().servers[shard_count];
  if (!server) server = std::make_unique<TestServer>(TestServerOptions{.shard_count = shard_count});
  return *server;
}

std::string unique(std::string_view prefix) {
  static std::atomic<unsigned> count{0};
  return std::string(prefix) + "-" + std::to_string(++count);
}

}  // namespace fairlead::testing
