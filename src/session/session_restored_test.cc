#include <chrono>
#include <string>

#include "session/test_kept.h"

// What a new process makes of a session that was written down.

namespace fairlead::testing {
namespace {

using enum ProtocolVersion;
using std::chrono::hours;

TEST(SessionRestored, RepeatsWhatWasInFlightAndThenSendsWhatWaited) {
  Kept s;
  fill(s);
  s.commit_and_restart();
  ASSERT_TRUE(s.found);
  EXPECT_FALSE(s->session.connected());
  EXPECT_TRUE(s->session.kept());
  EXPECT_EQ(s->session.inflight_count(), 3u);
  EXPECT_EQ(s->session.queue_count(), 1u);
  EXPECT_EQ(s->session.received_count(), 1u);
  s->connect(hello(k5)).server("CONNACK present").server("PUBREL 1");
  s->server("PUBLISH a sent q1 id=2 dup").server("PUBLISH a waits for the disk q2 id=3 dup");
  s->server("PUBLISH a waits q1 id=4").silence();
  s->publish("up", kQos2, 9).server("PUBREC 9").silence();  // routed before
  s->pubrel(9).server("PUBCOMP 9");
  s->subscribe("a").server("GRANT a q1 existed").server("SUBACK 1 01");
  s->pubcomp(1).puback(2).pubrec(3).server("PUBREL 3").pubcomp(3).puback(4);
  EXPECT_EQ(s.keeper.now.size(), 2u) << "the session and its subscription";
  s->unsubscribe({"a"}).detach().wait(hours(2));
  EXPECT_EQ(s.keeper.now.size(), 0u);
}

// A file that was damaged and salvaged may have what had been erased: nothing is lost or asserted.
TEST(SessionRestored, IdentifiersThatAreThereTwiceAreTakenOnce) {
  Kept s;
  fill(s);
  s.commit_and_restart();
  Session& session = s->session;
  EXPECT_FALSE(session.restore_received(mqtt::PacketId{9}, RecordId{900}));
  EXPECT_EQ(session.received_count(), 1u);
  const auto entry = [&](std::string_view payload) {
    return Outgoing(s->message("a", kQos1, payload), {.qos = kQos1});
  };
  EXPECT_TRUE(session.restore_message(entry("twice"), mqtt::PacketId{2}));
  EXPECT_TRUE(session.restore_message(entry("late"), mqtt::PacketId{7}));
  Outgoing released;
  released.qos = kQos2;
  EXPECT_FALSE(session.restore_message(std::move(released), mqtt::PacketId{7}));
  s->connect(hello(k5)).server("CONNACK present").server("PUBREL 1");
  s->server("PUBLISH a sent q1 id=2 dup").server("PUBLISH a waits for the disk q2 id=3 dup");
  s->server("PUBLISH a late q1 id=7 dup").server("PUBLISH a waits q1 id=8");
  s->server("PUBLISH a twice q1 id=9").silence();
}

TEST(SessionRestored, GoesWithAllThatItHad) {
  Kept s;
  fill(s);
  s.commit_and_restart();
  s->wait(hours(2)).server("UNGRANT a").silence();
  EXPECT_TRUE(s->session.ended());
  EXPECT_EQ(s.keeper.now.size(), 0u);
}

TEST(SessionRestored, KnowsNothingOfWhatWasNotDurable) {
  Kept s;
  s->connected(hello(k5)).subscribe("a");
  s.restart();
  EXPECT_FALSE(s.found);
  s->connected(hello(k5)).subscribe("a");
  s.keeper.commit();
  s->subscribe("b").deliver("a", kQos1).publish("up", kQos2, 3);
  s.restart();
  ASSERT_TRUE(s.found);
  EXPECT_TRUE(s->session.subscribes_to("a"));
  EXPECT_FALSE(s->session.subscribes_to("b"));
  EXPECT_EQ(s->session.inflight_count() + s->session.queue_count(), 0u);
  EXPECT_EQ(s->session.received_count(), 0u);
}

TEST(SessionRestored, NewIdentifiersAreNotThoseInFlight) {
  Kept s;
  s->connected(hello(k5)).deliver("a", kQos1, "1").deliver("a", kQos1, "2").puback(1);
  s.commit_and_restart();
  s->connect(hello(k5)).server("CONNACK present").server("PUBLISH a 2 q1 id=2 dup");
  s->deliver("a", kQos1, "3").server("PUBLISH a 3 q1 id=3").silence();
}

TEST(SessionRestored, SmallerWindowIsKept) {
  Kept s;
  s->connected(hello(k5))
      .deliver("a", kQos1, "1")
      .deliver("a", kQos1, "2")
      .deliver("a", kQos1, "3");
  s.commit_and_restart();
  ConnectPacket connect = hello(k5);
  connect.properties.receive_maximum = uint16_t{2};
  s->connect(connect).server("CONNACK present").server("PUBLISH a 1 q1 id=1 dup");
  s->server("PUBLISH a 2 q1 id=2 dup").silence();
  s->puback(1).server("PUBLISH a 3 q1 id=3 dup").silence();
}

TEST(SessionRestored, ReceivedIdentifiersDoNotCountAgainstReceiveMaximum) {
  Kept s;
  s->limits.inflight_count_max = 1;
  s->connected(hello(k5)).publish("up", kQos2, 1).server("ROUTE up x q2").server("PUBREC 1");
  s.commit_and_restart();
  s->limits.inflight_count_max = 1;
  s->connect(hello(k5)).server("CONNACK present");
  s->publish("up", kQos2, 2).server("ROUTE up x q2").server("PUBREC 2").silence();
}

TEST(SessionRestored, WhoWasConnectedHasLostItsConnectionNow) {
  Kept s;
  s->connected(hello_for(100));
  s.commit_and_restart(hours(5));
  EXPECT_EQ(s->session.deadline(), s->now + seconds(100));
  s->wait(seconds(99));
  EXPECT_FALSE(s->session.ended());
  s->wait(seconds(1));
  EXPECT_TRUE(s->session.ended());
}

TEST(SessionRestored, WhoHadLeftExpiresByTheCalendar) {
  Kept s;
  s->connected(hello_for(100)).detach().wait(seconds(30));
  s.commit_and_restart(seconds(50));
  EXPECT_EQ(s->session.deadline(), s->now + seconds(20));
  s.commit_and_restart(seconds(30));
  EXPECT_LE(*s->session.deadline(), s->now);
  s->wait(milliseconds(0)).silence();
  EXPECT_TRUE(s->session.ended());
  EXPECT_EQ(s.keeper.now.size(), 0u);
}

TEST(SessionRestored, ExpiryDuringTheDowntimeIsNoticedByTheClientToo) {
  Kept s;
  s->connected(hello_for(100)).subscribe("a").detach();
  s.commit_and_restart(seconds(200));  // and its timer is late
  s->connect(hello_for(100)).server("UNGRANT a").server("CONNACK").silence();
}

// The clock of the machine was wrong when it left, or is now.
TEST(SessionRestored, NobodyHasLeftInTheFuture) {
  Kept s;
  ConnectPacket connect = hello_for(100);
  connect.will = testament();
  connect.will->properties.will_delay_seconds = 30;
  s->connected(connect).wait(hours(1000)).detach();
  s.commit_and_restart(-hours(999));
  EXPECT_EQ(s->session.deadline(), s->now + seconds(30));
  s->wait(seconds(30)).server("ROUTE will gone q1");
  EXPECT_EQ(s->session.deadline(), s->now + seconds(70));
}

TEST(SessionRestored, WillOfWhoWasConnectedIsPublishedAfterItsDelay) {
  Kept s;
  ConnectPacket connect = hello_for(100);
  connect.will = testament("will", kQos2);
  connect.will->retain = Retain::kYes;
  connect.will->properties.will_delay_seconds = 30;
  s->connected(connect);
  s.commit_and_restart(hours(1));
  s->wait(seconds(29)).silence();
  s->wait(seconds(1)).server("ROUTE will gone q2 retain").silence();
  s.commit_and_restart();
  s->wait(seconds(100)).silence();
}

TEST(SessionRestored, WillWithoutADelayIsPublishedAtOnce) {
  Kept s;
  ConnectPacket connect = hello_for(100);
  connect.will = testament();
  s->connected(connect);
  s.commit_and_restart(hours(1));
  EXPECT_EQ(s->session.deadline(), s->now);
  s->wait(milliseconds(0)).server("ROUTE will gone q1").silence();
}

TEST(SessionRestored, WillThatIsDueDuringTheDowntimeIsPublishedOnce) {
  Kept s;
  ConnectPacket connect = hello_for(1000);
  connect.will = testament();
  connect.will->properties.will_delay_seconds = 30;
  s->connected(connect).detach().wait(seconds(10));
  s.commit_and_restart(seconds(10));
  s->silence();
  EXPECT_EQ(s->session.deadline(), s->now + seconds(10));
  s.commit_and_restart(seconds(50));
  s->wait(milliseconds(0)).server("ROUTE will gone q1").silence();
  s->wait(seconds(1000)).silence();
}

TEST(SessionRestored, WillIsNotPublishedWhenTheClientIsBackInTime) {
  Kept s;
  ConnectPacket connect = hello_for(1000);
  connect.will = testament();
  connect.will->properties.will_delay_seconds = 30;
  s->connected(connect);
  s.commit_and_restart(seconds(10));
  s->connect(hello_for(1000)).server("CONNACK present");
  s->disconnect().server("BYE 0x00").detach(DetachCause::kClientDisconnect);
  s->wait(seconds(500)).silence();
}

TEST(SessionRestored, SessionOfMqtt3GoesOn) {
  Kept s;
  s->connected(hello(k311)).subscribe("a").deliver("a", kQos1, "1").detach();
  s.commit_and_restart();
  EXPECT_EQ(s->session.version(), k311);
  s->deliver("a", kQos1, "2").connect(hello(k311)).server("CONNACK present");
  s->server("PUBLISH a 1 q1 id=1 dup").server("PUBLISH a 2 q1 id=2").silence();
}

TEST(SessionRestored, SurvivesManyRestarts) {
  Kept s;
  s->connected(hello(k5)).deliver("a", kQos2, "1").deliver("a", kQos1, "2");
  for (int i = 0; i < 3; ++i) {
    s.commit_and_restart(seconds(1));
    s->connect(hello(k5)).server("CONNACK present").server("PUBLISH a 1 q2 id=1 dup");
    s->server("PUBLISH a 2 q1 id=2 dup").silence();
  }
  s->pubrec(1).server("PUBREL 1").puback(2);
  for (int i = 0; i < 3; ++i) {
    s.commit_and_restart(seconds(1));
    s->connect(hello(k5)).server("CONNACK present").server("PUBREL 1").silence();
  }
  s->pubcomp(1);
  s.commit_and_restart();
  s->connect(hello(k5)).server("CONNACK present").silence();
}

}  // namespace
}  // namespace fairlead::testing
