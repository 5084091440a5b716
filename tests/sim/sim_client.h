#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "ledger.h"
#include "net/unique_fd.h"
#include "proto/mqtt/packet.h"
#include "proto/mqtt/reader.h"
#include "proto/mqtt/writer.h"
#include "sim_server.h"

namespace fairlead::sim {

// A client that does everything right and forgets nothing while its session lasts: what it has sent
// and what it has received at QoS 1 and 2 (MQTT 5.0 section 4.1). It tells the ledger what it was
// promised and what came. The way to the server loses, at a cut, a suffix of what was sent; so does
// the way back.
class SimClient {
 public:
  struct Will {
    mqtt::Qos qos{};
    uint32_t delay_seconds = 0;
  };
  struct Hello {
    mqtt::ProtocolVersion version = mqtt::ProtocolVersion::k5;
    mqtt::CleanStart clean_start = mqtt::CleanStart::kNo;
    uint32_t expiry_seconds = 0;  // 5.0 only
    std::optional<uint16_t> receive_maximum = {};
    std::optional<Will> will = {};
  };

  SimClient(std::size_t index, Ledger& ledger, const SimClock& clock);

  [[nodiscard]] bool away() const { return phase_ == Phase::kAway; }
  [[nodiscard]] bool online() const { return phase_ == Phase::kOnline; }
  [[nodiscard]] bool has_room() const { return sent_.size() < window_; }
  // The last CONNECT had no answer: it may be on its way still.
  [[nodiscard]] bool had_no_answer() const { return had_no_answer_; }
  void set_window(std::size_t window) { window_ = window; }
  // What the client waits for; empty: nothing.
  [[nodiscard]] std::string wanting() const;

  // --- The program -------------------------------------------------------------------------------

  // Where the client cannot do what `hello` says, because it does not know what the server has of
  // its session, it asks for a clean start.
  void connect(UniqueFd fd, Hello hello);
  void publish(const std::string& topic, mqtt::Qos qos, mqtt::Retain retain,
               std::optional<seconds> expiry, std::size_t size);
  void clear_retained(const std::string& topic, mqtt::Qos qos);
  void subscribe(const std::string& filter, mqtt::Qos qos);
  void unsubscribe(const std::string& filter);
  void disconnect();

  // --- The network -------------------------------------------------------------------------------

  void cut();
  // The client believes that the connection is gone, the server does not hear of it.
  void lose();
  void close_lost() { lost_.clear(); }
  // The server's process has ended.
  void on_crash();
  // Carries so many bytes; true: there were some.
  bool carry_out(std::size_t bytes_max);
  bool carry_in(std::size_t bytes_max);
  // So many of the acknowledgements that the client owes.
  bool acknowledge(std::size_t count_max);

  // Retained messages, by topic, since the last CONNECT.
  [[nodiscard]] const std::map<std::string, uint64_t>& retained() const { return retained_; }

 private:
  enum class Phase : uint8_t { kAway, kConnecting, kOnline };
  // What CONNACK is expected to say of the session.
  struct Expectation {
    enum class Session : uint8_t { kNone, kThere, kUnknown } session = Session::kNone;
    Instant sure_until{};  // kThere: it cannot have expired before
  };
  // A message of QoS 1 or 2 that was sent.
  struct Sent {
    mqtt::PacketId id{};
    uint64_t number = 0;
    std::string topic;
    std::string payload;
    mqtt::Qos qos{};
    mqtt::Retain retain{};
    std::optional<seconds> expiry;
    bool received = false;  // PUBREC
  };

  template <class... Packet>
  void say(const Packet&... packet) {
    mqtt::write(out_, packet...);
  }
  [[nodiscard]] uint32_t expiry_of(const Hello& hello) const;
  void fail(const std::string& what);
  void leave();
  void leave_with_will();
  void forget();
  void send(const Sent& sent, mqtt::Dup dup);
  [[nodiscard]] mqtt::PacketId next_id();
  [[nodiscard]] bool take_packet();
  void on_packet(const mqtt::FixedHeader& header, Bytes body);
  void on_connack(Bytes body);
  void on_session(bool present);
  void on_publish(const mqtt::FixedHeader& header, Bytes body);
  void on_ack(mqtt::PacketType type, Bytes body);
  void on_suback(Bytes body);
  void on_unsuback(Bytes body);
  void owe(mqtt::PacketType type, mqtt::PacketId id);

  const std::size_t index_;
  const std::string name_;
  Ledger& ledger_;
  const SimClock& clock_;
  std::size_t window_ = 8;

  // Of the session.
  std::deque<Sent> sent_;
  std::set<mqtt::PacketId> received_;  // of QoS 2, not released
  Expectation expected_;
  bool must_start_clean_ = false;
  bool had_no_answer_ = false;  // to the last CONNECT
  uint16_t last_id_ = 0;

  // Of the connection.
  Phase phase_ = Phase::kAway;
  Hello hello_;
  Expectation expected_at_connack_;
  std::optional<uint64_t> will_;
  UniqueFd fd_;
  bool server_has_crashed_ = false;
  ByteBuffer out_;  // said and not yet carried
  ByteBuffer in_;
  std::deque<mqtt::AckPacket> owed_;
  std::set<mqtt::PacketId> unsettled_;
  std::map<mqtt::PacketId, Ledger::Request> subscribing_;
  std::map<mqtt::PacketId, Ledger::Request> unsubscribing_;
  std::map<std::string, uint64_t> retained_;
  std::vector<UniqueFd> lost_;
};

}  // namespace fairlead::sim
