#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <fstream>

#include "app/command.h"
#include "app/completion.h"
#include "app/edit_distance.h"
#include "app/output.h"
#include "app/secret_option.h"
#include "base/temp_dir_for_test.h"

namespace fairlead {
namespace {

using testing::HasSubstr;

TEST(EditDistance, CountsInsertionsDeletionsAndReplacements) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("abc", "abc"), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
}

TEST(EditDistance, NearestKnowsANameByItsLastPart) {
  EXPECT_EQ(nearest("conect_ms", {"limits.connect_ms", "log.level"}), "limits.connect_ms");
  EXPECT_EQ(nearest("limits.conect_ms", {"log.level", "limits.connect_ms"}), "limits.connect_ms");
  EXPECT_EQ(nearest(std::string(100'000, 'x'), {"a", "b"}), "a");
}

TEST(Output, JsonEscapesAndKeepsTheOrder) {
  const Record record{{"b", std::string("x\"y\n")},
                      {"a", int64_t{7}},
                      {"flag", true},
                      {"list", std::vector<std::string>{"1", "2"}}};
  EXPECT_EQ(to_json(record),
            "{\n  \"b\": \"x\\\"y\\n\",\n  \"a\": 7,\n  \"flag\": true,\n  \"list\": [\n"
            "    \"1\",\n    \"2\"\n  ]\n}");
  EXPECT_EQ(to_json(std::vector<Record>{}), "[]");
  EXPECT_THAT(to_json(Record{{"name", std::string("\xff")}}), HasSubstr("\xEF\xBF\xBD"));
}

TEST(Output, TimesAreUtc) { EXPECT_EQ(format_time(1'700'000'000'999), "2023-11-14T22:13:20Z"); }

TEST(Output, ShellWordsAreQuotedWhereTheyMustBe) {
  EXPECT_EQ(shell_word("dev1"), "dev1");
  EXPECT_EQ(shell_word(""), "''");
  EXPECT_EQ(shell_word("12345|securemode=3|"), "'12345|securemode=3|'");
  EXPECT_EQ(shell_word("it's"), "'it'\\''s'");
}

TEST(Output, ColourOnlyWhenWanted) {
  CommandContext context;
  context.color = ColorMode::kNever;
  EXPECT_EQ(painted(context, Stream::kOutput, Paint::kBold, "x"), "x");
  context.color = ColorMode::kAlways;
  EXPECT_EQ(painted(context, Stream::kOutput, Paint::kBold, "x"), "\x1b[1mx\x1b[0m");
}

class SecretOption : public testing::Test {
 protected:
  SecretOption() { add_secret_options(app_, "password", "Its password", told_); }
  std::string file(std::string_view text) {
    const auto path = dir_.path() / "secret";
    std::ofstream(path) << text;
    return path.string();
  }
  TempDir dir_;
  ToldSecret told_;
  CommandContext context_;
  CLI::App app_{"test", "fairlead"};
};

TEST_F(SecretOption, IsAnArgumentOrTheFirstLineOfAFile) {
  EXPECT_EQ(take_secret(context_, told_), "");
  app_.parse("--password told");
  EXPECT_EQ(take_secret(context_, told_), "told");
  told_ = {};
  app_.parse("--password-file " + file("in a file\nsecond\n"));
  EXPECT_EQ(take_secret(context_, told_), "in a file");
  EXPECT_THROW(app_.parse("--password told --password-file x"), CLI::ParseError);
}

TEST_F(SecretOption, AFileWithoutOneIsAnErrorAndNoEmptySecret) {
  told_.file = file("\nsecond\n");
  EXPECT_EQ(take_secret(context_, told_), std::nullopt);
  EXPECT_EQ(context_.exit_code, ExitCode::kUsage);
  told_.file = (dir_.path() / "none").string();
  EXPECT_EQ(take_secret(context_, told_), std::nullopt);
  EXPECT_EQ(context_.exit_code, ExitCode::kNotFound);
}

class CommandTree : public testing::Test {
 protected:
  CommandTree() {
    app_.add_option("--data-dir", context_.data_dir, "");
    add_product_commands(app_, context_);
    add_device_commands(app_, context_);
    add_doctor_command(app_, context_);
    add_bench_command(app_, context_);
    add_completion_command(app_, context_);
  }
  CommandContext context_;
  CLI::App app_{"test", "fairlead"};
};

TEST_F(CommandTree, CompletionKnowsEveryCommandAndItsOptions) {
  const auto words = completion_words(app_);
  const auto at = [&words](std::string_view path) {
    return *std::ranges::find(words, path, &CompletionWords::path);
  };
  EXPECT_THAT(at("").commands, testing::Contains("device"));
  EXPECT_THAT(at("device").commands, testing::Contains("import"));
  EXPECT_THAT(at("device create").options, testing::IsSupersetOf({"--secret", "--data-dir"}));
  EXPECT_TRUE(at("device create").commands.empty());
  EXPECT_THAT(at("doctor").options, testing::IsSupersetOf({"--connections", "--config"}));
  EXPECT_THAT(at("bench").commands,
              testing::ElementsAre("connect", "idle", "pair", "fan-in", "fan-out", "latency"));
  EXPECT_THAT(at("bench latency").options, testing::IsSupersetOf({"--rate", "--url"}));
}

TEST_F(CommandTree, CompletionScriptsNameTheCommands) {
  const auto words = completion_words(app_);
  EXPECT_THAT(completion_script(Shell::kBash, words), HasSubstr("'device create') words='"));
  EXPECT_THAT(completion_script(Shell::kZsh, words), HasSubstr("'device create') candidates='"));
  EXPECT_THAT(completion_script(Shell::kFish, words), HasSubstr("__fairlead_at 'device create'"));
  EXPECT_THAT(completion_script(Shell::kBash, words), HasSubstr("|--secret-file|"));
}

TEST_F(CommandTree, EveryCommandAndOptionIsDescribed) {
  const std::function<void(const CLI::App&)> check = [&](const CLI::App& command) {
    for (const CLI::App* sub : command.get_subcommands([](const CLI::App*) { return true; })) {
      EXPECT_FALSE(sub->get_description().empty()) << sub->get_name();
      for (const CLI::Option* option : sub->get_options()) {
        EXPECT_FALSE(option->get_description().empty()) << option->get_name();
      }
      check(*sub);
    }
  };
  check(app_);
}

}  // namespace
}  // namespace fairlead
