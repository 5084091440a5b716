#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "registry/csv.h"

namespace fairlead {
namespace {

using nlohmann::json;

Reject reject(std::string sentence) {
  return {ReasonCode::kImplementationSpecificError, std::move(sentence)};
}

Reject at_entry(std::size_t entry, const std::string& sentence) {
  return reject("entry " + std::to_string(entry) + ": " + sentence);
}

// Absent and null are empty; anything but text is refused.
Result<std::string> text_member(const json& object, const char* key, std::size_t entry) {
  auto member = object.find(key);
  if (member == object.end() || member->is_null()) return std::string();
  if (!member->is_string()) return at_entry(entry, std::string(key) + " is not a text");
  return member->get<std::string>();
}

Result<ImportRow> read_entry(const json& object, std::size_t entry) {
  if (!object.is_object()) return at_entry(entry, "is not an object");
  auto product_key = text_member(object, "productKey", entry);
  if (!product_key) return product_key.error();
  auto name = text_member(object, "deviceName", entry);
  if (!name) return name.error();
  auto secret = text_member(object, "deviceSecret", entry);
  if (!secret) return secret.error();
  if (Status ok = check_product_key(*product_key); !ok) return at_entry(entry, ok.error().sentence);
  if (Status ok = check_device_name(*name); !ok) return at_entry(entry, ok.error().sentence);
  if (!secret->empty()) {
    if (Status ok = check_secret(*secret); !ok) return at_entry(entry, ok.error().sentence);
  }
  return ImportRow{entry, std::move(*product_key), std::move(*name), std::move(*secret)};
}

}  // namespace

Result<std::vector<ImportRow>> parse_device_json(std::string_view text) {
  json document;
  try {
    document = json::parse(text);
  } catch (const json::parse_error& error) {
    const std::size_t at = std::min(error.byte, text.size());
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<long>(at), '\n');
    return reject("line " + std::to_string(line) + ": not valid JSON");
  } catch (const json::exception&) {  // a number such as 1e999
    return reject("line 1: the file holds a number that is out of range");
  }
  if (!document.is_array()) return reject("line 1: the file is not a JSON array of devices");
  std::vector<ImportRow> rows;
  TextMap<std::size_t> seen;
  for (const json& object : document) {
    auto row = read_entry(object, rows.size() + 1);
    if (!row) return row.error();
    auto [other, fresh] = seen.try_emplace(row->product_key + '\0' + row->device_name, row->line);
    if (!fresh) {
      return at_entry(row->line, "device " + row->product_key + "/" + row->device_name +
                                     " stands in entry " + std::to_string(other->second) +
                                     " already");
    }
    rows.push_back(std::move(*row));
  }
  return rows;
}

std::string devices_to_json(const std::vector<Device>& devices) {
  json document = json::array();
  for (const Device& device : devices) {
    document.push_back({{"productKey", device.product_key},
                        {"deviceName", device.name},
                        {"deviceSecret", device.secret}});
  }
  return document.dump(2) + "\n";
}

}  // namespace fairlead
