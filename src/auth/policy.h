#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// Who may publish, subscribe and receive what (reference: aliyun-device-protocol section 5).

namespace fairlead {

enum class TopicPermission : uint8_t { kPublish, kSubscribe, kAll };
// "pub", "sub", "all": as the command line and the registry write it.
[[nodiscard]] std::string_view topic_permission_name(TopicPermission permission);

// A topic class of a product (section 5.1): a filter with placeholders, which each device fills in
// with its own names: "/${productKey}/${deviceName}/user/update".
struct TopicClass {
  std::string pattern;
  TopicPermission permission = TopicPermission::kAll;
  friend bool operator==(const TopicClass&, const TopicClass&) = default;
};

// The classes of a product that defines none of its own: `/${pk}/${dn}/user/#` both ways, so that
// a device can be moved here without setting up classes first, and the old style without `user`:
// update and update/error to publish, get to subscribe.
[[nodiscard]] const std::vector<TopicClass>& default_topic_classes();

// The topic classes of a product, checked and ready to match: built once per product, shared by
// the policies of its devices. Immutable.
class TopicRules {
 public:
  // An empty list means default_topic_classes(). Rejects with kTopicFilterInvalid: a pattern that
  // does not begin with "/${productKey}/${deviceName}/", wildcards out of place, wildcards in a
  // class that devices publish to unless it is kAll, more than 128 bytes or 50 classes.
  [[nodiscard]] static Result<std::shared_ptr<const TopicRules>> make(
      const std::vector<TopicClass>& classes);

  // `rest` is what follows "/pk/dn/".
  [[nodiscard]] bool may_publish(std::string_view rest) const;
  [[nodiscard]] bool may_receive(std::string_view rest) const;
  [[nodiscard]] bool may_subscribe(std::string_view rest_of_filter) const;

 private:
  struct Rule {
    std::string rest;  // filter of what follows "/pk/dn/"
    TopicPermission permission;
  };
  std::vector<Rule> rules_;
};

// A permission of an application: "pub:FILTER" or "sub:FILTER".
struct Permission {
  enum class Kind : uint8_t { kPublish, kSubscribe };
  Kind kind = Kind::kSubscribe;
  std::string filter;
  friend bool operator==(const Permission&, const Permission&) = default;
};
// Rejects with kTopicFilterInvalid and a sentence that quotes the text.
[[nodiscard]] Result<Permission> parse_permission(std::string_view text);
[[nodiscard]] std::string format_permission(const Permission& permission);

// What one identity may do. Immutable, any thread, made at CONNECT and asked for every message.
// Cost: may_*() allocate nothing; a device's answer is a dispatch on the prefix and a comparison,
// an application's one match per permission. They expect valid topics and filters
// (proto/mqtt/topic has judged them).
//
// Device (section 5.2 to 5.4): its own names only.
//   publish    /sys/pk/dn/# but not broadcast/, /ota/device/inform|progress|request/pk/dn,
//              /shadow/update/pk/dn, /ext/ntp/pk/dn/request, /ext/session/pk/dn/# but no _reply,
//              /ext/rrpc/ID/... unless it names another device, /broadcast/pk/#, classes PUB, ALL
//   subscribe  every system topic above and below in either direction (SDKs subscribe to what
//              they only publish), with wildcards below the names, /ota/device/upgrade/pk/dn,
//              /shadow/get/pk/dn, /ext/error/pk/dn, /ext/rrpc/#, classes SUB, ALL
//   receive    as subscribe, but of /ext/rrpc/ID/... only what carries its own names, and below
//              /sys not the device's own replies (thing/service/x_reply, rrpc/response/ID). This
//              is why delivery asks too: /ext/rrpc/# is a filter that all devices share, and
//              thing/service/+ would send a device its own answers.
// Application: its permissions; a filter is granted when one sub: filter covers it. Filters that
//   begin with a wildcard do not reach topics that begin with '$' (MQTT 5.0 section 4.7.2).
// Anonymous: everything but publishing to topics that begin with '$'.
class AccessPolicy {
 public:
  [[nodiscard]] static std::shared_ptr<const AccessPolicy> for_device(
      std::string_view product_key, std::string_view device_name,
      std::shared_ptr<const TopicRules> rules);
  [[nodiscard]] static std::shared_ptr<const AccessPolicy> for_application(
      std::vector<Permission> permissions);
  [[nodiscard]] static std::shared_ptr<const AccessPolicy> for_anonymous();

  [[nodiscard]] bool may_publish(std::string_view topic) const;
  // `filter` may be "$share/group/filter": the filter is judged.
  [[nodiscard]] bool may_subscribe(std::string_view filter) const;
  [[nodiscard]] bool may_receive(std::string_view topic) const;

  enum class Kind : uint8_t { kDevice, kApplication, kAnonymous };
  struct Token {
    explicit Token() = default;
  };
  AccessPolicy(Token, Kind kind) : kind_(kind) {}  // for the factories above

 private:
  enum class Use : uint8_t { kPublish, kSubscribe, kReceive };
  [[nodiscard]] bool device_may(Use use, std::string_view topic) const;
  [[nodiscard]] bool device_ext(Use use, std::string_view rest) const;
  [[nodiscard]] bool device_rrpc(Use use, std::string_view rest) const;
  [[nodiscard]] bool own_names(std::string_view text) const;
  [[nodiscard]] bool strip_own_names(std::string_view& text) const;
  [[nodiscard]] bool application_may(Use use, std::string_view topic) const;

  Kind kind_;
  uint16_t product_key_size_ = 0;
  std::string names_;  // "pk/dn" of a device
  std::shared_ptr<const TopicRules> rules_;
  std::vector<Permission> permissions_;
};

// Whether every topic that `filter` matches is matched by `pattern` too. May say no to an exotic
// pair that is covered, never yes to one that is not. Both valid, without $share.
[[nodiscard]] bool filter_covers(std::string_view pattern, std::string_view filter);
// Whether `filter` matches `topic`, with the rule for '$'.
[[nodiscard]] bool filter_matches(std::string_view filter, std::string_view topic);

}  // namespace fairlead
