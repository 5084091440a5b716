#include "registry/database.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/time.h"
#include "sqlite/sqlite.h"

namespace fairlead {
namespace {

constexpr int64_t kFeedEntriesMax = 200'000;
constexpr std::size_t kProgressEvery = 1000;

constexpr const char* kSchema = R"sql(
CREATE TABLE product (
  key TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, profile TEXT NOT NULL, secret TEXT NOT NULL,
  topic_classes TEXT NOT NULL, transport TEXT NOT NULL, created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE device (
  product_key TEXT NOT NULL REFERENCES product (key), name TEXT NOT NULL, secret TEXT NOT NULL,
  enabled INTEGER NOT NULL, created_ms INTEGER NOT NULL, PRIMARY KEY (product_key, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE app (
  name TEXT NOT NULL PRIMARY KEY, password_hash TEXT NOT NULL, permissions TEXT NOT NULL,
  enabled INTEGER NOT NULL, created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE change (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, product_key TEXT NOT NULL,
  name TEXT NOT NULL
) STRICT;
PRAGMA user_version = 1;
)sql";

constexpr const char* kProductColumns =
    "key, name, profile, secret, topic_classes, transport, created_ms";
constexpr const char* kDeviceColumns = "product_key, name, secret, enabled, created_ms";
constexpr const char* kAppColumns = "name, password_hash, permissions, enabled, created_ms";

Reject reject(std::string sentence) {
  return {ReasonCode::kImplementationSpecificError, std::move(sentence)};
}

// Leaves a command with a Reject; the transaction rolls back on the way.
struct Refused {
  Reject reject;
};

[[noreturn]] void refuse(std::string sentence) { throw Refused{reject(std::move(sentence))}; }

void require(const Status& status) {
  if (!status) throw Refused{status.error()};
}

// The border: what is thrown inside becomes a value here.
template <class Body>
auto attempt(Body&& body) -> Result<decltype(body())> {
  try {
    return body();
  } catch (const Refused& refused) {
    return refused.reject;
  } catch (const SqliteError& error) {
    return reject(std::string("registry database: ") + error.what());
  }
}

std::string encode(const std::vector<TopicClass>& classes) {
  std::string text;
  for (const TopicClass& one : classes) {
    text.append(topic_permission_name(one.permission)).append(":").append(one.pattern).append("\n");
  }
  return text;
}

std::string encode(const std::vector<Permission>& permissions) {
  std::string text;
  for (const Permission& one : permissions) text += format_permission(one) + "\n";
  return text;
}

template <class Take>
void for_each_line(std::string_view text, Take&& take) {
  while (!text.empty()) {
    std::size_t end = std::min(text.find('\n'), text.size());
    take(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::vector<TopicClass> decode_topic_classes(std::string_view text) {
  std::vector<TopicClass> classes;
  for_each_line(text, [&](std::string_view line) {
    for (auto permission :
         {TopicPermission::kPublish, TopicPermission::kSubscribe, TopicPermission::kAll}) {
      const std::string_view name = topic_permission_name(permission);
      if (line.starts_with(name) && line.substr(name.size()).starts_with(':')) {
        classes.push_back({std::string(line.substr(name.size() + 1)), permission});
        return;
      }
    }
    throw SqliteError("a product has topic classes that cannot be read");
  });
  return classes;
}

std::vector<Permission> decode_permissions(std::string_view text) {
  std::vector<Permission> permissions;
  for_each_line(text, [&](std::string_view line) {
    auto permission = parse_permission(line);
    if (!permission) throw SqliteError("an application has permissions that cannot be read");
    permissions.push_back(std::move(*permission));
  });
  return permissions;
}

Product read_product(const SqliteStatement& row, int at = 0) {
  auto profile = parse_profile(row.text(at + 2));
  auto transport = parse_transport_rule(row.text(at + 5));
  if (!profile || !transport) throw SqliteError("a product has a profile that is not known");
  return {.key = row.text(at),
          .name = row.text(at + 1),
          .profile = *profile,
          .secret = row.text(at + 3),
          .topic_classes = decode_topic_classes(row.text(at + 4)),
          .transport = *transport,
          .created_ms = row.number(at + 6)};
}

Device read_device(const SqliteStatement& row, int at = 0) {
  return {.product_key = row.text(at),
          .name = row.text(at + 1),
          .secret = row.text(at + 2),
          .enabled = row.number(at + 3) != 0,
          .created_ms = row.number(at + 4)};
}

App read_app(const SqliteStatement& row, int at = 0) {
  return {.name = row.text(at),
          .password_hash = row.text(at + 1),
          .permissions = decode_permissions(row.text(at + 2)),
          .enabled = row.number(at + 3) != 0,
          .created_ms = row.number(at + 4)};
}

int64_t created(int64_t given_ms) { return given_ms != 0 ? given_ms : wall_clock_now().count(); }

std::string names_of(std::string_view product_key, std::string_view name) {
  return std::string(product_key).append("/").append(name);
}

std::string select(const char* columns, const char* rest) {
  return std::string("SELECT ").append(columns).append(" ").append(rest);
}

// The file is made here, so that its mode is right from its first moment; SQLite gives the
// journal files the mode of the database.
void create_file(const std::filesystem::path& data_dir, const std::filesystem::path& file) {
  std::error_code error;
  const bool made = std::filesystem::create_directories(data_dir, error);
  if (error) refuse("cannot create directory " + data_dir.string() + ": " + error.message());
  if (made) ::chmod(data_dir.c_str(), 0700);
  int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) refuse("cannot open " + file.string() + ": " + std::strerror(errno));
  ::close(descriptor);
}

}  // namespace

struct Database::State {
  explicit State(const std::filesystem::path& file) : connection(file) {}

  SqliteConnection connection;

  SqliteStatement prepare(const std::string& sql) { return {connection.get(), sql}; }

  // Runs `body` in a transaction with a write lock, and keeps the feed short.
  template <class Body>
  auto write(Body&& body) {
    return attempt([&] {
      SqliteTransaction transaction(connection, TransactionKind::kWrite);
      auto answer = body();
      prepare("DELETE FROM change WHERE seq <= (SELECT max(seq) FROM change) - ?1")
          .bind(1, kFeedEntriesMax)
          .run();
      transaction.commit();
      return answer;
    });
  }

  void announce(RegistryChange::Kind kind, std::string_view product_key, std::string_view name) {
    prepare("INSERT INTO change (kind, product_key, name) VALUES (?1, ?2, ?3)")
        .bind(1, static_cast<int64_t>(kind))
        .bind(2, product_key)
        .bind(3, name)
        .run();
  }

  bool has_product(std::string_view key) {
    return prepare("SELECT 1 FROM product WHERE key = ?1").bind(1, key).step();
  }

  void migrate() {
    SqliteTransaction transaction(connection, TransactionKind::kWrite);
    const int64_t version = connection.number("PRAGMA user_version");
    if (version > Database::kSchemaVersion) {
      refuse("registry database was written by a newer version of fairlead (schema " +
             std::to_string(version) + ", this one knows " +
             std::to_string(Database::kSchemaVersion) + ")");
    }
    if (version == 0) connection.run(kSchema);
    transaction.commit();
  }

  // One row's change of a device that must exist.
  Status change_device(SqliteStatement& statement, RegistryChange::Kind kind,
                       std::string_view product_key, std::string_view name) {
    statement.run();
    if (connection.changed_rows() == 0) {
      refuse("device " + names_of(product_key, name) + " does not exist");
    }
    announce(kind, product_key, name);
    return Done{};
  }
};

Database::Database(std::unique_ptr<State> state) : state_(std::move(state)) {}
Database::Database(Database&&) noexcept = default;
Database& Database::operator=(Database&&) noexcept = default;
Database::~Database() = default;

std::filesystem::path Database::file_in(const std::filesystem::path& data_dir) {
  return data_dir / "registry.db";
}

Result<Database> Database::open(const std::filesystem::path& data_dir) {
  return attempt([&] {
    const std::filesystem::path file = file_in(data_dir);
    create_file(data_dir, file);
    auto state = std::make_unique<State>(file);
    try {
      state->connection.run(
          "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
          "PRAGMA foreign_keys = ON;");
      state->migrate();
    } catch (const SqliteError& error) {
      refuse(file.string() + ": " + error.what());
    }
    return Database(std::move(state));
  });
}

Status Database::create_product(Product product) {
  if (product.secret.empty()) product.secret = generate_secret();
  if (Status ok = check(product); !ok) return ok;
  return state_->write([&] {
    if (state_->has_product(product.key)) refuse("product " + product.key + " exists already");
    const std::string classes = encode(product.topic_classes);
    state_->prepare("INSERT INTO product VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")
        .bind(1, product.key)
        .bind(2, product.name)
        .bind(3, profile_name(product.profile))
        .bind(4, product.secret)
        .bind(5, classes)
        .bind(6, transport_rule_name(product.transport))
        .bind(7, created(product.created_ms))
        .run();
    state_->announce(RegistryChange::Kind::kProductChanged, product.key, "");
    return Done{};
  });
}

Status Database::update_product(const Product& product) {
  if (Status ok = check(product); !ok) return ok;
  return state_->write([&] {
    const std::string classes = encode(product.topic_classes);
    state_
        ->prepare(
            "UPDATE product SET name = ?2, profile = ?3, secret = ?4, topic_classes = ?5,"
            " transport = ?6 WHERE key = ?1")
        .bind(1, product.key)
        .bind(2, product.name)
        .bind(3, profile_name(product.profile))
        .bind(4, product.secret)
        .bind(5, classes)
        .bind(6, transport_rule_name(product.transport))
        .run();
    if (state_->connection.changed_rows() == 0) {
      refuse("product " + product.key + " does not exist");
    }
    state_->announce(RegistryChange::Kind::kProductChanged, product.key, "");
    return Done{};
  });
}

Status Database::delete_product(std::string_view key, WithDevices with_devices) {
  return state_->write([&] {
    if (with_devices == WithDevices::kDelete) {
      state_->prepare("DELETE FROM device WHERE product_key = ?1").bind(1, key).run();
    } else if (state_->prepare("SELECT 1 FROM device WHERE product_key = ?1 LIMIT 1")
                   .bind(1, key)
                   .step()) {
      refuse("product " + std::string(key) + " still has devices");
    }
    state_->prepare("DELETE FROM product WHERE key = ?1").bind(1, key).run();
    if (state_->connection.changed_rows() == 0) {
      refuse("product " + std::string(key) + " does not exist");
    }
    state_->announce(RegistryChange::Kind::kProductDeleted, key, "");
    return Done{};
  });
}

Result<std::optional<Product>> Database::product(std::string_view key) {
  return attempt([&]() -> std::optional<Product> {
    auto row = state_->prepare(select(kProductColumns, "FROM product WHERE key = ?1"));
    if (!row.bind(1, key).step()) return std::nullopt;
    return read_product(row);
  });
}

Result<std::vector<Product>> Database::products() {
  return attempt([&] {
    std::vector<Product> all;
    auto row = state_->prepare(select(kProductColumns, "FROM product ORDER BY key"));
    while (row.step()) all.push_back(read_product(row));
    return all;
  });
}

Result<Device> Database::create_device(Device device) {
  if (device.secret.empty()) device.secret = generate_secret();
  device.created_ms = created(device.created_ms);
  if (Status ok = check(device); !ok) return ok.error();
  return state_->write([&] {
    if (!state_->has_product(device.product_key)) {
      refuse("product " + device.product_key + " does not exist");
    }
    state_->prepare("INSERT INTO device VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING")
        .bind(1, device.product_key)
        .bind(2, device.name)
        .bind(3, device.secret)
        .bind(4, device.enabled ? 1 : 0)
        .bind(5, device.created_ms)
        .run();
    if (state_->connection.changed_rows() == 0) {
      refuse("device " + names_of(device.product_key, device.name) + " exists already");
    }
    state_->announce(RegistryChange::Kind::kDeviceCreated, device.product_key, device.name);
    return device;
  });
}

Status Database::set_device_enabled(std::string_view product_key, std::string_view name,
                                    bool enabled) {
  return state_->write([&] {
    auto statement =
        state_->prepare("UPDATE device SET enabled = ?3 WHERE product_key = ?1 AND name = ?2");
    statement.bind(1, product_key).bind(2, name).bind(3, enabled ? 1 : 0);
    const auto kind =
        enabled ? RegistryChange::Kind::kDeviceEnabled : RegistryChange::Kind::kDeviceDisabled;
    require(state_->change_device(statement, kind, product_key, name));
    return Done{};
  });
}

Status Database::set_device_secret(std::string_view product_key, std::string_view name,
                                   std::string_view secret) {
  if (Status ok = check_secret(secret); !ok) return ok;
  return state_->write([&] {
    auto statement =
        state_->prepare("UPDATE device SET secret = ?3 WHERE product_key = ?1 AND name = ?2");
    statement.bind(1, product_key).bind(2, name).bind(3, secret);
    require(
        state_->change_device(statement, RegistryChange::Kind::kDeviceChanged, product_key, name));
    return Done{};
  });
}

Status Database::delete_device(std::string_view product_key, std::string_view name) {
  return state_->write([&] {
    auto statement = state_->prepare("DELETE FROM device WHERE product_key = ?1 AND name = ?2");
    statement.bind(1, product_key).bind(2, name);
    require(
        state_->change_device(statement, RegistryChange::Kind::kDeviceDeleted, product_key, name));
    return Done{};
  });
}

Result<std::optional<Device>> Database::device(std::string_view product_key,
                                               std::string_view name) {
  return attempt([&]() -> std::optional<Device> {
    auto row =
        state_->prepare(select(kDeviceColumns, "FROM device WHERE product_key = ?1 AND name = ?2"));
    if (!row.bind(1, product_key).bind(2, name).step()) return std::nullopt;
    return read_device(row);
  });
}

Result<std::vector<Device>> Database::devices(std::string_view product_key, std::string_view after,
                                              std::size_t count) {
  return attempt([&] {
    std::vector<Device> all;
    const bool every = product_key.empty();
    auto row = state_->prepare(
        select(kDeviceColumns, every ? "FROM device ORDER BY product_key, name LIMIT ?1"
                                     : "FROM device WHERE product_key = ?2 AND name > ?3"
                                       " ORDER BY name LIMIT ?1"));
    row.bind(1, static_cast<int64_t>(std::min<std::size_t>(count, INT64_MAX)));
    if (!every) row.bind(2, product_key).bind(3, after);
    while (row.step()) all.push_back(read_device(row));
    return all;
  });
}

Result<uint64_t> Database::device_count(std::string_view product_key) {
  return attempt([&] {
    auto row = state_->prepare("SELECT count(*) FROM device WHERE ?1 = '' OR product_key = ?1");
    row.bind(1, product_key).step();
    return static_cast<uint64_t>(row.number(0));
  });
}

Result<std::vector<Device>> Database::import_devices(
    const std::vector<ImportRow>& rows, const std::function<void(std::size_t)>& progress) {
  return state_->write([&] {
    auto insert =
        state_->prepare("INSERT INTO device VALUES (?1, ?2, ?3, 1, ?4) ON CONFLICT DO NOTHING");
    auto announce =
        state_->prepare("INSERT INTO change (kind, product_key, name) VALUES (?1, ?2, ?3)");
    announce.bind(1, static_cast<int64_t>(RegistryChange::Kind::kDeviceCreated));
    const int64_t now_ms = wall_clock_now().count();
    std::vector<Device> made;
    made.reserve(rows.size());
    std::string known_product;  // rows of one product mostly follow each other
    for (const ImportRow& row : rows) {
      const std::string line = "line " + std::to_string(row.line) + ": ";
      if (row.product_key != known_product && !state_->has_product(row.product_key)) {
        refuse(line + "product " + row.product_key + " does not exist");
      }
      known_product = row.product_key;
      Device device{row.product_key, row.device_name,
                    row.device_secret.empty() ? generate_secret() : row.device_secret, true,
                    now_ms};
      if (Status ok = check(device); !ok) refuse(line + ok.error().sentence);
      insert.bind(1, device.product_key).bind(2, device.name).bind(3, device.secret);
      insert.bind(4, device.created_ms).run();
      if (state_->connection.changed_rows() == 0) {
        refuse(line + "device " + names_of(device.product_key, device.name) + " exists already");
      }
      announce.bind(2, device.product_key).bind(3, device.name).run();
      made.push_back(std::move(device));
      if (progress && made.size() % kProgressEvery == 0) progress(made.size());
    }
    if (progress) progress(made.size());
    return made;
  });
}

Status Database::create_app(App app) {
  if (Status ok = check(app); !ok) return ok;
  return state_->write([&] {
    const std::string permissions = encode(app.permissions);
    state_->prepare("INSERT INTO app VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING")
        .bind(1, app.name)
        .bind(2, app.password_hash)
        .bind(3, permissions)
        .bind(4, app.enabled ? 1 : 0)
        .bind(5, created(app.created_ms))
        .run();
    if (state_->connection.changed_rows() == 0) {
      refuse("application " + app.name + " exists already");
    }
    state_->announce(RegistryChange::Kind::kAppChanged, "", app.name);
    return Done{};
  });
}

Status Database::update_app(const App& app) {
  if (Status ok = check(app); !ok) return ok;
  return state_->write([&] {
    const std::string permissions = encode(app.permissions);
    state_
        ->prepare(
            "UPDATE app SET password_hash = ?2, permissions = ?3, enabled = ?4"
            " WHERE name = ?1")
        .bind(1, app.name)
        .bind(2, app.password_hash)
        .bind(3, permissions)
        .bind(4, app.enabled ? 1 : 0)
        .run();
    if (state_->connection.changed_rows() == 0) {
      refuse("application " + app.name + " does not exist");
    }
    state_->announce(RegistryChange::Kind::kAppChanged, "", app.name);
    return Done{};
  });
}

Status Database::delete_app(std::string_view name) {
  return state_->write([&] {
    state_->prepare("DELETE FROM app WHERE name = ?1").bind(1, name).run();
    if (state_->connection.changed_rows() == 0) {
      refuse("application " + std::string(name) + " does not exist");
    }
    state_->announce(RegistryChange::Kind::kAppDeleted, "", name);
    return Done{};
  });
}

Result<std::optional<App>> Database::app(std::string_view name) {
  return attempt([&]() -> std::optional<App> {
    auto row = state_->prepare(select(kAppColumns, "FROM app WHERE name = ?1"));
    if (!row.bind(1, name).step()) return std::nullopt;
    return read_app(row);
  });
}

Result<std::vector<App>> Database::apps() {
  return attempt([&] {
    std::vector<App> all;
    auto row = state_->prepare(select(kAppColumns, "FROM app ORDER BY name"));
    while (row.step()) all.push_back(read_app(row));
    return all;
  });
}

Result<Database::FeedRange> Database::feed_range() {
  return attempt([&] {
    auto row = state_->prepare("SELECT min(seq), max(seq) FROM change");
    FeedRange range;
    if (row.step() && !row.is_null(0)) range = {row.number(0), row.number(1)};
    return range;
  });
}

Status Database::read_feed(int64_t after, const std::function<void(FeedEntry&&)>& visit) {
  return attempt([&] {
    auto row = state_->prepare(
        "SELECT c.seq, c.kind, c.product_key, c.name,"
        " p.key, p.name, p.profile, p.secret, p.topic_classes, p.transport, p.created_ms,"
        " d.product_key, d.name, d.secret, d.enabled, d.created_ms,"
        " a.name, a.password_hash, a.permissions, a.enabled, a.created_ms FROM change c"
        " LEFT JOIN product p ON c.name = '' AND p.key = c.product_key"
        " LEFT JOIN device d ON c.product_key <> '' AND d.product_key = c.product_key"
        "   AND d.name = c.name"
        " LEFT JOIN app a ON c.product_key = '' AND a.name = c.name"
        " WHERE c.seq > ?1 ORDER BY c.seq");
    row.bind(1, after);
    while (row.step()) {
      FeedEntry entry;
      entry.sequence = row.number(0);
      const int64_t kind = row.number(1);
      if (kind < 0 || kind > static_cast<int64_t>(RegistryChange::Kind::kAppDeleted)) {
        throw SqliteError("the change feed has an entry of a kind that is not known");
      }
      entry.change = {static_cast<RegistryChange::Kind>(kind), row.text(2), row.text(3)};
      if (!row.is_null(4)) entry.product = read_product(row, 4);
      if (!row.is_null(11)) entry.device = read_device(row, 11);
      if (!row.is_null(16)) entry.app = read_app(row, 16);
      visit(std::move(entry));
    }
    return Done{};
  });
}

Result<int64_t> Database::read_all(const Visitor& visitor) {
  return attempt([&] {
    SqliteTransaction transaction(state_->connection, TransactionKind::kRead);
    const int64_t newest = state_->connection.number("SELECT max(seq) FROM change");
    auto product = state_->prepare(select(kProductColumns, "FROM product"));
    while (product.step()) visitor.product(read_product(product));
    auto device = state_->prepare(select(kDeviceColumns, "FROM device"));
    while (device.step()) visitor.device(read_device(device));
    auto app = state_->prepare(select(kAppColumns, "FROM app"));
    while (app.step()) visitor.app(read_app(app));
    transaction.commit();
    return newest;
  });
}

Result<int64_t> Database::data_version() {
  return attempt([&] { return state_->connection.number("PRAGMA data_version"); });
}

}  // namespace fairlead
