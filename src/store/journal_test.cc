#include "store/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "store/sim_disk_for_test.h"
#include "store/test_journal_world.h"

namespace fairlead {
namespace {

using mqtt::PacketId;
using mqtt::Qos;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr RecordId kSession = make_record_id(1, 0, 0);  // whose entries these are
constexpr PacketId kNoId{};

mqtt::MessageRef message(std::string_view payload) {
  return mqtt::Message::make(
      {.topic = "t", .payload = as_bytes(payload), .qos = Qos::kExactlyOnce});
}

// Recorded as waiting for one session.
Outgoing put(Journal& journal, const mqtt::MessageRef& message, Qos qos = Qos::kAtLeastOnce) {
  Outgoing outgoing(message, {.qos = qos});
  outgoing.record = journal.put_entry(kSession, outgoing, kNoId);
  return outgoing;
}
Outgoing put(Journal& journal, std::string_view payload, Qos qos = Qos::kAtLeastOnce) {
  return put(journal, message(payload), qos);
}
RecordId put_text(Journal& journal, std::string_view text, RecordId id = RecordId::kNone) {
  return journal.put(Table::kSession, id, as_bytes(text));
}

// The payloads of the entries, in the order of their numbers; "(missing)" where there is no body.
std::vector<std::string> entries(const Content& content) {
  std::vector<std::string> found;
  const auto table = content.find(Table::kEntry);
  if (table == content.end()) return found;
  for (const auto& [id, bytes] : table->second) {
    const auto entry = decode_entry(as_bytes(bytes));
    EXPECT_TRUE(entry.ok());
    Bytes whole = entry->message;
    if (entry->body != RecordId::kNone) {
      const auto bodies = content.find(Table::kBody);
      if (bodies == content.end() || !bodies->second.contains(entry->body)) {
        found.emplace_back("(missing)");
        continue;
      }
      whole = as_bytes(bodies->second.at(entry->body));
    }
    const auto message = decode_message(whole, WallTime{});
    EXPECT_TRUE(message.ok());
    found.emplace_back(as_text((*message)->payload()));
  }
  return found;
}
std::vector<std::string> texts(const Content& content, Table table) {
  std::vector<std::string> found;
  const auto at = content.find(table);
  if (at == content.end()) return found;
  for (const auto& [id, bytes] : at->second) found.push_back(bytes);
  return found;
}

// --- Records -------------------------------------------------------------------------------------

TEST(Journal, WithoutACommitterRecordsNothing) {
  Journal journal(0, nullptr, WallTime{});
  EXPECT_EQ(put_text(journal, "x"), RecordId::kNone);
  Outgoing outgoing = put(journal, "x");
  EXPECT_EQ(outgoing.record, RecordId::kNone);
  journal.erase_entry(outgoing);
  EXPECT_TRUE(journal.durable(journal.moment()));
  EXPECT_TRUE(journal.accepts());
  EXPECT_FALSE(journal.end_turn());
}

TEST(Journal, WhatWasRecordedIsDurableAfterItsCommit) {
  JournalWorld world;
  EXPECT_TRUE(world[0].durable(world[0].moment()));
  const RecordId id = put_text(world[0], "one");
  const uint64_t moment = world[0].moment();
  EXPECT_FALSE(world[0].durable(moment));
  world.commit();
  EXPECT_TRUE(world[0].durable(moment));
  EXPECT_THAT(world.crash()[Table::kSession], ElementsAre(Pair(id, "one")));
}

TEST(Journal, WhatIsErasedBeforeItIsHandedOverIsNeverWritten) {
  JournalWorld world;
  world[0].erase_entry(put(world[0], "early"));
  world[0].erase(Table::kSession, put_text(world[0], "x"));
  world[0].erase_tagged(Table::kRetained, world[0].put_tagged(Table::kRetained, as_bytes("x")));
  const uint64_t moment = world[0].moment();
  world.commit();
  EXPECT_TRUE(world[0].durable(moment));
  EXPECT_EQ(world.committer().figures().commits, 0u);
  EXPECT_THAT(world.crash(), IsEmpty());
}

TEST(Journal, WhatIsErasedWhileItsEpochIsClosedIsNeverWritten) {
  JournalWorld world(2);
  const Outgoing outgoing = put(world[0], "late");
  world.close_epoch();
  (void)world[0].end_turn();  // it has entered the next one; the other shard has not
  world[0].erase_entry(outgoing);
  world.commit();
  EXPECT_EQ(world.committer().figures().records, 0u);
  EXPECT_THAT(world.crash(), IsEmpty());
}

TEST(Journal, WhatIsErasedAfterItsCommitIsGoneAfterTheNext) {
  JournalWorld world;
  const Outgoing outgoing = put(world[0], "x");
  const RecordId id = put_text(world[0], "x");
  world.commit();
  world[0].set_packet_id(kSession, outgoing, PacketId{7});
  world.commit();
  world[0].erase_entry(outgoing);
  world[0].erase(Table::kSession, id);
  world.commit();
  EXPECT_THAT(world.crash(), IsEmpty());
}

TEST(Journal, ALaterPutOfTheSameNumberIsWhatCounts) {
  JournalWorld world(2);
  const RecordId id = put_text(world[0], "1");
  EXPECT_EQ(put_text(world[0], "22", id), id);
  EXPECT_EQ(put_text(world[0], "3", id), id);
  world.commit();
  EXPECT_THAT(texts(world.crash(), Table::kSession), ElementsAre("3"));
  EXPECT_EQ(put_text(world[0], "4", id), id);
  world.close_epoch();
  (void)world[0].end_turn();
  EXPECT_EQ(put_text(world[0], "5", id), id);
  EXPECT_EQ(put_text(world[0], "6", id), id);
  world.commit();
  EXPECT_THAT(texts(world.crash(), Table::kSession), ElementsAre("6"));
}

TEST(Journal, WhatWasPutAgainAndErasedIsGone) {
  JournalWorld world(2);
  const RecordId id = put_text(world[0], "1");
  world.commit();
  EXPECT_EQ(put_text(world[0], "2", id), id);
  world.close_epoch();
  (void)world[0].end_turn();
  EXPECT_EQ(put_text(world[0], "3", id), id);
  world[0].erase(Table::kSession, id);
  world.commit();
  EXPECT_THAT(world.crash(), IsEmpty());
}

TEST(Journal, NewRecordPutAgainAndErasedBeforeItsCommitIsNeverWritten) {
  JournalWorld world(2);
  const RecordId id = put_text(world[0], "1");
  world.close_epoch();
  (void)world[0].end_turn();
  EXPECT_EQ(put_text(world[0], "2", id), id);
  world[0].erase(Table::kSession, id);
  world.commit();
  EXPECT_EQ(world.committer().figures().records, 0u);
  EXPECT_THAT(world.crash(), IsEmpty());
}

// A retained message was acknowledged with its epoch, and killed by its successor, which a crash
// took: the topic had none at all.
TEST(Journal, WhatIsReplacedStaysUntilItsSuccessorIsDurable) {
  JournalWorld world(2);
  const RecordId older = world[0].put_tagged(Table::kRetained, as_bytes("older"));
  world.close_epoch();
  (void)world[0].end_turn();
  const uint64_t epoch = epoch_of(older);
  ASSERT_NE(world[0].put_tagged(Table::kRetained, as_bytes("newer")), RecordId::kNone);
  world[0].erase_tagged(Table::kRetained, older);
  (void)world[1].end_turn();
  (void)world[0].end_turn();
  world.await([&] { return world.committer().committed() >= epoch; });
  EXPECT_THAT(texts(world.crash(), Table::kRetained), ElementsAre("older"));
}

TEST(Journal, SuccessorOfALaterEpochReplacesIt) {
  JournalWorld world(2);
  const RecordId older = world[0].put_tagged(Table::kRetained, as_bytes("older"));
  world.close_epoch();
  (void)world[0].end_turn();
  ASSERT_NE(world[0].put_tagged(Table::kRetained, as_bytes("newer")), RecordId::kNone);
  world[0].erase_tagged(Table::kRetained, older);
  world.commit();
  EXPECT_THAT(texts(world.crash(), Table::kRetained), ElementsAre("newer"));
}

TEST(Journal, NumbersAreNeverGivenTwice) {
  JournalWorld world;
  const RecordId first = put_text(world[0], "x");
  world.commit();
  (void)world.crash();
  const RecordId second = put_text(world[0], "x");
  EXPECT_GT(second, first);
  EXPECT_GT(epoch_of(second), epoch_of(first));
}

// --- Entries -------------------------------------------------------------------------------------

TEST(Journal, PacketIdentifierIsInTheEntryUntilThatIsHandedOver) {
  JournalWorld world;
  const Outgoing outgoing = put(world[0], "x");
  world[0].set_packet_id(kSession, outgoing, PacketId{7});
  world.commit();
  Content content = world.crash();
  EXPECT_EQ(decode_entry(as_bytes(content[Table::kEntry][outgoing.record]))->packet_id,
            PacketId{7});
  EXPECT_THAT(content[Table::kInflight], IsEmpty());
}

TEST(Journal, PacketIdentifierOfAWrittenEntryHasItsOwnRecord) {
  JournalWorld world;
  const Outgoing outgoing = put(world[0], "x");
  world.commit();
  world[0].set_packet_id(kSession, outgoing, PacketId{7});
  EXPECT_FALSE(world[0].durable(world[0].moment()));
  world.commit();
  Content content = world.crash();
  const auto inflight = decode_inflight(as_bytes(content[Table::kInflight][outgoing.record]));
  ASSERT_TRUE(inflight.ok());
  EXPECT_EQ(inflight->packet_id, PacketId{7});
  EXPECT_EQ(inflight->step, InflightRecord::Step::kSent);
  EXPECT_THAT(entries(content), ElementsAre("x"));
}

TEST(Journal, ReleasedEntryLeavesItsIdentifier) {
  JournalWorld world;
  Outgoing outgoing = put(world[0], "x", Qos::kExactlyOnce);
  world.commit();
  world[0].set_packet_id(kSession, outgoing, PacketId{7});
  world.commit();
  world[0].release_entry(kSession, outgoing, PacketId{7});
  outgoing.message = {};
  world.commit();
  Content content = world.crash();
  EXPECT_THAT(entries(content), IsEmpty());
  const auto inflight = decode_inflight(as_bytes(content[Table::kInflight][outgoing.record]));
  ASSERT_TRUE(inflight.ok());
  EXPECT_EQ(inflight->packet_id, PacketId{7});
  EXPECT_EQ(inflight->step, InflightRecord::Step::kReleased);
  world[0].restore_inflight(outgoing.record);
  world[0].erase_entry(outgoing);
  world.commit();
  EXPECT_THAT(world.crash(), IsEmpty());
}

TEST(Journal, ReleasedAndSettledBeforeTheCommitLeavesNothing) {
  JournalWorld world;
  Outgoing outgoing = put(world[0], "x", Qos::kExactlyOnce);
  world[0].release_entry(kSession, outgoing, PacketId{7});
  outgoing.message = {};
  world[0].erase_entry(outgoing);
  world.commit();
  EXPECT_THAT(world.crash(), IsEmpty());
}

TEST(Journal, EntryWithoutARecordStaysWithoutOne) {
  JournalWorld world;
  const Outgoing outgoing(message("x"), {.qos = Qos::kExactlyOnce});
  world[0].set_packet_id(kSession, outgoing, PacketId{7});
  world[0].release_entry(kSession, outgoing, PacketId{7});
  world[0].erase_entry(outgoing);
  world[0].pass_on_entry(outgoing);
  world.commit();
  EXPECT_THAT(world.crash(), IsEmpty());
}

TEST(Journal, EntriesShareOneBodyThatGoesWithTheLastOfThem) {
  JournalWorld world;
  const mqtt::MessageRef shared = message("shared");
  world[0].begin_shared();
  const Outgoing first = put(world[0], shared);
  const Outgoing second = put(world[0], shared);
  const Outgoing third = put(world[0], shared);
  world[0].end_shared();
  world[0].erase_entry(first);  // its body's number goes to another
  world.commit();
  Content content = world.crash();
  EXPECT_EQ(content[Table::kBody].size(), 1u);
  EXPECT_THAT(entries(content), ElementsAre("shared", "shared"));
}

TEST(Journal, BodyGoesWithTheLastOfItsEntries) {
  JournalWorld world;
  const mqtt::MessageRef shared = message("shared");
  world[0].begin_shared();
  const Outgoing first = put(world[0], shared);
  Outgoing second = put(world[0], shared, Qos::kExactlyOnce);
  world[0].end_shared();
  world.commit();
  world[0].erase_entry(first);
  world.commit();
  const uint64_t records = world.committer().figures().records;
  world[0].release_entry(kSession, second, PacketId{1});
  second.message = {};
  world.commit();
  EXPECT_EQ(world.committer().figures().records, records + 3);  // two go, one is in flight
  Content content = world.crash();
  EXPECT_THAT(content[Table::kBody], IsEmpty());
  EXPECT_THAT(content[Table::kEntry], IsEmpty());
  EXPECT_EQ(content[Table::kInflight].size(), 1u);
}

TEST(Journal, BodyOfNobodyIsNeverWritten) {
  JournalWorld world;
  const mqtt::MessageRef shared = message("shared");
  world[0].begin_shared();
  const Outgoing first = put(world[0], shared);
  const Outgoing second = put(world[0], shared);
  world[0].end_shared();
  world[0].erase_entry(second);
  world[0].erase_entry(first);
  world.commit();
  EXPECT_EQ(world.committer().figures().records, 0u);
}

TEST(Journal, BodyThatWasRestoredGoesWithTheLastOfItsEntries) {
  JournalWorld world;
  const mqtt::MessageRef before = message("shared");
  world[0].begin_shared();
  Outgoing first = put(world[0], before);
  Outgoing second = put(world[0], before);
  world[0].end_shared();
  world.commit();
  Content content = world.crash();
  const RecordId body = content[Table::kBody].begin()->first;
  first.message = second.message = message("shared");
  world[0].restore_reference(body, first.message);
  world[0].restore_reference(body, second.message);
  world[0].erase_entry(second);
  world.commit();
  world[0].erase_entry(first);
  world.commit();
  EXPECT_THAT(world.crash(), IsEmpty());
}

TEST(Journal, EntryTakesItsMessageIntoItsOwnRecord) {
  JournalWorld world;
  const mqtt::MessageRef before = message("shared");
  world[0].begin_shared();
  Outgoing first = put(world[0], before);
  Outgoing second = put(world[0], before);
  world[0].end_shared();
  world.commit();
  Content content = world.crash();
  const RecordId body = content[Table::kBody].begin()->first;
  first.message = second.message = message("shared");
  world[0].restore_reference(body, first.message);
  world[0].write_entry(kSession, second, PacketId{9});  // as if it were of another shard
  world.commit();
  world[0].erase_entry(first);
  world.commit();
  content = world.crash();
  EXPECT_THAT(content[Table::kBody], IsEmpty());
  EXPECT_THAT(entries(content), ElementsAre("shared"));
  EXPECT_EQ(decode_entry(as_bytes(content[Table::kEntry][second.record]))->packet_id, PacketId{9});
  world[0].erase_entry(second);
  world.commit();
  EXPECT_THAT(world.crash(), IsEmpty());
}

// --- Mail ----------------------------------------------------------------------------------------

// What comes of a message is of the epoch of the message, on a shard that is ahead of it.
TEST(Journal, EntryOfMailIsOfTheMailsEpoch) {
  JournalWorld world(2);
  const Outgoing sent = put(world[0], "here");
  const uint64_t epoch = world[0].epoch();
  world[0].mail_sent(epoch);
  world.close_epoch();
  (void)world[0].end_turn();
  (void)world[1].end_turn();
  ASSERT_FALSE(world.committer().closed(epoch)) << "with mail of it on its way";
  (void)put_text(world[1], "not of it");
  world[1].begin_mail(epoch);
  EXPECT_EQ(world[1].epoch(), epoch);
  const Outgoing received = put(world[1], "there");
  world[1].end_mail(epoch);
  EXPECT_EQ(world[1].epoch(), epoch + 1);
  EXPECT_EQ(epoch_of(received.record), epoch);
  (void)world[1].end_turn();
  EXPECT_TRUE(world.committer().closed(epoch));
  (void)world[0].end_turn();
  world.await([&] { return world.committer().committed() >= epoch; });
  const Content content = world.crash();
  EXPECT_THAT(entries(content), ElementsAre("here", "there"));
  EXPECT_THAT(texts(content, Table::kSession), IsEmpty());
}

TEST(Journal, MailThatMakesMailKeepsItsEpochOpen) {
  JournalWorld world(3);
  (void)put_text(world[0], "x");
  const uint64_t epoch = world[0].epoch();
  world[0].mail_sent(epoch);
  world.close_epoch();
  for (uint16_t i = 0; i < 3; ++i) (void)world[i].end_turn();
  world[1].begin_mail(epoch);
  world[1].mail_sent(world[1].epoch());
  world[1].end_mail(epoch);
  (void)world[1].end_turn();
  EXPECT_FALSE(world.committer().closed(epoch));
  world[2].begin_mail(epoch);
  (void)put(world[2], "at last");
  world[2].end_mail(epoch);
  EXPECT_FALSE(world.committer().closed(epoch));
  (void)world[2].end_turn();
  EXPECT_TRUE(world.committer().closed(epoch));
  world.commit();
  EXPECT_THAT(entries(world.crash()), ElementsAre("at last"));
}

TEST(Journal, MailOfTheNextEpochOpensIt) {
  JournalWorld world(2);
  (void)put_text(world[0], "x");
  (void)put(world[1], "before");
  world.close_epoch();
  (void)world[0].end_turn();
  const uint64_t epoch = world[0].epoch();
  world[0].mail_sent(epoch);
  world[1].begin_mail(epoch);  // its turn has not ended since
  const Outgoing outgoing = put(world[1], "of the next");
  world[1].end_mail(epoch);
  EXPECT_EQ(epoch_of(outgoing.record), epoch);
  (void)world[1].end_turn();
  (void)world[0].end_turn();
  world.await([&] { return world.committer().committed() >= epoch - 1; });
  EXPECT_THAT(entries(world.crash()), ElementsAre("before"));
}

TEST(Journal, MailWithoutAnEpochIsOfTheNewest) {
  JournalWorld world;
  const uint64_t newest = world[0].epoch();
  world[0].begin_mail(0);
  EXPECT_EQ(world[0].epoch(), newest);
  (void)put(world[0], "x");
  world[0].end_mail(0);
  world.commit();
  EXPECT_THAT(entries(world.crash()), ElementsAre("x"));
}

// --- Receipts ------------------------------------------------------------------------------------

TEST(Journal, ReceiptIsSettledWhenEveryCopyIsVoid) {
  JournalWorld world;
  Journal::Routing routing{.session = 5};
  world[0].set_routing(&routing);
  const Outgoing first = put(world[0], "x");
  const Outgoing second = put(world[0], "x");
  world[0].set_routing(nullptr);
  ASSERT_TRUE(routing.receipt);
  EXPECT_EQ(routing.receipt->session(), 5u);
  EXPECT_FALSE(routing.receipt->close()) << "the publisher's own shard has looked";
  world[0].erase_entry(first);
  EXPECT_THAT(world[0].settled(), IsEmpty());
  world[0].erase_entry(second);
  EXPECT_THAT(world[0].settled(), ElementsAre(routing.receipt));
  EXPECT_TRUE(routing.receipt->settled());
}

TEST(Journal, ReceiptOfWhatWasHandedOverIsNotSettled) {
  JournalWorld world;
  Journal::Routing routing{.session = 5};
  world[0].set_routing(&routing);
  const Outgoing outgoing = put(world[0], "x");
  world[0].set_routing(nullptr);
  (void)routing.receipt->close();
  const uint64_t epoch = world[0].epoch();
  world.commit();
  world[0].erase_entry(outgoing);
  EXPECT_FALSE(routing.receipt->settled());
  EXPECT_TRUE(world[0].durable(epoch)) << "this is what answers its publisher";
}

TEST(Journal, NobodyWaitsForAMessageOfNobody) {
  JournalWorld world;
  Journal::Routing routing;
  world[0].set_routing(&routing);
  (void)put(world[0], "x");
  world[0].set_routing(nullptr);
  EXPECT_FALSE(routing.receipt);
}

// The publisher was answered when the member of a shared group ended, and a crash took the message
// before the next member had it.
TEST(Journal, PublisherWaitsForAMessageThatIsPassedOn) {
  JournalWorld world(2);
  Journal::Routing routing{.session = 5};
  world[0].set_routing(&routing);
  const Outgoing outgoing = put(world[0], "x");
  world[0].set_routing(nullptr);
  (void)routing.receipt->close();
  const uint64_t epoch = world[0].epoch();
  world.close_epoch();
  (void)world[0].end_turn();
  world[0].pass_on_entry(outgoing);
  EXPECT_FALSE(routing.receipt->settled());
  EXPECT_THAT(world[0].settled(), IsEmpty());
  (void)put(world[0], "x");  // whoever has it now
  (void)world[1].end_turn();
  (void)world[0].end_turn();
  world.await([&] { return world.committer().committed() >= epoch; });
  EXPECT_THAT(entries(world.crash()), ElementsAre("x"));
}

TEST(Journal, PassedOnIsGoneOnceTheOtherIsThere) {
  JournalWorld world;
  const Outgoing first = put(world[0], "first");
  world[0].pass_on_entry(first);
  const Outgoing second = put(world[0], "second");
  world.commit();
  world[0].pass_on_entry(second);
  (void)put(world[0], "third");
  world.commit();
  EXPECT_THAT(entries(world.crash()), ElementsAre("third"));
}

// Somebody else has cleared the topic, and that is not durable yet: so this one waits too.
TEST(Journal, CommitIsMadeForThoseWhoNeedOneAndRecordNothing) {
  JournalWorld world;
  Journal::Routing routing{.session = 5};
  world[0].set_routing(&routing);
  world[0].need_commit();
  world[0].set_routing(nullptr);
  EXPECT_TRUE(routing.needs_commit);
  const uint64_t epoch = world[0].epoch();
  EXPECT_FALSE(world[0].durable(epoch));
  (void)world[0].end_turn();
  world.await([&] {
    (void)world[0].end_turn();
    return world[0].durable(epoch);
  });
  EXPECT_EQ(world.committer().figures().commits, 0u);
}

// --- A store that fails --------------------------------------------------------------------------

TEST(Journal, NothingIsLostWhileTheDiskIsFull) {
  SimDisk disk(1);
  JournalWorld world(1, disk.name());
  const Outgoing before = put(world[0], "before");
  world.commit();
  disk.fill_up_at_write(0);
  (void)put(world[0], std::string(100'000, 'x'));
  const uint64_t moment = world[0].moment();
  world.close_epoch();
  (void)world[0].end_turn();
  world[0].erase_entry(before);
  (void)put(world[0], "after");
  (void)world[0].end_turn();
  while (!world.committer().failing()) std::this_thread::yield();
  EXPECT_FALSE(world[0].accepts());
  EXPECT_FALSE(world[0].durable(moment));
  disk.make_room();
  world.commit();
  EXPECT_TRUE(world[0].durable(moment));
  EXPECT_TRUE(world[0].accepts());
  EXPECT_GE(world.committer().figures().failures, 1u);
  EXPECT_THAT(entries(world.crash()), ElementsAre(std::string(100'000, 'x'), "after"));
}

TEST(Journal, MoreThanAnEpochCanNameIsCountedAndTheRestIsKept) {
  JournalWorld world;
  uint32_t named = 0;
  while (put_text(world[0], "") != RecordId::kNone) ++named;
  EXPECT_FALSE(world[0].accepts());
  EXPECT_GT(named, 200'000u);
  EXPECT_LE(named, kRecordNumberMax / 2);
  EXPECT_EQ(put(world[0], "x").record, RecordId::kNone);
  EXPECT_EQ(world[0].put_tagged(Table::kRetained, as_bytes("x")), RecordId::kNone);
  EXPECT_EQ(world.committer().figures().overflows, 3u);
  world.commit();
  EXPECT_TRUE(world[0].accepts());
  EXPECT_NE(put(world[0], "again").record, RecordId::kNone);
  world.commit();
  const Content content = world.crash();
  EXPECT_EQ(content.at(Table::kSession).size(), named);
  EXPECT_THAT(entries(content), ElementsAre("again"));
}

}  // namespace
}  // namespace fairlead
