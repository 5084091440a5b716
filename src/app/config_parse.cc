#include <toml++/toml.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

#include "app/config_key.h"
#include "app/edit_distance.h"
#include "app/listen_address.h"

namespace fairlead {
namespace {

int line_of(const toml::node& node) { return static_cast<int>(node.source().begin.line); }

std::optional<ConfigValue> to_value(const toml::node& node) {
  if (const auto* flag = node.as_boolean()) return ConfigValue(flag->get());
  if (const auto* number = node.as_integer()) return ConfigValue(number->get());
  if (const auto* text = node.as_string()) return ConfigValue(text->get());
  const auto* array = node.as_array();
  if (!array) return std::nullopt;
  std::vector<std::string> list;
  for (const toml::node& item : *array) {
    const auto* text = item.as_string();
    if (!text) return std::nullopt;
    list.push_back(text->get());
  }
  return ConfigValue(std::move(list));
}

// A float, a date, a mixed list: of no key's type, so that the check names the right one.
ConfigValue value_of_no_use(const ConfigKey& key) {
  if (key.type == ConfigType::kBoolean) return int64_t{0};
  return false;
}

std::string_view section_of(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? std::string_view{} : name.substr(0, dot);
}

std::string joined(const std::string& section, const std::string& key) {
  std::string name = section;
  if (!name.empty()) name += '.';
  return name += key;
}

bool is_section(std::string_view name) {
  return std::ranges::any_of(config_keys(), [name](const ConfigKey& key) {
    const std::string_view section = section_of(key.name);
    return section == name || (section.starts_with(name) && section[name.size()] == '.');
  });
}

std::vector<std::string_view> all_names() {
  std::vector<std::string_view> names;
  for (const ConfigKey& key : config_keys()) names.push_back(key.name);
  return names;
}

// Fills a Config from the tables of a file, and then checks what no single key can tell.
class ConfigReader {
 public:
  ParsedConfig read(const toml::table& root) {
    walk(root, "", "");
    check_listeners();
    check_tls();
    check_admin();
    check_limits();
    std::ranges::stable_sort(out_.problems, {}, &ConfigProblem::line);
    return std::move(out_);
  }

 private:
  // `name` is the section as in the table of keys, `path` the same with the numbers of entries.
  void walk(const toml::table& table, const std::string& name, const std::string& path) {
    for (const auto& [key, node] : table) {
      const std::string text(key.str());
      const std::string full = joined(name, text);
      const std::string where = joined(path, text);
      const int line = node.is_table() || node.is_array_of_tables()
                           ? line_of(node)
                           : static_cast<int>(key.source().begin.line);
      if (is_config_array(full)) {
        walk_entries(node, full, where, line);
      } else if (const ConfigKey* found = find_config_key(full)) {
        take(*found, node, where, line);
      } else if (!is_section(full)) {
        problem(line, full,
                "unknown key; the nearest valid one is " + std::string(nearest(full, all_names())));
      } else if (const auto* section = node.as_table()) {
        walk(*section, full, where);
      } else {
        problem(line, full, "is a section: write [" + full + "] and its keys below");
      }
    }
  }

  void walk_entries(const toml::node& node, const std::string& name, const std::string& path,
                    int line) {
    const auto* array = node.as_array();
    if (!array || !std::ranges::all_of(*array, &toml::node::is_table)) {
      return problem(line, name,
                     "occurs any number of times: write [[" + name + "]] and its keys below");
    }
    std::size_t index = 0;
    for (const toml::node& entry : *array) {
      const std::string where = path + "[" + std::to_string(index++) + "]";
      lines_[where] = line_of(entry);
      add_config_entry(out_.config, name);
      walk(*entry.as_table(), name, where);
    }
  }

  void take(const ConfigKey& key, const toml::node& node, const std::string& path, int line) {
    lines_[path] = line;
    const ConfigValue value = to_value(node).value_or(value_of_no_use(key));
    if (Status status = check_config_value(key, value); !status) {
      return problem(line, std::string(key.name), status.error().sentence);
    }
    key.set(out_.config, value);
  }

  void check_listeners() {
    std::vector<SocketAddress> seen;
    for (std::size_t i = 0; i < out_.config.listeners.size(); ++i) {
      const ListenerConfig& listener = out_.config.listeners[i];
      const std::string path = "listener[" + std::to_string(i) + "]";
      check_proxies(listener, path);
      auto address = SocketAddress::parse(listener.address, listener.port);
      if (!address) {
        problem(line_at(path + ".address", path), "listener.address",
                "\"" + listener.address + "\" is no IPv4 or IPv6 address, as 0.0.0.0 or ::1");
        continue;
      }
      if (listener.port != 0 && std::ranges::find(seen, *address) != seen.end()) {
        problem(line_at(path + ".port", path), "listener.port",
                address->text() + " has a listener already");
      }
      seen.push_back(*address);
      check_anonymous(*address);
    }
  }

  void check_proxies(const ListenerConfig& listener, const std::string& path) {
    const int line = line_at(path + ".trusted_proxies", path);
    for (const std::string& proxy : listener.trusted_proxies) {
      if (auto network = TrustedNetworks::parse({&proxy, 1}); !network) {
        problem(line, "listener.trusted_proxies", network.error().sentence);
      }
    }
    if (!listener.trusted_proxies.empty()) return;
    if (listener.proxy_header == ProxyUse::kRequired) {
      problem(line, "listener.trusted_proxies",
              "is empty: with proxy_header = \"required\" every connection would be closed");
    } else if (listener.proxy_header == ProxyUse::kOptional) {
      problem(line, "listener.trusted_proxies",
              "is empty: with proxy_header = \"optional\" nobody's header would be believed");
    }
  }

  void check_anonymous(const SocketAddress& address) {
    const AuthConfig& auth = out_.config.auth;
    if (!auth.allow_anonymous || auth.allow_anonymous_on_any_address) return;
    if (address.is_loopback() || anonymous_told_) return;
    anonymous_told_ = true;
    problem(line_at("auth.allow_anonymous", ""), "auth.allow_anonymous",
            "would open " + address.text() +
                " to everybody; if that is meant, say it twice: set "
                "auth.allow_anonymous_on_any_address = true, too");
  }

  void check_tls() {
    const TlsConfig& tls = out_.config.tls;
    if (tls.client_certificates != ClientCertificates::kOff && tls.client_ca_file.empty()) {
      problem(line_at("tls.client_certificates", ""), "tls.client_ca_file",
              "is missing: it names the authorities of client certificates");
    }
    if (tls.client_certificates == ClientCertificates::kOff && !tls.client_crl_file.empty()) {
      problem(line_at("tls.client_crl_file", ""), "tls.client_crl_file",
              "has no use without tls.client_certificates");
    }
    for (std::size_t i = 0; i < tls.certificates.size(); ++i) {
      const CertificateConfig& set = tls.certificates[i];
      const std::string path = "tls.certificate[" + std::to_string(i) + "]";
      if (set.certificate_files.empty()) {
        problem(line_at(path + ".certificate_files", path), "tls.certificate.certificate_files",
                "names no file");
      } else if (set.certificate_files.size() != set.key_files.size()) {
        problem(line_at(path + ".key_files", path), "tls.certificate.key_files",
                "must name as many files as certificate_files");
      }
    }
  }

  void check_admin() {
    const AdminConfig& admin = out_.config.admin;
    if (admin.address.empty() || admin.address == "off") return;
    const int line = line_at("admin.address", "");
    auto where = parse_host_port(admin.address);
    if (!where) return problem(line, "admin.address", where.error().sentence);
    auto address = SocketAddress::parse(where->host.empty() ? "0.0.0.0" : where->host, 0);
    const bool loopback = address ? address->is_loopback() : where->host == "localhost";
    if (loopback || admin.allow_remote) return;
    problem(line, "admin.address",
            "other machines would reach " + admin.address +
                ", which asks for no password; if that is meant, set admin.allow_remote = true");
  }

  void check_limits() {
    const ServerOptions& server = out_.config.server;
    if (server.connection.congested_bytes > server.connection.output_bytes_max) {
      problem(line_at("limits.congested_bytes", "limits.output_bytes"), "limits.congested_bytes",
              "must not be above limits.output_bytes");
    }
    if (server.session.congested_queue_bytes_max > server.session.queue_bytes_max) {
      problem(line_at("session.congested_queue_bytes", "session.queue_bytes"),
              "session.congested_queue_bytes", "must not be above session.queue_bytes");
    }
  }

  [[nodiscard]] int line_at(const std::string& path, const std::string& otherwise) const {
    for (const std::string& candidate : {path, otherwise}) {
      if (auto at = lines_.find(candidate); at != lines_.end()) return at->second;
    }
    return 0;
  }

  void problem(int line, std::string key, std::string sentence) {
    out_.problems.push_back({line, std::move(key), std::move(sentence)});
  }

  ParsedConfig out_;
  std::map<std::string, int> lines_;
  bool anonymous_told_ = false;
};

void make_absolute(std::string& file, const std::filesystem::path& folder) {
  if (!file.empty()) file = (folder / file).lexically_normal().string();
}

}  // namespace

ParsedConfig parse_config(std::string_view text) {
  try {
    return ConfigReader{}.read(toml::parse(text));
  } catch (const toml::parse_error& error) {
    ParsedConfig out;
    out.problems.push_back({static_cast<int>(error.source().begin.line), "",
                            "is no TOML: " + std::string(error.description())});
    return out;
  }
}

Result<ParsedConfig> load_config(const std::string& path) {
  const auto refuse = [&path](const std::string& why) {
    return Reject{ReasonCode::kImplementationSpecificError,
                  "the configuration file " + path + " " + why};
  };
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return refuse("does not exist");
  if (std::filesystem::is_directory(path, error)) return refuse("is a folder");
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  if (file) text << file.rdbuf();
  if (!file) return refuse("cannot be read: " + error_text(errno));

  ParsedConfig parsed = parse_config(text.view());
  const auto folder = std::filesystem::absolute(path, error).parent_path();
  make_absolute(parsed.config.tls.client_ca_file, folder);
  make_absolute(parsed.config.tls.client_crl_file, folder);
  for (CertificateConfig& set : parsed.config.tls.certificates) {
    for (std::string& name : set.certificate_files) make_absolute(name, folder);
    for (std::string& name : set.key_files) make_absolute(name, folder);
  }
  return parsed;
}

std::string describe(const ConfigProblem& problem, std::string_view file) {
  std::string text(file);
  if (problem.line > 0) text += ":" + std::to_string(problem.line);
  text += ": ";
  if (!problem.key.empty()) text += problem.key + ": ";
  return text + problem.sentence;
}

}  // namespace fairlead
