#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "session/test_kept.h"

// What of a session is written down, and when.

namespace fairlead::testing {
namespace {

using enum ProtocolVersion;
using std::chrono::hours;

// --- What is written -----------------------------------------------------------------------------

TEST(SessionKept, WhatEndsWithItsConnectionIsNeverWritten) {
  for (const ConnectPacket& connect : {hello_for(0), hello(k311, CleanStart::kYes)}) {
    Kept s;
    s->connected(connect).subscribe("a").publish("up", kQos2, 9).pubrel(9);
    s->deliver("a", kQos1).puback(1).deliver("a", kQos2).pubrec(2).pubcomp(2);
    s->deliver("a", kQos2, "not acknowledged").congest().deliver("a", kQos1, "waits");
    s->unsubscribe({"a"}).detach();
    EXPECT_FALSE(s->session.kept());
    EXPECT_TRUE(s->session.ended());
    EXPECT_EQ(s.keeper.changes, 0u);
  }
}

TEST(SessionKept, MessageOfQos2LeavesAtOnceWhenTheSessionIsNotKept) {
  Kept s;
  s->connected(hello_for(0)).deliver("a", kQos2).server("PUBLISH a x q2 id=1").silence();
}

TEST(SessionKept, SaysWhetherItIsConnectedAndSinceWhenNot) {
  Kept s;
  ConnectPacket connect = hello_for(100);
  connect.will = testament();
  connect.will->properties.will_delay_seconds = 30;
  s->connected(connect);
  ASSERT_EQ(s.keeper.now.sessions.size(), 1u);
  EXPECT_EQ(s.keeper.session_record().key, "pk/dn");
  EXPECT_EQ(s.keeper.session_record().version, k5);
  EXPECT_EQ(s.keeper.session_record().expiry_seconds, 100u);
  EXPECT_EQ(s.keeper.session_record().left_at, Instant::max());
  EXPECT_EQ(s.keeper.session_record().will_due, Instant::max());
  EXPECT_EQ((*read_will(s.keeper.session_record()))->topic, "will");
  s->now += hours(1);
  s->detach();
  ASSERT_EQ(s.keeper.now.sessions.size(), 1u);
  EXPECT_EQ(s.keeper.session_record().left_at, s->now);
  EXPECT_EQ(s.keeper.session_record().will_due, s->now + seconds(30));
  s->connect(hello(k311)).server("CONNACK present");
  ASSERT_EQ(s.keeper.now.sessions.size(), 1u);
  EXPECT_EQ(s.keeper.session_record().version, k311);
  EXPECT_EQ(s.keeper.session_record().left_at, Instant::max());
  EXPECT_FALSE(read_will(s.keeper.session_record())->has_value());
}

TEST(SessionKept, WillThatWasPublishedIsNotWrittenAnyMore) {
  Kept s;
  ConnectPacket connect = hello_for(100);
  connect.will = testament();
  connect.will->properties.will_delay_seconds = 30;
  s->connected(connect).detach().wait(seconds(40)).server("ROUTE will gone q1").silence();
  EXPECT_FALSE(read_will(s.keeper.session_record())->has_value());
  EXPECT_EQ(s.keeper.session_record().left_at, s->now - seconds(40));
  s.commit_and_restart();
  s->wait(seconds(59)).silence();
  EXPECT_FALSE(s->session.ended());
  s->wait(seconds(1)).silence();
  EXPECT_TRUE(s->session.ended());
}

TEST(SessionKept, SubscriptionIsWrittenReplacedAndErased) {
  Kept s;
  s->connected(hello(k5)).subscribe({{.filter = "a", .options = {.qos = kQos1}}}, 1, 5);
  s->subscribe("$share/g/b", kQos2);
  ASSERT_EQ(s.keeper.now.subscriptions.size(), 2u);
  const RecordId first = s.keeper.now.subscriptions.begin()->first;
  const auto& a = s.keeper.now.subscriptions.begin()->second;
  EXPECT_EQ(a.filter, "a");
  EXPECT_EQ(a.options.qos, kQos1);
  EXPECT_EQ(a.identifier, 5u);
  EXPECT_EQ(s.keeper.now.subscriptions.rbegin()->second.filter, "$share/g/b");
  s->subscribe({{.filter = "a",
                 .options = {.qos = kQos2,
                             .no_local = true,
                             .retain_as_published = true,
                             .retain_handling = mqtt::RetainHandling::kDoNotSend}}});
  ASSERT_EQ(s.keeper.now.subscriptions.size(), 2u);
  EXPECT_EQ(a.options.qos, kQos2);
  EXPECT_TRUE(a.options.no_local && a.options.retain_as_published);
  EXPECT_EQ(a.identifier, 0u);
  s->unsubscribe({"a", "not/there"});
  ASSERT_EQ(s.keeper.now.subscriptions.size(), 1u);
  EXPECT_FALSE(s.keeper.now.subscriptions.contains(first));
}

TEST(SessionKept, IdentifierOfAReceivedMessageIsWrittenUntilItIsReleased) {
  Kept s;
  s->connected(hello(k5)).publish("up", kQos1, 8).publish("up", kQos0);
  EXPECT_TRUE(s.keeper.now.received.empty());
  s->publish("up", kQos2, 9).publish("up", kQos2, 9);
  ASSERT_EQ(s.keeper.now.received.size(), 1u);
  EXPECT_EQ(s.keeper.now.received.begin()->second.packet_id, PacketId{9});
  s->pubrel(9).pubrel(9);
  EXPECT_TRUE(s.keeper.now.received.empty());
}

TEST(SessionKept, MessageIsWrittenUntilItIsAcknowledged) {
  Kept s;
  s->connected(hello(k5)).deliver("a", kQos0).deliver("a", kQos1, "one");
  ASSERT_EQ(s.keeper.now.entries.size(), 1u);
  EXPECT_EQ(s.keeper.now.entries.begin()->second.packet_id, PacketId{1});
  EXPECT_EQ(as_text(s.keeper.now.entries.begin()->second.message->payload()), "one");
  s->puback(1);
  EXPECT_TRUE(s.keeper.now.entries.empty());
  s->deliver("a", kQos2, "two");
  s.commit().pubrec(2);
  ASSERT_EQ(s.keeper.now.entries.size(), 1u);
  EXPECT_FALSE(s.keeper.now.entries.begin()->second.message);
  s->pubcomp(2);
  EXPECT_TRUE(s.keeper.now.entries.empty());
}

TEST(SessionKept, WaitingMessageIsWrittenOnceAndGetsItsIdentifierLater) {
  Kept s;
  const uint32_t identifiers[] = {3, 4};
  s->connected(hello(k5)).detach();
  s->message_retain = Retain::kYes;
  s->deliver("a", kQos1, "x",
             {.subscription_qos = kQos1, .retain_as_published = true, .identifiers = identifiers});
  ASSERT_EQ(s.keeper.now.entries.size(), 1u);
  const auto& [id, entry] = *s.keeper.now.entries.begin();
  EXPECT_EQ(entry.packet_id, PacketId{});
  EXPECT_EQ(entry.retain, Retain::kYes);
  EXPECT_EQ(entry.identifiers, (std::vector<uint32_t>{3, 4}));
  s->connect(hello(k5)).server("CONNACK present");
  s->server("PUBLISH a x q1 id=1 retain ids=3,4").silence();
  ASSERT_EQ(s.keeper.now.entries.size(), 1u);
  EXPECT_EQ(s.keeper.now.entries.begin()->first, id);
  EXPECT_EQ(entry.packet_id, PacketId{1});
}

TEST(SessionKept, RefusedByTheClientIsErased) {
  Kept s;
  s->connected(hello(k5)).deliver("a", kQos2);
  s.commit().ack(PacketType::kPubrec, 1, ReasonCode::kQuotaExceeded);
  EXPECT_TRUE(s.keeper.now.entries.empty());
}

TEST(SessionKept, WhatIsDroppedIsErased) {
  Kept s;
  s->limits.queue_count_max = 2;
  s->connected(hello(k311)).detach();
  for (const char* payload : {"1", "2", "3"}) s->deliver("a", kQos1, payload);
  s->server("JOURNAL overflow a");
  EXPECT_EQ(s.keeper.now.entries.size(), 2u);
  s->limits.queue_bytes_max = 1;
  s->deliver("a", kQos1, "4");
  EXPECT_TRUE(s.keeper.now.entries.empty());

  Kept expired;
  expired->connected(hello(k311)).detach();
  expired->message_expiry = seconds(5);
  expired->deliver("a", kQos1).wait(seconds(5)).connect(hello(k311)).server("CONNACK present");
  expired->silence();
  EXPECT_TRUE(expired.keeper.now.entries.empty());

  Kept large;
  large->connected(hello(k5)).deliver("a", kQos1, std::string(200, 'y')).detach();
  large->deliver("a", kQos1, std::string(200, 'y'));
  EXPECT_EQ(large.keeper.now.entries.size(), 2u);
  ConnectPacket connect = hello(k5);
  connect.properties.maximum_packet_size = 100;
  large->connect(connect).deliver("a", kQos1, std::string(200, 'y'));
  EXPECT_TRUE(large.keeper.now.entries.empty());
}

TEST(SessionKept, WhatIsForbiddenByNowIsErased) {
  Kept s;
  fill(s);
  s->session.on_policy_changed(AccessPolicy::for_application({}), s->recorder);
  EXPECT_TRUE(s.keeper.now.subscriptions.empty());
  EXPECT_EQ(s.keeper.now.entries.size(), 3u) << "what is in flight goes when it would be repeated";
  s->owner.policy = AccessPolicy::for_application({});
  s->detach().connect(hello(k5)).relieve();
  s.commit();
  ASSERT_EQ(s.keeper.now.entries.size(), 1u);
  EXPECT_FALSE(s.keeper.now.entries.begin()->second.message) << "only PUBCOMP is missing";
}

// --- What ends -----------------------------------------------------------------------------------

TEST(SessionKept, NothingIsLeftOfASessionThatEnds) {
  const std::vector<std::function<void(Dialogue&)>> ends = {
      [](Dialogue& d) { d.detach().wait(hours(2)); },
      [](Dialogue& d) { d.disconnect(ReasonCode::kSuccess, 0).detach(); },
      [](Dialogue& d) {
        d.detach(DetachCause::kAdministrative);
        d.session.end(Session::WillAtEnd::kDiscard, d.recorder, d.now);
      },
  };
  for (std::size_t i = 0; i < ends.size(); ++i) {
    SCOPED_TRACE(i);
    Kept s;
    fill(s);
    ends[i](*s);
    EXPECT_TRUE(s->session.ended());
    EXPECT_EQ(s.keeper.now.size(), 0u);
    s.commit_and_restart();
    EXPECT_FALSE(s.found);
  }
}

TEST(SessionKept, CleanStartLeavesNothingButTheNewSession) {
  Kept s;
  fill(s);
  const RecordId before = s->session.record();
  s->detach().connect(hello(k5, CleanStart::kYes)).server("UNGRANT a").server("CONNACK").silence();
  EXPECT_EQ(s.keeper.now.size(), 1u);
  EXPECT_NE(s->session.record(), before);
}

TEST(SessionKept, ResumedWithoutExpiryIsForgottenButGoesOn) {
  Kept s;
  fill(s);
  s->detach().connect(hello_for(0));
  EXPECT_EQ(s.keeper.now.size(), 0u);
  EXPECT_FALSE(s->session.kept());
  const uint64_t changes = s.keeper.changes;
  s->server("CONNACK present").silence();  // it is congested still
  s->relieve().server("PUBREL 1").server("PUBLISH a sent q1 id=2 dup");
  s->server("PUBLISH a waits for the disk q2 id=3").server("PUBLISH a waits q1 id=4").silence();
  s->pubcomp(1).puback(2).pubrec(3).pubcomp(3).puback(4).pubrel(9).unsubscribe({"a"}).detach();
  EXPECT_TRUE(s->session.ended());
  EXPECT_EQ(s.keeper.changes, changes);
}

TEST(SessionKept, MessageOfASharedGroupIsPassedOnWhenTheSessionEnds) {
  Kept s;
  const Delivery from_group{
      .subscription_qos = kQos2, .identifiers = {}, .shared = {.slot = 7, .shard = 0}};
  s->connected(hello(k5)).deliver("t", kQos1, "sent", from_group).deliver("t", kQos1, "own");
  s->deliver("t", kQos2, "two", from_group).congest().deliver("t", kQos1, "waits", from_group);
  s->detach().recorder.lines.clear();
  s->wait(hours(2)).server("HANDBACK t sent to 7").server("HANDBACK t waits to 7").silence();
  EXPECT_EQ(s.keeper.passed_on, 2u);
  EXPECT_EQ(s.keeper.now.size(), 0u);
}

// --- A disk that is waited for -------------------------------------------------------------------

TEST(SessionKept, MessageOfQos2WaitsForItsIdentifier) {
  Kept s;
  s->connected(hello(k5)).deliver("a", kQos2, "1").silence();
  EXPECT_TRUE(s->session.awaits_disk(s->recorder));
  s->session.on_committed(s->recorder, s->now);  // of something else
  s->silence();
  s.commit().server("PUBLISH a 1 q2 id=1").silence();
  EXPECT_FALSE(s->session.awaits_disk(s->recorder));
  s->pubrec(1).server("PUBREL 1");
}

TEST(SessionKept, SeveralMessagesOfQos2LeaveAfterOneCommit) {
  Kept s;
  s->connected(hello(k5))
      .deliver("a", kQos2, "1")
      .deliver("a", kQos2, "2")
      .deliver("b", kQos2, "3");
  s->silence();
  s.commit().server("PUBLISH a 1 q2 id=1").server("PUBLISH a 2 q2 id=2");
  s->server("PUBLISH b 3 q2 id=3").silence();
}

TEST(SessionKept, MessageOfQos1DoesNotWaitForTheDisk) {
  Kept s;
  s->connected(hello(k5)).deliver("a", kQos1, "1").server("PUBLISH a 1 q1 id=1").silence();
}

TEST(SessionKept, MessageOfQos1KeepsItsPlaceBehindOneThatWaits) {
  Kept s;
  s->connected(hello(k5)).deliver("a", kQos2, "1").deliver("a", kQos1, "2").silence();
  s->deliver("a", kQos0, "may overtake").server("PUBLISH a may overtake q0").silence();
  s.commit();
  s->server("PUBLISH a 1 q2 id=1").server("PUBLISH a 2 q1 id=2").silence();
  s->deliver("a", kQos1, "3").server("PUBLISH a 3 q1 id=3");
}

TEST(SessionKept, LaterMessageWaitsForALaterCommit) {
  Kept s;
  s->connected(hello(k5)).deliver("a", kQos2, "1");
  s.keeper.commit();  // the session has not heard of it when the next one comes
  s->deliver("a", kQos2, "2");
  s->session.on_committed(s->recorder, s->now);
  s->server("PUBLISH a 1 q2 id=1").silence();
  EXPECT_TRUE(s->session.awaits_disk(s->recorder));
  s.commit().server("PUBLISH a 2 q2 id=2").silence();
}

TEST(SessionKept, WaitingMessageOfQos2WaitsForItsIdentifierToo) {
  Kept s;
  s->connected(hello(k5)).detach().deliver("a", kQos2, "1").deliver("a", kQos2, "2");
  s.keeper.commit();
  s->connect(hello(k5)).server("CONNACK present").silence();
  s.commit().server("PUBLISH a 1 q2 id=1").server("PUBLISH a 2 q2 id=2").silence();
}

TEST(SessionKept, WindowIsKeptByWhatWaitsForTheDisk) {
  Kept s;
  ConnectPacket connect = hello(k5);
  connect.properties.receive_maximum = uint16_t{2};
  s->connected(connect).deliver("a", kQos2, "1").deliver("a", kQos1, "2").deliver("a", kQos1, "3");
  s.commit().server("PUBLISH a 1 q2 id=1").server("PUBLISH a 2 q1 id=2").silence();
  s->puback(2).server("PUBLISH a 3 q1 id=3").silence();
}

TEST(SessionKept, AnswerToWhatWasNotSentIsAGuess) {
  Kept s;
  s->connected(hello(k5)).deliver("a", kQos2, "1").deliver("a", kQos1, "2");
  s->pubrec(1).puback(2).pubcomp(1).silence();
  EXPECT_EQ(s.keeper.now.entries.size(), 2u);
  s.commit().server("PUBLISH a 1 q2 id=1").server("PUBLISH a 2 q1 id=2").silence();
}

TEST(SessionKept, WhatWasNeverSentIsNoDuplicateOnTheNextConnection) {
  Kept s;
  s->connected(hello(k5)).deliver("a", kQos1, "0").server("PUBLISH a 0 q1 id=1");
  s->deliver("a", kQos2, "1").silence();
  s->detach().connect(hello(k5)).server("CONNACK present").server("PUBLISH a 0 q1 id=1 dup");
  s->silence();
  s.commit().server("PUBLISH a 1 q2 id=2").silence();
  s->detach().connect(hello(k5)).server("CONNACK present").server("PUBLISH a 0 q1 id=1 dup");
  s->server("PUBLISH a 1 q2 id=2 dup").silence();
}

// --- A disk that takes nothing -------------------------------------------------------------------

TEST(SessionKept, PublishIsRefusedWhileTheDiskTakesNothing) {
  Kept s;
  s->connected(hello(k5)).publish("up", kQos2, 5).server("ROUTE up x q2").server("PUBREC 5");
  s.keeper.accepting = false;
  s->publish("up", kQos1, 6).server("JOURNAL unstorable up").server("PUBACK 6 0x97");
  EXPECT_FALSE(s->recorder.reason_string.empty());
  s->publish("up", kQos2, 7).server("JOURNAL unstorable up").server("PUBREC 7 0x97").silence();
  s->publish("up", kQos0).server("ROUTE up x q0");
  s->publish("up", kQos2, 5).server("PUBREC 5").pubrel(5).server("PUBCOMP 5").silence();
  EXPECT_TRUE(s.keeper.now.received.empty());
  s.keeper.accepting = true;
  s->publish("up", kQos2, 7).server("ROUTE up x q2").server("PUBREC 7");
}

// Had it been passed over in silence, what the client sends next would be taken before it.
TEST(SessionKept, PublishEndsTheConnectionInMqtt3WhileTheDiskTakesNothing) {
  for (const ProtocolVersion version : {k31, k311}) {
    for (const Qos qos : {kQos1, kQos2}) {
      Kept s;
      s->connected(hello(version));
      s.keeper.accepting = false;
      s->publish("up", kQos0).server("ROUTE up x q0").silence();
      s->publish("up", qos, 6).server("JOURNAL unstorable up").server("CLOSE 0x97");
      s->publish("up", qos, 7).silence();
      s->detach();
      s.keeper.accepting = true;
      s->connect(hello(version)).server(version == k31 ? "CONNACK" : "CONNACK present");
      s->publish("up", kQos1, 6).server("ROUTE up x q1").server("PUBACK 6").silence();
    }
  }
}

TEST(SessionKept, SubscribeIsRefusedWhileTheDiskTakesNothing) {
  Kept s;
  s->connected(hello(k5)).subscribe("a").server("GRANT a q1").server("SUBACK 1 01");
  s.keeper.accepting = false;
  s->subscribe("b").server("JOURNAL refused b").server("SUBACK 1 97").silence();
  s->unsubscribe({"a"}).server("UNGRANT a").server("UNSUBACK 2 00").silence();
  EXPECT_TRUE(s.keeper.now.subscriptions.empty());

  Kept transient;
  transient.keeper.accepting = false;
  transient->connected(hello_for(0)).subscribe("b").server("GRANT b q1").server("SUBACK 1 01");
}

TEST(SessionKept, MessageIsDeliveredWhileTheDiskTakesNothing) {
  Kept s;
  s->connected(hello(k5));
  s.keeper.accepting = false;
  s->deliver("a", kQos1).server("PUBLISH a x q1 id=1").puback(1);
  EXPECT_TRUE(s.keeper.now.entries.empty());
}

// --- What is written before it is delivered ------------------------------------------------------

TEST(SessionKept, MessageThatIsHeldForASessionIsWrittenOnce) {
  Kept s;
  Delivery how{.subscription_qos = kQos2, .identifiers = {}};
  s->connected(hello(k5));
  const mqtt::MessageRef message = s->message("a", kQos1, "held");
  how.record = s->session.keep(message, how, s->recorder, s->now);
  ASSERT_NE(how.record, RecordId::kNone);
  EXPECT_EQ(s.keeper.now.entries.size(), 1u);
  (void)s->session.deliver(message, how, s->recorder, s->now);
  s->server("PUBLISH a held q1 id=1").silence();
  ASSERT_EQ(s.keeper.now.entries.size(), 1u);
  EXPECT_EQ(s.keeper.now.entries.at(how.record).packet_id, PacketId{1});
  s->puback(1);
  EXPECT_TRUE(s.keeper.now.entries.empty());
}

TEST(SessionKept, HeldMessageOfQos2WaitsForItsIdentifier) {
  Kept s;
  Delivery how{.subscription_qos = kQos2, .identifiers = {}};
  s->connected(hello(k5));
  const mqtt::MessageRef message = s->message("a", kQos2, "held");
  how.record = s->session.keep(message, how, s->recorder, s->now);
  s.keeper.commit();
  (void)s->session.deliver(message, how, s->recorder, s->now);
  s->silence();
  s.commit().server("PUBLISH a held q2 id=1");
}

TEST(SessionKept, HeldMessageThatIsNotDeliveredIsErased) {
  Kept s;
  Delivery how{.subscription_qos = kQos2, .identifiers = {}};
  s->connected(hello(k5));
  const mqtt::MessageRef message = s->message("a", kQos1);
  const RecordId record = s->session.keep(message, how, s->recorder, s->now);
  s->session.discard(message, record, s->recorder);
  EXPECT_TRUE(s.keeper.now.entries.empty());
  how.record = s->session.keep(message, how, s->recorder, s->now);
  s->session.on_policy_changed(AccessPolicy::for_application({}), s->recorder);
  EXPECT_EQ(s->session.deliver(message, how, s->recorder, s->now), DeliveryResult::kDropped);
  EXPECT_TRUE(s.keeper.now.entries.empty());
}

TEST(SessionKept, NothingIsKeptOfWhatNobodyWouldMiss) {
  Kept s;
  s->connected(hello(k5));
  const Delivery once{.subscription_qos = kQos0, .identifiers = {}};
  EXPECT_EQ(s->session.keep(s->message("a", kQos1), once, s->recorder, s->now), RecordId::kNone);
  s->message_expiry = seconds(0);
  const Delivery how{.subscription_qos = kQos2, .identifiers = {}};
  EXPECT_EQ(s->session.keep(s->message("a", kQos1), how, s->recorder, s->now), RecordId::kNone);
  EXPECT_TRUE(s.keeper.now.entries.empty());
}

}  // namespace
}  // namespace fairlead::testing
