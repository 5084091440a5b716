#pragma once

#include <map>
#include <memory>
#include <span>

#include "differential/broker.h"
#include "differential/dialogue.h"
#include "differential/heard.h"

namespace fairlead::testing {

// Plays the clients of a dialogue to one server, and writes down what they hear. Between two steps
// everything has come to rest: each connected client has had the answer to a PINGREQ behind all
// that was for it, and owes no answer but those that it keeps back.
class Player {
 public:
  Player(const Dialogue& dialogue, Broker& broker);

  // What each client heard in these steps, which one client takes without a pause, in the order of
  // its coming. A TestFailure says that the server did not answer, or sent what is no MQTT.
  std::vector<std::vector<Heard>> play(std::span<const Step> steps);
  // Leaves no session and no retained message behind. The player is of no use afterwards.
  void clean_up();

 private:
  enum class Mode : uint8_t { kAnswering, kHolding, kDeaf };
  // A PUBLISH of the client that is not finished: what it sends again when it resumes.
  struct Unfinished {
    uint16_t packet_id;
    MessageSpec message;
    bool released = false;  // PUBREL was sent
  };
  // An answer that the client keeps back.
  struct Owed {
    PacketType to;
    Qos qos;
    uint16_t packet_id;
    std::string name;
    uint64_t step;
  };
  struct Peer {
    std::unique_ptr<TestClient> connection;  // null: not connected
    Mode mode = Mode::kAnswering;
    ConnectStep hello;          // of its last connection
    bool kept_session = false;  // what MQTT 3.1 cannot say in CONNACK
    uint16_t last_packet_id = 0;
    uint16_t alias_maximum = 0;
    std::vector<Unfinished> unfinished;
    std::vector<Owed> owed;
    std::map<uint16_t, std::string> incoming;     // packet identifiers in use by the server
    std::map<uint16_t, std::string> aliases_in;   // topics
    std::map<uint16_t, std::string> aliases_out;  // topics
  };

  void act(std::size_t client, const ConnectStep& step);
  void act(std::size_t client, const SubscribeStep& step);
  void act(std::size_t client, const UnsubscribeStep& step);
  void act(std::size_t client, const PublishStep& step);
  void act(std::size_t client, const HoldStep& step);
  void act(std::size_t client, const AnswerStep& step);
  void act(std::size_t client, const DeafenStep& step);
  void act(std::size_t client, const DisconnectStep& step);
  void act(std::size_t client, const BreakStep& step);

  [[nodiscard]] const ClientSpec& spec(std::size_t client) const {
    return dialogue_.clients[client];
  }
  [[nodiscard]] bool session_outlives_connection(std::size_t client) const;
  void break_and_resume(std::size_t client, PublishStep::Cut cut);
  [[nodiscard]] uint16_t free_packet_id(Peer& peer) const;
  void await_connack(std::size_t client, const ConnectStep& step);
  void resume(Peer& peer);
  void send(Peer& peer, const Unfinished& unfinished, mqtt::Dup dup);
  void await_end(std::size_t client);
  void come_to_rest(std::size_t actor);
  bool drain(std::size_t client);
  // Takes the next packet, writes it down and answers it.
  Heard take(std::size_t client);
  void resolve(Peer& peer, Heard& heard);
  void react(Peer& peer, const Heard& heard, uint16_t packet_id);
  void answer(Peer& peer, const Owed& owed);
  void owe(Peer& peer, const Owed& owed);

  const Dialogue& dialogue_;
  Broker& broker_;
  std::vector<Peer> peers_;
  std::vector<std::vector<Heard>> heard_;
  uint64_t step_ = 0;
};

}  // namespace fairlead::testing
