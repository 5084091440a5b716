// Lists of devices: the first byte chooses CSV or JSON. What is accepted is valid and unique, and
// survives being written out and read again; what is refused names its place.

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/assert.h"
#include "registry/csv.h"

namespace {

using namespace fairlead;

void check_rows(const std::vector<ImportRow>& rows) {
  std::set<std::pair<std::string, std::string>> seen;
  std::vector<Device> devices;
  for (const ImportRow& row : rows) {
    FL_ASSERT(row.line > 0);
    FL_ASSERT(check_product_key(row.product_key).ok());
    FL_ASSERT(check_device_name(row.device_name).ok());
    FL_ASSERT(row.device_secret.empty() || check_secret(row.device_secret).ok());
    FL_ASSERT(seen.insert({row.product_key, row.device_name}).second);
    devices.push_back({row.product_key, row.device_name, row.device_secret, true, 0});
  }
  auto csv = parse_device_csv(devices_to_csv(devices));
  auto json = parse_device_json(devices_to_json(devices));
  FL_ASSERT(csv.ok() && csv->size() == rows.size());
  FL_ASSERT(json.ok() && json->size() == rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    FL_ASSERT((*csv)[i].device_secret == rows[i].device_secret);
    FL_ASSERT((*json)[i].device_name == rows[i].device_name);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  auto rows = data[0] % 2 == 0 ? parse_device_csv(text) : parse_device_json(text);
  if (rows) {
    check_rows(*rows);
  } else {
    FL_ASSERT(rows.error().sentence.starts_with("line ") ||
              rows.error().sentence.starts_with("entry "));
  }
  return 0;
}
