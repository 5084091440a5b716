#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "registry/records.h"

// Lists of devices as text. Pure functions over the whole text.

namespace fairlead {

// A device as a file gives it; `line` is where its record begins, from 1.
struct ImportRow {
  std::size_t line = 0;
  std::string product_key = {};
  std::string device_name = {};
  std::string device_secret = {};  // empty: to be generated
};

// CSV (RFC 4180): productKey,deviceName[,deviceSecret]. Quoted fields with "" for a quote, LF or
// CRLF, a byte order mark, blank lines and a header row (any order of those names, any case, more
// columns ignored) are fine. Names and secrets are checked, and a pair that occurs twice is
// refused. The sentence of a Reject begins with "line N: ".
[[nodiscard]] Result<std::vector<ImportRow>> parse_device_csv(std::string_view text);

// JSON: [{"productKey":..,"deviceName":..,"deviceSecret":..},..]; the secret may be absent. The
// sentence of a Reject begins with "line N: " for a syntax error and "entry N: " for a wrong one;
// ImportRow::line is the entry's number.
[[nodiscard]] Result<std::vector<ImportRow>> parse_device_json(std::string_view text);

// With a header row; parse_device_*() reads them back. They hold the secrets.
[[nodiscard]] std::string devices_to_csv(const std::vector<Device>& devices);
[[nodiscard]] std::string devices_to_json(const std::vector<Device>& devices);

}  // namespace fairlead
