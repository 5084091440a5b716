#include "hostile/hostile.h"

// User names and passwords that are empty, missing or odd, and client identifiers that are not
// there: refused in time, with the code of the version, and never taken for somebody.

namespace fairlead::testing {
namespace {

using raw::text;

class Credentials : public HostileTest {
 protected:
  // Anonymous clients are not welcome here.
  TestServer& server() override {
    static TestServer* const made = [] {
      static std::unique_ptr<TestServer> strict;
      strict = std::make_unique<TestServer>(TestServerOptions{
          .authenticator = {.anonymous = AnonymousAccess::kRefused, .failures_per_minute_max = 0}});
      return strict.get();
    }();
    return *made;
  }
  void SetUp() override {}  // the bystander would be anonymous

  std::string attempt(std::optional<std::string> user, std::optional<std::string> password,
                      std::string_view id = "c") {
    TestClient peer = client();
    std::string payload = text(id);
    unsigned flags = raw::kClean;
    if (user) {
      payload += text(*user);
      flags |= raw::kUserName;
    }
    if (password) {
      payload += text(*password);
      flags |= raw::kPassword;
    }
    peer.send_bytes(raw::connect(version(), flags, payload));
    return peer.next();
  }
  [[nodiscard]] std::string bad() const { return is_v5() ? "CONNACK 0x86" : "CONNACK 4"; }
};
FL_EVERY_VERSION(Credentials);

TEST_P(Credentials, EveryOddCombinationIsRefused) {
  const std::optional<std::string> users[] = {std::nullopt,
                                              "",
                                              "&",
                                              "&&",
                                              "d1",
                                              "d1&",
                                              "&pk",
                                              "d1&pk",
                                              "d1&p",
                                              "d&pk",
                                              "d1&pk&",
                                              "&d1&pk",
                                              "backend",
                                              "BACKEND",
                                              "backend ",
                                              " ",
                                              "#",
                                              "$SYS",
                                              "backend&x",
                                              "d1&pk&std",
                                              std::string(5'000, 'u'),
                                              std::string(5'000, '&')};
  const std::optional<std::string> passwords[] = {
      std::nullopt, "", "x", std::string(40, '0'), std::string(64, 'f'), std::string(5'000, 'p')};
  for (const auto& user : users) {
    for (const auto& password : passwords) {
      if (!user && password && !is_v5()) continue;  // see below
      // A wrong password of an application costs milliseconds, on purpose: not over every
      // transport.
      const bool costly = user && user->find('&') == std::string::npos;
      if (costly && (transport() != Transport::kTcp || (password && password->size() > 1)))
        continue;
      EXPECT_EQ(attempt(user, password), bad()) << user.value_or("(none)").substr(0, 40) << " / "
                                                << password.value_or("(none)").substr(0, 40);
    }
  }
}

TEST_P(Credentials, PasswordWithoutUserNameIsMalformedBefore5) {
  EXPECT_EQ(attempt(std::nullopt, "x"), is_v5() ? "CONNACK 0x86" : "CLOSED");
}

TEST_P(Credentials, FlagsThatPromiseMoreThanThereIs) {
  constexpr unsigned kClean = raw::kClean;
  for (const unsigned flags :
       {kClean | raw::kUserName, kClean | raw::kWill, kClean | raw::kUserName | raw::kPassword}) {
    TestClient peer = client();
    peer.send_bytes(raw::connect(version(), flags, text("c")));
    const std::string line = peer.next();
    // In 3.1 the packet's length counts more than the flags: that is nobody, then.
    const bool lenient = version() == ProtocolVersion::k31 && (flags & raw::kWill) == 0;
    EXPECT_EQ(line, is_v5() ? "CONNACK 0x81" : lenient ? "CONNACK 4" : "CLOSED");
  }
}

TEST_P(Credentials, RightOnesOfOneAreOfNoUseToAnother) {
  TestClient maker = client();
  const mqtt::ConnectPacket d1 = maker.device_hello({.name = "d1"});
  const std::string sign(as_text(*d1.password));
  const std::string id(d1.client_id);
  EXPECT_EQ(attempt("d2&pk", sign, id), bad());
  EXPECT_EQ(attempt("d1&std", sign, id), bad());
  EXPECT_EQ(attempt("D1&pk", sign, id), bad());
  EXPECT_EQ(attempt("backend", sign, id), bad());
  EXPECT_EQ(attempt("d1&pk", "backend-pass", id), bad());
  EXPECT_EQ(attempt("watcher", "backend-pass"), bad());
  EXPECT_EQ(attempt("d1&pk", sign, "54321|securemode=3,signmethod=hmacsha1,timestamp=789|"), bad());
  EXPECT_EQ(attempt("d1&pk", sign.substr(1), id), bad());
  EXPECT_EQ(attempt("d1&pk", sign + "0", id), bad());
  EXPECT_EQ(attempt("d1&pk", sign, id), "CONNACK 0");
  EXPECT_EQ(attempt("backend", "backend-pass"), "CONNACK 0");
}

// A device is known by its name alone; an application's client identifier is the client's to keep.
TEST_P(Credentials, EmptyClientIdentifierOfAnApplication) {
  for (const unsigned clean : {0u, unsigned{raw::kClean}}) {
    TestClient peer = client();
    peer.send_bytes(raw::connect(version(), clean | raw::kUserName | raw::kPassword,
                                 text("") + text("backend") + text("backend-pass")));
    const bool good = is_v5() || (version() == ProtocolVersion::k311 && clean != 0);
    peer.expect(good ? "CONNACK 0" : "CONNACK 2");
    if (!is_v5()) continue;
    const auto assigned = peer.last_connack().properties.assigned_client_id;
    ASSERT_TRUE(assigned.has_value());
    EXPECT_FALSE(assigned->empty());
  }
}

class AnonymousCredentials : public HostileTest {};
FL_EVERY_VERSION(AnonymousCredentials);

TEST_P(AnonymousCredentials, EmptyClientIdentifierWithEachCleanFlag) {
  for (const unsigned clean : {0u, unsigned{raw::kClean}}) {
    TestClient peer = client();
    peer.send_bytes(raw::connect(version(), clean, text("")));
    const bool good = is_v5() || (version() == ProtocolVersion::k311 && clean != 0);
    peer.expect(good ? "CONNACK 0" : "CONNACK 2");
    if (!good) peer.expect_closed();
  }
}

class MissingIdentifiers : public AnonymousCredentials {};  // 3.1 needs them
FL_ONLY(MissingIdentifiers, ProtocolVersion::k311, ProtocolVersion::k5);

TEST_P(MissingIdentifiers, OfTwoClientsDoNotMeet) {
  TestClient first = client();
  TestClient second = client();
  first.send_bytes(raw::connect(version(), raw::kClean, text("")));
  second.send_bytes(raw::connect(version(), raw::kClean, text("")));
  first.expect("CONNACK 0");
  second.expect("CONNACK 0");
  first.ping();
  first.expect("PINGRESP");
}

// Where anybody may come in, a device's or application's name still asks for its credentials.
TEST_P(AnonymousCredentials, NamesOfOthersAreNotOpen) {
  for (const std::string_view user : {"d1&pk", "backend", "nobody&pk", "a&b"}) {
    TestClient peer = client();
    peer.send_bytes(raw::connect(version(), raw::kClean | raw::kUserName | raw::kPassword,
                                 text("c") + text(user) + text("guess")));
    peer.expect(is_v5() ? "CONNACK 0x86" : "CONNACK 4");
  }
}

// Identifiers that look like the keys sessions have inside.
TEST_P(AnonymousCredentials, OddIdentifiersAreJustNames) {
  TestClient device = client();
  device.connect(device.device_hello({.name = "d3"}));
  for (const std::string& id :
       {std::string("d"), std::string("d\x01pk"), std::string("d3&pk"),
        std::string("pk.d3|securemode=3|"), std::string("||"), std::string(16'000, 'i')}) {
    TestClient peer = client();
    peer.send_bytes(raw::connect(version(), raw::kClean, text(id)));
    peer.expect("CONNACK 0");
  }
  device.ping();
  device.expect("PINGRESP");
}

}  // namespace
}  // namespace fairlead::testing
