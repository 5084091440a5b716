#include "store/journal.h"

#include "base/assert.h"

namespace fairlead {

using mqtt::PacketId;

Journal::Journal(uint16_t shard, Committer* committer, const WallTime& time)
    : shard_(shard), committer_(committer), time_(time) {
  if (!committer_) return;
  newest_.number = tag_ = committer_->newest();
  committed_ = handed_ = committer_->committed();
}

// --- Epochs --------------------------------------------------------------------------------------

uint64_t Journal::moment() const {
  if (!newest_.empty()) return newest_.number;
  if (closing_ && !closing_->empty()) return closing_->number;
  return handed_filled_;
}

// Mail of an epoch that this shard has not entered yet opens it.
void Journal::begin_mail(uint64_t epoch) {
  if (!committer_ || epoch == 0) return;
  if (epoch > newest_.number) enter_next();
  // Its sender has counted it before it left that epoch, so the epoch is not complete without it.
  FL_ASSERT(epoch_at(epoch) != nullptr);
  tag_ = epoch;
}

void Journal::end_mail(uint64_t epoch) {
  tag_ = newest_.number;
  if (!committer_ || epoch == 0) return;
  if (mail_done_.empty() || mail_done_.back().first != epoch) mail_done_.emplace_back(epoch, 0);
  ++mail_done_.back().second;
}

bool Journal::end_turn() {
  if (!committer_) return false;
  // What is of an epoch that is being closed is committed with it: announced once more it would
  // have an epoch with nothing in it begin at once, for which the next message has to wait.
  const bool closes = committer_->newest() > newest_.number;
  if (!closes && (!newest_.empty() || commit_wanted_)) committer_->announce_work();
  commit_wanted_ = false;
  for (const auto& [epoch, count] : mail_done_) committer_->mail_done(epoch, count);
  mail_done_.clear();
  if (committer_->newest() > newest_.number) enter_next();
  if (closing_ && committer_->closed(closing_->number)) hand_over();
  const uint64_t committed = committer_->committed();
  if (committed == committed_) return false;
  committed_ = committed;
  return true;
}

void Journal::enter_next() {
  FL_ASSERT(!closing_ && committer_->newest() == newest_.number + 1);
  closing_ = std::move(newest_);
  newest_ = std::exchange(spare_, Epoch{});
  newest_.number = tag_ = closing_->number + 1;
  committer_->enter();
}

void Journal::Epoch::clear() {
  slots.clear();
  bytes.clear();
  erasures.clear();
  again.clear();
}

void Journal::hand_over() {
  RecordBatch batch = committer_->recycled();
  for (const Slot& slot : closing_->slots) {
    if (slot.live) {
      encode(slot, *closing_, batch);
    } else {
      batch.note_struck();
    }
  }
  for (const RecordBatch::Erase& erasure : closing_->erasures)
    batch.erase(erasure.table, erasure.id);
  handed_ = closing_->number;
  if (!batch.empty()) handed_filled_ = handed_;
  if (closing_->slots.size() <= kSpareSlotsMax && closing_->bytes.size() <= kSpareBytesMax) {
    spare_ = std::move(*closing_);
    spare_.clear();
  }
  closing_.reset();
  committer_->hand_over(std::move(batch));
}

void Journal::encode(const Slot& slot, const Epoch& epoch, RecordBatch& out) {
  if (slot.message) return encode_entry(slot, epoch, out);
  out.put(slot.table, slot.id, epoch.bytes.view().subspan(slot.offset, slot.size));
}

void Journal::encode_entry(const Slot& slot, const Epoch& epoch, RecordBatch& out) {
  EntryRecord record;
  record.session = slot.session;
  record.packet_id = slot.packet_id;
  record.qos = slot.qos;
  record.retain = slot.retain;
  ByteReader identifiers(epoch.bytes.view().subspan(slot.offset, slot.size));
  while (!identifiers.empty()) record.identifiers.push_back(*identifiers.u32());
  if (has_body_apart(slot.id)) {
    Body& body = bodies_.at(slot.message.get());
    if (body.id == RecordId::kNone) {
      body.id = slot.id;
      scratch_.clear();
      fairlead::encode(scratch_, *slot.message, time_);
      out.put(Table::kBody, body.id, scratch_.view());
    }
    record.body = body.id;
  }
  scratch_.clear();
  fairlead::encode(scratch_, record);
  if (record.body == RecordId::kNone) fairlead::encode(scratch_, *slot.message, time_);
  out.put(Table::kEntry, slot.id, scratch_.view());
}

// --- Records -------------------------------------------------------------------------------------

ReceiptRef Journal::receipt() {
  if (!committer_ || !routing_ || routing_->session == 0) return {};
  if (!routing_->receipt) routing_->receipt = Receipt::make(shard_, routing_->session);
  return routing_->receipt;
}

Journal::Epoch* Journal::epoch_at(uint64_t number) {
  if (number == newest_.number) return &newest_;
  return closing_ && number == closing_->number ? &*closing_ : nullptr;
}

// Null when it has been handed over.
Journal::Slot* Journal::slot_of(RecordId id) {
  Epoch* epoch = epoch_at(epoch_of(id));
  if (!epoch || shard_of(id) != shard_) return nullptr;
  const std::size_t index = number_of(id) / 2;
  return index < epoch->slots.size() ? &epoch->slots[index] : nullptr;
}

// False when an epoch can hold no more: the disk has failed for long, and hundreds of thousands of
// sessions have changed since.
bool Journal::has_room(const Epoch& epoch, Bytes data) const {
  if (epoch.slots.size() < kSlotsMax && epoch.bytes.size() + data.size() <= kBytesMax) return true;
  committer_->note_overflow();
  return false;
}

// `id` kNone: one is made. Null: there is no room.
Journal::Slot* Journal::add_slot(Epoch& epoch, Table table, RecordId id, Bytes data) {
  if (!has_room(epoch, data)) return nullptr;
  Slot& slot = epoch.slots.emplace_back();
  if (id == RecordId::kNone) {
    const auto number = static_cast<uint32_t>(epoch.slots.size() - 1) * 2;
    id = make_record_id(epoch.number, shard_, number);
  }
  slot.id = id;
  slot.table = table;
  slot.live = true;
  slot.offset = static_cast<uint32_t>(epoch.bytes.size());
  slot.size = static_cast<uint32_t>(data.size());
  epoch.bytes.append(data);
  return &slot;
}

RecordId Journal::put_tagged(Table table, Bytes data) {
  if (!committer_) return RecordId::kNone;
  const Slot* slot = add_slot(tagged(), table, RecordId::kNone, data);
  return slot ? slot->id : RecordId::kNone;
}

RecordId Journal::put(Table table, RecordId id, Bytes data) {
  if (!committer_) return RecordId::kNone;
  if (table == Table::kSession) committer_->note_keeping(shard_);
  if (id == RecordId::kNone) {
    const Slot* slot = add_slot(newest_, table, id, data);
    return slot ? slot->id : id;
  }
  put_again(table, id, data);
  return id;
}

// In place of what an earlier epoch, or this one, says under that number.
void Journal::put_again(Table table, RecordId id, Bytes data) {
  const auto found = newest_.again.find(id);
  if (found != newest_.again.end() && newest_.slots[found->second].table == table) {
    if (!has_room(newest_, data)) return;
    Slot& slot = newest_.slots[found->second];
    slot.offset = static_cast<uint32_t>(newest_.bytes.size());
    slot.size = static_cast<uint32_t>(data.size());
    newest_.bytes.append(data);
  } else if (add_slot(newest_, table, id, data)) {
    newest_.again[id] = static_cast<uint32_t>(newest_.slots.size() - 1);
  }
}

void Journal::kill(Slot& slot) {
  if (!slot.live) return;
  slot.live = false;
  slot.message = {};
  close(slot.receipt);
  slot.receipt = {};
}

// Whether it had not been handed over.
bool Journal::kill(RecordId id) {
  Slot* slot = slot_of(id);
  if (slot) kill(*slot);
  return slot != nullptr;
}

// In an epoch that closes it stays, unless the record is of that epoch: what else is of it goes
// with what the record says then, and the process may end before the next one is durable.
void Journal::kill_again(RecordId id) {
  const bool is_of_closing = closing_ && epoch_of(id) == closing_->number && shard_of(id) == shard_;
  for (Epoch* epoch : {&newest_, is_of_closing ? &*closing_ : nullptr}) {
    if (!epoch || epoch->again.empty()) continue;
    const auto found = epoch->again.find(id);
    if (found == epoch->again.end()) continue;
    kill(epoch->slots[found->second]);
    epoch->again.erase(found);
  }
}

void Journal::erase(Table table, RecordId id) {
  if (!committer_ || id == RecordId::kNone) return;
  kill_again(id);
  if (!kill(id)) newest_.erasures.push_back({table, id});
}

// What replaces the record may be of a later epoch: until that is durable, this one has to be
// there.
void Journal::erase_tagged(Table table, RecordId id) {
  if (!committer_ || id == RecordId::kNone) return;
  const bool is_void_in_time = epoch_of(id) >= tagged().number;
  if (!is_void_in_time || !kill(id)) tagged().erasures.push_back({table, id});
}

// --- Entries -------------------------------------------------------------------------------------

RecordId Journal::put_entry(RecordId session, const Outgoing& outgoing, PacketId packet_id) {
  if (!committer_) return RecordId::kNone;
  Epoch& epoch = tagged();
  Slot* const added = add_slot(epoch, Table::kEntry, RecordId::kNone, {});
  if (!added) return RecordId::kNone;
  Slot& slot = *added;
  if (shares_body_) {
    slot.id = static_cast<RecordId>(static_cast<uint64_t>(slot.id) | 1);
    Body& body = bodies_[outgoing.message.get()];
    body.message = outgoing.message;
    ++body.entries;
  }
  slot.session = session;
  slot.qos = outgoing.qos;
  slot.retain = outgoing.retain;
  slot.message = outgoing.message;
  slot.receipt = receipt();
  if (slot.receipt) slot.receipt->open();
  if (outgoing.extras) {
    for (const uint32_t identifier : outgoing.extras->identifiers) epoch.bytes.u32(identifier);
    slot.size = static_cast<uint32_t>(epoch.bytes.size()) - slot.offset;
  }
  const RecordId id = slot.id;
  if (packet_id != PacketId{}) note_packet_id(session, id, packet_id);
  return id;
}

void Journal::set_packet_id(RecordId session, const Outgoing& outgoing, PacketId packet_id) {
  if (!committer_ || outgoing.record == RecordId::kNone) return;
  note_packet_id(session, outgoing.record, packet_id);
}

// In the newest epoch, always: identifiers are then durable in the order in which they were given.
// What has one after a restart goes before what has none.
void Journal::note_packet_id(RecordId session, RecordId entry, PacketId packet_id) {
  Slot* slot = slot_of(entry);
  if (slot && epoch_of(entry) == newest_.number) {
    slot->packet_id = packet_id;
  } else {
    put_inflight(session, entry, packet_id, InflightRecord::Step::kSent);
  }
}

void Journal::release_entry(RecordId session, const Outgoing& outgoing, PacketId packet_id) {
  if (!committer_ || outgoing.record == RecordId::kNone) return;
  drop_reference(has_body_apart(outgoing.record) ? outgoing.message.get() : nullptr);
  if (!kill(outgoing.record)) newest_.erasures.push_back({Table::kEntry, outgoing.record});
  kill_again(outgoing.record);
  put_inflight(session, outgoing.record, packet_id, InflightRecord::Step::kReleased);
}

void Journal::put_inflight(RecordId session, RecordId entry, PacketId packet_id,
                           InflightRecord::Step step) {
  inflight_.insert(entry);
  scratch_.clear();
  fairlead::encode(scratch_, InflightRecord{session, packet_id, step});
  put_again(Table::kInflight, entry, scratch_.view());
}

void Journal::erase_entry(const mqtt::MessageRef& message, RecordId id) {
  if (!committer_ || id == RecordId::kNone) return;
  drop_reference(has_body_apart(id) ? message.get() : nullptr);
  const bool has_inflight = !inflight_.empty() && inflight_.erase(id) > 0;
  kill_again(id);
  if (kill(id)) return;
  newest_.erasures.push_back({Table::kEntry, id});
  if (has_inflight) newest_.erasures.push_back({Table::kInflight, id});
}

// Messages of shared groups do not share their bodies: a slot of its own holds this one's.
void Journal::pass_on_entry(const Outgoing& outgoing) {
  if (!committer_ || outgoing.record == RecordId::kNone) return;
  if (!slot_of(outgoing.record) || has_body_apart(outgoing.record)) return erase_entry(outgoing);
  inflight_.erase(outgoing.record);
  kill_again(outgoing.record);
  newest_.erasures.push_back({Table::kEntry, outgoing.record});
}

void Journal::drop_reference(const mqtt::Message* message) {
  if (!message) return;
  const auto found = bodies_.find(message);
  if (found == bodies_.end() || --found->second.entries > 0) return;
  if (found->second.id != RecordId::kNone) {
    newest_.erasures.push_back({Table::kBody, found->second.id});
  }
  bodies_.erase(found);
}

void Journal::write_entry(RecordId session, const Outgoing& outgoing, PacketId packet_id) {
  if (!committer_) return;
  EntryRecord record;
  record.session = session;
  record.packet_id = packet_id;
  record.qos = outgoing.qos;
  record.retain = outgoing.retain;
  if (outgoing.extras) record.identifiers = outgoing.extras->identifiers;
  scratch_.clear();
  fairlead::encode(scratch_, record);
  fairlead::encode(scratch_, *outgoing.message, time_);
  put_again(Table::kEntry, outgoing.record, scratch_.view());
}

void Journal::drop_unreferenced(RecordId body, const mqtt::MessageRef& message) {
  if (committer_ && !bodies_.contains(message.get())) erase(Table::kBody, body);
}

void Journal::restore_reference(RecordId id, const mqtt::MessageRef& message) {
  Body& body = bodies_[message.get()];
  body.id = id;
  body.message = message;
  ++body.entries;
}

}  // namespace fairlead
