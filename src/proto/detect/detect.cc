#include "proto/detect/detect.h"

#include <string_view>

namespace fairlead {
namespace {

constexpr std::string_view kProxyV1Start = "PROXY ";
constexpr std::string_view kProxyV2Start{"\r\n\r\n\0\r\nQUIT\n", 12};

bool could_become(std::string_view start, std::string_view wanted) {
  return wanted.starts_with(start.substr(0, wanted.size()));
}

Protocol detect_proxy(std::string_view start) {
  for (std::string_view wanted : {kProxyV1Start, kProxyV2Start}) {
    if (!could_become(start, wanted)) continue;
    return start.size() < wanted.size() ? Protocol::kNeedMore : Protocol::kProxy;
  }
  return Protocol::kUnknown;
}

}  // namespace

Protocol detect_protocol(Bytes first, ProxyExpectation proxy) {
  if (first.empty()) return Protocol::kNeedMore;
  if (proxy == ProxyExpectation::kExpected) return detect_proxy(as_text(first));
  const auto byte = std::to_integer<uint8_t>(first[0]);
  if (byte == 0x16) return Protocol::kTls;
  if (byte == 0x10) return Protocol::kMqtt;
  const Protocol proxied = detect_proxy(as_text(first));
  if (proxied != Protocol::kUnknown) return proxied;
  return byte >= 'A' && byte <= 'Z' ? Protocol::kHttp : Protocol::kUnknown;
}

}  // namespace fairlead
