#include "registry/csv.h"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>

#include "base/hash.h"

namespace fairlead {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::array<std::string_view, 3> kColumns = {"productkey", "devicename", "devicesecret"};

Reject at_line(std::size_t line, const std::string& sentence) {
  return {ReasonCode::kImplementationSpecificError,
          "line " + std::to_string(line) + ": " + sentence};
}

struct Record {
  std::size_t line = 0;
  std::vector<std::string> fields;
};

// Takes RFC 4180 text apart, record by record.
class RecordReader {
 public:
  explicit RecordReader(std::string_view text) : rest_(text) {}

  // nullopt at the end. Blank lines are skipped.
  Result<std::optional<Record>> next() {
    while (!rest_.empty()) {
      Record record{.line = line_, .fields = {}};
      bool more = true;
      while (more) {
        auto field = take_field(more);
        if (!field) return field.error();
        record.fields.push_back(std::move(*field));
      }
      if (record.fields.size() > 1 || !record.fields.front().empty()) {
        return std::optional<Record>(std::move(record));
      }
    }
    return std::optional<Record>();
  }

 private:
  // Takes a field and its delimiter; `more` tells whether another one of the record follows.
  Result<std::string> take_field(bool& more) {
    while (rest_.starts_with(' ') || rest_.starts_with('\t')) rest_.remove_prefix(1);
    std::string field;
    if (rest_.starts_with('"')) {
      const std::size_t began = line_;
      if (!take_quoted(field)) return at_line(began, "a quote is not closed");
      std::size_t end = std::min(rest_.find_first_of(",\r\n"), rest_.size());
      if (rest_.substr(0, end).find_first_not_of(" \t") != std::string_view::npos) {
        return at_line(line_, "text follows a closing quote");
      }
      rest_.remove_prefix(end);
    } else {
      std::string_view plain = rest_.substr(0, rest_.find_first_of(",\r\n"));
      rest_.remove_prefix(plain.size());
      if (plain.find('"') != std::string_view::npos) {
        return at_line(line_, "a quote stands inside a field that is not quoted");
      }
      std::size_t last = plain.find_last_not_of(" \t");
      field =
          last == std::string_view::npos ? std::string() : std::string(plain.substr(0, last + 1));
    }
    more = take_delimiter();
    return field;
  }

  bool take_quoted(std::string& field) {
    rest_.remove_prefix(1);
    while (true) {
      std::size_t quote = rest_.find('"');
      if (quote == std::string_view::npos) return false;
      std::string_view run = rest_.substr(0, quote);
      line_ += static_cast<std::size_t>(std::count(run.begin(), run.end(), '\n'));
      field.append(run);
      rest_.remove_prefix(quote + 1);
      if (!rest_.starts_with('"')) return true;
      field.push_back('"');
      rest_.remove_prefix(1);
    }
  }

  // A comma: true. The end of the line or of the text: false.
  bool take_delimiter() {
    if (rest_.starts_with(',')) {
      rest_.remove_prefix(1);
      return true;
    }
    if (rest_.starts_with('\r')) rest_.remove_prefix(1);
    if (rest_.starts_with('\n')) rest_.remove_prefix(1);
    ++line_;
    return false;
  }

  std::string_view rest_;
  std::size_t line_ = 1;
};

std::string lower(std::string_view text) {
  std::string made(text);
  for (char& c : made) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return made;
}

// Which field of a record holds what.
struct Columns {
  std::size_t product_key = 0;
  std::size_t device_name = 1;
  std::optional<std::size_t> device_secret = 2;
  bool from_header = false;
};

// nullopt when the record is no header.
Result<std::optional<Columns>> read_header(const Record& record) {
  std::array<std::optional<std::size_t>, kColumns.size()> at;
  for (std::size_t i = 0; i < record.fields.size(); ++i) {
    const std::string name = lower(record.fields[i]);
    for (std::size_t column = 0; column < kColumns.size(); ++column) {
      if (name == kColumns[column] && !at[column]) at[column] = i;
    }
  }
  if (!at[0] && !at[1]) return std::optional<Columns>();
  if (!at[0] || !at[1]) {
    return at_line(record.line, "the header lacks productKey or deviceName");
  }
  return std::optional<Columns>(Columns{*at[0], *at[1], at[2], true});
}

Result<ImportRow> read_row(const Record& record, const Columns& columns) {
  const std::size_t count = record.fields.size();
  if (!columns.from_header && (count < 2 || count > 3)) {
    return at_line(record.line, "has " + std::to_string(count) +
                                    " fields, not productKey,deviceName[,deviceSecret]");
  }
  if (columns.product_key >= count || columns.device_name >= count) {
    return at_line(record.line, "has fewer fields than the header");
  }
  ImportRow row{.line = record.line,
                .product_key = record.fields[columns.product_key],
                .device_name = record.fields[columns.device_name],
                .device_secret = {}};
  if (columns.device_secret && *columns.device_secret < count) {
    row.device_secret = record.fields[*columns.device_secret];
  }
  if (Status key = check_product_key(row.product_key); !key) {
    return at_line(row.line, key.error().sentence);
  }
  if (Status name = check_device_name(row.device_name); !name) {
    return at_line(row.line, name.error().sentence);
  }
  if (!row.device_secret.empty()) {
    if (Status secret = check_secret(row.device_secret); !secret) {
      return at_line(row.line, secret.error().sentence);
    }
  }
  return row;
}

// Quotes a field when RFC 4180 asks for it.
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"') quoted.push_back('"');
    quoted.push_back(c);
  }
  return quoted + "\"";
}

}  // namespace

Result<std::vector<ImportRow>> parse_device_csv(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  RecordReader reader(text);
  Columns columns;
  std::vector<ImportRow> rows;
  TextMap<std::size_t> seen;  // "pk\0dn" -> line
  for (bool first = true;; first = false) {
    auto record = reader.next();
    if (!record) return record.error();
    if (!*record) return rows;
    if (first) {
      auto header = read_header(**record);
      if (!header) return header.error();
      if (*header) {
        columns = **header;
        continue;
      }
    }
    auto row = read_row(**record, columns);
    if (!row) return row.error();
    auto [other, fresh] = seen.try_emplace(row->product_key + '\0' + row->device_name, row->line);
    if (!fresh) {
      return at_line(row->line, "device " + row->product_key + "/" + row->device_name +
                                    " stands in line " + std::to_string(other->second) +
                                    " already");
    }
    rows.push_back(std::move(*row));
  }
}

std::string devices_to_csv(const std::vector<Device>& devices) {
  std::string text = "productKey,deviceName,deviceSecret\r\n";
  for (const Device& device : devices) {
    text += csv_field(device.product_key) + "," + csv_field(device.name) + "," +
            csv_field(device.secret) + "\r\n";
  }
  return text;
}

}  // namespace fairlead
