#include "auth/policy.h"

#include <gtest/gtest.h>

#include <string>

#include "auth/system_topics.h"

namespace fairlead {
namespace {

std::shared_ptr<const AccessPolicy> device(const std::vector<TopicClass>& classes = {}) {
  auto rules = TopicRules::make(classes);
  EXPECT_TRUE(rules.ok());
  return AccessPolicy::for_device("pk", "dn", *rules);
}

std::shared_ptr<const AccessPolicy> application(std::initializer_list<const char*> texts) {
  std::vector<Permission> permissions;
  for (const char* text : texts) {
    auto permission = parse_permission(text);
    EXPECT_TRUE(permission.ok()) << text;
    permissions.push_back(*permission);
  }
  return AccessPolicy::for_application(std::move(permissions));
}

TEST(DevicePolicy, PublishesItsSystemTopics) {
  auto policy = device();
  for (const char* topic :
       {"/sys/pk/dn/thing/event/property/post", "/sys/pk/dn/thing/service/property/set_reply",
        "/sys/pk/dn/thing/model/up_raw", "/sys/pk/dn/thing/file/upload/mqtt/init",
        "/sys/pk/dn/rrpc/response/889455942124347392", "/sys/pk/dn/_thing/event/notify",
        "/ota/device/inform/pk/dn", "/ota/device/progress/pk/dn", "/ota/device/request/pk/dn",
        "/shadow/update/pk/dn", "/ext/ntp/pk/dn/request", "/ext/session/pk/dn/combine/login",
        "/ext/session/pk/dn/combine/batch_logout", "/ext/rrpc/1/pk/dn/user/get",
        "/ext/rrpc/1//pk/dn/user/get", "/ext/rrpc/1/sys/pk/dn/thing/service/x",
        "/ext/rrpc/1/whatever", "/broadcast/pk/all"}) {
    EXPECT_TRUE(policy->may_publish(topic)) << topic;
  }
}

TEST(DevicePolicy, DoesNotPublishWhatOnlyThePlatformSends) {
  auto policy = device();
  for (const char* topic :
       {"/sys/pk/dn/broadcast/request/1", "/ota/device/upgrade/pk/dn", "/shadow/get/pk/dn",
        "/ext/ntp/pk/dn/response", "/ext/session/pk/dn/combine/login_reply", "/ext/error/pk/dn",
        "/ext/register", "/ext/regnwl", "/ext/auth/identity/response"}) {
    EXPECT_FALSE(policy->may_publish(topic)) << topic;
  }
}

TEST(DevicePolicy, StaysWithItsOwnNames) {
  auto policy = device();
  for (const char* topic : {"/sys/pk/other/thing/event/property/post",
                            "/sys/other/dn/thing/event/property/post",
                            "/sys/pk/dn2/thing/x",
                            "/sys/pk/dnx",
                            "/sys/pk",
                            "/sys/",
                            "/pk/other/user/update",
                            "/other/dn/user/update",
                            "/pk/dn2/user/update",
                            "/pkx/dn/user/update",
                            "/ota/device/inform/pk/other",
                            "/ota/device/inform/pk/dn/x",
                            "/ota/device/inform",
                            "/shadow/update/pk/other",
                            "/shadow/update/pk/dnx",
                            "/ext/ntp/pk/other/request",
                            "/ext/ntp/pk/dnx/request",
                            "/ext/session/pk/other/combine/login",
                            "/ext/rrpc/1/pk/other/user/get",
                            "/ext/rrpc/1/sys/pk/other/thing/service/x",
                            "/ext/rrpc/1//sys/pk/other/x",
                            "/broadcast/other/x",
                            "/broadcast/pk",
                            "/broadcast/pkx/y",
                            "a/b",
                            "",
                            "/",
                            "sys/pk/dn/thing",
                            "$SYS/broker",
                            "$share/g/pk",
                            "//pk/dn/user/x"}) {
    EXPECT_FALSE(policy->may_publish(topic)) << topic;
    EXPECT_FALSE(policy->may_subscribe(topic)) << topic;
    EXPECT_FALSE(policy->may_receive(topic)) << topic;
  }
}

TEST(DevicePolicy, GrantsWhatSdksSubscribeAtConnect) {
  auto policy = device();
  for (const char* filter : {"/sys/pk/dn/thing/event/property/post_reply",
                             "/sys/pk/dn/thing/service/property/set",
                             "/sys/pk/dn/thing/event/+/post_reply",
                             "/sys/pk/dn/thing/deviceinfo/update_reply",
                             "/sys/pk/dn/thing/deviceinfo/delete_reply",
                             "/sys/pk/dn/thing/config/get_reply",
                             "/shadow/get/pk/dn",
                             "/sys/pk/dn/thing/config/push",
                             "/sys/pk/dn/thing/config/push_reply",
                             "/sys/pk/dn/thing/topo/add_reply",
                             "/sys/pk/dn/thing/topo/delete_reply",
                             "/sys/pk/dn/thing/topo/get_reply",
                             "/ext/session/pk/dn/combine/login_reply",
                             "/ext/session/pk/dn/combine/logout_reply",
                             "/sys/pk/dn/thing/sub/register_reply",
                             "/sys/pk/dn/rrpc/request/+",
                             "/sys/pk/dn/thing/service/#",
                             "/sys/pk/dn/#",
                             "/ext/rrpc/#",
                             "/ext/rrpc/+/pk/dn/user/get",
                             "/ext/rrpc/+/topic",
                             "/ext/rrpc/+/#",
                             "/ext/ntp/pk/dn/#",
                             "/ext/ntp/pk/dn/response",
                             "/ext/error/pk/dn",
                             "/ota/device/upgrade/pk/dn",
                             "/ota/device/request/pk/dn",
                             "/ota/device/+/pk/dn",
                             "/broadcast/pk/#",
                             "/broadcast/pk/x",
                             "/ext/register",
                             "/pk/dn/user/get",
                             "/pk/dn/user/#",
                             "/pk/dn/user/+",
                             "/pk/dn/get",
                             "$share/group//pk/dn/user/#"}) {
    EXPECT_TRUE(policy->may_subscribe(filter)) << filter;
  }
}

TEST(DevicePolicy, RefusesFiltersThatReachFurther) {
  auto policy = device();
  for (const char* filter : {"#",
                             "/#",
                             "/+/dn/user/#",
                             "/pk/+/user/get",
                             "/pk/#",
                             "/pk/dn/#",
                             "/sys/#",
                             "/sys/pk/#",
                             "/sys/+/+/thing/#",
                             "/sys/pk/+/thing/#",
                             "/ota/#",
                             "/ota/device/upgrade/pk/+",
                             "/ota/device/upgrade/#",
                             "/shadow/get/+/dn",
                             "/ext/#",
                             "/ext/ntp/pk/+/response",
                             "/ext/+/pk/dn/response",
                             "/ext/rrpc/+/sys/+/+/thing/#",
                             "/ext/rrpc/+/pk/+/user/get",
                             "/broadcast/#",
                             "/broadcast/+/x",
                             "+/pk/dn/user/x",
                             "$SYS/#",
                             "$share/group",
                             "$share/group/#",
                             "$share//#"}) {
    EXPECT_FALSE(policy->may_subscribe(filter)) << filter;
  }
}

TEST(DevicePolicy, ASharedRrpcFilterDeliversOnlyWhatNamesTheDevice) {
  auto policy = device();
  EXPECT_TRUE(policy->may_receive("/ext/rrpc/1/pk/dn/user/get"));
  EXPECT_TRUE(policy->may_receive("/ext/rrpc/1//pk/dn/user/get"));
  EXPECT_TRUE(policy->may_receive("/ext/rrpc/1/sys/pk/dn/thing/service/x"));
  EXPECT_FALSE(policy->may_receive("/ext/rrpc/1/pk/other/user/get"));
  EXPECT_FALSE(policy->may_receive("/ext/rrpc/1/pk/dnx/user/get"));
  EXPECT_FALSE(policy->may_receive("/ext/rrpc/1/anything"));
}

TEST(DevicePolicy, DoesNotReceiveItsOwnReplies) {
  auto policy = device();
  for (const char* topic :
       {"/sys/pk/dn/thing/service/reboot_reply", "/sys/pk/dn/thing/service/property/set_reply",
        "/sys/pk/dn/thing/config/push_reply", "/sys/pk/dn/thing/job/notify_reply",
        "/sys/pk/dn/rrpc/response/1"}) {
    EXPECT_TRUE(policy->may_publish(topic)) << topic;
    EXPECT_TRUE(policy->may_subscribe(topic)) << topic;
    EXPECT_FALSE(policy->may_receive(topic)) << topic;
  }
  EXPECT_TRUE(policy->may_receive("/sys/pk/dn/thing/event/property/post_reply"));
  EXPECT_TRUE(policy->may_receive("/sys/pk/dn/thing/service/reboot"));
}

TEST(DevicePolicy, DefaultClassesCoverNewAndOldStyle) {
  auto policy = device();
  EXPECT_TRUE(policy->may_publish("/pk/dn/user/update"));
  EXPECT_TRUE(policy->may_publish("/pk/dn/user/anything/deep"));
  EXPECT_TRUE(policy->may_receive("/pk/dn/user/anything/deep"));
  EXPECT_TRUE(policy->may_publish("/pk/dn/update"));
  EXPECT_TRUE(policy->may_publish("/pk/dn/update/error"));
  EXPECT_FALSE(policy->may_publish("/pk/dn/get"));
  EXPECT_TRUE(policy->may_receive("/pk/dn/get"));
  EXPECT_FALSE(policy->may_subscribe("/pk/dn/update"));
  EXPECT_FALSE(policy->may_publish("/pk/dn/other"));
}

TEST(DevicePolicy, ClassesOfTheProductReplaceTheDefaults) {
  auto policy = device({{"/${productKey}/${deviceName}/user/update", TopicPermission::kPublish},
                        {"/${productKey}/${deviceName}/user/get", TopicPermission::kSubscribe},
                        {"/${productKey}/${deviceName}/cmd/+/x", TopicPermission::kSubscribe}});
  EXPECT_TRUE(policy->may_publish("/pk/dn/user/update"));
  EXPECT_FALSE(policy->may_subscribe("/pk/dn/user/update"));
  EXPECT_TRUE(policy->may_subscribe("/pk/dn/user/get"));
  EXPECT_FALSE(policy->may_publish("/pk/dn/user/get"));
  EXPECT_FALSE(policy->may_subscribe("/pk/dn/user/#"));
  EXPECT_TRUE(policy->may_subscribe("/pk/dn/cmd/+/x"));
  EXPECT_TRUE(policy->may_subscribe("/pk/dn/cmd/a/x"));
  EXPECT_TRUE(policy->may_receive("/pk/dn/cmd/a/x"));
  EXPECT_FALSE(policy->may_publish("/pk/dn/update"));
  EXPECT_TRUE(policy->may_publish("/sys/pk/dn/thing/event/property/post"));
}

TEST(TopicRules, RefusesBadClasses) {
  using enum TopicPermission;
  for (const TopicClass& one :
       std::vector<TopicClass>{{"/pk/dn/user", kAll},
                               {"/${productKey}/${deviceName}/", kAll},
                               {"/${productKey}/+/user", kSubscribe},
                               {"/${productKey}/${deviceName}/a#", kSubscribe},
                               {"/${productKey}/${deviceName}/#/a", kSubscribe},
                               {"/${productKey}/${deviceName}/+/a", kPublish},
                               {"/${productKey}/${deviceName}/a\nb", kPublish},
                               {"/${productKey}/${deviceName}/" + std::string(128, 'x'), kAll}}) {
    EXPECT_FALSE(TopicRules::make({one}).ok()) << one.pattern;
  }
  EXPECT_FALSE(
      TopicRules::make(std::vector<TopicClass>(51, {"/${productKey}/${deviceName}/a", kAll})).ok());
  EXPECT_TRUE(TopicRules::make(default_topic_classes()).ok());
}

TEST(ApplicationPolicy, PublishesWhereAFilterMatches) {
  auto policy = application({"pub:/pk/+/user/#", "sub:/other/#"});
  EXPECT_TRUE(policy->may_publish("/pk/d1/user/get"));
  EXPECT_TRUE(policy->may_publish("/pk/d1/user"));
  EXPECT_FALSE(policy->may_publish("/pk/d1/sys"));
  EXPECT_FALSE(policy->may_publish("/other/x"));
}

TEST(ApplicationPolicy, SubscribesWhatIsCovered) {
  auto policy = application({"sub:/pk/+/user/#"});
  EXPECT_TRUE(policy->may_subscribe("/pk/+/user/#"));
  EXPECT_TRUE(policy->may_subscribe("/pk/d1/user/+"));
  EXPECT_TRUE(policy->may_subscribe("/pk/d1/user"));
  EXPECT_TRUE(policy->may_subscribe("$share/g//pk/+/user/update"));
  EXPECT_FALSE(policy->may_subscribe("/pk/#"));
  EXPECT_FALSE(policy->may_subscribe("/+/d1/user/#"));
  EXPECT_FALSE(policy->may_subscribe("#"));
  EXPECT_TRUE(policy->may_receive("/pk/d1/user/x"));
  EXPECT_FALSE(policy->may_receive("/pk/d1/x"));
}

TEST(ApplicationPolicy, AHashDoesNotReachDollarTopics) {
  auto all = application({"sub:#", "pub:#"});
  EXPECT_TRUE(all->may_subscribe("#"));
  EXPECT_TRUE(all->may_subscribe("/sys/+/+/thing/#"));
  EXPECT_FALSE(all->may_subscribe("$SYS/#"));
  EXPECT_FALSE(all->may_publish("$SYS/x"));
  EXPECT_FALSE(all->may_receive("$SYS/x"));
  auto sys = application({"sub:$SYS/#"});
  EXPECT_TRUE(sys->may_subscribe("$SYS/#"));
  EXPECT_TRUE(sys->may_subscribe("$SYS/broker/+"));
  EXPECT_FALSE(sys->may_subscribe("#"));
}

TEST(ApplicationPolicy, WithoutPermissionsMayNothing) {
  auto policy = AccessPolicy::for_application({});
  EXPECT_FALSE(policy->may_publish("a"));
  EXPECT_FALSE(policy->may_subscribe("a"));
  EXPECT_FALSE(policy->may_receive("a"));
}

TEST(AnonymousPolicy, MayAllButPublishToDollarTopics) {
  auto policy = AccessPolicy::for_anonymous();
  EXPECT_TRUE(policy->may_publish("a/b"));
  EXPECT_TRUE(policy->may_subscribe("#"));
  EXPECT_TRUE(policy->may_subscribe("$SYS/#"));
  EXPECT_TRUE(policy->may_receive("a"));
  EXPECT_FALSE(policy->may_publish("$SYS/a"));
}

TEST(Permission, RoundTripsAndRefusesOthers) {
  for (const char* text : {"pub:#", "sub:/pk/+/user/#", "sub:$SYS/#", "pub:a"}) {
    auto permission = parse_permission(text);
    ASSERT_TRUE(permission.ok()) << text;
    EXPECT_EQ(format_permission(*permission), text);
  }
  for (const char* text :
       {"", "#", "all:#", "pub:", "sub:a#", "sub:#/a", "sub:$share/g/#", "sub:a\nb", "PUB:a"}) {
    EXPECT_FALSE(parse_permission(text).ok()) << text;
  }
}

TEST(SystemTopics, AreAllGrantedToTheDeviceAndNoneMatchesWhatItPublishes) {
  auto policy = device();
  const std::vector<std::string> filters = system_filters("pk", "dn", 1);
  EXPECT_GT(filters.size(), 50u);
  for (const std::string& filter : filters) EXPECT_TRUE(policy->may_subscribe(filter)) << filter;
  for (const char* topic :
       {"/sys/pk/dn/thing/event/property/post", "/sys/pk/dn/thing/event/alarm/post",
        "/sys/pk/dn/thing/deviceinfo/update", "/sys/pk/dn/thing/file/upload/mqtt/init",
        "/ext/session/pk/dn/combine/login", "/ext/ntp/pk/dn/request", "/shadow/update/pk/dn",
        "/ota/device/inform/pk/dn", "/sys/pk/dn/thing/topo/add", "/sys/pk/dn/thing/job/get"}) {
    EXPECT_FALSE(is_system_delivery(topic, "pk", "dn", 1)) << topic;
  }
}

TEST(SystemTopics, TheQuestionAgreesWithTheList) {
  const std::vector<std::string> filters = system_filters("pk", "dn", 1);
  for (std::string filter : filters) {
    for (std::size_t at; (at = filter.find_first_of("+#")) != std::string::npos;) filter[at] = 'x';
    EXPECT_TRUE(is_system_delivery(filter, "pk", "dn", 1)) << filter;
    EXPECT_FALSE(is_system_delivery(filter, "pk", "d", 0)) << filter;
    EXPECT_FALSE(is_system_delivery(filter + "x/y/z", "pk", "dnx", 0)) << filter;
  }
  EXPECT_FALSE(is_system_delivery("/ext/rrpc/1/x", "pk", "dn", 2));
  EXPECT_FALSE(is_system_delivery("/pk/dn/user/get", "pk", "dn", 1));
}

TEST(SystemTopics, BroadcastsNeedNoSubscription) {
  EXPECT_TRUE(is_default_delivery("/sys/pk/dn/broadcast/request/1", "pk", "dn"));
  EXPECT_TRUE(is_default_delivery("/ext/register", "pk", "dn"));
  EXPECT_FALSE(is_default_delivery("/sys/pk/other/broadcast/request/1", "pk", "dn"));
  EXPECT_FALSE(is_default_delivery("/sys/pk/dn/broadcast/request/1/2", "pk", "dn"));
  EXPECT_EQ(default_delivery_filters("pk", "dn").size(), 1u);
}

}  // namespace
}  // namespace fairlead
