#include "shard/shard_restore.h"

#include <algorithm>

#include "base/log.h"
#include "shard/hosted_session.h"
#include "shard/shard.h"

namespace fairlead {

void ShardRestore::record(Table table, RecordId id, Bytes data, const BodyReference& body) {
  bool kept = false;
  switch (table) {
    case Table::kSession:
      kept = restore_session(id, data);
      break;
    case Table::kSubscription:
      kept = restore_subscription(id, data);
      break;
    case Table::kBody:
      return;  // comes with its entries
    case Table::kEntry:
      kept = restore_entry(id, data, body);
      break;
    case Table::kInflight:
      kept = restore_inflight(id, data);
      break;
    case Table::kReceived:
      kept = restore_received(id, data);
      break;
    case Table::kRetained:
      kept = restore_retained(id, data);
      break;
  }
  if (kept) return;
  ++figures_.dropped;
  if (body.id != RecordId::kNone && !body.inlined) unused_.push_back(body);
  shard_.journal().erase(table, id);
}

ShardRestore::Restored* ShardRestore::find(RecordId session) {
  const auto found = sessions_.find(session);
  return found == sessions_.end() ? nullptr : &found->second;
}

bool ShardRestore::restore_session(RecordId id, Bytes data) {
  const auto record = decode_session(data, shard_.journal().time());
  if (!record) return false;
  const auto will = read_will(*record);
  const std::string key(record->key);
  if (!will || shard_.sessions().find(key) || !shard_.has_room_for_session(key)) return false;
  HostedSession& session = shard_.create_session(key);
  const auto owner = session.restore_description(record->host) ? owner_of(session) : std::nullopt;
  if (!owner) {
    FL_LOG(kInfo, "session.dropped", {"device", session.name()},
           {"cause", "it is in the registry no more"});
    shard_.destroy_session(session);
    return false;
  }
  session.restore(id, *record, *will, *owner, shard_.now());
  shard_.journal().note_keeping();
  sessions_[id].session = &session;
  ++figures_.sessions;
  return true;
}

std::optional<SessionOwner> ShardRestore::owner_of(HostedSession& session) {
  const Registry& registry = shard_.registry();
  switch (session.kind()) {
    case Identity::Kind::kDevice: {
      const auto entry = registry.product(session.product_key());
      if (!entry || !registry.device(session.product_key(), session.device_name())) {
        return std::nullopt;
      }
      session.set_product(entry->product);
      return SessionOwner{AccessPolicy::for_device(session.product_key(), session.device_name(),
                                                   entry->topic_rules),
                          &profile_of(entry->product->profile)};
    }
    case Identity::Kind::kApplication: {
      const auto entry = registry.app(session.app_name());
      if (!entry) return std::nullopt;
      return SessionOwner{entry->policy, &kStandardProfile};
    }
    case Identity::Kind::kAnonymous:
      return SessionOwner{AccessPolicy::for_anonymous(), &kStandardProfile};
  }
  unreachable();
}

bool ShardRestore::restore_subscription(RecordId id, Bytes data) {
  const auto record = decode_subscription(data);
  Restored* restored = record ? find(record->session) : nullptr;
  if (!restored || restored->session->subscribes_to(record->filter)) return false;
  restored->session->restore_subscription(*record, id);
  shard_.exchange().restore_subscription(*restored->session, *record);
  ++figures_.subscriptions;
  return true;
}

bool ShardRestore::restore_entry(RecordId id, Bytes data, const BodyReference& body) {
  const auto record = decode_entry(data);
  Restored* restored = record ? find(record->session) : nullptr;
  if (!restored) return false;
  mqtt::MessageRef message = body.message;
  if (record->body == RecordId::kNone) {
    auto decoded = decode_message(record->message, shard_.journal().time());
    if (decoded) message = std::move(*decoded);
  }
  if (!message) return false;
  const DeliveryTerms terms{.qos = record->qos,
                            .retain = record->retain,
                            .identifiers = record->identifiers,
                            .shared = {}};
  Item item{id, Outgoing(message, terms), record->packet_id};
  item.outgoing.record = id;
  if (const auto found = restored->deliveries.find(id); found != restored->deliveries.end()) {
    found->second.has_entry = true;
    item.packet_id = found->second.packet_id;
    shard_.journal().restore_inflight(id);
  }
  if (record->body != RecordId::kNone && !body.inlined) {
    shard_.journal().restore_reference(body.id, message);
  } else if (body.inlined) {
    shard_.journal().write_entry(restored->session->record(), item.outgoing, item.packet_id);
  }
  ++figures_.messages;
  if (restored->deliveries.empty()) {
    return restored->session->restore_message(std::move(item.outgoing), item.packet_id);
  }
  restored->items.push_back(std::move(item));
  return true;
}

// Comes before the entries.
bool ShardRestore::restore_inflight(RecordId id, Bytes data) {
  const auto record = decode_inflight(data);
  Restored* restored = record ? find(record->session) : nullptr;
  if (!restored) return false;
  restored->deliveries[id] = {record->packet_id, record->step};
  return true;
}

// Identifiers that wait for PUBCOMP; what was sent and has no message any more is of nobody.
void ShardRestore::add_released(Restored& restored) {
  for (const auto& [id, delivery] : restored.deliveries) {
    if (delivery.has_entry) continue;
    if (delivery.step != InflightRecord::Step::kReleased) {
      ++figures_.dropped;
      shard_.journal().erase(Table::kInflight, id);
      continue;
    }
    Outgoing outgoing;
    outgoing.qos = mqtt::Qos::kExactlyOnce;
    outgoing.record = id;
    restored.items.push_back({id, std::move(outgoing), delivery.packet_id});
    shard_.journal().restore_inflight(id);
  }
}

bool ShardRestore::restore_received(RecordId id, Bytes data) {
  const auto record = decode_received(data);
  Restored* restored = record ? find(record->session) : nullptr;
  if (!restored) return false;
  return restored->session->restore_received(record->packet_id, id);
}

bool ShardRestore::restore_retained(RecordId id, Bytes data) {
  auto message = decode_message(data, shard_.journal().time());
  if (!message || (*message)->expired(shard_.now())) return false;
  shard_.exchange().restore_retained(std::move(*message), id);
  ++figures_.retained;
  return true;
}

void ShardRestore::finish() {
  for (auto& [id, restored] : sessions_) {
    add_released(restored);
    auto& items = restored.items;
    // What was in flight is older than what waits; both in the order in which it came.
    std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) {
      const bool a_waits = a.packet_id == mqtt::PacketId{};
      const bool b_waits = b.packet_id == mqtt::PacketId{};
      return a_waits != b_waits ? b_waits : a.id < b.id;
    });
    for (Item& item : items) {
      if (restored.session->restore_message(std::move(item.outgoing), item.packet_id)) continue;
      ++figures_.dropped;
      shard_.journal().erase(Table::kInflight, item.id);
    }
    restored.session->arm_timer();
  }
  sessions_.clear();
  for (const BodyReference& body : unused_)
    shard_.journal().drop_unreferenced(body.id, body.message);
  unused_.clear();
  shard_.settle();
}

}  // namespace fairlead
