#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "app/command.h"

// What commands print: records, as text for people or JSON for scripts.

namespace fairlead {

using FieldValue = std::variant<std::string, int64_t, bool, std::vector<std::string>, double>;

// Names are those of the JSON, in camel case; people read them as words: "product key".
struct Field {
  std::string name;
  FieldValue value;
};
using Record = std::vector<Field>;

// One record: an object, or a line for each field.
void print_record(const CommandContext& context, const Record& record);
// Many: an array of objects, or a table with the fields of the first as its columns. `none` is the
// sentence for people when there are none.
void print_records(const CommandContext& context, const std::vector<Record>& records,
                   std::string_view none);

[[nodiscard]] std::string to_json(const Record& record);
[[nodiscard]] std::string to_json(const std::vector<Record>& records);
// On one line, for a stream of them.
[[nodiscard]] std::string to_json_line(const Record& record);

[[nodiscard]] std::string grouped(uint64_t number);  // "1,048,576"

// "2026-01-31T12:00:00Z"
[[nodiscard]] std::string format_time(int64_t milliseconds_since_1970);

enum class Paint : uint8_t { kBold, kRed, kYellow, kDim };
enum class Stream : uint8_t { kOutput, kError };
// With the escape sequences of a terminal when the context wants colour on that stream.
[[nodiscard]] std::string painted(const CommandContext& context, Stream stream, Paint paint,
                                  std::string_view text);

// A line on standard error that shows how far something is; nothing when that is no terminal.
class ProgressBar {
 public:
  ProgressBar(std::string label, std::size_t total);
  ~ProgressBar();  // takes the line away
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  void show(std::size_t done);

 private:
  std::string label_;
  std::size_t total_;
  std::size_t shown_percent_ = SIZE_MAX;
  bool terminal_;
};

// For a POSIX shell: in single quotes where it needs them.
[[nodiscard]] std::string shell_word(std::string_view text);

}  // namespace fairlead
