#include "proto/ws/extension.h"

#include <algorithm>

namespace fairlead {
namespace {

bool is_token_char(char c) {
  const bool alphanumeric =
      (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return alphanumeric || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

// Takes the line apart from its front.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  void skip_blanks() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\t')) rest_.remove_prefix(1);
  }
  bool take(char c) {
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  // Empty: there is none.
  std::string_view token() {
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), is_token_char);
    return take_front(static_cast<std::size_t>(end - rest_.begin()));
  }
  // Behind the opening quote. What is quoted must be a token when the quotes are taken off; nobody
  // has a reason to escape a character of a token, and none is taken here.
  std::optional<std::string_view> quoted() {
    const std::string_view inside = token();
    if (inside.empty() || !take('"')) return std::nullopt;
    return inside;
  }

 private:
  std::string_view take_front(std::size_t count) {
    const std::string_view front = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return front;
  }

  std::string_view rest_;
};

std::optional<ExtensionParameter> parse_parameter(Scanner& in) {
  ExtensionParameter parameter;
  in.skip_blanks();
  parameter.name = in.token();
  if (parameter.name.empty()) return std::nullopt;
  in.skip_blanks();
  if (!in.take('=')) return parameter;
  in.skip_blanks();
  if (in.take('"')) {
    parameter.value = in.quoted();
  } else if (const std::string_view token = in.token(); !token.empty()) {
    parameter.value = token;
  }
  if (!parameter.value) return std::nullopt;
  in.skip_blanks();
  return parameter;
}

std::optional<Extension> parse_extension(Scanner& in) {
  Extension extension;
  extension.name = in.token();
  if (extension.name.empty()) return std::nullopt;
  in.skip_blanks();
  while (in.take(';')) {
    auto parameter = parse_parameter(in);
    if (!parameter) return std::nullopt;
    extension.parameters.push_back(*parameter);
  }
  return extension;
}

}  // namespace

std::optional<std::vector<Extension>> parse_extensions(std::string_view line) {
  std::vector<Extension> extensions;
  Scanner in(line);
  for (;;) {
    do in.skip_blanks();
    while (in.take(','));
    if (in.at_end()) return extensions;
    auto extension = parse_extension(in);
    if (!extension) return std::nullopt;
    extensions.push_back(std::move(*extension));
    if (!in.at_end() && !in.take(',')) return std::nullopt;
  }
}

}  // namespace fairlead
