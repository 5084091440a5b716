#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "app/config.h"

// The one table of configuration keys. The parser, its checks, `fairlead check-config --reference`
// and docs/CONFIG.md all come from it; a key that is not here does not exist.

namespace fairlead {

using ConfigValue = std::variant<bool, int64_t, std::string, std::vector<std::string>>;

enum class ConfigType : uint8_t { kBoolean, kInteger, kText, kChoice, kList, kChoiceList };

// When a changed value takes effect.
enum class ConfigApply : uint8_t { kReload, kRestart };  // kReload: at SIGHUP

struct ConfigKey {
  std::string_view name;  // "limits.connect_ms"; "listener.port" is in each [[listener]]
  ConfigType type;
  std::string_view unit;  // "ms", "bytes", ...; empty where there is none
  int64_t min = 0;        // bounds of an integer, both included
  int64_t max = 0;
  std::span<const std::string_view> choices;
  ConfigApply apply;
  std::string_view sentence;
  // Of an entry of an array of tables: that of the last one. `set` expects a value of the key's
  // type, within its bounds and choices.
  ConfigValue (*get)(const Config&);
  void (*set)(Config&, const ConfigValue&);
};

// In the order of the reference: keys of a section stand together.
[[nodiscard]] std::span<const ConfigKey> config_keys();
[[nodiscard]] const ConfigKey* find_config_key(std::string_view name);

// "listener" and "tls.certificate" occur any number of times, as [[listener]].
[[nodiscard]] bool is_config_array(std::string_view section);
// Appends an entry with defaults, which get and set then mean.
void add_config_entry(Config& config, std::string_view section);

// Why `value` cannot be the value of `key`; ok when it can.
[[nodiscard]] Status check_config_value(const ConfigKey& key, const ConfigValue& value);

[[nodiscard]] std::string_view config_type_name(const ConfigKey& key);    // "integer"
[[nodiscard]] std::string format_config_value(const ConfigValue& value);  // as TOML

// docs/CONFIG.md.
[[nodiscard]] std::string config_reference();

}  // namespace fairlead
