#include "auth/profile.h"

#include <gtest/gtest.h>

#include <string>

namespace fairlead {
namespace {

TEST(Profile, NamesRoundTrip) {
  for (ProfileKind kind : {ProfileKind::kCompatible, ProfileKind::kStandard}) {
    EXPECT_EQ(parse_profile(profile_name(kind)), kind);
    EXPECT_EQ(profile_of(kind).kind, kind);
  }
  EXPECT_EQ(parse_profile("other"), std::nullopt);
}

TEST(Profile, CustomTopicsOfDevicesHaveSevenSlashesAnd128Bytes) {
  EXPECT_TRUE(within_topic_limits(kCompatibleProfile, "/pk/dn/user/a/b/c/d"));
  EXPECT_FALSE(within_topic_limits(kCompatibleProfile, "/pk/dn/user/a/b/c/d/e"));
  EXPECT_TRUE(within_topic_limits(kCompatibleProfile, "/" + std::string(127, 'x')));
  EXPECT_FALSE(within_topic_limits(kCompatibleProfile, "/" + std::string(128, 'x')));
}

TEST(Profile, SystemTopicsGoDeeper) {
  EXPECT_TRUE(within_topic_limits(kCompatibleProfile, "/sys/pk/dn/thing/file/upload/mqtt/init"));
  EXPECT_TRUE(within_topic_limits(kCompatibleProfile,
                                  "/ext/rrpc/889455942124347392/sys/pk/dn/thing/service/x"));
  EXPECT_FALSE(within_topic_limits(kCompatibleProfile, "/sys/pk/dn/" + std::string(256, 'x')));
}

TEST(Profile, TheStandardOneHas128Levels) {
  EXPECT_TRUE(within_topic_limits(kStandardProfile, std::string(127, '/')));
  EXPECT_FALSE(within_topic_limits(kStandardProfile, std::string(128, '/')));
}

}  // namespace
}  // namespace fairlead
