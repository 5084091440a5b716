#include "session/session_dialogue.h"

namespace fairlead::testing {
namespace {

using enum ProtocolVersion;
using std::chrono::hours;

ConnectPacket hello_with_will(ProtocolVersion version, std::optional<uint32_t> delay = {}) {
  ConnectPacket connect = hello(version);
  connect.will = testament();
  connect.will->properties.will_delay_seconds = delay;
  return connect;
}

ConnectPacket hello5_expiring(std::optional<uint32_t> expiry_seconds) {
  ConnectPacket connect = hello(k5);
  connect.properties.session_expiry_seconds = expiry_seconds;
  return connect;
}

// --- Session present, clean start, expiry ----------------------------------------------------

TEST(SessionConnect, PersistentSessionIsPresentAtTheNextConnect) {
  Dialogue{}
      .connect(hello(k311))
      .server("CONNACK")
      .detach()
      .connect(hello(k311))
      .server("CONNACK present");
}

TEST(SessionConnect, Mqtt31HasNoSessionPresentFlag) {
  Dialogue{}.connected(hello(k31)).detach().connect(hello(k31)).server("CONNACK").silence();
}

TEST(SessionConnect, CleanStartDropsWhatTheSessionHeld) {
  Dialogue d;
  d.connected(hello(k311)).subscribe("a").server("GRANT a q1").server("SUBACK 1 01").detach();
  d.deliver("a", kQos1).silence();
  d.connect(hello(k311, CleanStart::kYes)).server("UNGRANT a").server("CONNACK").silence();
  EXPECT_EQ(d.session.subscription_count(), 0u);
  EXPECT_EQ(d.session.queue_count(), 0u);
}

TEST(SessionConnect, CleanSessionOfMqtt3EndsWithItsConnection) {
  Dialogue d;
  d.connected(hello(k311, CleanStart::kYes))
      .subscribe("a")
      .server("GRANT a q1")
      .server("SUBACK 1 01");
  d.detach().server("UNGRANT a").silence();
  EXPECT_TRUE(d.session.ended());
  EXPECT_EQ(d.session.deadline(), std::nullopt);
  d.connect(hello(k311)).server("CONNACK");
  EXPECT_FALSE(d.session.ended());
}

TEST(SessionConnect, AbsentSessionExpiryOfMqtt5EndsWithTheConnection) {
  Dialogue d;
  d.connected(hello5_expiring(std::nullopt)).detach();
  EXPECT_TRUE(d.session.ended());
}

TEST(SessionConnect, SessionExpiresAfterItsInterval) {
  Dialogue d;
  d.connected(hello5_expiring(100)).subscribe("a").server("GRANT a q1").server("SUBACK 1 01");
  d.detach();
  EXPECT_EQ(d.session.deadline(), d.now + seconds(100));
  d.wait(milliseconds(99'999)).silence();
  EXPECT_FALSE(d.session.ended());
  d.wait(milliseconds(1)).server("UNGRANT a").silence();
  EXPECT_TRUE(d.session.ended());
}

TEST(SessionConnect, ConnectAfterTheExpiryFindsNoSessionEvenWhenTheTimerIsLate) {
  Dialogue d;
  d.connected(hello5_expiring(100)).detach();
  d.now += seconds(100);
  d.connect(hello5_expiring(100)).server("CONNACK").silence();
}

TEST(SessionConnect, ExpiryIsCappedAndConnackSaysSo) {
  Dialogue d;
  d.connected(hello5_expiring(0xffffffff));
  EXPECT_EQ(d.recorder.connack.session_expiry_seconds, 7u * 24 * 3600);
  d.detach();
  EXPECT_EQ(d.session.deadline(), d.now + hours(7 * 24));
  d.connect(hello5_expiring(60));
  EXPECT_EQ(d.recorder.connack.session_expiry_seconds, std::nullopt);
}

TEST(SessionConnect, PersistentSessionOfMqtt3ExpiresToo) {
  Dialogue d;
  d.connected(hello(k311)).detach();
  EXPECT_EQ(d.session.deadline(), d.now + hours(7 * 24));
}

TEST(SessionConnect, DisconnectChangesTheExpiry) {
  Dialogue d;
  d.connected(hello5_expiring(100)).disconnect(ReasonCode::kSuccess, 7).server("BYE 0x00");
  d.detach(DetachCause::kClientDisconnect);
  EXPECT_EQ(d.session.deadline(), d.now + seconds(7));
  d.connect(hello5_expiring(100)).server("CONNACK present");
  d.disconnect(ReasonCode::kSuccess, 0).server("BYE 0x00");
  d.detach(DetachCause::kClientDisconnect);
  EXPECT_TRUE(d.session.ended());
}

TEST(SessionConnect, DisconnectMayNotMakeASessionPersistent) {
  Dialogue d;
  d.connected(hello5_expiring(0)).disconnect(ReasonCode::kSuccess, 7).server("CLOSE 0x82");
  EXPECT_NE(d.recorder.sentence.find("session expiry"), std::string::npos);
}

TEST(SessionConnect, DisconnectHasAReasonThatAClientMaySend) {
  Dialogue d;
  ConnectPacket connect = hello5_expiring(0);
  connect.will = testament();
  d.connected(connect).disconnect(ReasonCode::kServerShuttingDown).server("CLOSE 0x82");
  d.detach().server("ROUTE will gone q1");
}

// --- CONNACK -----------------------------------------------------------------------------------

TEST(SessionConnect, ConnackOfMqtt3HasNoProperties) {
  Dialogue d(kCompatibleProfile);
  d.connected(hello(k311));
  EXPECT_FALSE(d.recorder.connack.receive_maximum || d.recorder.connack.maximum_packet_size);
}

TEST(SessionConnect, ReceiveMaximumIsAsConfiguredAndOfTheCompatibleProfileAtMost100) {
  for (const auto& [profile, configured, expected] :
       {std::tuple{&kStandardProfile, uint16_t{1000}, 1000},
        std::tuple{&kStandardProfile, uint16_t{7}, 7},
        std::tuple{&kCompatibleProfile, uint16_t{1000}, 100},
        std::tuple{&kCompatibleProfile, uint16_t{7}, 7}}) {
    Dialogue d(*profile);
    d.limits.inflight_count_max = configured;
    d.connected(hello(k5));
    EXPECT_EQ(d.recorder.connack.receive_maximum, expected);
  }
}

TEST(SessionConnect, ConnackNamesTheCompatibleProfile) {
  Dialogue d(kCompatibleProfile);
  ConnectPacket connect = hello(k5);
  connect.properties.session_expiry_seconds = std::nullopt;
  d.connect(connect, {.assigned_client_id = "auto-1", .server_keep_alive_seconds = uint16_t{30}});
  const mqtt::ConnackProperties& said = d.recorder.connack;
  EXPECT_EQ(said.maximum_qos, 1);
  EXPECT_EQ(said.retain_available, std::nullopt);
  EXPECT_EQ(said.topic_alias_maximum, 20);
  EXPECT_EQ(said.receive_maximum, 100);
  EXPECT_EQ(said.maximum_packet_size, 262'144u);
  EXPECT_EQ(said.subscription_identifier_available, false);
  EXPECT_EQ(said.wildcard_subscription_available, std::nullopt);
  EXPECT_EQ(said.shared_subscription_available, std::nullopt);
  EXPECT_EQ(said.server_keep_alive_seconds, 30);
  EXPECT_EQ(said.session_expiry_seconds, std::nullopt);
  EXPECT_EQ(d.recorder.assigned_client_id, "auto-1");
}

TEST(SessionConnect, ConnackOfTheStandardProfileLeavesOutDefaults) {
  Dialogue d;
  d.connected(hello(k5));
  EXPECT_EQ(d.recorder.connack.maximum_qos, std::nullopt);
  EXPECT_EQ(d.recorder.connack.subscription_identifier_available, std::nullopt);
  EXPECT_EQ(d.recorder.connack.server_keep_alive_seconds, std::nullopt);
}

// --- check_connect, keep_alive -----------------------------------------------------------------

struct KeepAliveCase {
  const ProtocolProfile& profile;
  ProtocolVersion version;
  uint16_t wanted;
  std::optional<uint16_t> server;
  int interval;
};

TEST(SessionConnect, KeepAliveFollowsTheProfile) {
  const KeepAliveCase cases[] = {
      {kCompatibleProfile, k311, 30, std::nullopt, 45},
      {kCompatibleProfile, k311, 65, std::nullopt, 98},
      {kCompatibleProfile, k5, 10, uint16_t{30}, 45},
      {kCompatibleProfile, k5, 0, uint16_t{1200}, 1800},
      {kCompatibleProfile, k5, 5000, uint16_t{1200}, 1800},
      {kCompatibleProfile, k5, 300, std::nullopt, 450},
      {kStandardProfile, k5, 0, std::nullopt, 0},
      {kStandardProfile, k5, 65'535, uint16_t{64'800}, 97'200},
      {kStandardProfile, k311, 65'535, std::nullopt, 98'303},
      {kStandardProfile, k311, 0, std::nullopt, 0},
  };
  for (const KeepAliveCase& c : cases) {
    ConnectPacket connect = hello(c.version);
    connect.keep_alive_seconds = c.wanted;
    const auto result = Session::keep_alive(connect, c.profile);
    EXPECT_EQ(result.server_keep_alive_seconds, c.server) << c.wanted;
    EXPECT_EQ(result.interval, seconds(c.interval)) << c.wanted;
  }
}

TEST(SessionConnect, RefusesKeepAliveOutOfRangeInMqtt3) {
  const SessionOwner owner{AccessPolicy::for_anonymous(), &kCompatibleProfile};
  for (const uint16_t wanted : std::initializer_list<uint16_t>{0, 15, 29, 1201}) {
    ConnectPacket connect = hello(k311);
    connect.keep_alive_seconds = wanted;
    const Status refused = Session::check_connect(connect, owner);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ReasonCode::kServerUnavailable);
    connect.version = k5;
    EXPECT_TRUE(Session::check_connect(connect, owner).ok());
  }
}

TEST(SessionConnect, ChecksTheWill) {
  const SessionOwner compatible{AccessPolicy::for_anonymous(), &kCompatibleProfile};
  const SessionOwner standard{AccessPolicy::for_anonymous(), &kStandardProfile};
  ConnectPacket connect = hello_with_will(k5);
  EXPECT_TRUE(Session::check_connect(connect, standard).ok());
  connect.will->qos = kQos2;
  EXPECT_EQ(Session::check_connect(connect, compatible).error().code, ReasonCode::kQosNotSupported);
  EXPECT_TRUE(Session::check_connect(connect, standard).ok());
  connect.will->properties.response_topic = "a/+";
  EXPECT_EQ(Session::check_connect(connect, standard).error().code, ReasonCode::kProtocolError);
  connect.will->topic = "a/#";
  EXPECT_EQ(Session::check_connect(connect, standard).error().code, ReasonCode::kTopicNameInvalid);
  connect.version = k311;
  EXPECT_TRUE(Session::check_connect(connect, compatible).ok()) << "the will is ignored";
}

// --- Will --------------------------------------------------------------------------------------

TEST(SessionWill, LostConnectionPublishesIt) {
  Dialogue{}.connected(hello_with_will(k311)).detach().server("ROUTE will gone q1").silence();
}

TEST(SessionWill, DisconnectDiscardsIt) {
  Dialogue d;
  d.connected(hello_with_will(k311)).disconnect().server("BYE 0x00");
  d.detach(DetachCause::kClientDisconnect).silence();
}

TEST(SessionWill, DisconnectWithWillPublishesIt) {
  Dialogue d;
  d.connected(hello_with_will(k5)).disconnect(ReasonCode::kDisconnectWithWill).server("BYE 0x04");
  d.detach(DetachCause::kClientDisconnectWithWill).server("ROUTE will gone q1").silence();
}

TEST(SessionWill, ServerShutdownAndAdministrationPublishIt) {
  Dialogue{}
      .connected(hello_with_will(k5, 60))
      .detach(DetachCause::kServerShutdown)
      .server("ROUTE will gone q1");
  Dialogue{}
      .connected(hello_with_will(k311))
      .detach(DetachCause::kAdministrative)
      .server("ROUTE will gone q1");
}

TEST(SessionWill, WaitsForItsDelay) {
  Dialogue d;
  d.connected(hello_with_will(k5, 60)).detach().silence();
  EXPECT_EQ(d.session.deadline(), d.now + seconds(60));
  d.wait(seconds(59)).silence().wait(seconds(1)).server("ROUTE will gone q1").silence();
  EXPECT_FALSE(d.session.ended());
  d.connect(hello(k5)).server("CONNACK present").silence();
}

TEST(SessionWill, ClientThatComesBackInTimeCancelsIt) {
  Dialogue d;
  d.connected(hello_with_will(k5, 60)).detach().wait(seconds(30));
  d.connect(hello(k5)).server("CONNACK present").detach().wait(seconds(100)).silence();
}

TEST(SessionWill, TakeOverByAResumingClientCancelsADelayedOne) {
  Dialogue d;
  d.connected(hello_with_will(k5, 60)).detach(DetachCause::kTakenOver).silence();
  d.connect(hello(k5)).server("CONNACK present").silence();
}

TEST(SessionWill, TakeOverPublishesOneWithoutDelay) {
  Dialogue d;
  d.connected(hello_with_will(k311)).detach(DetachCause::kTakenOver).server("ROUTE will gone q1");
}

TEST(SessionWill, CleanStartEndsTheDelay) {
  Dialogue d;
  d.connected(hello_with_will(k5, 60)).detach(DetachCause::kTakenOver).silence();
  d.connect(hello(k5, CleanStart::kYes)).server("ROUTE will gone q1").server("CONNACK").silence();
}

TEST(SessionWill, EndOfTheSessionEndsTheDelay) {
  Dialogue d;
  ConnectPacket connect = hello_with_will(k5, 60);
  connect.properties.session_expiry_seconds = 10;
  d.connected(connect).detach().silence().wait(seconds(10)).server("ROUTE will gone q1");
  EXPECT_TRUE(d.session.ended());
  connect.properties.session_expiry_seconds = 0;
  d.connected(connect).detach().server("ROUTE will gone q1").silence();
}

TEST(SessionWill, AdministrativeEndPublishesOrDiscards) {
  Dialogue d;
  d.connected(hello_with_will(k5, 60)).detach();
  d.session.end(Session::WillAtEnd::kDiscard, d.recorder, d.now);
  d.silence();
  d.connected(hello_with_will(k5, 60)).detach();
  d.session.end(Session::WillAtEnd::kPublish, d.recorder, d.now);
  d.server("ROUTE will gone q1").silence();
}

TEST(SessionWill, CarriesItsPropertiesAndExpiresFromItsPublication) {
  Dialogue d;
  ConnectPacket connect = hello_with_will(k5, 60);
  {
    std::string topic = "t/with/a/long/name";  // gone before the will is published
    connect.will->topic = topic;
    connect.will->retain = Retain::kYes;
    connect.will->properties.message_expiry_seconds = 5;
    connect.will->properties.content_type = "text/plain";
    d.connected(connect);
    topic.assign(topic.size(), '?');
  }
  d.detach().wait(seconds(60)).server("ROUTE t/with/a/long/name gone q1 retain");
  EXPECT_EQ(d.recorder.routed->expires_at(), d.now + seconds(5));
  EXPECT_NE(as_text(d.recorder.routed->properties()).find("text/plain"), std::string_view::npos);
}

TEST(SessionWill, ForbiddenOneIsDroppedAndJournaled) {
  Dialogue d(kStandardProfile, AccessPolicy::for_application({}));
  d.connected(hello_with_will(k311)).detach().server("JOURNAL forbidden will").silence();
}

TEST(SessionWill, CompatibleProfileIgnoresThatOfMqtt3) {
  Dialogue{kCompatibleProfile}.connected(hello_with_will(k311)).detach().silence();
  Dialogue{kCompatibleProfile}.connected(hello_with_will(k5)).detach().server("ROUTE will gone q1");
}

// --- Administration ----------------------------------------------------------------------------

TEST(SessionPolicy, LostPermissionsTakeFiltersAndWaitingMessagesAway) {
  Dialogue d(kStandardProfile,
             AccessPolicy::for_application(
                 {{Permission::Kind::kSubscribe, "a/#"}, {Permission::Kind::kSubscribe, "b/#"}}));
  d.connected(hello(k311)).subscribe("a/x").server("GRANT a/x q1").server("SUBACK 1 01");
  d.subscribe("b/x").server("GRANT b/x q1").server("SUBACK 1 01").detach();
  d.deliver("a/x", kQos1, "1").deliver("b/x", kQos1, "2");
  EXPECT_EQ(d.session.queue_count(), 2u);
  const auto narrowed = AccessPolicy::for_application({{Permission::Kind::kSubscribe, "b/#"}});
  d.session.on_policy_changed(narrowed, d.recorder);
  d.server("UNGRANT a/x").silence();
  EXPECT_EQ(d.session.queue_count(), 1u);
  d.owner.policy = narrowed;
  d.connect(hello(k311)).server("CONNACK present").server("PUBLISH b/x 2 q1 id=1").silence();
}

TEST(SessionConnect, EndWhileConnectedIsHeardNoMore) {
  Dialogue d;
  d.connected(hello_with_will(k311)).subscribe("a").server("GRANT a q1").server("SUBACK 1 01");
  d.session.end(Session::WillAtEnd::kDiscard, d.recorder, d.now);
  d.server("UNGRANT a").subscribe("b").publish("c", kQos1, 1).deliver("a", kQos1).dropped();
  d.detach(DetachCause::kAdministrative).silence();
  EXPECT_TRUE(d.session.ended());
  d.connected(hello(k311));
}

TEST(SessionPolicy, NewPermissionsAtConnectApplyToWhatTheSessionHolds) {
  Dialogue d;
  d.connected(hello(k311)).subscribe("a").server("GRANT a q1").server("SUBACK 1 01").detach();
  d.deliver("a", kQos1);
  d.owner.policy = AccessPolicy::for_application({});
  d.connect(hello(k311)).server("UNGRANT a").server("CONNACK present").silence();
}

TEST(SessionPolicy, WhatWasInFlightIsNotRepeatedToOneWhoMayNotHaveItAnyMore) {
  Dialogue d;
  d.connected(hello(k311)).subscribe("#").server("GRANT # q1").server("SUBACK 1 01");
  d.deliver("a", kQos1).server("PUBLISH a x q1 id=1");
  d.deliver("b", kQos1).server("PUBLISH b x q1 id=2").detach();
  d.owner.policy = AccessPolicy::for_application({{Permission::Kind::kSubscribe, "b/#"}});
  d.connect(hello(k311)).server("UNGRANT #").server("CONNACK present");
  d.server("PUBLISH b x q1 id=2 dup").silence();
}

TEST(SessionBudget, IdleSessionIsSmall) {
  EXPECT_LE(sizeof(Session), 320u);
  EXPECT_LE(sizeof(Inflight::Entry), 40u);
}

}  // namespace
}  // namespace fairlead::testing
