#pragma once

#include "session/effects.h"

namespace fairlead {

class Shard;

// Carries out what sessions ask for: output to their connections, routing to the exchange.
class ShardEffects final : public Effects {
 public:
  explicit ShardEffects(Shard& shard) : shard_(shard) {}

  void send(Session& session, const mqtt::ConnackPacket& packet) override;
  void send(Session& session, const mqtt::AckPacket& packet) override;
  void send(Session& session, const mqtt::UnsubackPacket& packet) override;
  void send(Session& session, const mqtt::PingrespPacket& packet) override;
  void send(Session& session, const mqtt::Message& message, const mqtt::PublishForm& form) override;
  [[nodiscard]] Outlet outlet(const Session& session) const override;
  void publish(Session& session, mqtt::MessageRef message, const Answer& answer) override;
  void subscribe(Session& session, std::span<const SubscriptionGrant> grants,
                 const mqtt::SubackPacket& suback) override;
  void unsubscribe(Session& session, std::string_view filter) override;
  void hand_back(Session& session, const SharedOrigin& origin, mqtt::MessageRef message) override;
  void close(Session& session, CloseStyle style, ReasonCode reason,
             std::string_view sentence) override;
  void journal(Session& session, JournalKind kind, std::string_view topic) override;
  [[nodiscard]] Keeper& keeper() override;

 private:
  [[nodiscard]] uint64_t moment_of(const Session& session) const;

  Shard& shard_;
};

}  // namespace fairlead
