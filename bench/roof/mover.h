// What each of the roofs does with the bytes, however they come and go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

struct Peer {
  enum class Carrier : uint8_t { kUnknown, kWebSocket, kTcp };
  Carrier carrier = Carrier::kUnknown;
  bool dirty = false;      // has output, and is among those to be flushed
  bool broken = false;     // is among those to be closed
  uint16_t packet_id = 0;  // of the last message to it
  std::string out;
  std::string filter;  // that it subscribed to
};

// It knows as much of WebSocket and MQTT as bench clients make it: whole packets in each frame,
// filters without wildcards but a last level of '+', any password, no keep-alive, no sessions, no
// limits, no checks.
class Mover {
 public:
  // Answers how many of the bytes it has used, and unmasks them where they lie. The others are to
  // come again, with what follows them.
  [[nodiscard]] std::size_t feed(Peer& peer, char* data, std::size_t size);
  // Its output is to be sent at the end of the turn.
  void mark_dirty(Peer& peer);
  void give_up(Peer& peer);
  // Before it is destroyed.
  void forget(Peer& peer);

  // Whose output is to be sent at the end of the turn, and who is to be closed; then to be cleared.
  [[nodiscard]] std::vector<Peer*>& dirty() { return dirty_; }
  [[nodiscard]] std::vector<Peer*>& broken() { return broken_; }

 private:
  [[nodiscard]] std::size_t parse_frames(Peer& peer, char* data, std::size_t size);
  [[nodiscard]] std::size_t upgrade(Peer& peer, std::string_view head);
  std::size_t packets(Peer& peer, std::string_view data);
  void packet(Peer& peer, std::string_view whole, std::size_t head);
  void subscribe(Peer& peer, std::string_view body);
  void publish(Peer& peer, std::string_view whole, std::size_t head);
  void deliver_to(std::string_view filter, std::string_view whole, std::size_t id_at);
  void send(Peer& peer, std::string_view packet);
  void send_bytes(Peer& peer, std::string_view bytes);

  std::string frame_;       // scratch, as the next one
  std::string filter_;      // with a wildcard, of the topic of a message
  bool wildcards_ = false;  // somebody has subscribed with one
  std::vector<Peer*> dirty_;
  std::vector<Peer*> broken_;
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::unordered_map<std::string, std::vector<Peer*>, Hash, std::equal_to<>> receivers_;
};
