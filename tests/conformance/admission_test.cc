#include "conformance/fixture.h"
#include "shard/takeover_pace.h"

// Who is let in, when many ask at once: suspects, sessions and take-overs have their limits, and
// those limits hold whatever the transport.

namespace fairlead::testing {
namespace {

class Admitted : public ConformanceTest {
 protected:
  TestServer& start(const std::function<void(ServerOptions&)>& adjust) {
    server_ = std::make_unique<TestServer>(TestServerOptions{.shard_count = 1, .adjust = adjust});
    return *server_;
  }
  [[nodiscard]] TestServer& server() override { return *server_; }

  std::unique_ptr<TestServer> server_;
};
FL_EVERY_VERSION(Admitted);

// Connections that go no further than their handshakes fill the house; who comes later gets in all
// the same, at the cost of the oldest.
TEST_P(Admitted, OldestSuspectGivesWay) {
  constexpr std::size_t kSuspects = 64;
  start([](ServerOptions& options) {
    options.suspect.count_max = kSuspects;
    options.suspect.connect_max = options.suspect.detect_max = seconds(600);
    options.suspect.grace = milliseconds(0);
  });
  std::deque<TestClient> idle;
  for (std::size_t i = 0; i < kSuspects; ++i) idle.push_back(client());
  server().settle();
  TestClient healthy = connected();
  healthy.ping();
  healthy.expect("PINGRESP");
  idle.front().expect_closed();
  idle.back().connect(unique("c"));  // the youngest is still welcome
  EXPECT_EQ(server().engine().counters().suspects_now, kSuspects - 2);
  const auto cause = static_cast<std::size_t>(RefusalCause::kTooManySuspects);
  EXPECT_EQ(server().engine().counters().refused[cause], 1u);
}

TEST_P(Admitted, SessionsAreCountedAndOneTooManyIsRefused) {
  start([](ServerOptions& options) { options.session_count_max = 3; });
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i) {
    TestClient kept = client();
    mqtt::ConnectPacket hello = kept.hello(ids.emplace_back(unique("c")), CleanStart::kNo);
    hello.properties.session_expiry_seconds = 3600;
    kept.connect(hello);
    kept.disconnect();
    kept.expect_closed();
  }
  TestClient refused = client();
  refused.send(refused.hello(unique("c")));
  refused.expect(is_v5() ? "CONNACK 0x89" : "CONNACK 3");
  refused.expect_closed();

  TestClient back = client();  // a session that is there needs no room
  back.send(back.hello(ids[0], CleanStart::kNo));
  back.expect("CONNACK 0" + std::string(version() == ProtocolVersion::k31 ? "" : " present"));
  back.disconnect();
  TestClient clean = connected(ids[1]);  // ends it, and its own session when it goes
  clean.disconnect();
  clean.expect_closed();
  TestClient last = connected();
  last.ping();
  last.expect("PINGRESP");
}

TEST_P(Admitted, ClientsThatTakeOverFromEachOtherAreSlowedDown) {
  start([](ServerOptions& options) {
    options.takeovers_per_minute_max = 60;
    // A CONNECT that was sent has been read when settle() returns, however slow the machine.
    options.suspect.admission = {.turn_max = seconds(600), .lag_max = seconds(600)};
  });
  const std::string id = unique("c");
  auto first = std::make_unique<TestClient>(connected(id));
  for (int i = 0; i < 500; ++i) {
    auto second = std::make_unique<TestClient>(client());
    ByteBuffer bytes;
    mqtt::write(bytes, second->hello(id));
    mqtt::write(bytes, mqtt::PingreqPacket{});  // what it says before its turn is not lost
    second->wire().send(bytes.view());
    server().settle();
    first->ping();
    if (first->next() == "PINGRESP") {  // still there: the second one waits
      EXPECT_GE(i, TakeoverPace::kAtOnce - 1);
      second->expect("CONNACK 0");
      second->expect("PINGRESP");
      return first->expect_disconnect(ReasonCode::kSessionTakenOver);
    }
    second->expect("CONNACK 0");
    second->expect("PINGRESP");
    first = std::move(second);
  }
  FAIL() << "nobody was slowed down";
}

TEST_P(Admitted, TooManyTakeOversAreRefused) {
  start([](ServerOptions& options) { options.takeovers_per_minute_max = 1; });
  const std::string id = unique("c");
  std::deque<TestClient> fighters;
  for (int i = 0; i <= TakeoverPace::kAtOnce; ++i) {
    TestClient& next = fighters.emplace_back(client());
    next.connect(id);
  }
  TestClient refused = client();
  refused.send(refused.hello(id));
  refused.expect(is_v5() ? "CONNACK 0x9f" : "CONNACK 3");
  refused.expect_closed();
  fighters.back().ping();
  fighters.back().expect("PINGRESP");
}

// A client that waits for its turn may go away; the session does not notice.
TEST_P(Admitted, WhoWaitsForATakeOverMayGoAway) {
  start([](ServerOptions& options) { options.takeovers_per_minute_max = 60; });
  const std::string id = unique("c");
  std::deque<TestClient> fighters;
  for (int i = 0; i <= TakeoverPace::kAtOnce; ++i) fighters.emplace_back(client()).connect(id);
  {
    TestClient gone = client();
    gone.send(gone.hello(id));
    server().settle();
    gone.wire().reset();
  }
  fighters.back().ping();
  fighters.back().expect("PINGRESP");
}

}  // namespace
}  // namespace fairlead::testing
