#include "proto/proxy/header.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/number.h"

namespace fairlead {
namespace {

using namespace std::string_view_literals;

constexpr auto kV1Start = "PROXY "sv;
constexpr auto kV2Start = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr std::size_t kV2FixedSize = 16;
constexpr uint8_t kLocal = 0;  // the command; the other one is PROXY

Reject reject(std::string_view sentence) {
  return {ReasonCode::kMalformedPacket, "PROXY header: " + std::string(sentence)};
}

// --- Version 1 ---

// The family is that of the text: TCP6 with "192.0.2.1" is malformed.
std::optional<ProxyEndpoint> parse_endpoint(ProxyEndpoint::Family family, std::string_view address,
                                            std::string_view port) {
  const bool colons = address.find(':') != std::string_view::npos;
  const auto number = parse_plain_number<uint16_t>(port);
  if (!number || colons != (family == ProxyEndpoint::Family::kIpv6)) return std::nullopt;
  return ProxyEndpoint::parse_ip(address, *number);
}

// `line` is what stands between "PROXY " and the line end.
ProxyParse parse_v1_line(std::string_view line, std::size_t size) {
  ProxyHeader header;
  header.size = size;
  // After UNKNOWN the receiver must ignore the rest of the line.
  if (line == "UNKNOWN" || line.starts_with("UNKNOWN ")) return header;

  std::vector<std::string_view> words;
  for (std::size_t at = 0; at <= line.size();) {
    const std::size_t end = std::min(line.find(' ', at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end + 1;
  }
  auto family = ProxyEndpoint::Family::kIpv6;
  if (words[0] == "TCP4") {
    family = ProxyEndpoint::Family::kIpv4;
  } else if (words[0] != "TCP6") {
    return reject("the family is none of TCP4, TCP6 and UNKNOWN");
  }
  if (words.size() != 5) {
    return reject("wants two addresses and two ports, each after one blank");
  }
  const auto source = parse_endpoint(family, words[1], words[3]);
  if (!source) return reject("the source address or port is malformed");
  const auto destination = parse_endpoint(family, words[2], words[4]);
  if (!destination) return reject("the destination address or port is malformed");
  header.kind = ProxyHeader::Kind::kProxied;
  header.source = *source;
  header.destination = *destination;
  return header;
}

ProxyParse parse_v1(std::string_view text) {
  const std::string_view head = text.substr(0, kProxyV1SizeMax);
  const std::size_t end = head.find_first_of("\r\n");
  if (end == std::string_view::npos || (head[end] == '\r' && end + 1 == head.size())) {
    if (head.size() < kProxyV1SizeMax) return ProxyNeedsMore{};
    return reject("the line is longer than 107 bytes");
  }
  if (!head.substr(end).starts_with("\r\n")) return reject("the line does not end in CR LF");
  return parse_v1_line(head.substr(kV1Start.size(), end - kV1Start.size()), end + 2);
}

// --- Version 2 ---

enum class Tlv : uint8_t {
  kAlpn = 0x01,
  kAuthority = 0x02,
  kCrc32c = 0x03,
  kUniqueId = 0x05,
  kSsl = 0x20,
};
constexpr std::size_t kAlpnMax = 255;       // what a TLS ClientHello can name
constexpr std::size_t kAuthorityMax = 255;  // a host name
constexpr std::size_t kUniqueIdMax = 128;
constexpr std::size_t kSslHeadSize = 5;

// CRC-32C (RFC 4960 appendix B) of the header with its checksum field taken as zero.
uint32_t crc32c(Bytes bytes, std::size_t zero_at) {
  uint32_t crc = 0xffffffff;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const bool in_field = i >= zero_at && i < zero_at + 4;
    crc ^= in_field ? 0 : std::to_integer<uint32_t>(bytes[i]);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc;
}

// Whether `tlvs` is a whole number of type-length-value triples; calls visit(type, value) for each
// and stops at its first complaint.
template <class Visit>
std::optional<Reject> walk_tlvs(Bytes tlvs, Visit&& visit) {
  ByteReader reader(tlvs);
  while (!reader.empty()) {
    const auto type = reader.u8();
    const auto size = reader.u16();
    if (!type || !size) return reject("a TLV is cut short");
    const auto value = reader.take(*size);
    if (!value) return reject("a TLV is longer than the header");
    if (auto complaint = visit(static_cast<Tlv>(*type), *value)) return complaint;
  }
  return std::nullopt;
}

std::optional<Reject> check_tlvs(Bytes header, Bytes tlvs) {
  bool summed = false;
  return walk_tlvs(tlvs, [&](Tlv type, Bytes value) -> std::optional<Reject> {
    switch (type) {
      case Tlv::kAlpn:
        if (value.size() > kAlpnMax) return reject("the ALPN is longer than 255 bytes");
        return std::nullopt;
      case Tlv::kAuthority:
        if (value.size() > kAuthorityMax) return reject("the host name is longer than 255 bytes");
        return std::nullopt;
      case Tlv::kUniqueId:
        if (value.size() > kUniqueIdMax) return reject("the unique id is longer than 128 bytes");
        return std::nullopt;
      case Tlv::kCrc32c: {
        if (value.size() != 4) return reject("the checksum does not have 4 bytes");
        if (std::exchange(summed, true)) return reject("there are two checksums");
        const auto at = static_cast<std::size_t>(value.data() - header.data());
        if (crc32c(header, at) == load_be<uint32_t>(value.data())) return std::nullopt;
        return reject("the checksum is wrong");
      }
      case Tlv::kSsl:
        if (value.size() < kSslHeadSize) return reject("the SSL TLV is cut short");
        return walk_tlvs(value.subspan(kSslHeadSize),
                         [](Tlv, Bytes) -> std::optional<Reject> { return std::nullopt; });
    }
    return std::nullopt;  // of another type: none of our business
  });
}

// The part behind the signature: command, family and length, as soon as they are there.
std::optional<Reject> check_v2_fixed(Bytes in) {
  if (in.size() > 12) {
    const auto version_command = std::to_integer<uint8_t>(in[12]);
    if (version_command >> 4 != 2) return reject("the binary header is not of version 2");
    if ((version_command & 0x0f) > 1) return reject("the command is neither LOCAL nor PROXY");
  }
  // With LOCAL the family is to be ignored with the rest of the block.
  if (in.size() > 13 && (std::to_integer<uint8_t>(in[12]) & 0x0f) != kLocal) {
    const auto family = std::to_integer<uint8_t>(in[13]);
    const auto transport = family & 0x0f;
    if (family >> 4 > 3 || transport > 2) return reject("the address family is unknown");
    if ((family >> 4 == 0) != (transport == 0)) {
      return reject("family and transport do not go together");
    }
    if (transport == 2) return reject("the transport is not a stream");
  }
  if (in.size() >= kV2FixedSize) {
    const std::size_t size = kV2FixedSize + load_be<uint16_t>(in.data() + 14);
    if (size > kProxyV2SizeMax) return reject("it is longer than 4632 bytes");
  }
  return std::nullopt;
}

ProxyParse parse_v2(Bytes in) {
  if (auto complaint = check_v2_fixed(in)) return *complaint;
  if (in.size() < kV2FixedSize) return ProxyNeedsMore{};
  ProxyHeader header;
  header.size = kV2FixedSize + load_be<uint16_t>(in.data() + 14);
  if (in.size() < header.size) return ProxyNeedsMore{};
  const Bytes whole = in.first(header.size);
  if ((std::to_integer<uint8_t>(in[12]) & 0x0f) == kLocal) {
    header.kind = ProxyHeader::Kind::kLocal;
    return header;
  }
  const auto family = std::to_integer<uint8_t>(in[13]) >> 4;
  constexpr std::size_t kAddressSizes[] = {0, 4, 16, 108};  // none, IPv4, IPv6, a path of unix
  const std::size_t address_size = kAddressSizes[family];
  const bool internet = family == 1 || family == 2;
  const std::size_t block_size = 2 * address_size + (internet ? 4 : 0);
  const Bytes rest = whole.subspan(kV2FixedSize);
  if (rest.size() < block_size) return reject("it is too short for its addresses");
  if (auto complaint = check_tlvs(whole, rest.subspan(block_size))) return *complaint;
  if (!internet) return header;
  const std::byte* ports = rest.data() + 2 * address_size;
  header.kind = ProxyHeader::Kind::kProxied;
  header.source = *ProxyEndpoint::from_ip(rest.first(address_size), load_be<uint16_t>(ports));
  header.destination = *ProxyEndpoint::from_ip(rest.subspan(address_size, address_size),
                                               load_be<uint16_t>(ports + 2));
  return header;
}

}  // namespace

ProxyParse parse_proxy_header(Bytes in) {
  const std::string_view text = as_text(in);
  for (std::string_view start : {kV1Start, kV2Start}) {
    const std::size_t common = std::min(start.size(), text.size());
    if (text.substr(0, common) != start.substr(0, common)) continue;
    if (text.size() < start.size()) return ProxyNeedsMore{};
    return start == kV1Start ? parse_v1(text) : parse_v2(in);
  }
  return reject("expected on this port, but the connection does not begin with one");
}

}  // namespace fairlead
