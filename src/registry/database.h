#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "registry/csv.h"
#include "registry/records.h"

namespace fairlead {

// What happened to one record, in the order of commit.
struct RegistryChange {
  enum class Kind : uint8_t {
    kProductChanged,  // created or changed
    kProductDeleted,  // and with it all its devices; they get no change of their own
    kDeviceCreated,
    kDeviceChanged,  // its secret
    kDeviceEnabled,
    kDeviceDisabled,
    kDeviceDeleted,
    kAppChanged,  // created, or password, permissions, enabled changed
    kAppDeleted,
  };
  Kind kind = Kind::kProductChanged;
  std::string product_key;  // empty for an application
  std::string name;         // of the device or the application; empty for a product
  friend bool operator==(const RegistryChange&, const RegistryChange&) = default;
};

enum class WithDevices : uint8_t { kRefuse, kDelete };  // deleting a product that has devices

// The registry on disk: SQLite, `<data_dir>/registry.db`, mode 0600, WAL. Several processes may
// have it open (the CLI beside the server); a writer waits up to 5 s for another. Every command is
// one transaction, which also writes the change feed, so that a reader who follows the feed misses
// nothing. One thread at a time. Rejects have complete sentences; after one, nothing has changed.
class Database {
 public:
  static constexpr int64_t kSchemaVersion = 1;

  // Creates the directory (0700) and the file when they are not there, and brings an older schema
  // up to date. Refuses a newer one, and a file that is no database.
  [[nodiscard]] static Result<Database> open(const std::filesystem::path& data_dir);
  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;
  ~Database();

  // Products. Creating one that exists is refused.
  [[nodiscard]] Status create_product(Product product);
  [[nodiscard]] Status update_product(const Product& product);  // all but key and created_ms
  [[nodiscard]] Status delete_product(std::string_view key, WithDevices with_devices);
  [[nodiscard]] Result<std::optional<Product>> product(std::string_view key);
  [[nodiscard]] Result<std::vector<Product>> products();

  // Devices. An empty secret is generated; the device as stored is the answer. created_ms 0 means
  // now, here as for products and applications.
  [[nodiscard]] Result<Device> create_device(Device device);
  [[nodiscard]] Status set_device_enabled(std::string_view product_key, std::string_view name,
                                          bool enabled);
  [[nodiscard]] Status set_device_secret(std::string_view product_key, std::string_view name,
                                         std::string_view secret);
  [[nodiscard]] Status delete_device(std::string_view product_key, std::string_view name);
  [[nodiscard]] Result<std::optional<Device>> device(std::string_view product_key,
                                                     std::string_view name);
  // In the order of names, those after `after`, at most `count`; product_key empty: of all
  // products, in the order of keys, and `after` is ignored.
  [[nodiscard]] Result<std::vector<Device>> devices(std::string_view product_key,
                                                    std::string_view after = {},
                                                    std::size_t count = SIZE_MAX);
  [[nodiscard]] Result<uint64_t> device_count(std::string_view product_key);  // empty: all

  // All rows or none: refuses with "line N: ..." when a product is unknown or a device exists.
  // `progress` is called now and then with the rows done. Answers the devices with their secrets.
  // Cost: 100,000 rows in a second or two.
  [[nodiscard]] Result<std::vector<Device>> import_devices(
      const std::vector<ImportRow>& rows, const std::function<void(std::size_t)>& progress = {});

  [[nodiscard]] Status create_app(App app);
  [[nodiscard]] Status update_app(const App& app);  // all but name and created_ms
  [[nodiscard]] Status delete_app(std::string_view name);
  [[nodiscard]] Result<std::optional<App>> app(std::string_view name);
  [[nodiscard]] Result<std::vector<App>> apps();

  // The change feed. Old entries are dropped: a reader who finds `oldest` > its last sequence
  // number + 1 has missed some and must read everything again.
  struct FeedRange {
    int64_t oldest = 1;  // newest + 1 when the feed is empty
    int64_t newest = 0;
  };
  [[nodiscard]] Result<FeedRange> feed_range();
  // A change with the record as it is now: absent when it has gone since.
  struct FeedEntry {
    int64_t sequence = 0;
    RegistryChange change;
    std::optional<Product> product;
    std::optional<Device> device;
    std::optional<App> app;
  };
  [[nodiscard]] Status read_feed(int64_t after, const std::function<void(FeedEntry&&)>& visit);
  // Everything, as of one moment, for loading; the answer is the feed's newest number then.
  struct Visitor {
    std::function<void(Product&&)> product;
    std::function<void(Device&&)> device;
    std::function<void(App&&)> app;
  };
  [[nodiscard]] Result<int64_t> read_all(const Visitor& visitor);

  [[nodiscard]] static std::filesystem::path file_in(const std::filesystem::path& data_dir);
  // A consistent copy of one moment, in a new file; beside a running server too.
  [[nodiscard]] static Status backup(const std::filesystem::path& data_dir,
                                     const std::filesystem::path& to);
  // Refuses a file that is no registry, is damaged, or of a newer schema.
  [[nodiscard]] static Status check_file(const std::filesystem::path& file);
  // Puts a copy in the place of what is there, which is kept under the name that is the answer;
  // empty: there was none. No server may have it open.
  [[nodiscard]] static Result<std::filesystem::path> restore(const std::filesystem::path& data_dir,
                                                             const std::filesystem::path& from);

  // Changes when another connection has committed. Cost: microseconds, no read of the file.
  [[nodiscard]] Result<int64_t> data_version();

 private:
  struct State;
  explicit Database(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fairlead
