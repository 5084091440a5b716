#include "api/admin.h"

#include <httplib.h>

#include <atomic>
#include <charconv>
#include <map>
#include <thread>

#include "base/hash.h"
#include "base/log.h"
#include "console/console_files.h"

namespace fairlead {
namespace {

constexpr std::size_t kWorkers = 4;
constexpr std::size_t kRequestBytesMax = 8u << 10;
constexpr std::size_t kRequestsPerConnectionMax = 100;
constexpr time_t kRequestSeconds = 2;
// An idle connection holds up a stop for as long: browsers open some in advance.
constexpr time_t kIdleSeconds = 1;

constexpr const char* kText = "text/plain; charset=utf-8";

// As in the page itself; a header holds for its other files, too, and forbids frames around it.
constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

struct Served {
  const ConsoleFile* file;
  std::string tag;  // for ETag, quotes included
};

std::map<std::string, Served, std::less<>> served_files() {
  std::map<std::string, Served, std::less<>> files;
  for (const ConsoleFile& file : console_files()) {
    char hex[16];
    const auto end = std::to_chars(hex, hex + sizeof hex, stable_hash(file.body), 16).ptr;
    files.emplace(file.path, Served{&file, '"' + std::string(hex, end) + '"'});
  }
  return files;
}

// Binds without SO_REUSEPORT, which the library sets by default: two servers would share the port.
void set_socket_options(socket_t fd) {
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
}

// The advice of the engine's listeners, with the option that chooses this one.
Reject with_admin_option(Reject reject) {
  constexpr std::string_view kListen = "--listen";
  if (const auto at = reject.sentence.find(kListen); at != std::string::npos) {
    reject.sentence.replace(at, kListen.size(), "--admin");
  }
  return reject;
}

}  // namespace

struct AdminServer::State {
  explicit State(AdminOptions given) : options(std::move(given)), files(served_files()) {
    http.new_task_queue = [] { return new httplib::ThreadPool(kWorkers); };
    http.set_socket_options(set_socket_options);
    http.set_payload_max_length(kRequestBytesMax);
    http.set_read_timeout(kRequestSeconds);
    http.set_write_timeout(kRequestSeconds);
    http.set_keep_alive_timeout(kIdleSeconds);
    http.set_keep_alive_max_count(kRequestsPerConnectionMax);
    http.set_default_headers({{"Content-Security-Policy", kPolicy},
                              {"X-Content-Type-Options", "nosniff"},
                              {"Referrer-Policy", "no-referrer"},
                              {"Cache-Control", "no-cache"}});
    add_routes();
  }

  void add_routes() {
    http.Get("/healthz", [](const httplib::Request&, httplib::Response& response) {
      response.set_content("ok\n", kText);
    });
    http.Get("/readyz", [this](const httplib::Request&, httplib::Response& response) {
      const bool ready = options.ready();
      response.status = ready ? 200 : 503;
      response.set_content(ready ? "ready\n" : "not ready: starting or stopping\n", kText);
    });
    http.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
      response.set_content(metrics_text(options.counters(), options.expiries()),
                           "text/plain; version=0.0.4; charset=utf-8");
    });
    http.Get("/config.json", [this](const httplib::Request&, httplib::Response& response) {
      response.set_content(endpoints_json(options.endpoints), "application/json");
    });
    http.Get("/.*", [this](const httplib::Request& request, httplib::Response& response) {
      serve_file(request, response);
    });
    http.set_error_handler([](const httplib::Request&, httplib::Response& response) {
      if (response.body.empty() && response.status != 304) {
        response.set_content(sentence(response.status), kText);
      }
    });
  }

  static std::string sentence(int status) {
    if (status == 404) {
      return "404: not here; see /, /config.json, /healthz, /readyz and /metrics\n";
    }
    return std::to_string(status) + ": the request was not understood\n";
  }

  void serve_file(const httplib::Request& request, httplib::Response& response) const {
    const auto found = files.find(request.path);
    if (found == files.end()) {
      response.status = 404;
      return;
    }
    const Served& served = found->second;
    response.set_header("ETag", served.tag);
    if (request.get_header_value("If-None-Match") == served.tag) {
      response.status = 304;
      return;
    }
    response.set_content(served.file->body.data(), served.file->body.size(),
                         std::string(served.file->content_type));
  }

  // The port in use, or nothing.
  std::optional<uint16_t> bind() {
    const std::string host = options.address.ip_text();
    if (options.address.port() != 0) {
      if (!http.bind_to_port(host, options.address.port())) return std::nullopt;
      return options.address.port();
    }
    const int port = http.bind_to_any_port(host);
    if (port <= 0) return std::nullopt;
    return static_cast<uint16_t>(port);
  }

  AdminOptions options;
  std::map<std::string, Served, std::less<>> files;
  httplib::Server http;
  SocketAddress address;
  std::atomic<bool> ended = false;
  std::thread thread;
};

Result<std::unique_ptr<AdminServer>> AdminServer::start(AdminOptions options) {
  // Says in a sentence why the address cannot be had; the library only says that.
  if (auto probe = ListeningSocket::open(options.address, {}); !probe) {
    return with_admin_option(probe.error());
  }
  auto state = std::make_unique<State>(std::move(options));
  const auto port = state->bind();
  auto address = SocketAddress::parse(state->options.address.ip_text(), port.value_or(0));
  if (!port || !address) {
    return Reject{ReasonCode::kUnspecifiedError,
                  "cannot listen on " + state->options.address.text() +
                      " for the admin page; choose another address with --admin ADDRESS:PORT"};
  }
  state->address = *address;
  state->thread = std::thread([state = state.get()] {
    if (!state->http.listen_after_bind()) FL_LOG(kError, "admin.ended", {"cause", "accept failed"});
    state->ended = true;
  });
  return std::unique_ptr<AdminServer>(new AdminServer(std::move(state)));
}

AdminServer::AdminServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

AdminServer::~AdminServer() {
  // A stop before the thread has begun to listen would be lost.
  while (!state_->http.is_running() && !state_->ended) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  state_->http.stop();
  state_->thread.join();
}

const SocketAddress& AdminServer::address() const { return state_->address; }

}  // namespace fairlead
