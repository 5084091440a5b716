#include <string>

#include "app/config_key.h"

// docs/CONFIG.md, from the table. `fairlead check-config --reference` prints it, and a test
// compares the file in the repository.

namespace fairlead {
namespace {

struct SectionText {
  std::string_view name;
  std::string_view sentence;
};

constexpr SectionText kSections[] = {
    {"listener",
     "Where clients connect, any number of times. Without one: `0.0.0.0:443` and `0.0.0.0:1883` "
     "where the process may open them, `0.0.0.0:8443` otherwise. `--listen` replaces them all."},
    {"server", "The process as a whole."},
    {"log", "One line per event on standard error."},
    {"admin", "The browser page, `/metrics`, `/healthz` and `/readyz`, on a port of their own."},
    {"tls", "For `mqtts` and `wss`."},
    {"tls.certificate",
     "Certificates for a set of host names, any number of times; a client's SNI chooses, the first "
     "serves the rest. Without one: those of `DATA_DIR/certs`, which `fairlead cert init` makes. "
     "Relative paths begin at the folder of the configuration file."},
    {"auth", "Who may connect."},
    {"limits", "Of connections, before and after their CONNECT is accepted."},
    {"websocket", "Of clients over WebSocket."},
    {"session", "Of each client's session."},
    {"retained", "Of retained messages."},
    {"store", "What outlives the process: docs/BACKUP.md has the promise and how to save it."},
};

constexpr std::string_view kHead =
    R"(<!-- Written by `fairlead check-config --reference`; the table is src/app/config_key.cc. -->

# Configuration

Fairlead needs no configuration. What should differ from the defaults stands in a TOML file:
`fairlead serve --config FILE`, or `DATA_DIR/fairlead.toml` when there is one. Options of the
command line win over the file. `fairlead check-config --config FILE` says what is wrong with it,
with the line and the nearest valid key; `serve` refuses to start with such a file.

On SIGHUP the server reads the file and the certificates again. Keys marked *reload* take effect
then, for new connections; of the others the log says that they wait for a restart. A file with a
problem changes nothing.

```toml
[[listener]]
address = "0.0.0.0"
port = 443

[[listener]]
address = "127.0.0.1"
port = 1883
protocols = ["mqtt"]

[tls]
profile = "legacy"

[[tls.certificate]]
certificate_files = ["certs/example-rsa.crt", "certs/example-ec.crt"]
key_files = ["certs/example-rsa.key", "certs/example-ec.key"]
```
)";

std::string_view section_of(const ConfigKey& key) {
  return key.name.substr(0, key.name.rfind('.'));
}

std::string code(std::string_view text) { return "`" + std::string(text) + "`"; }

std::string bounds(const ConfigKey& key) {
  if (key.type == ConfigType::kInteger) {
    std::string text = std::to_string(key.min) + " to " + std::to_string(key.max);
    if (!key.unit.empty()) text += " " + std::string(key.unit);
    return text;
  }
  if (key.choices.empty()) return std::string(config_type_name(key));
  std::string text;
  for (std::string_view choice : key.choices) {
    if (!text.empty()) text += ", ";
    text += code(choice);
  }
  return text;
}

std::string row(const ConfigKey& key, const Config& defaults) {
  const std::string_view name = key.name.substr(key.name.rfind('.') + 1);
  return "| " + code(name) + " | " + std::string(config_type_name(key)) + " | " +
         code(format_config_value(key.get(defaults))) + " | " + bounds(key) + " | " +
         (key.apply == ConfigApply::kReload ? "reload" : "restart") + " | " +
         std::string(key.sentence) + " |\n";
}

}  // namespace

std::string config_reference() {
  Config defaults;
  add_config_entry(defaults, "listener");
  add_config_entry(defaults, "tls.certificate");

  std::string text(kHead);
  for (const SectionText& section : kSections) {
    const std::string name(section.name);
    text += "\n## " + (is_config_array(name) ? "[[" + name + "]]" : "[" + name + "]") + "\n\n";
    text += std::string(section.sentence) + "\n\n";
    text += "| key | type | default | values | takes effect | |\n|---|---|---|---|---|---|\n";
    for (const ConfigKey& key : config_keys()) {
      if (section_of(key) == section.name) text += row(key, defaults);
    }
  }
  return text;
}

}  // namespace fairlead
