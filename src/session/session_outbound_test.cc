#include "session/session_dialogue.h"

namespace fairlead::testing {
namespace {

using enum ProtocolVersion;

ConnectPacket hello5_with_window(uint16_t receive_maximum) {
  ConnectPacket connect = hello(k5);
  connect.properties.receive_maximum = receive_maximum;
  return connect;
}

// --- QoS and flags -----------------------------------------------------------------------------

TEST(SessionDelivery, HasTheLowerQosOfMessageAndSubscription) {
  Dialogue d;
  d.connected(hello(k311));
  d.deliver("a", kQos2, "x", {.subscription_qos = kQos1, .identifiers = {}});
  d.server("PUBLISH a x q1 id=1");
  d.deliver("a", kQos0).server("PUBLISH a x q0");
  d.deliver("a", kQos1, "x", {.subscription_qos = kQos0, .identifiers = {}});
  d.server("PUBLISH a x q0");
}

TEST(SessionDelivery, CompatibleProfileUsesThePublishersQosInMqtt3) {
  const Delivery at_most_once{.subscription_qos = kQos0, .identifiers = {}};
  Dialogue d(kCompatibleProfile);
  d.connected(hello(k311)).deliver("a", kQos1, "x", at_most_once).server("PUBLISH a x q1 id=1");
  d.deliver("a", kQos2, "x", at_most_once).server("PUBLISH a x q1 id=2");
  Dialogue e(kCompatibleProfile);
  e.connected(hello(k5)).deliver("a", kQos1, "x", at_most_once).server("PUBLISH a x q0");
}

TEST(SessionDelivery, RetainFlagTellsRetainedFromLive) {
  Dialogue d;
  d.connected(hello(k5));
  d.message_retain = Retain::kYes;
  d.deliver("a", kQos0).server("PUBLISH a x q0");
  d.deliver("a", kQos0, "x", {.retain_as_published = true, .identifiers = {}});
  d.server("PUBLISH a x q0 retain");
  d.deliver("a", kQos0, "x", {.kind = Deliverable::kRetained, .identifiers = {}});
  d.server("PUBLISH a x q0 retain");
  d.message_retain = Retain::kNo;
  d.deliver("a", kQos0, "x", {.retain_as_published = true, .identifiers = {}});
  d.server("PUBLISH a x q0");
}

TEST(SessionDelivery, CarriesSubscriptionIdentifiersAlsoAfterAWait) {
  Dialogue d;
  const std::vector<uint32_t> ids{4, 9};
  const Delivery how{.subscription_qos = kQos1, .identifiers = ids};
  d.connected(hello5_with_window(1)).deliver("a", kQos1, "1", how).deliver("a", kQos1, "2", how);
  d.server("PUBLISH a 1 q1 id=1 ids=4,9").silence();
  d.puback(1).server("PUBLISH a 2 q1 id=2 ids=4,9");
  d.congest().deliver("a", kQos0, "3", how).silence().relieve();
  d.server("PUBLISH a 3 q0 ids=4,9").silence();
}

TEST(SessionDelivery, SaysWhatIsLeftOfTheMessagesLife) {
  Dialogue d;
  d.message_expiry = seconds(10);
  d.connected(hello(k5)).deliver("a", kQos0).server("PUBLISH a x q0 expiry=10");
  d.congest().deliver("a", kQos1).wait(milliseconds(3500)).relieve();
  d.server("PUBLISH a x q1 id=1 expiry=7");
  d.detach().wait(seconds(60)).connect(hello(k5)).server("CONNACK present");
  d.server("PUBLISH a x q1 id=1 dup expiry=1").silence();
}

TEST(SessionDelivery, ExpiredMessagesAreNotSent) {
  Dialogue d;
  d.message_expiry = seconds(10);
  d.connected(hello(k5));
  const auto old = d.message("a", kQos1);
  d.congest().deliver("a", kQos0).deliver("b", kQos1).wait(seconds(10)).relieve().silence();
  EXPECT_EQ(d.session.deliver(old, {.identifiers = {}}, d.recorder, d.now),
            DeliveryResult::kDropped);
  EXPECT_EQ(d.session.queue_count(), 0u);
}

TEST(SessionDelivery, AsksThePolicyForEachMessage) {
  Dialogue d(kStandardProfile,
             AccessPolicy::for_application({{Permission::Kind::kSubscribe, "a/#"}}));
  d.connected(hello(k311)).deliver("b", kQos1).dropped();
  d.deliver("a/b", kQos1).server("PUBLISH a/b x q1 id=1");
}

// --- Ladders -----------------------------------------------------------------------------------

TEST(SessionDelivery, Qos2RunsTheWholeLadder) {
  Dialogue d;
  d.connected(hello(k311)).deliver("a", kQos2).server("PUBLISH a x q2 id=1");
  d.pubrec(1).server("PUBREL 1").pubrec(1).server("PUBREL 1").pubcomp(1).silence();
  EXPECT_EQ(d.session.inflight_count(), 0u);
}

TEST(SessionDelivery, PubrecWithAnErrorEndsTheLadder) {
  Dialogue d;
  d.connected(hello5_with_window(1)).deliver("a", kQos2, "1").server("PUBLISH a 1 q2 id=1");
  d.deliver("a", kQos2, "2").silence();
  d.ack(PacketType::kPubrec, 1, ReasonCode::kQuotaExceeded).server("PUBLISH a 2 q2 id=2");
}

TEST(SessionDelivery, AnswersThatDoNotFitAreHarmless) {
  Dialogue d;
  d.connected(hello(k5)).puback(5).pubcomp(5).silence().pubrec(5).server("PUBREL 5 0x92");
  d.ack(PacketType::kPubrec, 5, ReasonCode::kUnspecifiedError).silence();
  d.deliver("a", kQos1).server("PUBLISH a x q1 id=1").pubcomp(1).pubrec(1).silence();
  d.deliver("a", kQos2).server("PUBLISH a x q2 id=2").puback(2).pubcomp(2).silence();
  EXPECT_EQ(d.session.inflight_count(), 2u);
  d.puback(1).pubrec(2).server("PUBREL 2").puback(2).pubcomp(2).silence();
  EXPECT_EQ(d.session.inflight_count(), 0u);
}

TEST(SessionDelivery, WindowIsTheSmallestOfAllLimits) {
  Dialogue d;
  d.limits.inflight_count_max = 2;
  d.connected(hello(k311))
      .deliver("a", kQos1, "1")
      .deliver("a", kQos1, "2")
      .deliver("a", kQos1, "3");
  d.server("PUBLISH a 1 q1 id=1").server("PUBLISH a 2 q1 id=2").silence();
  EXPECT_EQ(d.session.queue_count(), 1u);
  d.puback(2).server("PUBLISH a 3 q1 id=3").puback(1).puback(3).silence();
}

TEST(SessionDelivery, Qos0PassesAFullWindow) {
  Dialogue d;
  d.connected(hello5_with_window(1)).deliver("a", kQos1, "1").server("PUBLISH a 1 q1 id=1");
  d.deliver("a", kQos1, "2").silence().deliver("a", kQos0, "3").server("PUBLISH a 3 q0");
}

// --- Resume ------------------------------------------------------------------------------------

TEST(SessionResume, RepeatsInFlightInOrderThenTheQueue) {
  Dialogue d;
  d.connected(hello(k311));
  d.deliver("a", kQos1, "1").server("PUBLISH a 1 q1 id=1");
  d.deliver("a", kQos2, "2").server("PUBLISH a 2 q2 id=2");
  d.deliver("a", kQos2, "3").server("PUBLISH a 3 q2 id=3").pubrec(3).server("PUBREL 3");
  d.deliver("a", kQos1, "4").server("PUBLISH a 4 q1 id=4").detach();
  d.deliver("a", kQos1, "5").deliver("a", kQos0, "6").dropped();
  d.connect(hello(k311)).server("CONNACK present").server("PUBLISH a 1 q1 id=1 dup");
  d.server("PUBLISH a 2 q2 id=2 dup").server("PUBREL 3").server("PUBLISH a 4 q1 id=4 dup");
  d.server("PUBLISH a 5 q1 id=5").silence();
  d.pubcomp(3).puback(1).pubrec(2).server("PUBREL 2").pubcomp(2).puback(4).puback(5).silence();
  EXPECT_EQ(d.session.inflight_count(), 0u);
}

TEST(SessionResume, RespectsASmallerReceiveMaximum) {
  Dialogue d;
  d.connected(hello5_with_window(3));
  for (const char* payload : {"1", "2", "3", "4"}) d.deliver("a", kQos1, payload);
  d.detach().recorder.lines.clear();
  d.connect(hello5_with_window(1)).server("CONNACK present").server("PUBLISH a 1 q1 id=1 dup");
  d.silence().puback(1).server("PUBLISH a 2 q1 id=2 dup").silence();
  d.deliver("a", kQos1, "5").silence();
  d.puback(2).server("PUBLISH a 3 q1 id=3 dup").puback(3).server("PUBLISH a 4 q1 id=4");
  d.puback(4).server("PUBLISH a 5 q1 id=5").silence();
}

TEST(SessionResume, AcknowledgementOfWhatWasNotYetRepeatedCounts) {
  Dialogue d;
  d.connected(hello5_with_window(3));
  for (const char* payload : {"1", "2", "3"}) d.deliver("a", kQos1, payload);
  d.detach().recorder.lines.clear();
  d.connect(hello5_with_window(1)).server("CONNACK present").server("PUBLISH a 1 q1 id=1 dup");
  d.puback(3).silence().puback(1).server("PUBLISH a 2 q1 id=2 dup").puback(2).silence();
  EXPECT_EQ(d.session.inflight_count(), 0u);
}

TEST(SessionResume, SettlesWhatTheNewConnectionCannotTake) {
  Dialogue d;
  d.connected(hello(k5)).deliver("a", kQos1, std::string(200, 'y')).deliver("a", kQos1, "2");
  d.detach().recorder.lines.clear();
  d.deliver("b", kQos1, std::string(200, 'y'));
  ConnectPacket connect = hello(k5);
  connect.properties.maximum_packet_size = 100;
  d.connect(connect).server("CONNACK present").server("JOURNAL too-large a");
  d.server("PUBLISH a 2 q1 id=2 dup").server("JOURNAL too-large b").silence();
  d.deliver("c", kQos0, std::string(200, 'y')).server("JOURNAL too-large c").dropped();
  EXPECT_EQ(d.session.inflight_count(), 1u);
}

TEST(SessionResume, ExpiredQueueItemsAreGone) {
  Dialogue d;
  d.connected(hello(k5)).detach();
  d.message_expiry = seconds(5);
  d.deliver("a", kQos1, "1");
  d.message_expiry.reset();
  d.deliver("a", kQos1, "2").wait(seconds(6));
  d.connect(hello(k5)).server("CONNACK present").server("PUBLISH a 2 q1 id=1").silence();
}

TEST(SessionResume, SweepDropsWhatHasExpiredAndKeepsTheOrderOfTheRest) {
  Dialogue d;
  d.connected(hello(k5)).detach();
  d.deliver("a", kQos1, "1");
  d.message_expiry = seconds(5);
  const Instant expires_at = d.now + seconds(5);
  d.deliver("a", kQos1, "2").deliver("a", kQos2, "3");
  d.message_expiry.reset();
  d.deliver("a", kQos2, "4");
  EXPECT_EQ(d.session.sweep(d.recorder, d.now).dropped, 0u);
  EXPECT_EQ(d.total.messages(), 4u);
  const Swept swept = d.wait(seconds(6)).session.sweep(d.recorder, d.now);
  EXPECT_EQ(swept.dropped, 2u);
  EXPECT_EQ(swept.earliest, expires_at);
  EXPECT_EQ(d.total.messages(), 2u);
  EXPECT_EQ(d.session.sweep(d.recorder, d.now).dropped, 0u);
  d.connect(hello(k5)).server("CONNACK present");
  d.server("PUBLISH a 1 q1 id=1").server("PUBLISH a 4 q2 id=2").silence();
  EXPECT_EQ(d.total.messages(), 0u);
  EXPECT_EQ(d.total.bytes(), 0u);
}

TEST(SessionResume, PacketIdentifiersInUseAreSkipped) {
  Dialogue d;
  d.connected(hello(k311)).deliver("a", kQos1).server("PUBLISH a x q1 id=1");
  for (unsigned id = 2; id <= 65'535; ++id) {
    d.deliver("a", kQos1).puback(static_cast<uint16_t>(id));
    d.recorder.lines.clear();
  }
  d.deliver("a", kQos1).server("PUBLISH a x q1 id=2");
}

// --- Queues ------------------------------------------------------------------------------------

TEST(SessionQueue, OfflineQueueDropsTheOldest) {
  Dialogue d;
  d.limits.queue_count_max = 2;
  d.connected(hello(k311)).detach();
  d.deliver("a", kQos1).deliver("b", kQos1).silence().deliver("c", kQos1);
  d.server("JOURNAL overflow a").connect(hello(k311)).server("CONNACK present");
  d.server("PUBLISH b x q1 id=1").server("PUBLISH c x q1 id=2").silence();
}

TEST(SessionQueue, ConnectedClientBehindABurstLosesNothingThatWasAcknowledged) {
  Dialogue d;
  d.limits.queue_count_max = 2;
  d.limits.inflight_count_max = 1;
  d.connected(hello(k311));
  d.deliver("a", kQos1).server("PUBLISH a x q1 id=1");
  for (const char* topic : {"b", "c", "d", "e"}) d.deliver(topic, kQos1).silence();
  d.puback(1).server("PUBLISH b x q1 id=2");
  d.detach();  // more is there than an offline session may collect: that stays, and grows no more
  d.deliver("f", kQos1).server("JOURNAL overflow c").silence();
  EXPECT_EQ(d.session.queue_count(), 3u);
}

TEST(SessionQueue, OfflineQueueIsLimitedInBytes) {
  Dialogue d;
  d.limits.queue_bytes_max = 3000;
  d.connected(hello(k311)).detach();
  d.deliver("a", kQos1, std::string(2000, 'y')).deliver("b", kQos1, std::string(1500, 'y'));
  d.server("JOURNAL overflow a").silence();
  d.deliver("c", kQos1, std::string(4000, 'y'));
  d.server("JOURNAL overflow b").server("JOURNAL overflow c").dropped();
  EXPECT_EQ(d.session.queue_count(), 0u);
}

TEST(SessionQueue, CongestionMakesMessagesWaitAndDropsTheOldestOfQos0) {
  Dialogue d;
  d.limits.congested_queue_bytes_max = 1000;
  d.connected(hello(k311)).congest();
  d.deliver("a", kQos0, std::string(400, '1')).deliver("b", kQos1, "q1");
  d.deliver("c", kQos0, std::string(400, '2')).silence();
  d.deliver("d", kQos0, std::string(400, '3')).server("JOURNAL overflow a").silence();
  d.relieve().server("PUBLISH b q1 q1 id=1").server("PUBLISH c " + std::string(400, '2') + " q0");
  d.server("PUBLISH d " + std::string(400, '3') + " q0").silence();
  EXPECT_EQ(d.session.queue_count(), 0u);
}

TEST(SessionQueue, OneTooLargeForTheQueueIsDroppedAlone) {
  Dialogue d;
  d.limits.congested_queue_bytes_max = 1000;
  d.connected(hello(k311)).congest();
  d.deliver("a", kQos0, std::string(4000, '1')).server("JOURNAL overflow a").dropped();
}

TEST(SessionQueue, Qos0KeepsItsOrderBehindWhatWaits) {
  Dialogue d;
  d.connected(hello(k311)).congest().deliver("a", kQos0, "1");
  d.recorder.outlet_state = Outlet::kReady;  // the session has not been told yet
  d.deliver("a", kQos0, "2").silence().relieve();
  d.server("PUBLISH a 1 q0").server("PUBLISH a 2 q0").silence();
}

TEST(SessionQueue, Qos1KeepsItsOrderBehindWhatWaits) {
  Dialogue d;
  d.connected(hello(k311)).congest().deliver("a", kQos1, "1");
  d.recorder.outlet_state = Outlet::kReady;
  d.deliver("a", kQos1, "2").silence().relieve();
  d.server("PUBLISH a 1 q1 id=1").server("PUBLISH a 2 q1 id=2").silence();
}

TEST(SessionQueue, LostConnectionDropsQos0AndKeepsTheRest) {
  Dialogue d;
  d.connected(hello(k311)).congest().deliver("a", kQos0).deliver("b", kQos1).detach();
  EXPECT_EQ(d.session.queue_count(), 1u);
  d.recorder.outlet_state = Outlet::kReady;
  d.connect(hello(k311)).server("CONNACK present").server("PUBLISH b x q1 id=1").silence();
}

TEST(SessionQueue, MessagesForAClosingConnectionWaitForTheNext) {
  Dialogue d;
  d.connected(hello(k311)).publish("#", kQos0).server("CLOSE 0x90");
  d.deliver("a", kQos1).silence().detach();
  d.connect(hello(k311)).server("CONNACK present").server("PUBLISH a x q1 id=1");
}

// Of all sessions together: nothing more is acknowledged, and nothing that was is dropped.
TEST(SessionQueue, PublishIsRefusedWhileTheServerHoldsAllThatItMay) {
  Dialogue d;
  d.connected(hello(k5)).congest().deliver("a", kQos1, "1").deliver("a", kQos0, "2");
  EXPECT_EQ(d.total.messages(), 2u);
  d.queued_elsewhere = uint64_t{1} << 30;
  d.publish("up", kQos1, 5).server("ROUTE up x q1").server("PUBACK 5");  // nobody has looked yet
  d.total.look_elsewhere();
  d.publish("up", kQos1, 6).server("JOURNAL unstorable up").server("PUBACK 6 0x97");
  d.publish("up", kQos2, 7).server("JOURNAL unstorable up").server("PUBREC 7 0x97");
  d.publish("up", kQos0).server("ROUTE up x q0");
  d.deliver("a", kQos1, "3").server("JOURNAL overflow a").silence();
  d.deliver("a", kQos0, "4").server("JOURNAL overflow a").dropped();
  d.relieve().server("PUBLISH a 1 q1 id=1").server("PUBLISH a 3 q1 id=2").silence();
  EXPECT_EQ(d.total.bytes(), 0u);
  d.publish("up", kQos1, 6).server("ROUTE up x q1").server("PUBACK 6");
  d.congest().deliver("a", kQos2, "5");
  d.publish("up", kQos1, 7).server("JOURNAL unstorable up").server("PUBACK 7 0x97");
  d.queued_elsewhere = 0;  // who is told that it is full looks again
  d.publish("up", kQos1, 8).server("ROUTE up x q1").server("PUBACK 8").silence();
}

TEST(SessionQueue, TotalForgetsASessionThatEnds) {
  QueueTotal total(1000);
  {
    Dialogue d;
    d.connected(hello(k311)).detach().deliver("a", kQos1, std::string(2000, 'y'));
    EXPECT_GE(d.total.bytes(), 2000u);
    d.session.end(Session::WillAtEnd::kDiscard, d.recorder, d.now);
    EXPECT_EQ(d.total.bytes(), 0u);

    SessionLimits limits;
    Session other(78, "pk/other", limits, total);
    Outgoing waiting(d.message("a", kQos1, std::string(2000, 'y')), {.qos = kQos1});
    EXPECT_TRUE(other.restore_message(std::move(waiting), mqtt::PacketId{}));
    EXPECT_TRUE(total.full());
  }
  EXPECT_EQ(total.messages(), 0u);
  EXPECT_FALSE(total.full());
}

// --- Topic aliases -----------------------------------------------------------------------------

TEST(SessionAlias, FirstTopicsGetAliasesOnThisConnection) {
  Dialogue d;
  ConnectPacket connect = hello(k5);
  connect.properties.topic_alias_maximum = uint16_t{2};
  d.connected(connect);
  d.deliver("topic/one", kQos0).server("PUBLISH topic/one x q0 alias=1");
  d.deliver("topic/one", kQos0).server("PUBLISH topic/one x q0 alias=1 by-alias");
  d.deliver("short", kQos0).server("PUBLISH short x q0");
  d.deliver("topic/two", kQos1).server("PUBLISH topic/two x q1 id=1 alias=2");
  d.deliver("topic/three", kQos0).server("PUBLISH topic/three x q0").detach();
  d.connect(connect).server("CONNACK present");
  d.server("PUBLISH topic/two x q1 id=1 dup alias=1").silence();
}

// --- Shared groups -------------------------------------------------------------------------------

Delivery from_group(uint32_t slot) {
  return {.subscription_qos = kQos2,
          .identifiers = {},
          .shared = {.slot = slot, .generation = 1, .shard = 0}};
}

TEST(SessionShared, EndHandsBackWhatWasNotAcknowledgedAtQos1) {
  Dialogue d;
  ConnectPacket connect = hello(k5);
  connect.properties.receive_maximum = uint16_t{3};
  d.connected(connect)
      .deliver("t", kQos1, "acked", from_group(7))
      .server("PUBLISH t acked q1 id=1");
  d.deliver("t", kQos1, "sent", from_group(7)).server("PUBLISH t sent q1 id=2");
  d.deliver("t", kQos2, "two", from_group(7)).server("PUBLISH t two q2 id=3");
  d.puback(1).deliver("t", kQos1, "own").server("PUBLISH t own q1 id=4");
  d.deliver("t", kQos1, "waits", from_group(8)).deliver("t", kQos2, "waits", from_group(8));
  d.detach().silence();  // it may come back
  d.wait(std::chrono::hours(2))
      .server("HANDBACK t sent to 7")
      .server("HANDBACK t waits to 8")
      .silence();
}

TEST(SessionShared, CleanStartHandsBackBeforeTheNewSessionBegins) {
  Dialogue d;
  d.connected(hello(k5)).deliver("t", kQos1, "x", from_group(7)).server("PUBLISH t x q1 id=1");
  d.detach().connect(hello(k5, CleanStart::kYes)).server("HANDBACK t x to 7").server("CONNACK");
  d.silence();
}

TEST(SessionShared, ExpiredOnesAndThoseOfAServerThatStopsAreNotHandedBack) {
  Dialogue expired;
  expired.message_expiry = seconds(5);
  expired.connected(hello(k5)).detach().deliver("t", kQos1, "x", from_group(7));
  expired.wait(std::chrono::hours(2)).silence();
  Dialogue stopped;
  ConnectPacket connect = hello(k5);
  connect.properties.session_expiry_seconds = 0;
  stopped.connected(connect).deliver("t", kQos1, "x", from_group(7)).server("PUBLISH t x q1 id=1");
  stopped.detach(DetachCause::kServerShutdown).silence();
}

TEST(SessionAlias, ServerLimitsTheirNumber) {
  Dialogue d;
  d.limits.topic_alias_out_max = 0;
  ConnectPacket connect = hello(k5);
  connect.properties.topic_alias_maximum = uint16_t{2};
  d.connected(connect).deliver("topic/one", kQos0).server("PUBLISH topic/one x q0");
}

TEST(SessionAlias, OneThatWouldMakeThePacketTooLargeIsLeftOut) {
  Dialogue d;
  const auto message = d.message("topic/one", kQos0);
  mqtt::PublishForm bare;
  bare.version = k5;
  ConnectPacket connect = hello(k5);
  connect.properties.topic_alias_maximum = uint16_t{2};
  connect.properties.maximum_packet_size =
      static_cast<uint32_t>(mqtt::publish_size(*message, bare));
  d.connected(connect).deliver("topic/one", kQos0).server("PUBLISH topic/one x q0").silence();
  connect.properties.maximum_packet_size = *connect.properties.maximum_packet_size - 1;
  d.detach().connect(connect).server("CONNACK present");
  d.deliver("topic/one", kQos0).server("JOURNAL too-large topic/one").dropped();
}

}  // namespace
}  // namespace fairlead::testing
