#include "proto/ws/extension.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace fairlead {
namespace {

std::string shown(std::string_view line) {
  const auto extensions = parse_extensions(line);
  if (!extensions) return "malformed";
  std::string text;
  for (const Extension& extension : *extensions) {
    text.append("[").append(extension.name);
    for (const auto& [name, value] : extension.parameters) {
      text.append(" ").append(name);
      if (value) text.append("=").append(*value);
    }
    text.append("]");
  }
  return text;
}

TEST(Extension, ReadsNamesAndParametersInTheirOrder) {
  EXPECT_EQ(shown("permessage-deflate"), "[permessage-deflate]");
  EXPECT_EQ(shown("permessage-deflate; client_max_window_bits"),
            "[permessage-deflate client_max_window_bits]");
  EXPECT_EQ(shown("a;b=1 ; c = \"x\",d, e;f\t=\t2"), "[a b=1 c=x][d][e f=2]");
  EXPECT_EQ(shown("a; b; b"), "[a b b]");
}

TEST(Extension, EmptyElementsOfTheListAreSkipped) {
  EXPECT_EQ(shown(""), "");
  EXPECT_EQ(shown(" , a,, b ,"), "[a][b]");
}

TEST(Extension, WhatHasAnotherFormIsMalformed) {
  for (std::string_view line :
       {";",           "a;",       "a; ;b",     "a; =1",        "a; b=",
        "a; b=\"",     "a; b=\"x", "a; b=\"\"", "a; b=\"x y\"", "a; b=\"x,y\"",
        "a; b=\"x\"y", "a b",      "a; b c",    "a=1",          "\"a\"",
        "a; \"b\"",    "a; b=1=2", "a/b",       "a; b=x@y",     "a; b=\"x\\y\"",
        "\xc3\xa9"}) {
    EXPECT_EQ(shown(line), "malformed") << line;
  }
}

}  // namespace
}  // namespace fairlead
