#include "auth/policy.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/assert.h"

namespace fairlead {
namespace {

constexpr std::string_view kTemplatePrefix = "/${productKey}/${deviceName}/";
constexpr std::string_view kSharePrefix = "$share/";
constexpr std::size_t kTopicClassesMax = 50;
constexpr std::size_t kTopicClassBytesMax = 128;
constexpr std::size_t kPermissionBytesMax = 4096;

// The levels of a topic or filter, one at a time.
class Levels {
 public:
  explicit Levels(std::string_view text) : rest_(text) {}

  std::optional<std::string_view> next() {
    if (done_) return std::nullopt;
    std::size_t slash = rest_.find('/');
    std::string_view level = rest_.substr(0, slash);
    if (slash == std::string_view::npos) {
      done_ = true;
    } else {
      rest_.remove_prefix(slash + 1);
    }
    return level;
  }

 private:
  std::string_view rest_;
  bool done_ = false;
};

bool begins_with_wildcard(std::string_view filter) {
  return filter.starts_with('+') || filter.starts_with('#');
}

bool levels_match(std::string_view filter, std::string_view topic) {
  Levels wanted(filter);
  Levels given(topic);
  while (true) {
    auto level = wanted.next();
    if (level == "#") return true;  // its parent level too
    auto actual = given.next();
    if (!level || !actual) return !level && !actual;
    if (*level != "+" && *level != *actual) return false;
  }
}

bool levels_cover(std::string_view pattern, std::string_view filter) {
  Levels outer(pattern);
  Levels inner(filter);
  while (true) {
    auto level = outer.next();
    if (level == "#") return true;
    auto asked = inner.next();
    if (!level || !asked) return !level && !asked;
    if (*asked == "#") return false;
    if (*level != "+" && *level != *asked) return false;
  }
}

Reject invalid(std::string sentence) {
  return {ReasonCode::kTopicFilterInvalid, std::move(sentence)};
}

// Wildcards stand alone in their level, '#' in the last one (MQTT 5.0 section 4.7.1).
bool wildcards_in_place(std::string_view filter) {
  Levels levels(filter);
  bool ended = false;
  while (auto level = levels.next()) {
    if (ended) return false;
    if (level->find_first_of("+#") != std::string_view::npos && level->size() != 1) return false;
    ended = *level == "#";
  }
  return true;
}

bool has_wildcard(std::string_view filter) {
  return filter.find_first_of("+#") != std::string_view::npos;
}

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// Replies that a device sends below /sys/pk/dn/ to what it was asked. A wildcard subscription to
// the requests (thing/service/+) would bring them back to the device, whose SDK would take the
// reply for a request and answer it, and so on for ever; the platform never sends them down.
bool is_reply_of_device(std::string_view rest) {
  static constexpr std::array<std::string_view, 9> kReplies = {
      "thing/model/down_raw_reply",  "thing/config/push_reply", "thing/config/log/push_reply",
      "thing/topo/add/notify_reply", "thing/topo/change_reply", "thing/disable_reply",
      "thing/enable_reply",          "thing/delete_reply",      "thing/gateway/permit_reply"};
  if (rest.starts_with("rrpc/response/")) return true;
  if (!rest.ends_with("_reply")) return false;
  return rest.starts_with("thing/service/") || rest == "thing/job/notify_reply" ||
         std::find(kReplies.begin(), kReplies.end(), rest) != kReplies.end();
}

// Takes the level before the next '/' off the front; the slash too.
std::optional<std::string_view> take_level(std::string_view& rest) {
  std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  std::string_view level = rest.substr(0, slash);
  rest.remove_prefix(slash + 1);
  return level;
}

bool take_prefix(std::string_view& rest, std::string_view prefix) {
  if (!rest.starts_with(prefix)) return false;
  rest.remove_prefix(prefix.size());
  return true;
}

}  // namespace

bool filter_matches(std::string_view filter, std::string_view topic) {
  if (topic.starts_with('$') && begins_with_wildcard(filter)) return false;
  return levels_match(filter, topic);
}

bool filter_covers(std::string_view pattern, std::string_view filter) {
  if (filter.starts_with('$') && begins_with_wildcard(pattern)) return false;
  return levels_cover(pattern, filter);
}

std::string_view topic_permission_name(TopicPermission permission) {
  switch (permission) {
    case TopicPermission::kPublish:
      return "pub";
    case TopicPermission::kSubscribe:
      return "sub";
    case TopicPermission::kAll:
      return "all";
  }
  unreachable();
}

const std::vector<TopicClass>& default_topic_classes() {
  static const std::vector<TopicClass> kClasses = {
      {"/${productKey}/${deviceName}/user/#", TopicPermission::kAll},
      {"/${productKey}/${deviceName}/update", TopicPermission::kPublish},
      {"/${productKey}/${deviceName}/update/error", TopicPermission::kPublish},
      {"/${productKey}/${deviceName}/get", TopicPermission::kSubscribe},
  };
  return kClasses;
}

Result<std::shared_ptr<const TopicRules>> TopicRules::make(const std::vector<TopicClass>& classes) {
  if (classes.size() > kTopicClassesMax) {
    return invalid("more than " + std::to_string(kTopicClassesMax) + " topic classes");
  }
  auto rules = std::make_shared<TopicRules>();
  for (const TopicClass& one : classes.empty() ? default_topic_classes() : classes) {
    std::string_view rest = one.pattern;
    if (!take_prefix(rest, kTemplatePrefix) || rest.empty()) {
      return invalid("topic class " + quoted(one.pattern) + " does not begin with " +
                     std::string(kTemplatePrefix));
    }
    if (one.pattern.size() > kTopicClassBytesMax) {
      return invalid("topic class " + quoted(one.pattern) + " has more than " +
                     std::to_string(kTopicClassBytesMax) + " bytes");
    }
    if (has_control_character(rest)) return invalid("topic class has a control character");
    if (!wildcards_in_place(rest)) {
      return invalid("topic class " + quoted(one.pattern) + " has a wildcard out of place");
    }
    if (one.permission == TopicPermission::kPublish && has_wildcard(rest)) {
      return invalid("topic class " + quoted(one.pattern) +
                     " has a wildcard, which a class for publishing cannot have");
    }
    rules->rules_.push_back({std::string(rest), one.permission});
  }
  return std::shared_ptr<const TopicRules>(std::move(rules));
}

bool TopicRules::may_publish(std::string_view rest) const {
  return std::any_of(rules_.begin(), rules_.end(), [rest](const Rule& rule) {
    return rule.permission != TopicPermission::kSubscribe && levels_match(rule.rest, rest);
  });
}

bool TopicRules::may_receive(std::string_view rest) const {
  return std::any_of(rules_.begin(), rules_.end(), [rest](const Rule& rule) {
    return rule.permission != TopicPermission::kPublish && levels_match(rule.rest, rest);
  });
}

bool TopicRules::may_subscribe(std::string_view rest_of_filter) const {
  return std::any_of(rules_.begin(), rules_.end(), [rest_of_filter](const Rule& rule) {
    return rule.permission != TopicPermission::kPublish && levels_cover(rule.rest, rest_of_filter);
  });
}

Result<Permission> parse_permission(std::string_view text) {
  Permission permission;
  std::string_view rest = text;
  if (take_prefix(rest, "pub:")) {
    permission.kind = Permission::Kind::kPublish;
  } else if (take_prefix(rest, "sub:")) {
    permission.kind = Permission::Kind::kSubscribe;
  } else {
    return invalid("permission " + quoted(text) + " does not begin with pub: or sub:");
  }
  if (rest.empty()) return invalid("permission " + quoted(text) + " has no topic filter");
  if (rest.size() > kPermissionBytesMax) return invalid("permission is longer than 4096 bytes");
  if (has_control_character(rest)) return invalid("permission has a control character");
  if (rest.starts_with(kSharePrefix)) {
    return invalid("permission " + quoted(text) + ": leave out $share/group/, the filter decides");
  }
  if (!wildcards_in_place(rest)) {
    return invalid("permission " + quoted(text) + " has a wildcard out of place");
  }
  permission.filter = rest;
  return permission;
}

std::string format_permission(const Permission& permission) {
  return (permission.kind == Permission::Kind::kPublish ? "pub:" : "sub:") + permission.filter;
}

std::shared_ptr<const AccessPolicy> AccessPolicy::for_device(
    std::string_view product_key, std::string_view device_name,
    std::shared_ptr<const TopicRules> rules) {
  FL_ASSERT(rules && !product_key.empty() && !device_name.empty());
  auto policy = std::make_shared<AccessPolicy>(Token{}, Kind::kDevice);
  policy->product_key_size_ = static_cast<uint16_t>(product_key.size());
  policy->names_.reserve(product_key.size() + 1 + device_name.size());
  policy->names_.append(product_key).append("/").append(device_name);
  policy->rules_ = std::move(rules);
  return policy;
}

std::shared_ptr<const AccessPolicy> AccessPolicy::for_application(
    std::vector<Permission> permissions) {
  auto policy = std::make_shared<AccessPolicy>(Token{}, Kind::kApplication);
  policy->permissions_ = std::move(permissions);
  return policy;
}

std::shared_ptr<const AccessPolicy> AccessPolicy::for_anonymous() {
  return std::make_shared<AccessPolicy>(Token{}, Kind::kAnonymous);
}

bool AccessPolicy::may_publish(std::string_view topic) const {
  switch (kind_) {
    case Kind::kDevice:
      return device_may(Use::kPublish, topic);
    case Kind::kApplication:
      return application_may(Use::kPublish, topic);
    case Kind::kAnonymous:
      return !topic.starts_with('$');
  }
  unreachable();
}

bool AccessPolicy::may_subscribe(std::string_view filter) const {
  if (take_prefix(filter, kSharePrefix) && !take_level(filter)) return false;
  switch (kind_) {
    case Kind::kDevice:
      return device_may(Use::kSubscribe, filter);
    case Kind::kApplication:
      return application_may(Use::kSubscribe, filter);
    case Kind::kAnonymous:
      return true;
  }
  unreachable();
}

bool AccessPolicy::may_receive(std::string_view topic) const {
  switch (kind_) {
    case Kind::kDevice:
      return device_may(Use::kReceive, topic);
    case Kind::kApplication:
      return application_may(Use::kReceive, topic);
    case Kind::kAnonymous:
      return true;
  }
  unreachable();
}

bool AccessPolicy::application_may(Use use, std::string_view topic) const {
  const auto kind =
      use == Use::kPublish ? Permission::Kind::kPublish : Permission::Kind::kSubscribe;
  return std::any_of(permissions_.begin(), permissions_.end(), [&](const Permission& one) {
    if (one.kind != kind) return false;
    return use == Use::kSubscribe ? filter_covers(one.filter, topic)
                                  : filter_matches(one.filter, topic);
  });
}

bool AccessPolicy::strip_own_names(std::string_view& text) const {
  return take_prefix(text, names_);
}

bool AccessPolicy::own_names(std::string_view text) const { return text == names_; }

// `topic` is a filter when `use` is kSubscribe. No registered product is called sys, ota, shadow,
// ext or broadcast, so that the first level tells the area.
bool AccessPolicy::device_may(Use use, std::string_view topic) const {
  std::string_view rest = topic;
  if (!take_prefix(rest, "/")) return false;
  if (take_prefix(rest, "sys/")) {
    if (!strip_own_names(rest) || !take_prefix(rest, "/")) return false;
    switch (use) {
      case Use::kPublish:
        return !rest.starts_with("broadcast/");
      case Use::kSubscribe:
        return true;
      case Use::kReceive:
        return !is_reply_of_device(rest);
    }
    unreachable();
  }
  if (take_prefix(rest, "ext/")) return device_ext(use, rest);
  if (take_prefix(rest, "ota/device/")) {
    auto what = take_level(rest);
    if (!what || !own_names(rest)) return false;
    return use != Use::kPublish || *what == "inform" || *what == "progress" || *what == "request";
  }
  if (take_prefix(rest, "shadow/")) {
    auto what = take_level(rest);
    return what && own_names(rest) && (use != Use::kPublish || *what == "update");
  }
  if (take_prefix(rest, "broadcast/")) {
    return take_prefix(rest, std::string_view(names_).substr(0, product_key_size_)) &&
           rest.starts_with('/');
  }
  if (!strip_own_names(rest) || !take_prefix(rest, "/")) return false;
  switch (use) {
    case Use::kPublish:
      return rules_->may_publish(rest);
    case Use::kSubscribe:
      return rules_->may_subscribe(rest);
    case Use::kReceive:
      return rules_->may_receive(rest);
  }
  unreachable();
}

// `rest` follows "/ext/".
bool AccessPolicy::device_ext(Use use, std::string_view rest) const {
  if (take_prefix(rest, "rrpc/")) return device_rrpc(use, rest);
  if (take_prefix(rest, "ntp/")) {
    return strip_own_names(rest) && rest.starts_with('/') &&
           (use != Use::kPublish || rest == "/request");
  }
  if (take_prefix(rest, "session/")) {
    return strip_own_names(rest) && rest.starts_with('/') &&
           (use != Use::kPublish || !rest.ends_with("_reply"));
  }
  if (take_prefix(rest, "error/")) return use != Use::kPublish && own_names(rest);
  // Pushed to one session by their service; a subscription is granted and brings nothing.
  return use == Use::kSubscribe &&
         (rest == "register" || rest == "regnwl" || rest == "auth/identity/response");
}

// `rest` follows "/ext/rrpc/": a message id and the topic that is meant, with one slash or two.
bool AccessPolicy::device_rrpc(Use use, std::string_view rest) const {
  if (!take_level(rest)) return use == Use::kSubscribe;
  take_prefix(rest, "/");
  std::string_view meant = rest;
  const bool system = take_prefix(meant, "sys/");
  if (strip_own_names(meant) && (meant.empty() || meant.starts_with('/'))) return true;
  // Other topics name nobody: to answer on them is fine, but routing must not bring them to every
  // device that listens to /ext/rrpc/#; the RRPC service hands them to the session it asks.
  if (use == Use::kReceive) return false;
  std::string_view product = std::string_view(names_).substr(0, product_key_size_);
  return !system && !(take_prefix(meant, product) && meant.starts_with('/'));
}

}  // namespace fairlead
