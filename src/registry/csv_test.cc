#include "registry/csv.h"

#include <gtest/gtest.h>

#include <string>

namespace fairlead {
namespace {

std::vector<ImportRow> rows_of(std::string_view text) {
  auto rows = parse_device_csv(text);
  EXPECT_TRUE(rows.ok()) << (rows ? "" : rows.error().sentence);
  return rows ? *rows : std::vector<ImportRow>{};
}

std::string refusal(std::string_view text) {
  auto rows = parse_device_csv(text);
  EXPECT_FALSE(rows.ok()) << text;
  return rows ? std::string() : rows.error().sentence;
}

TEST(DeviceCsv, ReadsRowsWithAndWithoutSecret) {
  auto rows = rows_of("pk,d1,s1\npk,d2\npk,d3,\n");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].product_key, "pk");
  EXPECT_EQ(rows[0].device_name, "d1");
  EXPECT_EQ(rows[0].device_secret, "s1");
  EXPECT_EQ(rows[1].device_secret, "");
  EXPECT_EQ(rows[2].device_secret, "");
  EXPECT_EQ(rows[2].line, 3u);
}

TEST(DeviceCsv, ToleratesMarkCrlfBlankLinesAndNoLastLineEnd) {
  auto rows =
      rows_of("\xEF\xBB\xBFproductKey,deviceName,deviceSecret\r\n\r\npk,d1,s1\r\n\n pk , d2 ");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].line, 3u);
  EXPECT_EQ(rows[1].product_key, "pk");
  EXPECT_EQ(rows[1].device_name, "d2");
  EXPECT_EQ(rows[1].line, 5u);
}

TEST(DeviceCsv, AHeaderGivesTheColumnsInAnyOrder) {
  auto rows = rows_of("id,DeviceSecret,deviceName,note,ProductKey\n1,s,d,\"a,\nb\",pk\n2,,e,,pk\n");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].product_key, "pk");
  EXPECT_EQ(rows[0].device_name, "d");
  EXPECT_EQ(rows[0].device_secret, "s");
  EXPECT_EQ(rows[1].line, 4u);
}

TEST(DeviceCsv, ReadsQuotedFields) {
  auto rows = rows_of("\"pk\",\"d1\",\"a\"\"b,c\"\n");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].device_secret, "a\"b,c");
}

TEST(DeviceCsv, AnEmptyFileHasNoRows) {
  EXPECT_TRUE(rows_of("").empty());
  EXPECT_TRUE(rows_of("\n\r\n\n").empty());
  EXPECT_TRUE(rows_of("productKey,deviceName\n").empty());
}

TEST(DeviceCsv, NamesTheLineOfABadRow) {
  EXPECT_EQ(refusal("pk,d1\npk\n"),
            "line 2: has 1 fields, not productKey,deviceName[,deviceSecret]");
  EXPECT_EQ(refusal("pk,d1,s,x\n").substr(0, 8), "line 1: ");
  EXPECT_EQ(refusal("pk,d1\n\npk,d 2\n").substr(0, 8), "line 3: ");
  EXPECT_EQ(refusal("pk,d1\n,d2\n"), "line 2: product key is empty");
  EXPECT_EQ(refusal("pk,d1\npk,\n"), "line 2: device name is empty");
  EXPECT_EQ(refusal("pk,d1," + std::string(65, 's')).substr(0, 8), "line 1: ");
  EXPECT_EQ(refusal("productKey,x\n").substr(0, 8), "line 1: ");
  EXPECT_EQ(refusal("x,deviceName,productKey\na,b\n"), "line 2: has fewer fields than the header");
}

TEST(DeviceCsv, NamesTheLineOfABadQuote) {
  EXPECT_EQ(refusal("pk,d1\npk,\"d2\n"), "line 2: a quote is not closed");
  EXPECT_EQ(refusal("pk,d\"1\n"), "line 1: a quote stands inside a field that is not quoted");
  EXPECT_EQ(refusal("pk,\"d1\"x\n"), "line 1: text follows a closing quote");
}

TEST(DeviceCsv, NamesBothLinesOfADuplicate) {
  EXPECT_EQ(refusal("pk,d1\npk,d2\npk,d1,s\n"), "line 3: device pk/d1 stands in line 1 already");
}

TEST(DeviceCsv, NeverQuotesASecretInASentence) {
  EXPECT_EQ(refusal("pk,d1,top secret\n").find("top"), std::string::npos);
}

std::vector<Device> devices() {
  return {{"pk", "d1", "plain", true, 1}, {"pk", "d:2@x", "quo\"te,d", false, 2}};
}

TEST(DeviceLists, CsvRoundTrips) {
  auto rows = rows_of(devices_to_csv(devices()));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[1].device_name, "d:2@x");
  EXPECT_EQ(rows[1].device_secret, "quo\"te,d");
}

TEST(DeviceLists, JsonRoundTrips) {
  auto rows = parse_device_json(devices_to_json(devices()));
  ASSERT_TRUE(rows.ok());
  ASSERT_EQ(rows->size(), 2u);
  EXPECT_EQ((*rows)[1].device_name, "d:2@x");
  EXPECT_EQ((*rows)[1].device_secret, "quo\"te,d");
  EXPECT_EQ((*rows)[1].line, 2u);
}

TEST(DeviceJson, RefusesWithThePlace) {
  auto sentence = [](std::string_view text) {
    auto rows = parse_device_json(text);
    EXPECT_FALSE(rows.ok()) << text;
    return rows ? std::string() : rows.error().sentence;
  };
  EXPECT_EQ(sentence("[\n{\n"), "line 3: not valid JSON");
  EXPECT_EQ(sentence("{}"), "line 1: the file is not a JSON array of devices");
  EXPECT_EQ(sentence("[1]"), "entry 1: is not an object");
  EXPECT_EQ(sentence("[1e999]"), "line 1: the file holds a number that is out of range");
  EXPECT_EQ(sentence(R"([{"productKey":"pk","deviceName":7}])"),
            "entry 1: deviceName is not a text");
  EXPECT_EQ(sentence(R"([{"productKey":"pk"}])"), "entry 1: device name is empty");
  EXPECT_EQ(
      sentence(R"([{"productKey":"pk","deviceName":"d"},{"productKey":"pk","deviceName":"d"}])"),
      "entry 2: device pk/d stands in entry 1 already");
}

}  // namespace
}  // namespace fairlead
