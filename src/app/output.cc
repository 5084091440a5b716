#include "app/output.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <nlohmann/json.hpp>

namespace fairlead {
namespace {

nlohmann::ordered_json json_of(const Record& record) {
  auto object = nlohmann::ordered_json::object();
  for (const Field& field : record) {
    std::visit([&](const auto& value) { object[field.name] = value; }, field.value);
  }
  return object;
}

// The registry holds bytes of a file that may be no UTF-8: shown as well as can be.
std::string dump(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string words(std::string_view camel_case) {
  std::string out;
  for (char c : camel_case) {
    const auto u = static_cast<unsigned char>(c);
    if (std::isupper(u)) out += ' ';
    out += static_cast<char>(std::tolower(u));
  }
  return out;
}

struct AsText {
  std::string operator()(const std::string& text) const { return text; }
  std::string operator()(int64_t number) const { return std::to_string(number); }
  std::string operator()(double number) const { return nlohmann::json(number).dump(); }
  std::string operator()(bool flag) const { return flag ? "yes" : "no"; }
  std::string operator()(const std::vector<std::string>& list) const {
    std::string out;
    for (const std::string& item : list) {
      if (!out.empty()) out += ", ";
      out += item;
    }
    return out;
  }
};

std::string text_of(const Field& field) { return std::visit(AsText{}, field.value); }

// Columns on a screen: UTF-8 continuation bytes take none. Wide characters are counted as one.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string padded(std::string_view text, std::size_t columns) {
  std::string out(text);
  out.append(columns - std::min(columns, width(text)) + 2, ' ');
  return out;
}

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

}  // namespace

std::string to_json(const Record& record) { return dump(json_of(record)); }

std::string to_json_line(const Record& record) {
  return json_of(record).dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string to_json(const std::vector<Record>& records) {
  auto array = nlohmann::ordered_json::array();
  for (const Record& record : records) array.push_back(json_of(record));
  return dump(array);
}

void print_record(const CommandContext& context, const Record& record) {
  if (context.format == OutputFormat::kJson) return print(to_json(record) + "\n");
  std::size_t columns = 0;
  for (const Field& field : record) columns = std::max(columns, width(words(field.name)));
  for (const Field& field : record) {
    const std::string label = padded(words(field.name), columns);
    print(painted(context, Stream::kOutput, Paint::kDim, label) + text_of(field) + "\n");
  }
}

void print_records(const CommandContext& context, const std::vector<Record>& records,
                   std::string_view none) {
  if (context.format == OutputFormat::kJson) return print(to_json(records) + "\n");
  if (records.empty()) return print(std::string(none) + "\n");
  std::vector<std::size_t> columns;
  for (const Field& field : records.front()) columns.push_back(width(words(field.name)));
  for (const Record& record : records) {
    for (std::size_t i = 0; i < record.size(); ++i) {
      columns[i] = std::max(columns[i], width(text_of(record[i])));
    }
  }
  const auto line = [&columns](const Record& record, auto&& cell) {
    std::string out;
    for (std::size_t i = 0; i < record.size(); ++i) out += padded(cell(record[i]), columns[i]);
    out.erase(out.find_last_not_of(' ') + 1);
    return out;
  };
  const std::string head =
      line(records.front(), [](const Field& field) { return words(field.name); });
  print(painted(context, Stream::kOutput, Paint::kBold, head) + "\n");
  for (const Record& record : records) print(line(record, text_of) + "\n");
}

std::string grouped(uint64_t number) {
  const std::string digits = std::to_string(number);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string format_time(int64_t milliseconds_since_1970) {
  const std::time_t at = static_cast<std::time_t>(milliseconds_since_1970 / 1000);
  std::tm parts{};
  gmtime_r(&at, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

std::string painted(const CommandContext& context, Stream stream, Paint paint,
                    std::string_view text) {
  const auto wanted = [&] {
    if (context.color != ColorMode::kAuto) return context.color == ColorMode::kAlways;
    const char* terminal = std::getenv("TERM");
    const char* no_color = std::getenv("NO_COLOR");
    if (no_color && *no_color) return false;
    if (!terminal || std::string_view(terminal) == "dumb") return false;
    return isatty(stream == Stream::kOutput ? STDOUT_FILENO : STDERR_FILENO) == 1;
  };
  if (!wanted()) return std::string(text);
  const auto code = [paint]() -> std::string_view {
    switch (paint) {
      case Paint::kBold:
        return "1";
      case Paint::kRed:
        return "1;31";
      case Paint::kYellow:
        return "1;33";
      case Paint::kDim:
        return "2";
    }
    unreachable();
  };
  return "\x1b[" + std::string(code()) + "m" + std::string(text) + "\x1b[0m";
}

ProgressBar::ProgressBar(std::string label, std::size_t total)
    : label_(std::move(label)), total_(total), terminal_(isatty(STDERR_FILENO) == 1) {}

ProgressBar::~ProgressBar() {
  if (terminal_ && shown_percent_ != SIZE_MAX) std::fputs("\r\x1b[K", stderr);
}

void ProgressBar::show(std::size_t done) {
  constexpr std::size_t kColumns = 30;
  const std::size_t percent = total_ == 0 ? 100 : std::min<std::size_t>(100, done * 100 / total_);
  if (!terminal_ || percent == shown_percent_) return;
  shown_percent_ = percent;
  const std::size_t full = percent * kColumns / 100;
  const std::string bar = std::string(full, '#') + std::string(kColumns - full, '.');
  std::fprintf(stderr, "\r%s [%s] %3zu %% of %zu", label_.c_str(), bar.c_str(), percent, total_);
  std::fflush(stderr);
}

std::string shell_word(std::string_view text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@%+,";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos) {
    return std::string(text);
  }
  std::string out = "'";
  for (char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + '\'';
}

}  // namespace fairlead
