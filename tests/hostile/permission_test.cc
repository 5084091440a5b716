#include "hostile/hostile.h"

// What a session may not receive any more does not reach it, on whatever way it was: queued, in
// flight, retained, through a shared group, as a will.

namespace fairlead::testing {
namespace {

template <class T>
void ok(const Result<T>& result) {
  if (!result) throw TestFailure(result.error().sentence);
}

class Permission : public HostileTest {
 protected:
  TestServer& server() override { return server_; }

  TestClient app(std::string_view name, const std::string& id, CleanStart clean = CleanStart::kNo) {
    TestClient made = client();
    made.connect(made.app_hello(name, id, clean));
    return made;
  }
  TestClient backend() { return app("backend", unique("b"), CleanStart::kYes); }
  TestClient watcher() { return app("watcher", "w"); }
  TestClient device() {
    TestClient made = client();
    made.connect(made.device_hello({.name = "d1"}, CleanStart::kNo));
    return made;
  }
  // "watcher" may see device d2 only, from now on.
  void revoke() {
    change_watcher([](App& app) { app.permissions = {{.filter = "/pk/d2/user/#"}}; });
  }
  template <class Change>
  void change_watcher(Change&& change) {
    auto record = server_.database().app("watcher");
    ok(record);
    App changed = record->value();
    change(changed);
    ok(server_.database().update_app(changed));
    server_.apply();
  }
  static void leave(TestClient& client) {
    client.disconnect();
    client.expect_closed();
  }

  TestServer server_{{.shard_count = 2, .adjust = [](ServerOptions& options) {
                        options.connection.linger_max = milliseconds(200);
                      }}};
};
FL_EVERY_VERSION(Permission);

constexpr std::string_view kAll = "/pk/+/user/#";

TEST_P(Permission, QueuedMessagesAreDropped) {
  TestClient before = watcher();
  before.subscribe(kAll, kQos1);
  leave(before);
  TestClient source = backend();
  source.publish("/pk/d1/user/x", "secret", kQos1);
  source.publish("/pk/d2/user/x", "fine", kQos1);
  revoke();
  TestClient after = watcher();
  after.expect_receive("PUBLISH /pk/d2/user/x fine q1");
  source.publish("/pk/d1/user/x", "secret", kQos1);
  after.expect_silence(server_);
}

TEST_P(Permission, MessagesInFlightAreNotRepeated) {
  TestClient source = backend();
  for (const Qos qos : {kQos1, kQos2}) {
    change_watcher([](App& app) { app.permissions = {{.filter = "/pk/+/user/#"}}; });
    TestClient before = watcher();
    before.subscribe(kAll, kQos2);
    source.publish("/pk/d1/user/x", "secret", qos);
    source.publish("/pk/d2/user/x", "fine", qos);
    EXPECT_TRUE(before.next().starts_with("PUBLISH /pk/d1/user/x secret"));
    EXPECT_TRUE(before.next().starts_with("PUBLISH /pk/d2/user/x fine"));
    before.wire().reset();  // neither is acknowledged
    server_.settle();
    revoke();
    TestClient after = watcher();
    const std::string level = std::to_string(static_cast<int>(qos));
    after.expect_receive("PUBLISH /pk/d2/user/x fine q" + level + " dup");
    after.expect_silence(server_);
  }
}

TEST_P(Permission, WhatWaitsBehindTheWindowIsDropped) {
  TestClient full = watcher();
  full.subscribe(kAll, kQos1);
  TestClient source = backend();
  for (int i = 0; i < 120; ++i) source.publish("/pk/d1/user/x", std::to_string(i), kQos1);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(full.next().starts_with("PUBLISH "));
  revoke();
  for (uint16_t id = 1; id <= 100; ++id) full.ack(PacketType::kPuback, id);
  full.expect_silence(server_);
}

TEST_P(Permission, RetainedMessagesAreNotSent) {
  TestClient source = backend();
  source.publish("/pk/d1/user/r", "secret", kQos1, Retain::kYes);
  source.publish("/pk/d2/user/r", "fine", kQos1, Retain::kYes);
  server_.settle();
  TestClient before = watcher();
  revoke();
  EXPECT_EQ(before.subscribe(kAll, kQos1), is_v5() ? "87" : "80");
  EXPECT_EQ(before.subscribe("/pk/d1/user/r", kQos1), is_v5() ? "87" : "80");
  before.expect_silence(server_);
  EXPECT_EQ(before.subscribe("/pk/d2/user/#", kQos1), "01");
  before.expect_receive("PUBLISH /pk/d2/user/r fine q1 retain");
  before.expect_silence(server_);
}

TEST_P(Permission, SharedGroupsPassTheRevokedMemberBy) {
  const std::string filter = "$share/g/" + std::string(kAll);
  TestClient before = watcher();
  TestClient other = backend();
  before.subscribe(filter, kQos1);
  other.subscribe(filter, kQos1);
  TestClient source = backend();
  revoke();
  for (int i = 0; i < 10; ++i) source.publish("/pk/d1/user/x", std::to_string(i), kQos1);
  for (int i = 0; i < 10; ++i) {
    other.expect_receive("PUBLISH /pk/d1/user/x " + std::to_string(i) + " q1");
  }
  before.expect_silence(server_);
}

TEST_P(Permission, WillsAreNotSent) {
  TestClient before = watcher();
  before.subscribe(kAll, kQos1);
  TestClient witness = backend();
  witness.subscribe(kAll, kQos1);
  TestClient mortal = client();
  mqtt::ConnectPacket hello = mortal.app_hello("backend", unique("mortal"));
  hello.will = mqtt::Will{
      .topic = "/pk/d1/user/will", .payload = as_bytes("gone"), .qos = kQos1, .properties = {}};
  mortal.connect(hello);
  revoke();
  mortal.wire().reset();
  witness.expect_receive("PUBLISH /pk/d1/user/will gone q1");
  before.expect_silence(server_);
}

// A will is judged when it is published, not when it was left.
TEST_P(Permission, WillOfARevokedPublisherIsNotPublished) {
  change_watcher([](App& app) {
    app.permissions = {{.filter = "/pk/+/user/#"}};
    app.permissions.push_back(*parse_permission("pub:/pk/#"));
  });
  TestClient witness = backend();
  witness.subscribe(kAll, kQos1);
  TestClient mortal = client();
  mqtt::ConnectPacket hello = mortal.app_hello("watcher", unique("mortal"));
  hello.will = mqtt::Will{
      .topic = "/pk/d1/user/will", .payload = as_bytes("gone"), .qos = kQos1, .properties = {}};
  mortal.connect(hello);
  revoke();
  mortal.wire().reset();
  server_.settle();
  witness.expect_silence(server_);
}

TEST_P(Permission, DisabledApplicationGetsNothing) {
  TestClient before = watcher();
  before.subscribe(kAll, kQos1);
  change_watcher([](App& app) { app.enabled = false; });
  before.expect_disconnect(ReasonCode::kNotAuthorized);
  TestClient again = client();
  again.send(again.app_hello("watcher", "w", CleanStart::kNo));
  again.expect(is_v5() ? "CONNACK 0x87" : "CONNACK 5");
  again.expect_closed();
}

TEST_P(Permission, TopicClassesOfAProductReachItsQueues) {
  TestClient before = device();
  before.subscribe("/pk/d1/user/get", kQos1);
  leave(before);
  TestClient source = backend();
  source.publish("/pk/d1/user/get", "secret", kQos1);
  auto product = server_.database().product("pk");
  ok(product);
  Product changed = product->value();
  changed.topic_classes = {
      {.pattern = "/${productKey}/${deviceName}/other", .permission = TopicPermission::kSubscribe}};
  ok(server_.database().update_product(changed));
  server_.apply();
  TestClient after = device();
  after.expect_silence(server_);
  source.publish("/pk/d1/user/get", "secret", kQos1);
  after.expect_silence(server_);
}

TEST_P(Permission, DeletedDeviceLeavesNothingForItsSuccessor) {
  TestClient before = device();
  before.subscribe("/pk/d1/user/get", kQos1);
  leave(before);
  TestClient source = backend();
  source.publish("/pk/d1/user/get", "secret", kQos1);
  ok(server_.database().delete_device("pk", "d1"));
  ok(server_.database().create_device({.product_key = "pk", .name = "d1", .secret = "secret-d1"}));
  server_.apply();
  TestClient after = device();
  source.publish("/pk/d1/user/get", "secret", kQos1);
  after.expect_silence(server_);
}

// Disabled in the middle of everything: nothing that comes afterwards is heard or said.
TEST_P(Permission, DisabledDeviceIsNeitherHeardNorTold) {
  TestClient victim = device();
  victim.subscribe("/pk/d1/user/get", kQos1);
  TestClient source = backend();
  source.subscribe(kAll, kQos1);
  ok(server_.database().set_device_enabled("pk", "d1", false));
  server_.apply();
  victim.send_publish("/pk/d1/user/update", "late", kQos1);
  source.publish("/pk/d1/user/get", "secret", kQos1);
  victim.expect_disconnect(ReasonCode::kNotAuthorized);
  source.expect_receive("PUBLISH /pk/d1/user/get secret q1");  // its own
  source.expect_silence(server_);
}

}  // namespace
}  // namespace fairlead::testing
