#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

std::string shown(std::string_view value) {
  const std::string line = format_log_line("event", {{"key", value}});
  EXPECT_TRUE(line.starts_with("event key=")) << line;
  return line.substr(std::string_view("event key=").size());
}

TEST(LogLine, ValuesAreQuotedWhereTheyMustBe) {
  EXPECT_EQ(format_log_line("connected", {{"device", "pk/dev1"}, {"version", 4}}),
            "connected device=pk/dev1 version=4");
  EXPECT_EQ(shown(""), "\"\"");
  EXPECT_EQ(shown("two words"), "\"two words\"");
  EXPECT_EQ(shown("a=b"), "\"a=b\"");
  EXPECT_EQ(shown("say \"x\\y\""), "\"say \\\"x\\\\y\\\"\"");
  EXPECT_EQ(shown("温度传感器"), "温度传感器");
}

TEST(LogLine, NoPeerEndsALine) {
  EXPECT_EQ(shown("a\r\nb"), "\"a\\x0d\\x0ab\"");
  EXPECT_EQ(shown("\x1b[2J"), "\"\\x1b[2J\"");
  EXPECT_EQ(shown("\x7f"), "\"\\x7f\"");
  EXPECT_EQ(shown(std::string_view("a\0b", 3)), "\"a\\x00b\"");
  EXPECT_EQ(shown("a\u2028b\u2029"), "\"a\\xe2\\x80\\xa8b\\xe2\\x80\\xa9\"");
}

// U+0085 ends a line for many readers, U+009B begins a sequence of terminals as ESC [ does.
TEST(LogLine, ControlsAboveAsciiAreEscaped) {
  EXPECT_EQ(shown("a\u0085b"), "\"a\\xc2\\x85b\"");
  EXPECT_EQ(shown("\u009b2J"), "\"\\xc2\\x9b2J\"");
  EXPECT_EQ(shown("\u00a0"), "\u00a0");
}

TEST(LogLine, BytesThatAreNoTextAreEscaped) {
  EXPECT_EQ(shown("a\x9b\xff"), "\"a\\x9b\\xff\"");
  EXPECT_EQ(shown("\xe2\x82"), "\"\\xe2\\x82\"");
}

TEST(LogLine, ALongValueIsCutBetweenCharactersAndItsSizeTold) {
  const std::string whole(kLogValueBytesMax, 'a');
  EXPECT_EQ(shown(whole), whole);
  EXPECT_EQ(shown(whole + "b"), "\"" + whole + "… (1025 bytes)\"");

  std::string wide = "x";
  while (wide.size() <= kLogValueBytesMax) wide += "温";
  const std::string cut = shown(wide);
  EXPECT_THAT(cut, Not(HasSubstr("\\x")));
  EXPECT_THAT(cut, EndsWith("温… (" + std::to_string(wide.size()) + " bytes)\""));
}

}  // namespace
}  // namespace fairlead
