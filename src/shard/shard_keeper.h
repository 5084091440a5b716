#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "session/keeper.h"

namespace fairlead {

class Shard;

// Writes sessions down in the shard's journal.
class ShardKeeper final : public Keeper {
 public:
  explicit ShardKeeper(Shard& shard) : shard_(shard) {}

  [[nodiscard]] bool accepts() const override;
  RecordId put_session(Session& session, RecordId id, const SessionRecord& record) override;
  RecordId put_subscription(Session& session, RecordId id,
                            const SubscriptionRecord& record) override;
  RecordId put_received(Session& session, const ReceivedRecord& record) override;
  void erase_session(Session& session, RecordId id) override;
  void erase_subscription(Session& session, RecordId id) override;
  void erase_received(Session& session, RecordId id) override;
  RecordId put_entry(Session& session, const Outgoing& outgoing, mqtt::PacketId packet_id) override;
  void set_packet_id(Session& session, const Outgoing& outgoing, mqtt::PacketId packet_id) override;
  void release_entry(Session& session, const Outgoing& outgoing, mqtt::PacketId packet_id) override;
  void erase_entry(Session& session, const Outgoing& outgoing) override;
  void pass_on_entry(Session& session, const Outgoing& outgoing) override;
  [[nodiscard]] uint64_t moment() const override;
  [[nodiscard]] bool durable(uint64_t moment) const override;

  // When the session of that key, which may have gone since, was erased, unless that is durable.
  [[nodiscard]] uint64_t moment_of_end(const std::string& key) const;
  // More is durable than before.
  void on_committed();

 private:
  Shard& shard_;
  std::unordered_map<std::string, uint64_t> ends_;  // by key: moments that are not durable
  ByteBuffer scratch_;
};

}  // namespace fairlead
