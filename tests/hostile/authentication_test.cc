#include <dlfcn.h>
#include <openssl/evp.h>

#include <atomic>
#include <fstream>

#include "hostile/hostile.h"
#include "sqlite/sqlite.h"

// What guessing costs, what it tells, and what happens to those who are honest beside it; and that
// a registry that is out of order lets nobody in.

namespace {

std::atomic<uint64_t> hmac_count, pbkdf2_count;

bool is_of_this_program(const void* caller) {
  Dl_info own, callers;
  return ::dladdr(&hmac_count, &own) != 0 && ::dladdr(caller, &callers) != 0 &&
         own.dli_fbase == callers.dli_fbase;
}

}  // namespace

extern "C" {

// In front of those of OpenSSL, which are called all the same: work is counted, not timed.
int EVP_DigestUpdate(EVP_MD_CTX* context, const void* data, std::size_t size) {
  static auto* const next =
      reinterpret_cast<decltype(&EVP_DigestUpdate)>(::dlsym(RTLD_NEXT, "EVP_DigestUpdate"));
  // The outer block of an HMAC (RFC 2104): the key, which is shorter, is followed by this padding.
  // Those of TLS are computed within OpenSSL.
  if (size == 64 && static_cast<const unsigned char*>(data)[63] == 0x5c &&
      is_of_this_program(__builtin_return_address(0))) {
    ++hmac_count;
  }
  return next(context, data, size);
}

int PKCS5_PBKDF2_HMAC(const char* password, int password_size, const unsigned char* salt,
                      int salt_size, int iterations, const EVP_MD* digest, int key_size,
                      unsigned char* key) {
  static auto* const next =
      reinterpret_cast<decltype(&PKCS5_PBKDF2_HMAC)>(::dlsym(RTLD_NEXT, "PKCS5_PBKDF2_HMAC"));
  pbkdf2_count += static_cast<uint64_t>(iterations);
  return next(password, password_size, salt, salt_size, iterations, digest, key_size, key);
}

}  // extern "C"

namespace fairlead::testing {
namespace {

constexpr std::string_view kWrongId = "12345|securemode=3,signmethod=hmacsha1,timestamp=789|";

class Guessing : public HostileTest {
 protected:
  TestServer& server() override { return server_; }
  void SetUp() override {}  // the bystander would be anonymous

  struct Answer {
    std::string line;
    uint64_t hmacs = 0;
    uint64_t iterations = 0;
    bool operator==(const Answer&) const = default;
  };
  // What a CONNECT is told, and what it has cost.
  Answer attempt(std::string_view user, std::string_view password) {
    TestClient peer = client();
    const uint64_t hmacs = hmac_count;
    const uint64_t iterations = pbkdf2_count;
    peer.send_bytes(raw::connect(version(), raw::kClean | raw::kUserName | raw::kPassword,
                                 raw::text(kWrongId) + raw::text(user) + raw::text(password)));
    Answer answer{.line = peer.next()};
    if (is_v5()) {  // the sentence counts, too
      answer.line += std::string(peer.last_connack().properties.reason_string.value_or(""));
    }
    answer.hmacs = hmac_count - hmacs;
    answer.iterations = pbkdf2_count - iterations;
    return answer;
  }
  TestServer server_{
      {.shard_count = 1,
       .authenticator = {.anonymous = AnonymousAccess::kRefused, .failures_per_minute_max = 0}}};
};
FL_EVERY_VERSION(Guessing);

TEST_P(Guessing, UnknownDevicesCostAndTellWhatKnownOnesDo) {
  for (const std::size_t size : {32u, 40u, 64u, 10u, 0u}) {
    const std::string sign(size, 'a');
    const Answer known = attempt("d1&pk", sign);
    EXPECT_EQ(known.hmacs, size >= 32 ? 4u : 0u);
    EXPECT_EQ(attempt("nobody&pk", sign), known);
    EXPECT_EQ(attempt("d1&nothing", sign), known);
    EXPECT_EQ(attempt("d1&std", sign), known);
  }
}

TEST_P(Guessing, UnknownApplicationsCostAndTellWhatKnownOnesDo) {
  const Answer known = attempt("backend", "wrong");
  EXPECT_GT(known.iterations, 1'000u);
  EXPECT_EQ(attempt("nobody", "wrong"), known);
  // Once its password is known to the server, a wrong one costs as much as before.
  TestClient right = client();
  right.connect(right.app_hello("backend", "c"));
  EXPECT_EQ(attempt("backend", "wrong"), known);
  EXPECT_EQ(attempt("nobody", "wrong"), known);
}

// A disabled device is told so only when it has proved who it is.
TEST_P(Guessing, StateOfADeviceIsNotToldToStrangers) {
  const Answer before = attempt("d1&pk", std::string(40, 'a'));
  ASSERT_TRUE(server_.database().set_device_enabled("pk", "d1", false).ok());
  server_.apply();
  EXPECT_EQ(attempt("d1&pk", std::string(40, 'a')), before);
}

// --- The budget ----------------------------------------------------------------------------------

class Budget : public HostileTest {
 protected:
  explicit Budget(uint32_t failures_max = 5) : failures_max_(failures_max) {}
  TestServer& server() override { return server_; }
  void SetUp() override {}

  std::string device(std::string_view name, std::string_view secret) {
    TestClient peer = client();
    peer.send(peer.device_hello({.name = std::string(name), .secret = std::string(secret)}));
    return peer.next();
  }
  std::string app(std::string_view name, std::string_view password) {
    TestClient peer = client();
    mqtt::ConnectPacket hello = peer.app_hello(name, "c");
    hello.password = as_bytes(password);
    peer.send(hello);
    return peer.next();
  }
  [[nodiscard]] std::string bad() const { return is_v5() ? "CONNACK 0x86" : "CONNACK 4"; }
  [[nodiscard]] std::string too_many() const { return is_v5() ? "CONNACK 0x9f" : "CONNACK 3"; }

  uint32_t failures_max_;
  TestServer server_{{.shard_count = 2,
                      .authenticator = {.anonymous = AnonymousAccess::kRefused,
                                        .failures_per_minute_max = failures_max_,
                                        .loopback = LoopbackBudget::kCounted}}};
};
FL_ONLY(Budget, ProtocolVersion::k311, ProtocolVersion::k5);

TEST_P(Budget, HealthyDevicesBehindTheAddressOfAnAttackerGetIn) {
  for (int i = 0; i < 5; ++i) EXPECT_EQ(device("d1", "guess"), bad());
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(device("d" + std::to_string(i % 9 + 1), "guess"), too_many());
  for (int i = 1; i <= 9; ++i) {
    const std::string name = "d" + std::to_string(i);
    EXPECT_EQ(device(name, "secret-" + name), "CONNACK 0") << name;
  }
}

TEST_P(Budget, GuessingUnknownNamesTellsNothingElse) {
  for (int i = 0; i < 5; ++i) EXPECT_EQ(device("nobody", "guess"), bad());
  EXPECT_EQ(device("nobody", "guess"), too_many());
  EXPECT_EQ(device("d1", "guess"), too_many());
}

// An application that was never guessed at gets in while its neighbours are guessed at.
TEST_P(Budget, ApplicationBehindTheAddressOfAnAttackerGetsIn) {
  for (int i = 0; i < 20; ++i) (void)device("d1", "guess");
  EXPECT_EQ(app("backend", "backend-pass"), "CONNACK 0");
  for (int i = 0; i < 6; ++i) (void)app("watcher", "guess");
  const uint64_t before = pbkdf2_count;
  EXPECT_EQ(app("watcher", "guess"), too_many());
  EXPECT_EQ(pbkdf2_count, before);  // not looked at
  EXPECT_EQ(app("backend", "backend-pass"), "CONNACK 0");
}

// --- A registry that is out of order -------------------------------------------------------------

class FailClosed : public Budget {
 protected:
  FailClosed() : Budget(0) {}
  // Those that the server knows get in, or nobody: never somebody else.
  void expect_closed_to_strangers() {
    EXPECT_EQ(device("d1", "secret-d1"), "CONNACK 0");
    EXPECT_EQ(device("d1", "guess"), bad());
    EXPECT_EQ(device("nobody", "guess"), bad());
    EXPECT_EQ(app("nobody", "guess"), bad());
    TestClient anonymous = client();
    anonymous.send(anonymous.hello("c"));
    anonymous.expect(bad());
  }
  [[nodiscard]] std::filesystem::path file() const { return server_.data_dir() / "registry.db"; }
  void overwrite(const std::filesystem::path& path) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << std::string(8'192, 'x');
  }
};
INSTANTIATE_TEST_SUITE_P(All, FailClosed,
                         ::testing::Combine(kEveryTransport,
                                            ::testing::Values(ProtocolVersion::k5)),
                         param_name);

TEST_P(FailClosed, DatabaseIsGone) {
  for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(file().string() + end);
  expect_closed_to_strangers();
  try {
    server_.apply();
  } catch (const std::exception&) {  // it may say that something is wrong
  }
  expect_closed_to_strangers();
}

TEST_P(FailClosed, DatabaseIsGarbage) {
  for (const char* end : {"", "-wal"}) overwrite(file().string() + end);
  expect_closed_to_strangers();
  try {
    server_.apply();
  } catch (const std::exception&) {
  }
  expect_closed_to_strangers();
  EXPECT_FALSE(Registry::open(server_.data_dir()).ok());  // and there is no start with it
}

TEST_P(FailClosed, DatabaseIsLocked) {
  SqliteConnection other(file());
  other.run("BEGIN EXCLUSIVE");
  expect_closed_to_strangers();
  other.run("ROLLBACK");
  ASSERT_TRUE(server_.database().set_device_enabled("pk", "d1", false).ok());
  server_.apply();
  EXPECT_EQ(device("d1", "secret-d1"), "CONNACK 0x87");
}

TEST(FailClosedAtStart, WhatIsNoDatabaseIsRefused) {
  const TempDir dir;
  std::ofstream(dir.path() / "registry.db") << std::string(8'192, 'x');
  EXPECT_FALSE(Registry::open(dir.path()).ok());
  EXPECT_FALSE(Database::open(dir.path()).ok());
  const TempDir other;
  std::filesystem::create_directory(other.path() / "registry.db");
  EXPECT_FALSE(Registry::open(other.path()).ok());
}

}  // namespace
}  // namespace fairlead::testing
