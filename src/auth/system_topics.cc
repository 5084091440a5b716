#include "auth/system_topics.h"

#include <array>

#include "auth/policy.h"

namespace fairlead {
namespace {

// What the platform sends below /sys/pk/dn/ (section 5.2). Replies of devices that a wildcard here
// would catch as well (thing/service/x_reply) are stopped by AccessPolicy::may_receive().
constexpr std::array<std::string_view, 54> kBelowSys = {
    "thing/event/+/post_reply",
    "thing/event/property/pack/post_reply",
    "thing/event/property/history/post_reply",
    "thing/event/property/batch/post_reply",
    "thing/service/+",
    "thing/service/property/set",
    "thing/service/property/get",
    "thing/model/up_raw_reply",
    "thing/model/down_raw",
    "thing/property/desired/get_reply",
    "thing/property/desired/delete_reply",
    "thing/deviceinfo/update_reply",
    "thing/deviceinfo/delete_reply",
    "thing/deviceinfo/get_reply",
    "thing/config/get_reply",
    "thing/config/push",
    "thing/config/log/get_reply",
    "thing/config/log/push",
    "thing/log/post_reply",
    "thing/topo/add_reply",
    "thing/topo/delete_reply",
    "thing/topo/get_reply",
    "thing/topo/add/notify",
    "thing/topo/change",
    "thing/sub/register_reply",
    "thing/sub/unregister_reply",
    "thing/list/found_reply",
    "thing/proxy/provisioning/product_register_reply",
    "thing/disable",
    "thing/enable",
    "thing/delete",
    "thing/gateway/permit",
    "thing/dsltemplate/get_reply",
    "thing/dynamicTsl/get_reply",
    "thing/cipher/get_reply",
    "thing/ota/firmware/get_reply",
    "thing/file/download_reply",
    "thing/file/upload/mqtt/init_reply",
    "thing/file/upload/mqtt/send_reply",
    "thing/file/upload/mqtt/cancel_reply",
    "thing/job/notify",
    "thing/job/get_reply",
    "thing/job/update_reply",
    "thing/lan/prefix/get_reply",
    "thing/lan/prefix/update",
    "thing/lan/blacklist/update",
    "thing/awss/enrollee/match_reply",
    "thing/awss/enrollee/checkin",
    "thing/awss/device/switchap",
    "thing/reset_reply",
    "thing/bootstrap/config/push",
    "_thing/event/notify",
    "_thing/service/post_reply",
    "rrpc/request/+",
};

// prefix + "pk/dn" + rest.
struct OtherFilter {
  std::string_view prefix;
  std::string_view rest;
};
constexpr std::array<OtherFilter, 9> kOther = {{
    {"/ota/device/upgrade/", ""},
    {"/ota/device/request/", ""},
    {"/shadow/get/", ""},
    {"/ext/ntp/", "/response"},
    {"/ext/session/", "/combine/login_reply"},
    {"/ext/session/", "/combine/logout_reply"},
    {"/ext/session/", "/combine/batch_login_reply"},
    {"/ext/session/", "/combine/batch_logout_reply"},
    {"/ext/error/", ""},
}};

constexpr std::string_view kRrpcFilter = "/ext/rrpc/#";
constexpr unsigned kExtRrpc = 1;

// Takes "pk/dn" off the front of `text`.
bool strip_names(std::string_view& text, std::string_view product_key,
                 std::string_view device_name) {
  const std::size_t size = product_key.size() + 1 + device_name.size();
  if (text.size() < size || !text.starts_with(product_key) || text[product_key.size()] != '/' ||
      text.substr(product_key.size() + 1, device_name.size()) != device_name) {
    return false;
  }
  text.remove_prefix(size);
  return true;
}

std::string names_of(std::string_view product_key, std::string_view device_name) {
  std::string names(product_key);
  names.append("/").append(device_name);
  return names;
}

}  // namespace

std::vector<std::string> system_filters(std::string_view product_key, std::string_view device_name,
                                        unsigned ext_bits) {
  const std::string names = names_of(product_key, device_name);
  std::vector<std::string> filters;
  filters.reserve(kBelowSys.size() + kOther.size() + 1);
  for (std::string_view suffix : kBelowSys) {
    filters.push_back("/sys/" + names + "/" + std::string(suffix));
  }
  for (const OtherFilter& other : kOther) {
    filters.push_back(std::string(other.prefix) + names + std::string(other.rest));
  }
  if (ext_bits & kExtRrpc) filters.emplace_back(kRrpcFilter);
  return filters;
}

bool is_system_delivery(std::string_view topic, std::string_view product_key,
                        std::string_view device_name, unsigned ext_bits) {
  if (topic.starts_with("/sys/")) {
    std::string_view rest = topic.substr(5);
    if (!strip_names(rest, product_key, device_name) || !rest.starts_with('/')) return false;
    rest.remove_prefix(1);
    for (std::string_view suffix : kBelowSys) {
      if (filter_matches(suffix, rest)) return true;
    }
    return false;
  }
  for (const OtherFilter& other : kOther) {
    if (!topic.starts_with(other.prefix)) continue;
    std::string_view rest = topic.substr(other.prefix.size());
    if (strip_names(rest, product_key, device_name) && rest == other.rest) return true;
  }
  return (ext_bits & kExtRrpc) && filter_matches(kRrpcFilter, topic);
}

std::vector<std::string> default_delivery_filters(std::string_view product_key,
                                                  std::string_view device_name) {
  return {"/sys/" + names_of(product_key, device_name) + "/broadcast/request/+"};
}

bool is_default_delivery(std::string_view topic, std::string_view product_key,
                         std::string_view device_name) {
  if (topic == "/ext/register" || topic == "/ext/regnwl" ||
      topic == "/ext/auth/identity/response") {
    return true;
  }
  if (!topic.starts_with("/sys/")) return false;
  std::string_view rest = topic.substr(5);
  return strip_names(rest, product_key, device_name) &&
         filter_matches("/broadcast/request/+", rest);
}

}  // namespace fairlead
