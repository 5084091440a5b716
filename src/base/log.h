#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace fairlead {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError, kOff };

// One key=value of a log line. Text is quoted when it holds blanks. What a terminal or a reader of
// lines may act on (control characters of ASCII and of U+0080 to U+009F, U+2028, U+2029, bytes that
// are no UTF-8) is escaped byte by byte, so that a peer cannot forge a line; a long text is cut and
// its size told. Never a secret; payloads at debug level only.
struct LogField {
  std::string_view key;
  std::string value;

  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  LogField(std::string_view k, std::integral auto v) : key(k), value(std::to_string(v)) {}
};

// One line per event: `2026-01-31T12:00:00.000Z info session.open device=pk/dev1 ...` on standard
// error. Any thread. Cost: a formatted write; below the level set, a comparison.
void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields);

// `event key=value …`, as a line has it behind its time and level.
[[nodiscard]] std::string format_log_line(std::string_view event,
                                          std::initializer_list<LogField> fields);

// Of a value that is longer, a line has no more than these bytes.
constexpr std::size_t kLogValueBytesMax = 1'024;

void set_log_level(LogLevel level);
[[nodiscard]] bool log_enabled(LogLevel level);

}  // namespace fairlead

// The fields are only formatted when the level is on.
#define FL_LOG(level, event, ...)                                         \
  do {                                                                    \
    if (::fairlead::log_enabled(::fairlead::LogLevel::level))             \
      ::fairlead::log(::fairlead::LogLevel::level, event, {__VA_ARGS__}); \
  } while (false)
