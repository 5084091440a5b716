#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "session/keeper.h"
#include "session/session.h"

// For tests: keeps what sessions write down, and lets the test say when it is durable. Whoever
// erases what is not there, or writes for a session that is not, fails the test.

namespace fairlead::testing {

class TestKeeper final : public Keeper {
 public:
  struct Subscribed {
    RecordId session = RecordId::kNone;
    std::string filter;
    mqtt::SubscriptionOptions options;
    uint32_t identifier = 0;
  };
  struct Entry {
    RecordId session = RecordId::kNone;
    mqtt::MessageRef message;  // null: released
    std::vector<uint32_t> identifiers;
    mqtt::Qos qos{};
    mqtt::Retain retain{};
    mqtt::PacketId packet_id{};
  };
  struct Records {
    std::map<RecordId, std::string> sessions;  // encoded
    std::map<RecordId, Subscribed> subscriptions;
    std::map<RecordId, Entry> entries;
    std::map<RecordId, ReceivedRecord> received;
    [[nodiscard]] std::size_t size() const {
      return sessions.size() + subscriptions.size() + entries.size() + received.size();
    }
  };

  Records now;
  Records on_disk;
  bool accepting = true;
  uint64_t changes = 0;
  uint64_t passed_on = 0;

  // What was recorded so far becomes durable.
  void commit() {
    on_disk = now;
    committed_ = epoch_++;
  }
  // The process ends, and with it what was not durable.
  void crash() {
    now = on_disk;
    committed_ = epoch_++;
  }

  // In a new process: as the one session that there is was written down. False: there is none.
  bool restore(Session& session, const SessionOwner& owner, Instant at) const {
    if (now.sessions.empty()) return false;
    const auto& [id, bytes] = *now.sessions.begin();
    const auto record = decode_session(as_bytes(bytes), WallTime{});
    EXPECT_TRUE(record.ok());
    EXPECT_EQ(record->key, session.key());
    const auto will = read_will(*record);
    EXPECT_TRUE(will.ok());
    session.restore(id, *record, *will, owner, at);
    for (const auto& [name, each] : now.subscriptions) {
      EXPECT_EQ(each.session, id);
      session.restore_subscription({id, each.filter, each.options, each.identifier}, name);
    }
    for (const auto& [name, each] : now.received) {
      EXPECT_TRUE(session.restore_received(each.packet_id, name));
    }
    // What was in flight is older than what waits.
    for (const bool waits : {false, true}) {
      for (const auto& [name, each] : now.entries) {
        if ((each.packet_id == mqtt::PacketId{}) != waits) continue;
        Outgoing outgoing;
        if (each.message) {
          outgoing = Outgoing(each.message, {each.qos, each.retain, each.identifiers, {}});
        }
        outgoing.qos = each.qos;
        outgoing.record = name;
        EXPECT_TRUE(session.restore_message(std::move(outgoing), each.packet_id));
      }
    }
    return true;
  }
  // As it says now.
  [[nodiscard]] SessionRecord session_record() const {
    const auto record = decode_session(as_bytes(now.sessions.begin()->second), WallTime{});
    EXPECT_TRUE(record.ok());
    return *record;
  }

  // --- Keeper ------------------------------------------------------------------------------------

  [[nodiscard]] bool accepts() const override { return accepting; }

  RecordId put_session(Session&, RecordId id, const SessionRecord& record) override {
    id = named(id, now.sessions);
    ByteBuffer out;
    encode(out, record, WallTime{});
    now.sessions[id] = as_text(out.view());
    return id;
  }
  RecordId put_subscription(Session& session, RecordId id,
                            const SubscriptionRecord& record) override {
    expect_known(session, record.session);
    id = named(id, now.subscriptions);
    now.subscriptions[id] = {record.session, std::string(record.filter), record.options,
                             record.identifier};
    return id;
  }
  RecordId put_received(Session& session, const ReceivedRecord& record) override {
    expect_known(session, record.session);
    const RecordId id = named(RecordId::kNone, now.received);
    now.received[id] = record;
    return id;
  }
  void erase_session(Session&, RecordId id) override { erase(now.sessions, id); }
  void erase_subscription(Session&, RecordId id) override { erase(now.subscriptions, id); }
  void erase_received(Session&, RecordId id) override { erase(now.received, id); }

  RecordId put_entry(Session& session, const Outgoing& outgoing, mqtt::PacketId id) override {
    expect_known(session, session.record());
    const RecordId name = named(RecordId::kNone, now.entries);
    Entry& entry = now.entries[name];
    entry = {session.record(), outgoing.message, {}, outgoing.qos, outgoing.retain, id};
    if (outgoing.extras) entry.identifiers = outgoing.extras->identifiers;
    return name;
  }
  void set_packet_id(Session&, const Outgoing& outgoing, mqtt::PacketId id) override {
    ++changes;
    ASSERT_TRUE(now.entries.contains(outgoing.record));
    now.entries[outgoing.record].packet_id = id;
  }
  void release_entry(Session&, const Outgoing& outgoing, mqtt::PacketId id) override {
    ++changes;
    ASSERT_TRUE(now.entries.contains(outgoing.record));
    Entry& entry = now.entries[outgoing.record];
    EXPECT_EQ(entry.packet_id, id);
    EXPECT_TRUE(entry.message) << "released twice";
    entry.message = {};
    entry.identifiers.clear();
  }
  void erase_entry(Session&, const Outgoing& outgoing) override {
    erase(now.entries, outgoing.record);
  }
  void pass_on_entry(Session&, const Outgoing& outgoing) override {
    ++passed_on;
    erase(now.entries, outgoing.record);
  }
  [[nodiscard]] uint64_t moment() const override { return epoch_; }
  [[nodiscard]] bool durable(uint64_t moment) const override { return moment <= committed_; }

 private:
  template <class Table>
  RecordId named(RecordId id, const Table& table) {
    ++changes;
    EXPECT_TRUE(id == RecordId::kNone || table.contains(id)) << "written again, but not there";
    return id == RecordId::kNone ? static_cast<RecordId>(next_id_++) : id;
  }
  template <class Table>
  void erase(Table& table, RecordId id) {
    ++changes;
    EXPECT_EQ(table.erase(id), 1u) << "erased, but not there";
  }
  void expect_known(const Session& session, RecordId id) const {
    EXPECT_EQ(session.record(), id);
    EXPECT_TRUE(now.sessions.contains(id)) << "written for a session that is not";
  }

  uint64_t next_id_ = 1;
  uint64_t epoch_ = 1;
  uint64_t committed_ = 0;
};

}  // namespace fairlead::testing
