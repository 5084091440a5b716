#include "registry/registry.h"

#include <unordered_set>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "base/hash.h"
#include "base/log.h"

namespace fairlead {
namespace {

// A device in one text: "pk\0dn\0" + '1' or '0' for enabled + secret. With its place in the table
// about 150 bytes; no name or secret holds a zero byte.
class PackedDevice {
 public:
  explicit PackedDevice(const Device& device) {
    text_.reserve(device.product_key.size() + device.name.size() + device.secret.size() + 3);
    text_.append(device.product_key).push_back('\0');
    text_.append(device.name).push_back('\0');
    text_.push_back(device.enabled ? '1' : '0');
    text_.append(device.secret);
  }

  [[nodiscard]] std::string_view key() const {
    std::string_view text = text_;
    return text.substr(0, text.find('\0', text.find('\0') + 1));
  }
  [[nodiscard]] std::string_view product_key() const {
    std::string_view text = text_;
    return text.substr(0, text.find('\0'));
  }
  [[nodiscard]] std::string_view name() const { return key().substr(product_key().size() + 1); }
  [[nodiscard]] bool enabled() const { return text_[key().size() + 1] == '1'; }
  [[nodiscard]] std::string_view secret() const {
    return std::string_view(text_).substr(key().size() + 2);
  }

 private:
  std::string text_;
};

struct DeviceHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view key) const { return keyed_hash(key); }
  std::size_t operator()(const PackedDevice& device) const { return keyed_hash(device.key()); }
};

struct DeviceEqual {
  using is_transparent = void;
  static std::string_view key(const PackedDevice& device) { return device.key(); }
  static std::string_view key(std::string_view text) { return text; }
  template <class A, class B>
  bool operator()(const A& a, const B& b) const {
    return key(a) == key(b);
  }
};

using DeviceTable = std::unordered_set<PackedDevice, DeviceHash, DeviceEqual>;

std::string device_key(std::string_view product_key, std::string_view name) {
  std::string key(product_key);
  key.push_back('\0');
  key.append(name);
  return key;
}

struct Tables {
  TextMap<ProductEntry> products;
  DeviceTable devices;
  TextMap<AppEntry> apps;

  void put(const Product& product) {
    auto rules = TopicRules::make(product.topic_classes);
    if (!rules) {
      // Fail closed: without rules nobody may do anything, so that there is no such product.
      FL_LOG(kError, "registry.bad_product", {"product", product.key},
             {"cause", rules.error().sentence});
      products.erase(product.key);
      return;
    }
    products.insert_or_assign(product.key,
                              ProductEntry{std::make_shared<const Product>(product), *rules});
  }

  void put(const Device& device) {
    erase_device(device.product_key, device.name);
    devices.emplace(device);
  }

  void put(const App& app) {
    apps.insert_or_assign(app.name, AppEntry{std::make_shared<const App>(app),
                                             AccessPolicy::for_application(app.permissions)});
  }

  void erase_device(std::string_view product_key, std::string_view name) {
    auto found = devices.find(std::string_view(device_key(product_key, name)));
    if (found != devices.end()) devices.erase(found);
  }

  void erase_product(const std::string& key) {
    products.erase(key);
    std::erase_if(devices,
                  [&key](const PackedDevice& device) { return device.product_key() == key; });
  }

  // Brings the record of a feed entry to its present state.
  void take(const Database::FeedEntry& entry) {
    using Kind = RegistryChange::Kind;
    const RegistryChange& change = entry.change;
    switch (change.kind) {
      case Kind::kProductChanged:
      case Kind::kProductDeleted:
        // A product that was deleted and made again has lost its devices in between.
        if (change.kind == Kind::kProductDeleted) erase_product(change.product_key);
        if (entry.product) put(*entry.product);
        return;
      case Kind::kDeviceCreated:
      case Kind::kDeviceChanged:
      case Kind::kDeviceEnabled:
      case Kind::kDeviceDisabled:
      case Kind::kDeviceDeleted:
        if (entry.device) {
          put(*entry.device);
        } else {
          erase_device(change.product_key, change.name);
        }
        return;
      case Kind::kAppChanged:
      case Kind::kAppDeleted:
        if (entry.app) {
          put(*entry.app);
        } else if (auto found = apps.find(change.name); found != apps.end()) {
          apps.erase(found);
        }
        return;
    }
  }
};

// What a listener must hear when `before` became `after` without a feed to follow.
std::vector<RegistryChange> difference(const Tables& before, const Tables& after) {
  using Kind = RegistryChange::Kind;
  std::vector<RegistryChange> changes;
  for (const auto& [key, entry] : before.products) {
    if (!after.products.contains(key)) changes.push_back({Kind::kProductDeleted, key, {}});
  }
  for (const auto& [key, entry] : after.products) {
    auto old = before.products.find(key);
    if (old == before.products.end() || *old->second.product != *entry.product) {
      changes.push_back({Kind::kProductChanged, key, {}});
    }
  }
  auto device_change = [&changes](Kind kind, const PackedDevice& device) {
    changes.push_back({kind, std::string(device.product_key()), std::string(device.name())});
  };
  for (const PackedDevice& device : before.devices) {
    if (after.devices.find(device.key()) == after.devices.end()) {
      device_change(Kind::kDeviceDeleted, device);
    }
  }
  for (const PackedDevice& device : after.devices) {
    auto old = before.devices.find(device.key());
    if (old == before.devices.end()) {
      device_change(Kind::kDeviceCreated, device);
      continue;
    }
    if (old->secret() != device.secret()) device_change(Kind::kDeviceChanged, device);
    if (old->enabled() != device.enabled()) {
      device_change(device.enabled() ? Kind::kDeviceEnabled : Kind::kDeviceDisabled, device);
    }
  }
  for (const auto& [name, entry] : before.apps) {
    if (!after.apps.contains(name)) changes.push_back({Kind::kAppDeleted, {}, name});
  }
  for (const auto& [name, entry] : after.apps) {
    auto old = before.apps.find(name);
    if (old == before.apps.end() || *old->second.app != *entry.app) {
      changes.push_back({Kind::kAppChanged, {}, name});
    }
  }
  return changes;
}

struct Loaded {
  Tables tables;
  int64_t sequence = 0;
};

Result<Loaded> load(Database& database) {
  Loaded loaded;
  auto sequence = database.read_all({
      .product = [&](Product&& product) { loaded.tables.put(product); },
      .device = [&](Device&& device) { loaded.tables.devices.emplace(device); },
      .app = [&](App&& app) { loaded.tables.put(app); },
  });
  if (!sequence) return sequence.error();
  loaded.sequence = *sequence;
  return loaded;
}

constexpr std::size_t kEntriesPerLock = 256;  // so that look-ups never wait long

}  // namespace

// The writer's side and the readers' side: the feed's lock is held for the whole of an
// apply_changes(), the tables' lock only while memory changes.
struct Registry::State {
  struct Feed {
    Database database;
    int64_t sequence;
    int64_t data_version = -1;
    std::function<void(const RegistryChange&)> listener;
  };

  State(Database database, Loaded loaded)
      : feed(Feed{std::move(database), loaded.sequence, -1, {}}),
        tables(std::move(loaded.tables)) {}

  Guarded<Feed> feed;
  Guarded<Tables> tables;

  void tell(const Feed& from, const RegistryChange& change) {
    if (from.listener) from.listener(change);
  }

  void take_batch(Feed& from, std::vector<Database::FeedEntry>& batch) {
    if (batch.empty()) return;
    tables.write([&](Tables& all) {
      for (const auto& entry : batch) all.take(entry);
    });
    from.sequence = batch.back().sequence;
    for (const auto& entry : batch) tell(from, entry.change);
    batch.clear();
  }

  Status reload(Feed& from) {
    auto fresh = load(from.database);
    if (!fresh) return fresh.error();
    auto changes = tables.read([&](const Tables& all) { return difference(all, fresh->tables); });
    tables.write([&](Tables& all) { std::swap(all, fresh->tables); });
    from.sequence = fresh->sequence;
    for (const RegistryChange& change : changes) tell(from, change);
    return Done{};
  }

  Result<int64_t> apply(Feed& from) {
    // Taken before the entries are read: what is committed in between is seen again, never missed.
    auto version = from.database.data_version();
    if (!version) return version.error();
    auto range = from.database.feed_range();
    if (!range) return range.error();
    if (range->oldest > from.sequence + 1 || range->newest < from.sequence) {
      if (Status reloaded = reload(from); !reloaded) return reloaded.error();
    } else if (Status read = follow(from); !read) {
      return read.error();
    }
    from.data_version = *version;
    return from.sequence;
  }

  Status follow(Feed& from) {
    std::vector<Database::FeedEntry> batch;
    bool gap = false;
    int64_t last = from.sequence;
    Status read = from.database.read_feed(from.sequence, [&](Database::FeedEntry&& entry) {
      gap = gap || entry.sequence != last + 1;
      if (gap) return;
      last = entry.sequence;
      batch.push_back(std::move(entry));
      if (batch.size() == kEntriesPerLock) take_batch(from, batch);
    });
    take_batch(from, batch);
    if (!read) return read;
    return gap ? reload(from) : Status(Done{});
  }
};

Registry::Registry(std::unique_ptr<State> state) : state_(std::move(state)) {}
Registry::~Registry() = default;

Result<std::unique_ptr<Registry>> Registry::open(const std::filesystem::path& data_dir) {
  auto database = Database::open(data_dir);
  if (!database) return database.error();
  auto loaded = load(*database);
  if (!loaded) return loaded.error();
  auto state = std::make_unique<State>(std::move(*database), std::move(*loaded));
  return std::unique_ptr<Registry>(new Registry(std::move(state)));
}

std::optional<ProductEntry> Registry::product(std::string_view key) const {
  return state_->tables.read([key](const Tables& all) -> std::optional<ProductEntry> {
    auto found = all.products.find(key);
    if (found == all.products.end()) return std::nullopt;
    return found->second;
  });
}

std::optional<DeviceCredential> Registry::device(std::string_view product_key,
                                                 std::string_view name) const {
  const std::string key = device_key(product_key, name);
  return state_->tables.read([&key](const Tables& all) -> std::optional<DeviceCredential> {
    auto found = all.devices.find(std::string_view(key));
    if (found == all.devices.end()) return std::nullopt;
    return DeviceCredential{std::string(found->secret()), found->enabled()};
  });
}

std::optional<AppEntry> Registry::app(std::string_view name) const {
  return state_->tables.read([name](const Tables& all) -> std::optional<AppEntry> {
    auto found = all.apps.find(name);
    if (found == all.apps.end()) return std::nullopt;
    return found->second;
  });
}

std::size_t Registry::device_count() const {
  return state_->tables.read([](const Tables& all) { return all.devices.size(); });
}

void Registry::set_listener(std::function<void(const RegistryChange&)> listener) {
  state_->feed.write([&](State::Feed& feed) { feed.listener = std::move(listener); });
}

Result<int64_t> Registry::apply_changes() {
  return state_->feed.write([this](State::Feed& feed) { return state_->apply(feed); });
}

Result<int64_t> Registry::apply_changes_if_any() {
  return state_->feed.write([this](State::Feed& feed) -> Result<int64_t> {
    auto version = feed.database.data_version();
    if (!version) return version.error();
    if (*version == feed.data_version) return feed.sequence;
    return state_->apply(feed);
  });
}

}  // namespace fairlead
