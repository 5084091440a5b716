#pragma once

#include <optional>

#include "proto/mqtt/reader.h"

namespace fairlead::sdk {

// Packets from a stream of bytes, cut anywhere. Owns memory only while a packet is incomplete, and
// never more than the largest packet and what came with it.
class PacketStream {
 public:
  PacketStream(mqtt::ProtocolVersion version, std::size_t packet_bytes_max)
      : packet_bytes_max_(packet_bytes_max), version_(version) {}

  // Nothing of a packet is waiting for its rest.
  [[nodiscard]] bool empty() const { return tail_.empty(); }

  // Calls on_packet(const FixedHeader&, Bytes body) for each complete packet; it answers whether
  // to go on. The reject says how the peer broke the specification.
  template <class OnPacket>
  [[nodiscard]] Status feed(Bytes piece, OnPacket&& on_packet) {
    if (tail_.empty()) {
      auto taken = read_packets(piece, on_packet);
      if (!taken) return taken.error();
      tail_.append(piece.subspan(*taken));
    } else {
      tail_.append(piece);
      auto taken = read_packets(tail_.view(), on_packet);
      if (!taken) return taken.error();
      tail_.consume(*taken);
      if (tail_.empty()) tail_.release();
    }
    return Done{};
  }

 private:
  template <class OnPacket>
  Result<std::size_t> read_packets(Bytes bytes, OnPacket& on_packet) {
    std::size_t taken = 0;
    while (taken < bytes.size()) {
      const Bytes rest = bytes.subspan(taken);
      const auto header = mqtt::read_fixed_header(rest, packet_bytes_max_, version_);
      if (!header) return header.error();
      if (!*header || (*header)->packet_size() > rest.size()) break;
      taken += (*header)->packet_size();
      const bool go_on =
          on_packet(**header, rest.subspan((*header)->header_size, (*header)->remaining_length));
      if (!go_on) return bytes.size();
    }
    return taken;
  }

  ByteBuffer tail_;
  std::size_t packet_bytes_max_;
  mqtt::ProtocolVersion version_;
};

}  // namespace fairlead::sdk
