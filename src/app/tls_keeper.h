#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "app/config.h"
#include "app/file_watch.h"
#include "base/guarded.h"
#include "base/log.h"
#include "base/time.h"
#include "net/tls_context.h"
#include "shard/options.h"

namespace fairlead {

// How loud it is to be said that something ends in `left`, if at all: a certificate in its last 30
// days, a list of revoked ones in its last day; an error when a certificate is in its last day,
// and when either has expired.
[[nodiscard]] std::optional<LogLevel> expiry_level(TlsExpiry::Kind kind, milliseconds left);

// What start() would refuse, without making certificates: that a server has none of its own yet is
// no error, since it makes them when it starts. Errors name the file.
[[nodiscard]] Status check_tls(const TlsConfig& config, const std::filesystem::path& data_dir,
                               const std::vector<ListenerOptions>& listeners);

// The certificates of a running server: loads them, loads them again when their files change, and
// says in the log when they are about to expire. The main thread's, but for context() and
// expiries(), which any thread may call.
class TlsKeeper {
 public:
  explicit TlsKeeper(std::filesystem::path data_dir) : data_dir_(std::move(data_dir)) {}

  // The certificates that the configuration names or, if it names none, those of DATA_DIR/certs,
  // which are created when there are none: for localhost, this machine's name and the addresses of
  // `listeners`. No context when no listener takes TLS. Errors name the file.
  Status start(const TlsConfig& config, std::vector<ListenerOptions> listeners);

  // Everything or nothing: after an error all is as it was. Tickets keep their worth.
  Status load(const TlsConfig& config);

  // To be called every second or so. The new context when a file has changed and all could be
  // loaded again, otherwise null: half-written files stay unused until they change again. Once a
  // day the log hears what is about to expire.
  [[nodiscard]] std::shared_ptr<const TlsContext> look(Instant now);

  [[nodiscard]] std::shared_ptr<const TlsContext> context() const;
  [[nodiscard]] std::vector<TlsExpiry> expiries() const;

 private:
  void log_expiries() const;

  std::filesystem::path data_dir_;
  std::vector<ListenerOptions> listeners_;
  TlsConfig config_;
  FileWatch watch_;
  std::shared_ptr<const TlsTicketKeys> ticket_keys_;
  Guarded<std::shared_ptr<const TlsContext>> context_;
  Instant next_expiry_log_{};
};

}  // namespace fairlead
