#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace fairlead {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError, kOff };

// One key=value of a log line. Text is quoted when it holds blanks, and control characters are
// escaped, so that a peer cannot forge a line. Never a secret; payloads at debug level only.
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

void set_log_level(LogLevel level);
[[nodiscard]] bool log_enabled(LogLevel level);

}  // namespace fairlead

// The fields are only formatted when the level is on.
#define FL_LOG(level, event, ...)                                         \
  do {                                                                    \
    if (::fairlead::log_enabled(::fairlead::LogLevel::level))             \
      ::fairlead::log(::fairlead::LogLevel::level, event, {__VA_ARGS__}); \
  } while (false)
