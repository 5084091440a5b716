#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <semaphore>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "app/secret_option.h"
#include "fairlead/client.h"
#include "net/unique_fd.h"

// What `fairlead pub` and `fairlead sub` have in common; they are made of the SDK alone.

namespace CLI {
class App;
}

namespace fairlead {

struct CommandContext;

// Whom a client trusts, and the certificate that it shows.
struct ClientTlsArguments {
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  bool insecure = false;
};

// `whose`: "client" or "clients", for the help.
void add_client_tls_options(CLI::App& command, ClientTlsArguments& arguments,
                            std::string_view whose);

// The options of both: where to, and as whom.
struct ClientArguments {
  std::string url = "ws://127.0.0.1:8443";
  std::string product;
  std::string device;
  ToldSecret secret;
  std::string sign_method = "hmacsha256";
  std::string user;
  ToldSecret password;
  std::string client_id;
  ClientTlsArguments tls;
  std::string version = "3.1.1";
  bool persistent = false;
  unsigned qos = 0;
  unsigned keep_alive_seconds = 60;
  double timeout_seconds = 0;  // 0: none
};

void add_client_options(CLI::App& command, ClientArguments& arguments);

// The options of the SDK's client; nullopt when a failure was printed and left in the context.
[[nodiscard]] std::optional<sdk::Options> client_options(CommandContext& context,
                                                         const ClientArguments& arguments,
                                                         std::string_view command);

// The CA certificate to trust: the file that was told, else that of the data directory if it is
// there, else none, which stands for those of the system.
[[nodiscard]] std::string trusted_ca_file(const CommandContext& context, const std::string& told);

// Lines of standard input for a client that runs on another thread. A batch is handed over and the
// next one read when it was taken, so that a large file is never in memory as a whole.
class InputLines {
 public:
  struct Batch {
    std::vector<std::string> lines;
    bool end = false;  // nothing follows
  };
  // `take` is posted to the client; it must outlive this object, which must outlive its runs.
  InputLines(sdk::Client& client, std::function<void(Batch)> take);
  ~InputLines();
  InputLines(const InputLines&) = delete;
  InputLines& operator=(const InputLines&) = delete;

  // The thread of the client: the batch is used up.
  void more() { wanted_.release(); }

 private:
  void read_all();
  void hand_over(Batch batch);

  sdk::Client& client_;
  std::function<void(Batch)> take_;
  UniqueFd stop_event_;
  std::atomic<bool> stopped_{false};
  std::counting_semaphore<> wanted_{1};
  std::thread thread_;
};

}  // namespace fairlead
