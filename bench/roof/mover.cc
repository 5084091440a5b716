#include "mover.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>

namespace {

// Of a frame from a server, which is not masked.
std::string frame_head(std::size_t size) {
  std::string head(1, static_cast<char>(0x82));
  if (size < 126) return head += static_cast<char>(size);
  return head += {126, static_cast<char>(size >> 8), static_cast<char>(size)};
}

}  // namespace

// Answers how many of the bytes it has used.
std::size_t Mover::feed(Peer& peer, char* data, std::size_t size) {
  std::size_t at = 0;
  if (peer.carrier == Peer::Carrier::kUnknown && size > 0) {
    constexpr char kConnect = 0x10;
    if (*data == kConnect) {
      peer.carrier = Peer::Carrier::kTcp;
    } else {
      at = upgrade(peer, {data, size});
    }
  }
  switch (peer.carrier) {
    case Peer::Carrier::kUnknown:
      return at;
    case Peer::Carrier::kWebSocket:
      return at + parse_frames(peer, data + at, size - at);
    case Peer::Carrier::kTcp:
      return packets(peer, {data, size});
  }
  return at;
}

// The frames that are whole, unmasked where they lie; the answer is how many bytes they are.
std::size_t Mover::parse_frames(Peer& peer, char* data, std::size_t size) {
  std::size_t at = 0;
  while (size - at >= 6) {
    const auto* head = reinterpret_cast<const unsigned char*>(data + at);
    std::size_t length = head[1] & 0x7fu;
    std::size_t mask_at = 2;
    if (length == 126) {
      length = std::size_t{head[2]} << 8 | head[3];
      mask_at = 4;
    } else if (length == 127) {
      length = std::size_t{head[6]} << 24 | std::size_t{head[7]} << 16 | std::size_t{head[8]} << 8 |
               head[9];
      mask_at = 10;
    }
    const std::size_t body_at = mask_at + 4;
    if (size - at < body_at + length) break;
    char* body = data + at + body_at;
    const std::array<char, 4> mask = {data[at + mask_at], data[at + mask_at + 1],
                                      data[at + mask_at + 2], data[at + mask_at + 3]};
    for (std::size_t i = 0; i < length; ++i) body[i] = static_cast<char>(body[i] ^ mask[i & 3]);
    constexpr unsigned kBinary = 2;
    if ((head[0] & 0x0fu) == kBinary) packets(peer, {body, length});
    at += body_at + length;
  }
  return at;
}

std::size_t Mover::upgrade(Peer& peer, std::string_view head) {
  const auto end = head.find("\r\n\r\n");
  constexpr std::string_view kName = "sec-websocket-key: ";
  std::string lower(head.substr(0, end));
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  const auto name = lower.find(kName);
  if (end == std::string_view::npos || name == std::string::npos) return 0;
  const auto value = name + kName.size();
  std::string key(head.substr(value, head.find("\r\n", value) - value));
  key += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 section 1.3
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest.data());
  std::array<unsigned char, 32> text{};
  EVP_EncodeBlock(text.data(), digest.data(), digest.size());
  const std::string accept = reinterpret_cast<const char*>(text.data());
  send_bytes(peer,
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Accept: " +
                 accept + "\r\n\r\n");
  peer.carrier = Peer::Carrier::kWebSocket;
  return end + 4;
}

// Packets, one after the other; the answer is how many bytes those are that are whole.
std::size_t Mover::packets(Peer& peer, std::string_view data) {
  std::size_t at = 0;
  while (at + 2 <= data.size()) {
    std::size_t length = 0;
    std::size_t head = 1;
    unsigned char byte = 0x80;
    for (unsigned shift = 0; byte >= 0x80 && head <= 4 && at + head < data.size(); shift += 7) {
      byte = static_cast<unsigned char>(data[at + head++]);
      length |= std::size_t{byte & 0x7fu} << shift;
    }
    if (byte >= 0x80 || data.size() - at < head + length) break;
    packet(peer, data.substr(at, head + length), head);
    at += head + length;
  }
  return at;
}

void Mover::packet(Peer& peer, std::string_view whole, std::size_t head) {
  const std::string_view body = whole.substr(head);
  const auto answer = [&](char type, char count) {
    const std::array<char, 4> bytes = {type, count, body[0], body[1]};
    send(peer, {bytes.data(), bytes.size()});
  };
  const unsigned type = static_cast<unsigned char>(whole[0]) >> 4;
  if (type == 3) return publish(peer, whole, head);
  if (body.size() < 2 && type < 12) return;
  switch (type) {
    case 1:  // CONNECT
      return send(peer, std::string_view("\x20\x02\x00\x00", 4));
    case 5:  // PUBREC
      return answer(0x62, 2);
    case 6:  // PUBREL
      return answer(0x70, 2);
    case 8:  // SUBSCRIBE
      return subscribe(peer, body);
    case 12:  // PINGREQ
      return send(peer, std::string_view("\xd0\x00", 2));
    case 14:  // DISCONNECT
      return give_up(peer);
    default:
      return;
  }
}

// To the first filter.
void Mover::subscribe(Peer& peer, std::string_view body) {
  if (body.size() < 5) return;
  const std::size_t length =
      std::size_t{static_cast<unsigned char>(body[2])} << 8 | static_cast<unsigned char>(body[3]);
  if (body.size() < 5 + length) return;
  peer.filter = body.substr(4, length);
  wildcards_ = wildcards_ || peer.filter.ends_with('+');
  receivers_[peer.filter].push_back(&peer);
  const std::array<char, 5> suback = {static_cast<char>(0x90), 3, body[0], body[1],
                                      body[4 + length]};
  send(peer, {suback.data(), suback.size()});
}

void Mover::publish(Peer& peer, std::string_view whole, std::size_t head) {
  const std::string_view body = whole.substr(head);
  if (body.size() < 2) return;
  const std::size_t length =
      std::size_t{static_cast<unsigned char>(body[0])} << 8 | static_cast<unsigned char>(body[1]);
  const unsigned qos = (static_cast<unsigned char>(whole[0]) >> 1) & 3u;
  if (body.size() < 2 + length + (qos != 0 ? 2u : 0u)) return;
  const std::size_t id_at = qos == 0 ? 0 : head + 2 + length;
  frame_.assign(frame_head(whole.size())) += whole;
  const std::string_view topic = body.substr(2, length);
  deliver_to(topic, whole, id_at);
  if (wildcards_) {
    filter_.assign(topic.substr(0, topic.rfind('/') + 1)) += '+';
    deliver_to(filter_, whole, id_at);
  }
  if (qos == 0) return;
  const std::array<char, 4> acknowledgement = {static_cast<char>(qos == 1 ? 0x40 : 0x50), 2,
                                               body[2 + length], body[3 + length]};
  send(peer, {acknowledgement.data(), acknowledgement.size()});
}

// The packet as it came, but with an identifier that is the receiver's own: it may hear many
// publishers, whose identifiers are the same.
void Mover::deliver_to(std::string_view filter, std::string_view whole, std::size_t id_at) {
  const auto found = receivers_.find(filter);
  if (found == receivers_.end()) return;
  for (Peer* each : found->second) {
    const bool framed = each->carrier == Peer::Carrier::kWebSocket;
    send_bytes(*each, framed ? std::string_view(frame_) : whole);
    if (id_at == 0) continue;
    if (++each->packet_id == 0) each->packet_id = 1;
    char* const id = each->out.data() + each->out.size() - whole.size() + id_at;
    id[0] = static_cast<char>(each->packet_id >> 8);
    id[1] = static_cast<char>(each->packet_id);
  }
}

// In WebSocket in a frame of its own.
void Mover::send(Peer& peer, std::string_view packet) {
  frame_.clear();
  if (peer.carrier == Peer::Carrier::kWebSocket) frame_ = frame_head(packet.size());
  send_bytes(peer, frame_ += packet);
}

void Mover::send_bytes(Peer& peer, std::string_view bytes) {
  peer.out += bytes;
  mark_dirty(peer);
}

void Mover::mark_dirty(Peer& peer) {
  if (!peer.dirty) dirty_.push_back(&peer);
  peer.dirty = true;
}

void Mover::give_up(Peer& peer) {
  if (!peer.broken) broken_.push_back(&peer);
  peer.broken = true;
}

void Mover::forget(Peer& peer) {
  if (!peer.filter.empty()) std::erase(receivers_[peer.filter], &peer);
}
