#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "registry/database.h"
#include "registry/records.h"

namespace fairlead {

// What a look-up of a device answers.
struct DeviceCredential {
  std::string secret;
  bool enabled = false;
};

// A product with its topic rules ready for policies.
struct ProductEntry {
  std::shared_ptr<const Product> product;
  std::shared_ptr<const TopicRules> topic_rules;
};

struct AppEntry {
  std::shared_ptr<const App> app;
  std::shared_ptr<const AccessPolicy> policy;
};

// All products, devices and applications in memory, kept up to date from the database's feed.
// Look-ups: any thread, no database, a shared lock for the time of a hash look-up (the connect
// path, never the path of a message). Memory: about 200 bytes a device.
// When the database fails, look-ups answer from memory as before; a record that makes no sense (a
// device of an unknown product, topic classes that do not compile) is treated as not there.
class Registry {
 public:
  // Loads everything. Cost: about a second for a million devices.
  [[nodiscard]] static Result<std::unique_ptr<Registry>> open(
      const std::filesystem::path& data_dir);
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;
  ~Registry();

  [[nodiscard]] std::optional<ProductEntry> product(std::string_view key) const;
  [[nodiscard]] std::optional<DeviceCredential> device(std::string_view product_key,
                                                       std::string_view name) const;
  [[nodiscard]] std::optional<AppEntry> app(std::string_view name) const;
  [[nodiscard]] std::size_t device_count() const;

  // Called for each change, after memory has it, on the thread that calls apply_changes(): it must
  // not call apply_changes() itself. Set before that thread runs; it stays.
  void set_listener(std::function<void(const RegistryChange&)> listener);

  // Takes over what other connections have committed since the last call and calls the listener
  // for each change. When it returns, every change committed before the call is in force. Any
  // thread; calls are serialised. The answer is the sequence number now in force. A change that
  // was undone since may be reported with the later state already in memory.
  [[nodiscard]] Result<int64_t> apply_changes();
  // The same, but only when the database says that something was committed: for polling.
  [[nodiscard]] Result<int64_t> apply_changes_if_any();

 private:
  struct State;
  explicit Registry(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// A thread that polls the feed every 200 ms, or at once after poke(). Stops and joins in its
// destructor. The Registry must outlive it. Errors are logged once per kind and retried.
class ChangeWatcher {
 public:
  explicit ChangeWatcher(Registry& registry);
  ~ChangeWatcher();
  ChangeWatcher(const ChangeWatcher&) = delete;
  ChangeWatcher& operator=(const ChangeWatcher&) = delete;
  void poke();  // any thread

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fairlead
