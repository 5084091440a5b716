#include "app/serve.h"

#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>

#include "api/admin.h"
#include "app/config.h"
#include "app/config_key.h"
#include "app/data_dir.h"
#include "app/server_plan.h"
#include "app/tls_keeper.h"
#include "base/log.h"
#include "registry/control_socket.h"
#include "shard/server.h"
#include "store/record_store.h"

namespace fairlead {
namespace {

// Between two looks at the files of certificates.
constexpr milliseconds kLookInterval{1'000};

// The signals that the main thread waits for; all threads inherit that they are blocked. One that
// was ignored when the program started (a background job's SIGINT) stays so.
class Signals {
 public:
  Signals() {
    std::signal(SIGPIPE, SIG_IGN);
    sigemptyset(&waited_);
    sigaddset(&waited_, SIGHUP);
    sigaddset(&waited_, SIGTERM);
    struct sigaction before {};
    if (sigaction(SIGINT, nullptr, &before) == 0 && before.sa_handler != SIG_IGN) {
      sigaddset(&waited_, SIGINT);
    }
    pthread_sigmask(SIG_BLOCK, &waited_, nullptr);
  }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // The next one, or 0 when none came in `limit`.
  int wait(milliseconds limit) const {
    const auto whole = std::chrono::duration_cast<seconds>(limit);
    const timespec time{whole.count(), (limit - whole).count() * 1'000'000};
    const int signal = sigtimedwait(&waited_, nullptr, &time);
    return signal > 0 ? signal : 0;
  }

  // From now on they do what they do to any program. Threads keep theirs blocked, so that the
  // main thread gets them.
  void release() const {
    sigset_t ending = waited_;
    sigdelset(&ending, SIGHUP);
    pthread_sigmask(SIG_UNBLOCK, &ending, nullptr);
  }

 private:
  sigset_t waited_{};
};

// A connection is a descriptor: the soft limit of 1024 that shells set is for programs that use
// select(). The answer is the limit now.
rlim_t raise_file_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const rlim_t soft = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : soft;
}

LogLevel level_of(const ServeRequest& request, const Config& config) {
  if (!request.log_level) return config.log_level;
  Config told;
  const ConfigKey* key = find_config_key("log.level");
  if (check_config_value(*key, *request.log_level)) key->set(told, *request.log_level);
  return told.log_level;
}

// All that runs, in the order of start; it stops in the opposite order.
class ServerProcess {
 public:
  ServerProcess(CommandContext& context, const ServeRequest& request)
      : context_(context), request_(request), tls_(context.data_dir) {}

  ExitCode run() {
    const Signals signals;
    if (ExitCode code = start(); code != ExitCode::kOk) return code;
    announce();
    for (;;) {
      const int signal = signals.wait(kLookInterval);
      if (signal == SIGHUP) {
        reload();
      } else if (signal != 0) {
        break;
      } else if (auto renewed = tls_.look(MonotonicClock::now())) {
        server_->set_tls(std::move(renewed));
      }
    }
    signals.release();
    stop();
    return ExitCode::kOk;
  }

 private:
  ExitCode start() {
    if (ExitCode code = read_config(); code != ExitCode::kOk) return code;
    set_log_level(level_of(request_, config_));
    auto plan = plan_server(config_, request_);
    if (!plan) return fail(context_, ExitCode::kConfigInvalid, plan.error().sentence);
    plan_ = std::move(*plan);
    if (Status status = prepare_data_dir(context_.data_dir); !status) return failed(status.error());
    auto lock = DataDirLock::take(context_.data_dir);
    if (!lock) {
      return fail(context_, code_of(lock.error()), lock.error().sentence,
                  "Stop it, or choose another directory with --data-dir.");
    }
    lock_.emplace(std::move(*lock));
    open_files_max_ = raise_file_limit();
    if (ExitCode code = start_engine(); code != ExitCode::kOk) return code;
    return start_admin();
  }

  ExitCode read_config() {
    config_file_ = config_file_of(request_, context_.data_dir);
    if (config_file_.empty()) return ExitCode::kOk;
    auto parsed = load_config(config_file_);
    if (!parsed) return fail(context_, ExitCode::kConfigInvalid, parsed.error().sentence);
    for (const ConfigProblem& problem : parsed->problems) {
      fail(context_, ExitCode::kConfigInvalid, describe(problem, config_file_));
    }
    if (!parsed->problems.empty()) return ExitCode::kConfigInvalid;
    config_ = std::move(parsed->config);
    return ExitCode::kOk;
  }

  ExitCode start_engine() {
    if (Status status = tls_.start(config_.tls, plan_.options.listeners); !status) {
      return failed(status.error());
    }
    plan_.options.tls = tls_.context();

    auto registry = Registry::open(context_.data_dir);
    if (!registry) return failed(registry.error());
    registry_ = std::move(*registry);
    authenticator_ = std::make_unique<Authenticator>(*registry_, plan_.auth);
    std::optional<RecordStore> store;
    if (config_.store.enabled) {
      if (Status status = open_store(store); !status) return failed(status.error());
    }
    server_ =
        std::make_unique<Server>(plan_.options, *registry_, *authenticator_, std::move(store));
    registry_->set_listener([server = server_.get()](const RegistryChange& change) {
      server->on_registry_change(change);
    });
    if (Status status = server_->start(); !status) return failed(status.error());

    watcher_ = std::make_unique<ChangeWatcher>(*registry_);
    auto control = ControlSocket::start(context_.data_dir, *registry_);
    if (!control) return failed(control.error());
    control_ = std::move(*control);
    return ExitCode::kOk;
  }

  Status open_store(std::optional<RecordStore>& store) {
    RecordStore::Opened opened;
    auto result = RecordStore::open(context_.data_dir, config_.store.options, opened);
    if (!result) return result.error();
    store = std::move(*result);
    if (!opened.quarantine.empty()) {
      FL_LOG(kError, "store.damaged", {"cause", opened.damage},
             {"moved_to", opened.quarantine.string()},
             {"lost", opened.lost.empty() ? "nothing that is known of" : opened.lost},
             {"hint", "what could be read is in use"});
    }
    if (opened.migrated_from != 0) {
      FL_LOG(kInfo, "store.migrated", {"from_format", opened.migrated_from});
    }
    return Done{};
  }

  ExitCode start_admin() {
    if (!plan_.admin) return ExitCode::kOk;
    AdminOptions options;
    options.address = *plan_.admin;
    options.counters = [server = server_.get()] { return server->counters(); };
    options.expiries = [this] { return tls_.expiries(); };
    options.ready = [this] { return ready_.load(); };
    const std::vector<SocketAddress> addresses = server_->addresses();
    for (std::size_t i = 0; i < addresses.size(); ++i) {
      options.endpoints.push_back({addresses[i], plan_.options.listeners[i].protocols});
    }
    auto admin = AdminServer::start(std::move(options));
    if (admin) {
      admin_ = std::move(*admin);
    } else if (plan_.admin_is_optional) {
      FL_LOG(kWarning, "admin.off", {"cause", admin.error().sentence});
    } else {
      return failed(admin.error());
    }
    return ExitCode::kOk;
  }

  void announce() {
    ready_ = true;
    const std::vector<SocketAddress> addresses = server_->addresses();
    for (std::size_t i = 0; i < addresses.size(); ++i) {
      std::printf("listening %s on %s\n",
                  protocol_list(plan_.options.listeners[i].protocols).c_str(),
                  addresses[i].text().c_str());
    }
    if (admin_) std::printf("admin http://%s/\n", admin_->address().text().c_str());
    std::fflush(stdout);
    FL_LOG(kInfo, "server.ready", {"version", FAIRLEAD_VERSION},
           {"data_dir", context_.data_dir.string()}, {"shards", plan_.options.shard_count},
           {"devices", registry_->device_count()}, {"open_files_max", open_files_max_});
  }

  // Everything or nothing: a file with a problem leaves all as it was.
  void reload() {
    config_file_ = config_file_of(request_, context_.data_dir);
    FL_LOG(kInfo, "server.reload", {"config", config_file_.empty() ? "none" : config_file_});
    Config wanted;
    if (!config_file_.empty()) {
      auto parsed = load_config(config_file_);
      if (!parsed) return reload_failed(parsed.error().sentence);
      for (const ConfigProblem& problem : parsed->problems) {
        reload_failed(describe(problem, config_file_));
      }
      if (!parsed->problems.empty()) return;
      wanted = std::move(parsed->config);
    }
    if (Status status = tls_.load(wanted.tls); !status) {
      return reload_failed(status.error().sentence);
    }
    if (auto renewed = tls_.context()) server_->set_tls(std::move(renewed));
    set_log_level(level_of(request_, wanted));
    for (const std::string& key : changed_restart_keys(config_, wanted)) {
      FL_LOG(kWarning, "config.needs_restart", {"key", key});
    }
    // Other keys stay as they are in force: the next reload must name them again.
    config_.tls = wanted.tls;
    config_.log_level = wanted.log_level;
  }

  static void reload_failed(const std::string& cause) {
    FL_LOG(kError, "config.refused", {"cause", cause}, {"hint", "nothing was changed"});
  }

  void stop() {
    FL_LOG(kInfo, "server.stopping", {"hint", "a second signal ends it at once"});
    ready_ = false;
    control_.reset();
    watcher_.reset();
    server_->stop();
    admin_.reset();
    FL_LOG(kInfo, "server.stopped");
  }

  ExitCode failed(const Reject& reject) { return fail(context_, code_of(reject), reject.sentence); }

  static ExitCode code_of(const Reject& reject) {
    return reject.code == ReasonCode::kServerBusy ? ExitCode::kInUse : ExitCode::kFailed;
  }

  CommandContext& context_;
  const ServeRequest& request_;
  std::string config_file_;
  Config config_;
  ServerPlan plan_;
  rlim_t open_files_max_ = 0;
  std::atomic<bool> ready_ = false;  // the admin plane asks for it
  std::optional<DataDirLock> lock_;
  TlsKeeper tls_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<Authenticator> authenticator_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<ChangeWatcher> watcher_;
  std::unique_ptr<ControlSocket> control_;
  std::unique_ptr<AdminServer> admin_;
};

}  // namespace

ExitCode serve(CommandContext& context, const ServeRequest& request) {
  return ServerProcess(context, request).run();
}

}  // namespace fairlead
