#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>

#include "base/utf8.h"

namespace fairlead {
namespace {

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
    case LogLevel::kOff:
      return spdlog::level::off;
  }
  return spdlog::level::off;
}

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made = std::make_shared<spdlog::logger>("fairlead",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
    made->set_level(spdlog::level::info);
    return made;
  }();
  return *instance;
}

// Ends a line, moves the cursor or is no text at all: not to be shown as it is.
bool is_risky(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first < ' ' || first == 0x7f || first >= 0x80;
  if (first == 0xC2) return static_cast<unsigned char>(character[1]) < 0xA0;  // U+0080 to U+009F
  return character == "\u2028" || character == "\u2029";
}

void append_escaped(std::string& line, std::string_view character) {
  constexpr char kHex[] = "0123456789abcdef";
  for (char c : character) {
    const auto u = static_cast<unsigned char>(c);
    line += "\\x";
    line += kHex[u >> 4];
    line += kHex[u & 15];
  }
}

void append_value(std::string& line, std::string_view value) {
  bool quoted = value.empty();
  std::string text;
  std::string_view rest = value;
  while (!rest.empty()) {
    const std::size_t length = std::max<std::size_t>(1, utf8_length(as_bytes(rest)));
    const std::string_view character = rest.substr(0, length);
    if (value.size() - rest.size() + length > kLogValueBytesMax) break;
    rest.remove_prefix(length);
    const bool risky = is_risky(character);
    quoted |= risky || character == " " || character == "=";
    if (character == "\"" || character == "\\") {
      quoted = true;
      text += '\\';
    }
    if (risky) {
      append_escaped(text, character);
    } else {
      text += character;
    }
  }
  if (!rest.empty()) {
    quoted = true;
    text += "… (" + std::to_string(value.size()) + " bytes)";
  }
  line += quoted ? '"' + text + '"' : text;
}

}  // namespace

std::string format_log_line(std::string_view event, std::initializer_list<LogField> fields) {
  std::string line(event);
  for (const LogField& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    append_value(line, field.value);
  }
  return line;
}

void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  const std::string line = format_log_line(event, fields);
  logger().log(to_spdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

void set_log_level(LogLevel level) { logger().set_level(to_spdlog(level)); }

bool log_enabled(LogLevel level) { return logger().should_log(to_spdlog(level)); }

}  // namespace fairlead
