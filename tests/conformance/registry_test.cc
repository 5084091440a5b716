#include <thread>

#include "conformance/fixture.h"

// Changes of the registry while the server runs, $SYS, and the graceful stop. Each test has a
// server of its own.

namespace fairlead::testing {
namespace {

template <class T>
void ok(const Result<T>& result) {
  if (!result) throw TestFailure(result.error().sentence);
}

class LiveRegistry : public ConformanceTest {
 protected:
  TestServer& server() override { return server_; }
  TestClient device(const std::string& name, CleanStart clean = CleanStart::kYes) {
    TestClient made = client();
    made.connect(made.device_hello({.name = name}, clean));
    return made;
  }
  TestClient app(std::string_view name = "backend") {
    TestClient made = client();
    made.connect(made.app_hello(name, unique("app")));
    return made;
  }
  // The other end of a connection is this thread, too, which is busy stopping the server.
  TestServer server_{{.shard_count = 2, .adjust = [](ServerOptions& options) {
                        options.connection.linger_max = milliseconds(200);
                      }}};
};
FL_ONLY(LiveRegistry, ProtocolVersion::k311, ProtocolVersion::k5);

TEST_P(LiveRegistry, DisabledDeviceIsClosedAtOnceAndRefused) {
  TestClient victim = device("d1");
  TestClient other = device("d2");
  ok(server_.database().set_device_enabled("pk", "d1", false));
  server_.apply();
  victim.expect_disconnect(ReasonCode::kNotAuthorized);
  TestClient again = client();
  again.send(again.device_hello({.name = "d1"}));
  again.expect(is_v5() ? "CONNACK 0x87" : "CONNACK 5");
  again.expect_closed();
  other.ping();
  other.expect("PINGRESP");
  ok(server_.database().set_device_enabled("pk", "d1", true));
  server_.apply();
  TestClient enabled = device("d1");
}

TEST_P(LiveRegistry, DeletedDeviceIsClosedAndItsSessionIsGone) {
  TestClient victim = device("d1", CleanStart::kNo);
  victim.subscribe("/pk/d1/user/get", kQos1);
  ok(server_.database().delete_device("pk", "d1"));
  server_.apply();
  victim.expect_disconnect(ReasonCode::kAdministrativeAction);
  TestClient again = client();
  again.send(again.device_hello({.name = "d1"}));
  again.expect(is_v5() ? "CONNACK 0x86" : "CONNACK 4");
  ok(server_.database().create_device({.product_key = "pk", .name = "d1", .secret = "secret-d1"}));
  server_.apply();
  TestClient reborn = client();
  reborn.send(reborn.device_hello({.name = "d1"}, CleanStart::kNo));
  reborn.expect("CONNACK 0");
}

TEST_P(LiveRegistry, NewSecretClosesAndCounts) {
  TestClient victim = device("d1");
  ok(server_.database().set_device_secret("pk", "d1", "another"));
  server_.apply();
  victim.expect_disconnect(ReasonCode::kAdministrativeAction);
  TestClient old = client();
  old.send(old.device_hello({.name = "d1"}));
  old.expect(is_v5() ? "CONNACK 0x86" : "CONNACK 4");
  TestClient fresh = client();
  fresh.connect(fresh.device_hello({.name = "d1", .secret = "another"}));
}

TEST_P(LiveRegistry, NewDeviceMayConnectAtOnce) {
  TestClient early = client();
  early.send(early.device_hello({.name = "late"}));
  early.expect(is_v5() ? "CONNACK 0x86" : "CONNACK 4");
  ok(server_.database().create_device(
      {.product_key = "pk", .name = "late", .secret = "secret-late"}));
  server_.apply();
  TestClient late = device("late");
}

TEST_P(LiveRegistry, DeletedProductTakesItsDevicesAlong) {
  TestClient first = device("d1");
  TestClient second = device("d2");
  TestClient app = this->app();
  ok(server_.database().delete_product("pk", WithDevices::kDelete));
  server_.apply();
  first.expect_disconnect(ReasonCode::kAdministrativeAction);
  second.expect_disconnect(ReasonCode::kAdministrativeAction);
  app.ping();
  app.expect("PINGRESP");
}

TEST_P(LiveRegistry, ApplicationLosesPermissionsAtDelivery) {
  TestClient watcher = app("watcher");
  EXPECT_EQ(watcher.subscribe("/pk/+/user/#", kQos1), "01");
  TestClient backend = app();
  backend.publish("/pk/d1/user/x", "seen", kQos1);
  watcher.expect_receive("PUBLISH /pk/d1/user/x seen q1");
  auto record = server_.database().app("watcher");
  ok(record);
  ASSERT_TRUE(record->has_value());
  App changed = **record;
  changed.permissions = {Permission{.filter = "/pk/d2/user/#"}};
  ok(server_.database().update_app(changed));
  server_.apply();
  backend.publish("/pk/d1/user/x", "hidden", kQos1);
  watcher.expect_silence(server_);
  EXPECT_EQ(watcher.subscribe("/pk/d2/user/#", kQos1), "01");
  backend.publish("/pk/d2/user/x", "seen", kQos1);
  watcher.expect_receive("PUBLISH /pk/d2/user/x seen q1");
}

TEST_P(LiveRegistry, DeletedApplicationIsClosed) {
  TestClient watcher = app("watcher");
  ok(server_.database().delete_app("watcher"));
  server_.apply();
  watcher.expect_disconnect(ReasonCode::kAdministrativeAction);
}

TEST_P(LiveRegistry, NewTopicClassesCountAtOnce) {
  TestClient device = this->device("d1");
  EXPECT_EQ(device.subscribe("/pk/d1/special/in", kQos1), is_v5() ? "87" : "80");
  auto product = server_.database().product("pk");
  ok(product);
  Product changed = **product;
  changed.topic_classes = {{.pattern = "/${productKey}/${deviceName}/special/in",
                            .permission = TopicPermission::kSubscribe},
                           {.pattern = "/${productKey}/${deviceName}/special/out",
                            .permission = TopicPermission::kPublish}};
  ok(server_.database().update_product(changed));
  server_.apply();
  EXPECT_EQ(device.subscribe("/pk/d1/special/in", kQos1), "01");
  EXPECT_EQ(device.subscribe("/pk/d1/special/out", kQos1), is_v5() ? "87" : "80");
  EXPECT_EQ(device.subscribe("/pk/d1/user/get", kQos1), is_v5() ? "87" : "80");
  TestClient backend = app();
  backend.subscribe("/pk/d1/special/out", kQos1);
  device.publish("/pk/d1/special/out", "up", kQos1);
  backend.expect_receive("PUBLISH /pk/d1/special/out up q1");
  backend.publish("/pk/d1/special/in", "down", kQos1);
  device.expect_receive("PUBLISH /pk/d1/special/in down q1");
}

TEST_P(LiveRegistry, ProductMayDemandTls) {
  auto product = server_.database().product("pk");
  ok(product);
  Product changed = **product;
  changed.transport = TransportRule::kTlsOnly;
  ok(server_.database().update_product(changed));
  server_.apply();
  TestClient client = this->client();
  client.send(client.device_hello({.name = "d1"}));
  client.expect(is_tls(transport()) ? "CONNACK 0" : is_v5() ? "CONNACK 0x87" : "CONNACK 5");
}

TEST_P(LiveRegistry, GracefulStopSaysGoodbyeAndPublishesWills) {
  TestClient client = connected();
  TestClient device = this->device("d1");
  server_.stop();
  client.expect_disconnect(ReasonCode::kServerShuttingDown);
  device.expect_disconnect(ReasonCode::kServerShuttingDown);
  if (is_ws(transport())) {
    EXPECT_EQ(client.close_code(), 1001);
  }
  EXPECT_THROW((void)this->client(), TestFailure);
}

TEST_P(LiveRegistry, StopLetsLastMessagesOut) {
  const std::string topic = unique("t");
  TestClient subscriber = connected();
  subscriber.subscribe(topic, kQos0);
  TestClient publisher = connected();
  for (int i = 0; i < 200; ++i) publisher.send_publish(topic, std::string(1000, 'x'));
  publisher.ping();
  publisher.expect("PINGRESP");
  server_.settle();
  std::jthread stopping([this] { server_.stop(); });
  int count = 0;
  for (std::string line = subscriber.next(); line.starts_with("PUBLISH");
       line = subscriber.next()) {
    ++count;
  }
  EXPECT_EQ(count, 200);
}

TEST_P(LiveRegistry, StopDoesNotWaitForAStubbornPeer) {
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 10; ++i) clients.push_back(std::make_unique<TestClient>(connected()));
  Wire silent(server_.address(), Transport::kTcp);
  server_.stop();  // nobody reads or closes on the other side
}

TEST(Counters, TellWhatIsThere) {
  TestServer server({.shard_count = 2});
  TestClient client(server, Transport::kTcp);
  client.connect(unique("c"));
  client.subscribe("a", kQos0);
  client.publish("b", "x", kQos0);
  const ServerCounters counters = server.engine().counters();
  EXPECT_EQ(counters.connections_now, 1u);
  EXPECT_EQ(counters.clients_now, 1u);
  EXPECT_EQ(counters.sessions_now, 1u);
  EXPECT_EQ(counters.subscriptions_now, 1u);
  EXPECT_EQ(counters.connects_accepted, 1u);
  EXPECT_EQ(counters.messages_received, 1u);
  client.disconnect();
  client.expect_closed();
  client.wire().reset();
  server.settle();
  EXPECT_EQ(server.engine().counters().sessions_now, 0u);
  EXPECT_EQ(server.engine().counters().clients_now, 0u);
  EXPECT_EQ(server.engine().counters().subscriptions_now, 0u);
}

}  // namespace
}  // namespace fairlead::testing
