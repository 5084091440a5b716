#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "app/config_key.h"

namespace fairlead {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

ParsedConfig parse_good(std::string_view text) {
  ParsedConfig parsed = parse_config(text);
  for (const ConfigProblem& problem : parsed.problems) {
    ADD_FAILURE() << describe(problem, "test.toml");
  }
  return parsed;
}

// The only problem of a text, as serve and check-config print it.
std::string only_problem(std::string_view text) {
  const ParsedConfig parsed = parse_config(text);
  EXPECT_EQ(parsed.problems.size(), 1u);
  return parsed.problems.empty() ? "" : describe(parsed.problems.front(), "f.toml");
}

TEST(Config, EmptyFileIsAllDefaults) {
  const Config config = parse_good("").config;
  EXPECT_TRUE(config.listeners.empty());
  EXPECT_EQ(config.server.suspect.connect_max, std::chrono::milliseconds(5000));
  EXPECT_EQ(config.log_level, LogLevel::kInfo);
}

TEST(Config, TakesEachKind) {
  const Config config = parse_good(R"(
[[listener]]
address = "::1"
port = 1883
protocols = ["mqtt", "wss"]

[[listener]]
proxy_header = "required"
trusted_proxies = ["10.0.0.1", "10.1.0.0/16", "2001:db8::/32"]
forwarded_header = "x-real-ip"

[log]
level = "debug"

[tls]
profile = "legacy"
client_certificates = "request"
client_ca_file = "ca.pem"

[[tls.certificate]]
certificate_files = ["a.crt", "b.crt"]
key_files = ["a.key", "b.key"]

[auth]
failures_per_minute = 0

[limits]
connect_ms = 1500
)")
                            .config;
  ASSERT_EQ(config.listeners.size(), 2u);
  EXPECT_EQ(config.listeners[0].address, "::1");
  EXPECT_EQ(config.listeners[0].port, 1883);
  EXPECT_THAT(config.listeners[0].protocols, ElementsAre("mqtt", "wss"));
  EXPECT_EQ(config.listeners[1].port, 8443);
  EXPECT_EQ(config.listeners[1].proxy_header, ProxyUse::kRequired);
  EXPECT_EQ(config.listeners[0].forwarded_header, ForwardedHeader::kXForwardedFor);
  EXPECT_EQ(config.listeners[1].forwarded_header, ForwardedHeader::kXRealIp);
  EXPECT_EQ(config.log_level, LogLevel::kDebug);
  EXPECT_EQ(config.tls.profile, TlsProfile::kLegacy);
  EXPECT_EQ(config.tls.client_certificates, ClientCertificates::kRequest);
  ASSERT_EQ(config.tls.certificates.size(), 1u);
  EXPECT_THAT(config.tls.certificates[0].key_files, ElementsAre("a.key", "b.key"));
  EXPECT_EQ(config.auth.failures_per_minute, 0u);
  EXPECT_EQ(config.server.suspect.connect_max, std::chrono::milliseconds(1500));
}

TEST(Config, UnknownKeyIsRefusedWithItsLineAndTheNearestOne) {
  EXPECT_EQ(only_problem("[limits]\n\nconect_ms = 5"),
            "f.toml:3: limits.conect_ms: unknown key; the nearest valid one is limits.connect_ms");
  EXPECT_THAT(only_problem("connect_ms = 5"), HasSubstr("nearest valid one is limits.connect_ms"));
  EXPECT_THAT(only_problem("[[listener]]\nprot = 5"),
              AllOf(HasSubstr("f.toml:2: listener.prot:"), HasSubstr("is listener.port")));
  EXPECT_THAT(only_problem("[limit]\nconnect_ms = 5"), HasSubstr("f.toml:1: limit: unknown key"));
}

TEST(Config, WrongTypeIsRefusedWithTheRightOne) {
  EXPECT_EQ(only_problem("[limits]\nconnect_ms = \"5 s\""),
            "f.toml:2: limits.connect_ms: must be an integer from 100 to 600000 (ms)");
  EXPECT_THAT(only_problem("[limits]\nconnect_ms = 5.5"), HasSubstr("must be an integer"));
  EXPECT_THAT(only_problem("[auth]\nallow_anonymous = 1"), HasSubstr("must be true or false"));
  EXPECT_THAT(only_problem("[auth]\nallow_anonymous = 1979-05-27"), HasSubstr("true or false"));
  EXPECT_THAT(only_problem("[[listener]]\naddress = 5"), HasSubstr("must be a text in quotes"));
  EXPECT_THAT(only_problem("[[listener]]\ntrusted_proxies = [1]"), HasSubstr("list of texts"));
  EXPECT_THAT(only_problem("[[listener]]\nprotocols = \"mqtt\""), HasSubstr("a list of some of"));
  EXPECT_THAT(only_problem("[log]\nlevel = 1"), HasSubstr("must be one of \"debug\", \"info\""));
}

TEST(Config, OutOfBoundsIsRefusedWithTheBounds) {
  EXPECT_EQ(only_problem("[limits]\n\n\nconnect_ms = 7"),
            "f.toml:4: limits.connect_ms: 7 is out of bounds; it must be an integer from 100 to "
            "600000 (ms)");
  EXPECT_THAT(only_problem("[[listener]]\nport = 65536"), HasSubstr("out of bounds"));
  EXPECT_THAT(only_problem("[log]\nlevel = \"loud\""), HasSubstr("\"loud\" is not one of"));
  EXPECT_THAT(only_problem("[[listener]]\nprotocols = [\"mqtt\", \"http\"]"),
              HasSubstr("\"http\" is not one of \"mqtt\", \"mqtts\", \"ws\", \"wss\""));
  EXPECT_THAT(only_problem("[[listener]]\nprotocols = []"), HasSubstr("a list of some of"));
}

TEST(Config, SectionsInTheWrongFormAreRefused) {
  EXPECT_THAT(only_problem("limits = 5"), HasSubstr("f.toml:1: limits: is a section"));
  EXPECT_THAT(only_problem("[listener]\nport = 5"), HasSubstr("write [[listener]]"));
  EXPECT_THAT(only_problem("listener = [1]"), HasSubstr("write [[listener]]"));
}

TEST(Config, TextThatIsNoTomlIsRefusedWithItsLine) {
  EXPECT_THAT(only_problem("[limits]\nconnect_ms == 5"), HasSubstr("f.toml:2: is no TOML: "));
  EXPECT_THAT(only_problem("[log]\nlevel = \"info\"\nlevel = \"info\""), HasSubstr("f.toml:3: "));
}

TEST(Config, AllProblemsAreReportedInTheOrderOfLines) {
  const auto problems =
      parse_config("[session]\nzzz = 1\n[limits]\nconnect_ms = 1\nyyy = 2").problems;
  ASSERT_EQ(problems.size(), 3u);
  EXPECT_EQ(problems[0].line, 2);
  EXPECT_EQ(problems[1].line, 4);
  EXPECT_EQ(problems[2].line, 5);
}

TEST(Config, AnonymousAccessOnAnyAddressMustBeSaidTwice) {
  constexpr const char* kOnce =
      "[[listener]]\naddress = \"0.0.0.0\"\n[auth]\nallow_anonymous = true";
  EXPECT_THAT(only_problem(kOnce), AllOf(HasSubstr("f.toml:4: auth.allow_anonymous: would open"),
                                         HasSubstr("auth.allow_anonymous_on_any_address = true")));
  parse_good(std::string(kOnce) + "\nallow_anonymous_on_any_address = true");
  parse_good("[[listener]]\naddress = \"127.0.0.1\"\n[auth]\nallow_anonymous = true");
}

TEST(Config, WhatKeysMeanTogetherIsChecked) {
  EXPECT_THAT(only_problem("[[listener]]\naddress = \"localhost\""),
              HasSubstr("f.toml:2: listener.address: \"localhost\" is no IPv4 or IPv6 address"));
  EXPECT_THAT(only_problem("[[listener]]\n[[listener]]"), HasSubstr("f.toml:2: listener.port"));
  EXPECT_THAT(only_problem("[[listener]]\nproxy_header = \"required\""),
              HasSubstr("listener.trusted_proxies: is empty"));
  EXPECT_THAT(only_problem("[[listener]]\ntrusted_proxies = [\"proxy\"]"),
              HasSubstr("listener.trusted_proxies: \"proxy\" is no IPv4 or IPv6 address"));
  EXPECT_THAT(only_problem("[[listener]]\n\ntrusted_proxies = [\"10.0.0.0/8\", \"10.0.0.0/33\"]"),
              HasSubstr("f.toml:3: listener.trusted_proxies: \"10.0.0.0/33\" must have a number"));
  EXPECT_THAT(only_problem("[[listener]]\nproxy_header = \"optional\""),
              HasSubstr("listener.trusted_proxies: is empty"));
  EXPECT_THAT(only_problem("[tls]\nclient_certificates = \"require\""),
              HasSubstr("f.toml:2: tls.client_ca_file: is missing"));
  EXPECT_THAT(only_problem("[tls]\nclient_crl_file = \"a\""),
              HasSubstr("f.toml:2: tls.client_crl_file: has no use"));
  EXPECT_THAT(only_problem("[[tls.certificate]]\ncertificate_files = [\"a\"]"),
              HasSubstr("key_files: must name as many files"));
  EXPECT_THAT(only_problem("[[tls.certificate]]"), HasSubstr("certificate_files: names no file"));
  EXPECT_THAT(only_problem("[admin]\naddress = \"0.0.0.0:80\""),
              HasSubstr("admin.allow_remote = true"));
  EXPECT_THAT(only_problem("[admin]\naddress = \"8080\""), HasSubstr("the port is missing"));
  EXPECT_THAT(only_problem("[limits]\ncongested_bytes = 2000000"),
              HasSubstr("must not be above limits.output_bytes"));
  EXPECT_THAT(only_problem("[session]\nqueue_bytes = 1024"),
              HasSubstr("must not be above session.queue_bytes"));
}

TEST(Config, RelativePathsBeginAtTheFile) {
  const auto folder = std::filesystem::temp_directory_path() /
                      ("fairlead_config_test_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const std::string file = (folder / "f.toml").string();
  std::ofstream(file) << "[[tls.certificate]]\ncertificate_files = [\"c/a.crt\"]\n"
                         "key_files = [\"/etc/a.key\"]\n";
  auto parsed = load_config(file);
  ASSERT_TRUE(parsed);
  const CertificateConfig& set = parsed->config.tls.certificates.at(0);
  EXPECT_EQ(set.certificate_files[0], (folder / "c/a.crt").string());
  EXPECT_EQ(set.key_files[0], "/etc/a.key");
  std::filesystem::remove_all(folder);
}

TEST(Config, FileThatCannotBeReadIsNamed) {
  EXPECT_THAT(load_config("/nonexistent/f.toml").error().sentence,
              HasSubstr("/nonexistent/f.toml does not exist"));
  EXPECT_THAT(load_config("/tmp").error().sentence, HasSubstr("/tmp is a folder"));
}

Config with_one_entry_each() {
  Config config;
  add_config_entry(config, "listener");
  add_config_entry(config, "tls.certificate");
  return config;
}

TEST(ConfigTable, DefaultsAreWithinBoundsAndRoundTrip) {
  Config config = with_one_entry_each();
  for (const ConfigKey& key : config_keys()) {
    const ConfigValue value = key.get(config);
    const Status status = check_config_value(key, value);
    EXPECT_TRUE(status) << key.name << ": " << (status ? "" : status.error().sentence);
    key.set(config, value);
    EXPECT_EQ(key.get(config), value) << key.name;
  }
}

TEST(ConfigTable, BoundsFitTheirFields) {
  Config config = with_one_entry_each();
  for (const ConfigKey& key : config_keys()) {
    if (key.type != ConfigType::kInteger) continue;
    for (const int64_t bound : {key.min, key.max}) {
      key.set(config, bound);
      EXPECT_EQ(std::get<int64_t>(key.get(config)), bound) << key.name;
    }
  }
}

TEST(ConfigTable, KeysAreUniqueAndDescribed) {
  std::set<std::string_view> names;
  for (const ConfigKey& key : config_keys()) {
    EXPECT_TRUE(names.insert(key.name).second) << key.name;
    EXPECT_TRUE(key.sentence.ends_with('.')) << key.name;
    EXPECT_EQ(find_config_key(key.name), &key);
  }
}

TEST(ConfigTable, ReferenceInDocsIsUpToDate) {
  std::ifstream file(std::filesystem::path(FAIRLEAD_SOURCE_DIR) / "docs" / "CONFIG.md");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(text, config_reference()) << "run: fairlead check-config --reference > docs/CONFIG.md";
}

TEST(ConfigTable, ReferenceHasEveryKey) {
  const std::string reference = config_reference();
  for (const ConfigKey& key : config_keys()) {
    const std::string name(key.name.substr(key.name.rfind('.') + 1));
    EXPECT_THAT(reference, HasSubstr("| `" + name + "` |"));
  }
}

}  // namespace
}  // namespace fairlead
