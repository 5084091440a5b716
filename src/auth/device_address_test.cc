#include "auth/device_address.h"

#include <gtest/gtest.h>

namespace fairlead {
namespace {

std::string names_in(std::string_view topic) {
  auto address = addressed_device(topic);
  if (!address) return "-";
  return std::string(address->product_key) + "+" + std::string(address->device_name);
}

TEST(DeviceAddress, IsFoundInEverySystemTopicSentToDevices) {
  EXPECT_EQ(names_in("/sys/pk/dn/thing/service/property/set"), "pk+dn");
  EXPECT_EQ(names_in("/sys/pk/dn/rrpc/request/889455942124347392"), "pk+dn");
  EXPECT_EQ(names_in("/shadow/get/pk/dn"), "pk+dn");
  EXPECT_EQ(names_in("/ota/device/upgrade/pk/dn"), "pk+dn");
  EXPECT_EQ(names_in("/ext/ntp/pk/dn/response"), "pk+dn");
  EXPECT_EQ(names_in("/ext/session/pk/dn/combine/login_reply"), "pk+dn");
  EXPECT_EQ(names_in("/ext/error/pk/dn"), "pk+dn");
  EXPECT_EQ(names_in("/ext/rrpc/123/sys/pk/dn/thing/service/x"), "pk+dn");
  EXPECT_EQ(names_in("/ext/rrpc/123/pk/dn/user/get"), "pk+dn");
  EXPECT_EQ(names_in("/ext/rrpc/123//pk/dn/user/get"), "pk+dn");
}

TEST(DeviceAddress, IsNotInOtherTopicsNorInTruncatedOnes) {
  for (std::string_view topic :
       {"/pk/dn/user/get", "sys/pk/dn/x", "/sys/pk", "/sys//dn/x", "/sys/", "/ext/", "/ext/rrpc/1",
        "/shadow/update/pk/dn", "/ota/device/x", "", "$SYS/broker", "/broadcast/pk/x"}) {
    EXPECT_EQ(names_in(topic), "-") << topic;
  }
}

}  // namespace
}  // namespace fairlead
