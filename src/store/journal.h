#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "proto/mqtt/message.h"
#include "session/queue.h"
#include "session/records.h"
#include "store/committer.h"
#include "store/receipt.h"
#include "store/record_store.h"

namespace fairlead {

// What one shard records, until it is handed over to be committed (DESIGN section 5). Until then a
// record that is erased again has cost nothing but memory: a message whose every receiver
// acknowledges before the commit is never written.
// Without a committer it records nothing. The shard's thread only.
class Journal {
 public:
  Journal(uint16_t shard, Committer* committer, const WallTime& time);

  [[nodiscard]] bool enabled() const { return committer_ != nullptr; }
  // Whether what is recorded now becomes durable soon.
  [[nodiscard]] bool accepts() const {
    return !committer_ || (!committer_->failing() && newest_.slots.size() < kSlotsRefused &&
                           newest_.bytes.size() < kBytesRefused);
  }
  [[nodiscard]] const WallTime& time() const { return time_; }

  // --- Epochs ------------------------------------------------------------------------------------

  // Whoever has recorded something waits for moment(); durable(moment) says when it has come.
  [[nodiscard]] uint64_t moment() const;
  [[nodiscard]] bool durable(uint64_t moment) const { return moment <= committed_; }
  // The epoch of what is done now: what mail that is posted now has to carry.
  [[nodiscard]] uint64_t epoch() const { return tag_; }
  // Around each piece of mail that carries `epoch`, and when it is first known that some will be
  // sent.
  void begin_mail(uint64_t epoch);
  void end_mail(uint64_t epoch);
  // What is done belongs to the newest epoch until the answer is given back, though mail of an
  // older one is being dealt with.
  [[nodiscard]] uint64_t begin_newest() { return std::exchange(tag_, newest_.number); }
  void end_newest(uint64_t epoch) { tag_ = epoch; }
  void mail_sent(uint64_t epoch) {
    if (committer_) committer_->mail_sent(epoch);
  }
  // At the end of each turn, after all mail of the turn was sent. True: more is durable than
  // before.
  [[nodiscard]] bool end_turn();

  // --- The message that is being routed ----------------------------------------------------------

  // What is recorded of a message concerns its publisher: who is to be answered when all of it is
  // durable or void. The receipt is made when there is something to wait for.
  struct Routing {
    uint64_t session = 0;  // the publisher; 0: nobody waits
    ReceiptRef receipt = {};
    // Waits for the commit even if no receiver does: a retained message, a packet identifier.
    bool needs_commit = false;
  };
  void set_routing(Routing* routing) { routing_ = routing; }
  // The receipt of the message that is being routed, for mail about it; null: nobody waits.
  [[nodiscard]] ReceiptRef receipt();
  // The publisher's answer waits for the commit, whatever receivers do, and even if nothing is
  // recorded: then it is for what others have recorded before.
  void need_commit() {
    if (!committer_ || !routing_) return;
    routing_->needs_commit = true;
    commit_wanted_ = true;
  }
  // Whether the other shard may have to keep what is routed to it.
  [[nodiscard]] bool keeps(uint16_t shard) const {
    return committer_ && committer_->keeping(shard);
  }
  // Messages of which all shared parts became void: whose receipts are settled.
  [[nodiscard]] std::vector<ReceiptRef>& settled() { return settled_; }
  void close(const ReceiptRef& receipt) {
    if (receipt && receipt->close()) settled_.push_back(receipt);
  }

  // --- Records -----------------------------------------------------------------------------------

  // Of the epoch of what is done now: parts of a message's way.
  [[nodiscard]] RecordId put_tagged(Table table, Bytes data);
  // Of the newest epoch. `id` kNone: a new record; otherwise in place of what it says.
  [[nodiscard]] RecordId put(Table table, RecordId id, Bytes data);
  void erase(Table table, RecordId id);
  void erase_tagged(Table table, RecordId id);

  // Entries between these two share one copy of their message.
  void begin_shared() { shares_body_ = true; }
  void end_shared() { shares_body_ = false; }
  [[nodiscard]] RecordId put_entry(RecordId session, const Outgoing& outgoing,
                                   mqtt::PacketId packet_id);
  void set_packet_id(RecordId session, const Outgoing& outgoing, mqtt::PacketId packet_id);
  void release_entry(RecordId session, const Outgoing& outgoing, mqtt::PacketId packet_id);
  void erase_entry(const Outgoing& outgoing) { erase_entry(outgoing.message, outgoing.record); }
  void erase_entry(const mqtt::MessageRef& message, RecordId id);
  // The same for one that goes to another session now. That may be written later than this one was
  // to be: it is written all the same, and its publisher waits for that.
  void pass_on_entry(const Outgoing& outgoing);

  // After a restart: an entry refers to the body of that number, which is `message`; or it is to
  // have its message in its own record from now on.
  void restore_reference(RecordId body, const mqtt::MessageRef& message);
  // An entry of that number has a record in kInflight.
  void restore_inflight(RecordId entry) { inflight_.insert(entry); }
  void write_entry(RecordId session, const Outgoing& outgoing, mqtt::PacketId packet_id);
  // Entries that referred to it were dropped: perhaps all.
  void drop_unreferenced(RecordId body, const mqtt::MessageRef& message);
  void note_keeping() {
    if (committer_) committer_->note_keeping(shard_);
  }

 private:
  // Beyond so much in one epoch (the disk does not take it) no more is invited.
  static constexpr std::size_t kSlotsRefused = 200'000;
  static constexpr std::size_t kBytesRefused = std::size_t{256} << 20;
  // And none is taken. An offset has 32 bits.
  static constexpr std::size_t kBytesMax = std::size_t{1} << 31;
  static constexpr std::size_t kSpareSlotsMax = 8'192;
  static constexpr std::size_t kSpareBytesMax = std::size_t{1} << 20;
  static constexpr std::size_t kSlotsMax = kRecordNumberMax / 2 - 1;

  // A record to be put, in the place that its number says.
  struct Slot {
    RecordId id = RecordId::kNone;
    Table table{};
    bool live = false;
    // Of an entry; it is encoded when it is handed over.
    mqtt::Qos qos{};
    mqtt::Retain retain{};
    mqtt::PacketId packet_id{};
    RecordId session = RecordId::kNone;
    mqtt::MessageRef message = {};
    ReceiptRef receipt = {};
    // In Epoch::bytes: the record; of an entry, its subscription identifiers.
    uint32_t offset = 0;
    uint32_t size = 0;
  };
  struct Epoch {
    uint64_t number = 0;
    std::vector<Slot> slots;
    ByteBuffer bytes;
    std::vector<RecordBatch::Erase> erasures;
    std::unordered_map<RecordId, uint32_t> again;  // slots of numbers that are not their own
    [[nodiscard]] bool empty() const { return slots.empty() && erasures.empty(); }
    void clear();
  };
  // A message that several entries share. Holds it, so that its address is its own.
  struct Body {
    RecordId id = RecordId::kNone;  // kNone: not written yet
    uint32_t entries = 0;
    mqtt::MessageRef message = {};
  };

  [[nodiscard]] Epoch& tagged() {
    return closing_ && tag_ == closing_->number ? *closing_ : newest_;
  }
  [[nodiscard]] Epoch* epoch_at(uint64_t number);
  [[nodiscard]] Slot* slot_of(RecordId id);
  Slot* add_slot(Epoch& epoch, Table table, RecordId id, Bytes data);
  [[nodiscard]] bool has_room(const Epoch& epoch, Bytes data) const;
  void put_again(Table table, RecordId id, Bytes data);
  void note_packet_id(RecordId session, RecordId entry, mqtt::PacketId packet_id);
  void put_inflight(RecordId session, RecordId entry, mqtt::PacketId packet_id,
                    InflightRecord::Step step);
  bool kill(RecordId id);
  void kill(Slot& slot);
  void kill_again(RecordId id);
  void drop_reference(const mqtt::Message* message);
  void enter_next();
  void hand_over();
  void encode(const Slot& slot, const Epoch& epoch, RecordBatch& out);
  void encode_entry(const Slot& slot, const Epoch& epoch, RecordBatch& out);

  const uint16_t shard_;
  Committer* committer_;
  const WallTime time_;
  Epoch newest_;
  std::optional<Epoch> closing_;  // still to be handed over
  Epoch spare_;                   // empty: memory for the next one
  uint64_t handed_ = 0;           // the epoch that was, last
  uint64_t handed_filled_ = 0;    // and the last one that had something in it
  uint64_t committed_ = 0;
  uint64_t tag_ = 0;
  std::vector<std::pair<uint64_t, int64_t>> mail_done_;  // epoch, count: of this turn
  Routing* routing_ = nullptr;
  std::vector<ReceiptRef> settled_;
  std::unordered_map<const mqtt::Message*, Body> bodies_;
  std::unordered_set<RecordId> inflight_;  // entries that have a record in kInflight too; few do
  bool shares_body_ = false;
  bool commit_wanted_ = false;
  ByteBuffer scratch_;
};

}  // namespace fairlead
