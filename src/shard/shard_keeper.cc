#include "shard/shard_keeper.h"

#include "shard/hosted_session.h"
#include "shard/shard.h"

namespace fairlead {

bool ShardKeeper::accepts() const { return shard_.journal().accepts(); }

RecordId ShardKeeper::put_session(Session& session, RecordId id, const SessionRecord& record) {
  if (!shard_.journal().enabled()) return RecordId::kNone;
  ByteBuffer host;
  static_cast<HostedSession&>(session).describe(host);
  SessionRecord whole = record;
  whole.host = host.view();
  scratch_.clear();
  encode(scratch_, whole, shard_.journal().time());
  return shard_.journal().put(Table::kSession, id, scratch_.view());
}

RecordId ShardKeeper::put_subscription(Session&, RecordId id, const SubscriptionRecord& record) {
  scratch_.clear();
  encode(scratch_, record);
  return shard_.journal().put(Table::kSubscription, id, scratch_.view());
}

RecordId ShardKeeper::put_received(Session&, const ReceivedRecord& record) {
  scratch_.clear();
  encode(scratch_, record);
  return shard_.journal().put_tagged(Table::kReceived, scratch_.view());
}

void ShardKeeper::erase_session(Session& session, RecordId id) {
  shard_.journal().erase(Table::kSession, id);
  ends_[session.key()] = moment();
}
void ShardKeeper::erase_subscription(Session&, RecordId id) {
  shard_.journal().erase(Table::kSubscription, id);
}
void ShardKeeper::erase_received(Session&, RecordId id) {
  shard_.journal().erase(Table::kReceived, id);
}

RecordId ShardKeeper::put_entry(Session& session, const Outgoing& outgoing,
                                mqtt::PacketId packet_id) {
  const RecordId id = shard_.journal().put_entry(session.record(), outgoing, packet_id);
  // A message of QoS 2 leaves when it is durable: the session is to hear of that.
  if (outgoing.qos == mqtt::Qos::kExactlyOnce) {
    shard_.await_commit(static_cast<HostedSession&>(session));
  }
  return id;
}

void ShardKeeper::set_packet_id(Session& session, const Outgoing& outgoing,
                                mqtt::PacketId packet_id) {
  shard_.journal().set_packet_id(session.record(), outgoing, packet_id);
  if (outgoing.qos == mqtt::Qos::kExactlyOnce) {
    shard_.await_commit(static_cast<HostedSession&>(session));
  }
}

void ShardKeeper::release_entry(Session& session, const Outgoing& outgoing,
                                mqtt::PacketId packet_id) {
  shard_.journal().release_entry(session.record(), outgoing, packet_id);
}

void ShardKeeper::erase_entry(Session&, const Outgoing& outgoing) {
  shard_.journal().erase_entry(outgoing);
}

void ShardKeeper::pass_on_entry(Session&, const Outgoing& outgoing) {
  shard_.journal().pass_on_entry(outgoing);
}

uint64_t ShardKeeper::moment_of_end(const std::string& key) const {
  const auto found = ends_.find(key);
  return found == ends_.end() ? 0 : found->second;
}

void ShardKeeper::on_committed() {
  std::erase_if(ends_, [this](const auto& end) { return durable(end.second); });
}

uint64_t ShardKeeper::moment() const { return shard_.journal().moment(); }
bool ShardKeeper::durable(uint64_t moment) const { return shard_.journal().durable(moment); }

}  // namespace fairlead
