#pragma once

#include <memory>

#include "session/session_dialogue.h"
#include "session/test_keeper.h"

namespace fairlead::testing {

// A session whose keeper outlives it: restart() is a new process that finds what was durable.
class Kept {
 public:
  TestKeeper keeper;
  std::unique_ptr<Dialogue> dialogue = std::make_unique<Dialogue>();

  Kept() { dialogue->recorder.kept_by = &keeper; }
  Dialogue& operator*() { return *dialogue; }
  Dialogue* operator->() { return dialogue.get(); }

  // What was recorded so far is durable, and the session hears of it.
  Dialogue& commit() {
    keeper.commit();
    dialogue->session.on_committed(dialogue->recorder, dialogue->now);
    return *dialogue;
  }
  // The process ends without a word, and `downtime` later there is another.
  Dialogue& restart(milliseconds downtime = milliseconds{0}) {
    auto after = std::make_unique<Dialogue>();
    after->now = dialogue->now + downtime;
    after->owner = dialogue->owner;
    after->recorder.kept_by = &keeper;
    dialogue = std::move(after);
    keeper.crash();
    found = keeper.restore(dialogue->session, dialogue->owner, dialogue->now);
    return *dialogue;
  }
  Dialogue& commit_and_restart(milliseconds downtime = milliseconds{0}) {
    keeper.commit();
    return restart(downtime);
  }
  bool found = false;  // by the last restart()
};

inline ConnectPacket hello_for(uint32_t expiry_seconds) {
  ConnectPacket connect = hello(ProtocolVersion::k5);
  connect.properties.session_expiry_seconds = expiry_seconds;
  return connect;
}

// Everything that a session can hold: a subscription, an identifier, messages in flight (sent,
// released, waiting for the disk), and one that waits for the connection.
inline void fill(Kept& s) {
  s->connected(hello(ProtocolVersion::k5)).subscribe("a").publish("up", kQos2, 9);
  s->deliver("a", kQos2, "released").deliver("a", kQos1, "sent");
  s.commit().pubrec(1);
  s->deliver("a", kQos2, "waits for the disk").congest().deliver("a", kQos1, "waits");
  ASSERT_EQ(s.keeper.now.entries.size(), 4u);
  ASSERT_EQ(s.keeper.now.size(), 7u);
  s->recorder.lines.clear();
}

}  // namespace fairlead::testing
