#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace fairlead {

// Name and value of a header line, as they were sent, without the blanks around the value.
using HeaderField = std::pair<std::string_view, std::string_view>;

[[nodiscard]] bool equals_ignoring_case(std::string_view a, std::string_view b);

// The elements of one header over all its lines: repeated lines and comma lists read as one list
// (RFC 9110 section 5.3), blanks trimmed, empty elements skipped. Quoted strings are not treated
// specially: no header that we read has a comma inside quotes. Views of the fields; single pass.
class HeaderValues {
 public:
  class Iterator {
   public:
    using value_type = std::string_view;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;
    using pointer = const std::string_view*;
    using reference = std::string_view;

    Iterator() = default;
    std::string_view operator*() const { return element_; }
    Iterator& operator++() {
      advance();
      return *this;
    }
    void operator++(int) { advance(); }
    friend bool operator==(const Iterator& it, std::default_sentinel_t) { return it.done_; }

   private:
    friend class HeaderValues;
    Iterator(const std::vector<HeaderField>& fields, std::string_view name);
    void advance();

    const HeaderField* field_ = nullptr;
    const HeaderField* end_ = nullptr;
    std::string_view name_;
    std::string_view rest_;  // of the present line, after the present element
    std::string_view element_;
    bool done_ = true;
  };

  HeaderValues(const std::vector<HeaderField>& fields, std::string_view name)
      : fields_(fields), name_(name) {}
  [[nodiscard]] Iterator begin() const { return {fields_, name_}; }
  [[nodiscard]] std::default_sentinel_t end() const { return {}; }
  [[nodiscard]] bool empty() const { return begin() == end(); }

 private:
  const std::vector<HeaderField>& fields_;
  std::string_view name_;
};

// The header lines of a head in their order. Views into the receive buffer, valid as long as it.
// Names are compared without regard to case.
class HeaderFields {
 public:
  void add(HeaderField field) { fields_.push_back(field); }
  void reserve(std::size_t count) { fields_.reserve(count); }

  [[nodiscard]] std::size_t size() const { return fields_.size(); }
  [[nodiscard]] auto begin() const { return fields_.begin(); }
  [[nodiscard]] auto end() const { return fields_.end(); }

  [[nodiscard]] HeaderValues values(std::string_view name) const { return {fields_, name}; }
  // The values of the lines of that name, not split.
  [[nodiscard]] std::vector<std::string_view> lines(std::string_view name) const;
  // The value of the first line of that name, not split.
  [[nodiscard]] std::optional<std::string_view> first(std::string_view name) const;
  // How many lines have that name.
  [[nodiscard]] std::size_t count(std::string_view name) const;
  // Whether `token` is an element of the list, without regard to case.
  [[nodiscard]] bool has_token(std::string_view name, std::string_view token) const;

 private:
  std::vector<HeaderField> fields_;
};

}  // namespace fairlead
