#pragma once

#include <deque>
#include <functional>

#include "fairlead/client.h"
#include "packet_ids.h"
#include "proto/mqtt/packet.h"

namespace fairlead::sdk {

// Where a packet goes; the bytes are copied.
using PacketSink = std::function<void(Bytes packet)>;

// Messages of QoS 1 and 2 on their way to the server, oldest first, each with its bytes until it
// is settled (MQTT 5.0 section 4.3, 4.4 and 4.6).
// Invariants: the first sent_count_ of them were sent on this connection and sent_count_ <= window;
// one that was ever sent has a packet identifier, and keeps it until it is settled.
// Cost: an acknowledgement in order is O(1).
class Publications {
 public:
  struct Limits {
    uint32_t count_max;
    uint32_t bytes_max;
  };
  // What an acknowledgement settled; to be called by the owner when its own state is in order.
  struct Settled {
    Client::Completion done;
    Outcome outcome;
  };

  Publications(mqtt::ProtocolVersion version, PacketIds& ids, Limits limits)
      : version_(version), ids_(ids), limits_(limits) {}

  [[nodiscard]] std::size_t count() const { return entries_.size(); }

  // `packet` is a PUBLISH of QoS 1 or 2 with room for its identifier at `id_at`.
  Outcome add(ByteBuffer packet, std::size_t id_at, mqtt::Qos qos, Client::Completion done);

  // Sends what the window allows.
  void pump(uint16_t window, const PacketSink& send);

  // PUBACK, PUBREC or PUBCOMP. Answers what it settled, if anything.
  [[nodiscard]] std::optional<Settled> on_ack(const mqtt::AckPacket& ack, const PacketSink& send);

  // The connection is gone: all are to be sent again.
  void on_connection_lost() { sent_count_ = 0; }
  // The next connection has a new session: what was sent before is sent as new. Answers those that
  // the server had taken over already (PUBREC): they are done.
  [[nodiscard]] std::vector<Settled> on_session_lost();

  // Gives up those that the server does not take.
  struct ServerLimits {
    uint32_t packet_bytes_max = UINT32_MAX;
    mqtt::Qos qos_max = mqtt::Qos::kExactlyOnce;
    bool retain_available = true;
  };
  [[nodiscard]] std::vector<Settled> give_up_unfit(const ServerLimits& limits);
  // Why the server would not take a PUBLISH; ok if it would.
  [[nodiscard]] static Outcome check_fit(Bytes packet, const ServerLimits& limits);
  // Gives all up.
  [[nodiscard]] std::vector<Settled> give_up(const Outcome& why);

 private:
  enum class State : uint8_t { kUnsent, kAwaitPuback, kAwaitPubrec, kAwaitPubcomp };
  struct Entry {
    ByteBuffer packet;
    Client::Completion done;
    std::size_t id_at;
    mqtt::PacketId id{};
    mqtt::Qos qos;
    State state = State::kUnsent;
  };
  using Entries = std::deque<Entry>;

  void send_entry(Entry& entry, const PacketSink& send);
  void send_pubrel(mqtt::PacketId id, ReasonCode reason, const PacketSink& send) const;
  [[nodiscard]] Entries::iterator find_sent(mqtt::PacketId id);
  [[nodiscard]] Settled settle(Entries::iterator entry, Outcome outcome);

  Entries entries_;
  std::size_t sent_count_ = 0;
  std::size_t bytes_ = 0;
  mqtt::ProtocolVersion version_;
  PacketIds& ids_;
  Limits limits_;
};

}  // namespace fairlead::sdk
