#include "auth/password.h"

#include <gtest/gtest.h>

#include <string>

namespace fairlead {
namespace {

constexpr uint32_t kFew = 2;

TEST(Password, GivesThePublishedVector) {
  // PBKDF2-HMAC-SHA256, password "password", salt "salt", 2 iterations, 32 bytes.
  EXPECT_EQ(encode_password("password", as_bytes("salt"), kFew),
            "pbkdf2-sha256$2$73616c74$"
            "ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43");
}

TEST(Password, VerifiesWhatItEncoded) {
  const std::string encoded = encode_password("correct horse", as_bytes("0123456789abcdef"), kFew);
  EXPECT_TRUE(verify_password(encoded, "correct horse"));
  EXPECT_FALSE(verify_password(encoded, "correct horsf"));
  EXPECT_FALSE(verify_password(encoded, ""));
  EXPECT_NE(encoded, encode_password("correct horse", as_bytes("fedcba9876543210"), kFew));
}

TEST(Password, RefusesTextsItDidNotWrite) {
  for (const char* text :
       {"", "plain", "pbkdf2-sha256$", "pbkdf2-sha256$2$73616c74$", "pbkdf2-sha256$2$73616c74",
        "pbkdf2-sha256$0$73616c74$ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43",
        "pbkdf2-sha256$2x$73616c74$"
        "ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43",
        "pbkdf2-sha256$2$7361zz74$ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43",
        "pbkdf2-sha256$4294967295$73616c74$"
        "ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43"}) {
    EXPECT_FALSE(verify_password(text, "password")) << text;
  }
}

}  // namespace
}  // namespace fairlead
