#include "conformance/fixture.h"

// Who a client is and what its profile makes of it (reference: aliyun-device-protocol sections 2
// and 5). Devices of product "pk" have the compatible profile.

namespace fairlead::testing {
namespace {

using Request = mqtt::SubscriptionRequest;

class Identity : public ConformanceTest {
 protected:
  TestClient device(const std::string& name, const std::string& extra = {},
                    CleanStart clean = CleanStart::kYes) {
    TestClient made = client();
    made.connect(made.device_hello({.name = name, .extra = extra}, clean));
    return made;
  }
  TestClient app(std::string_view name = "backend") {
    TestClient made = client();
    made.connect(made.app_hello(name, unique("app")));
    return made;
  }
};
FL_EVERY_VERSION(Identity);

TEST_P(Identity, SeedCase) {
  TestClient client = this->client();
  const int mode = is_tls(transport()) ? 2 : 3;
  mqtt::ConnectPacket hello = client.hello("");
  const std::string id =
      "12345|securemode=" + std::to_string(mode) + ",signmethod=hmacsha1,timestamp=789|";
  hello.client_id = id;
  hello.user_name = "device&pk";
  hello.password = as_bytes("fafd82a3d602b37fb0fa8b7892f24a477f851a14");
  client.send(hello);
  client.expect("CONNACK 0");
}

TEST_P(Identity, AllMethodsEitherSecureMode) {
  for (const SignMethod method :
       {SignMethod::kHmacMd5, SignMethod::kHmacSha1, SignMethod::kHmacSha256}) {
    for (const int mode : {2, 3}) {
      TestClient client = this->client();
      client.connect(client.device_hello({.name = "d1", .method = method, .secure_mode = mode}));
    }
  }
}

TEST_P(Identity, SecondConnectionOfADeviceTakesOverWhateverItsClientId) {
  TestClient first = device("d2");
  TestClient second = client();
  // Signed without the client id, and with another one.
  const ConnectCredentials made = make_connect_credentials(
      {.product_key = "pk", .device_name = "d2", .device_secret = "secret-d2"});
  mqtt::ConnectPacket hello = second.hello(made.client_id);
  hello.user_name = made.user_name;
  hello.password = as_bytes(made.password);
  second.connect(hello);
  first.expect_disconnect(ReasonCode::kSessionTakenOver);
}

TEST_P(Identity, CustomTopicsBothWays) {
  TestClient device = this->device("d3");
  TestClient app = this->app();
  TestClient watcher = this->app("watcher");
  app.subscribe("/pk/+/user/#", kQos1);
  EXPECT_EQ(watcher.subscribe("/pk/+/user/#", kQos1), "01");
  EXPECT_EQ(device.subscribe("/pk/d3/user/get", kQos1), "01");
  device.publish("/pk/d3/user/update", "up", kQos1);
  app.expect_receive("PUBLISH /pk/d3/user/update up q1");
  watcher.expect_receive("PUBLISH /pk/d3/user/update up q1");
  app.publish("/pk/d3/user/get", "down", kQos1);
  device.expect_receive("PUBLISH /pk/d3/user/get down q1");
}

TEST_P(Identity, ForeignTopicsAreRefusedAndOthersInTheSamePacketAreNot) {
  TestClient device = this->device("d4");
  const std::string refused = is_v5() ? "87" : "80";
  EXPECT_EQ(device.subscribe({Request{.filter = "/pk/d5/user/get", .options = {.qos = kQos1}},
                              Request{.filter = "/pk/d4/user/get", .options = {.qos = kQos1}},
                              Request{.filter = "#", .options = {.qos = kQos1}},
                              Request{.filter = "/pk/+/user/get", .options = {.qos = kQos1}}}),
            refused + " 01 " + refused + " " + refused);
  device.ping();
  device.expect("PINGRESP");
}

TEST_P(Identity, ForbiddenPublishIsAcknowledgedAndDropped) {
  TestClient app = this->app();
  app.subscribe("/pk/d5/user/update", kQos1);
  TestClient device = this->device("d4");
  const uint16_t id = device.send_publish("/pk/d5/user/update", "forged", kQos1);
  device.expect("PUBACK " + std::to_string(id));
  device.publish("/pk/d5/user/update", "forged", kQos0);
  app.expect_silence(server());
}

TEST_P(Identity, ApplicationOutsideItsPermissions) {
  TestClient watcher = this->app("watcher");
  EXPECT_EQ(watcher.subscribe("#", kQos1), is_v5() ? "87" : "80");
  TestClient app = this->app();
  app.subscribe("/pk/d6/user/x", kQos1);
  const uint16_t id = watcher.send_publish("/pk/d6/user/x", "forged", kQos1);
  watcher.expect("PUBACK " + std::to_string(id) + (is_v5() ? " 0x87" : ""));
  app.expect_silence(server());
}

TEST_P(Identity, AutomaticSubscriptionOfSystemTopics) {
  TestClient device = this->device("d6", "_ss=1");
  TestClient app = this->app();
  const std::string topic = "/sys/pk/d6/thing/service/property/set";
  app.publish(topic, "{}", kQos1);
  device.expect_receive("PUBLISH " + topic + " {} q1");
  app.publish("/pk/d6/user/get", "not a system topic", kQos1);
  app.publish("/sys/pk/d7/thing/service/property/set", "for another", kQos1);
  device.expect_silence(server());
}

TEST_P(Identity, NoAutomaticSubscriptionUnlessAskedFor) {
  TestClient device = this->device("d7");
  TestClient app = this->app();
  app.publish("/sys/pk/d7/thing/service/property/set", "{}", kQos1);
  device.expect_silence(server());
  // What needs no subscription at all.
  const std::string topic = "/sys/pk/d7/broadcast/request/1";
  app.publish(topic, "all", kQos1);
  device.expect_receive("PUBLISH " + topic + " all q1");
}

TEST_P(Identity, AutomaticAndOwnSubscriptionDeliverOnce) {
  TestClient device = this->device("d8", "_ss=1");
  EXPECT_EQ(device.subscribe("/sys/pk/d8/thing/event/+/post_reply", kQos1), "01");
  TestClient app = this->app();
  app.publish("/sys/pk/d8/thing/event/x/post_reply", "ok", kQos0);
  device.expect("PUBLISH /sys/pk/d8/thing/event/x/post_reply ok q0");
  device.expect_silence(server());
}

TEST_P(Identity, OfflineDeviceGetsItsQos1OnReturn) {
  {
    TestClient device = this->device("d8", {}, CleanStart::kNo);
    device.subscribe("/pk/d8/user/get", kQos1);
    device.disconnect();
    device.expect_closed();
  }
  TestClient app = this->app();
  app.publish("/pk/d8/user/get", "later", kQos1);
  TestClient back = this->device("d8", {}, CleanStart::kNo);
  back.expect_receive("PUBLISH /pk/d8/user/get later q1");
  TestClient clean = this->device("d8");  // leaves nothing for the next test
}

// --- The compatible profile in 3.x --------------------------------------------------------------

class Compatible3 : public Identity {};
FL_ONLY(Compatible3, ProtocolVersion::k31, ProtocolVersion::k311);

TEST_P(Compatible3, SubackIsAlwaysOne) {
  TestClient device = this->device("d1");
  EXPECT_EQ(device.subscribe("/pk/d1/user/get", kQos0), "01");
  EXPECT_EQ(device.subscribe("/pk/d1/user/get", kQos1), "01");
  EXPECT_EQ(device.subscribe("/pk/d1/user/get", kQos2), "01");
}

TEST_P(Compatible3, DeliveryIsAtThePublishersQos) {
  TestClient device = this->device("d1");
  device.subscribe("/pk/d1/user/get", kQos0);
  TestClient app = this->app();
  app.publish("/pk/d1/user/get", "one", kQos1);
  device.expect_receive("PUBLISH /pk/d1/user/get one q1");
  app.publish("/pk/d1/user/get", "zero", kQos0);
  device.expect_receive("PUBLISH /pk/d1/user/get zero q0");
  app.publish("/pk/d1/user/get", "two", kQos2);
  device.expect_receive("PUBLISH /pk/d1/user/get two q1");
}

TEST_P(Compatible3, KeepAliveOutOfRangeIsThree) {
  for (const uint16_t seconds : {uint16_t{0}, uint16_t{29}, uint16_t{1201}}) {
    TestClient client = this->client();
    mqtt::ConnectPacket hello = client.device_hello({.name = "d1"});
    hello.keep_alive_seconds = seconds;
    client.send(hello);
    client.expect("CONNACK 3");
    client.expect_closed();
  }
  for (const uint16_t seconds : {uint16_t{30}, uint16_t{1200}}) {
    TestClient client = this->client();
    mqtt::ConnectPacket hello = client.device_hello({.name = "d1"});
    hello.keep_alive_seconds = seconds;
    client.connect(hello);
  }
}

TEST_P(Compatible3, Qos2IsClosed) {
  TestClient device = this->device("d1");
  device.send_publish("/pk/d1/user/update", "x", kQos2);
  device.expect_closed();
}

TEST_P(Compatible3, RetainAndWillAreIgnored) {
  TestClient app = this->app();
  app.subscribe("/pk/d2/user/#", kQos1);
  TestClient device = client();
  mqtt::ConnectPacket hello = device.device_hello({.name = "d2"});
  hello.will = mqtt::Will{.topic = "/pk/d2/user/will",
                          .payload = as_bytes("gone"),
                          .retain = Retain::kYes,
                          .properties = {}};
  device.connect(hello);
  device.publish("/pk/d2/user/update", "x", kQos1, Retain::kYes);
  app.expect_receive("PUBLISH /pk/d2/user/update x q1");
  device.wire().reset();
  TestClient again = this->device("d2");  // the end of the first one is behind us
  app.expect_silence(server());
  TestClient late = this->app();
  late.subscribe("/pk/d2/user/update", kQos1);
  late.expect_silence(server());
}

TEST_P(Compatible3, TopicLimits) {
  TestClient device = this->device("d3");
  EXPECT_EQ(device.subscribe("/pk/d3/user/a/b/c/d", kQos1), "01");    // 7 slashes
  EXPECT_EQ(device.subscribe("/pk/d3/user/a/b/c/d/e", kQos1), "80");  // 8
  EXPECT_EQ(device.subscribe("/pk/d3/user/" + std::string(130, 'x'), kQos1), "80");
}

TEST_P(Compatible3, RegisteredStandardProductIsPlainMqtt) {
  TestClient device = client();
  mqtt::ConnectPacket hello = device.device_hello({.product_key = "std", .name = "s1"});
  hello.keep_alive_seconds = 5;
  device.connect(hello);
  EXPECT_EQ(device.subscribe("/std/s1/user/get", kQos0), "00");
  TestClient app = this->app();
  app.publish("/std/s1/user/get", "x", kQos1);
  device.expect_receive("PUBLISH /std/s1/user/get x q0");
  app.subscribe("/std/s1/user/update", kQos2);
  device.publish("/std/s1/user/update", "up", kQos2);
  app.expect_receive("PUBLISH /std/s1/user/update up q2");
}

// --- The compatible profile in 5.0 --------------------------------------------------------------

class Compatible5 : public Identity {};
FL_ONLY(Compatible5, ProtocolVersion::k5);

TEST_P(Compatible5, ConnackSaysWhatThereIs) {
  TestClient client = this->client();
  mqtt::ConnectPacket hello = client.device_hello({.name = "d1"});
  hello.keep_alive_seconds = 5;
  const auto connack = client.connect(hello);
  EXPECT_EQ(connack.properties.maximum_qos, 1);
  EXPECT_EQ(connack.properties.topic_alias_maximum, 20);
  EXPECT_EQ(connack.properties.server_keep_alive_seconds, 30);
  EXPECT_EQ(connack.properties.subscription_identifier_available, false);
  EXPECT_EQ(connack.properties.maximum_packet_size, 262'144u);
}

TEST_P(Compatible5, Qos2IsNotSupported) {
  TestClient device = this->device("d1");
  device.send_publish("/pk/d1/user/update", "x", kQos2);
  device.expect_disconnect(ReasonCode::kQosNotSupported);
}

TEST_P(Compatible5, SubscriptionIdentifiersAreNotSupported) {
  TestClient device = this->device("d1");
  device.send_subscribe({Request{.filter = "/pk/d1/user/get", .options = {}}}, 5);
  device.expect_disconnect(ReasonCode::kSubscriptionIdentifiersNotSupported);
}

TEST_P(Compatible5, GrantedQosAndMinimumAtDelivery) {
  TestClient device = this->device("d1");
  EXPECT_EQ(device.subscribe("/pk/d1/user/get", kQos0), "00");
  TestClient app = this->app();
  app.publish("/pk/d1/user/get", "x", kQos1);
  device.expect_receive("PUBLISH /pk/d1/user/get x q0");
}

TEST_P(Compatible5, WillAndRetainAreSupported) {
  TestClient app = this->app();
  app.subscribe("/pk/d5/user/#", kQos1);
  TestClient device = client();
  mqtt::ConnectPacket hello = device.device_hello({.name = "d5"});
  hello.will =
      mqtt::Will{.topic = "/pk/d5/user/will", .payload = as_bytes("gone"), .properties = {}};
  device.connect(hello);
  device.publish("/pk/d5/user/update", "x", kQos1, Retain::kYes);
  app.expect_receive("PUBLISH /pk/d5/user/update x q1");
  server().settle();
  TestClient late = this->app();
  late.subscribe("/pk/d5/user/update", kQos1);
  late.expect_receive("PUBLISH /pk/d5/user/update x q1 retain");
  device.wire().reset();
  app.expect_receive("PUBLISH /pk/d5/user/will gone q0");
  late.publish("/pk/d5/user/update", "", kQos1, Retain::kYes);
}

}  // namespace
}  // namespace fairlead::testing
