// PROXY headers and detection: an answer, once given, does not change with more bytes, and both
// agree on what begins a header.

#include "base/assert.h"
#include "proto/detect/detect.h"
#include "proto/proxy/header.h"

namespace {

using namespace fairlead;

std::string describe(const ProxyParse& parsed) {
  if (std::holds_alternative<ProxyNeedsMore>(parsed)) return "more";
  if (const auto* reject = std::get_if<Reject>(&parsed)) return reject->sentence;
  const auto& header = std::get<ProxyHeader>(parsed);
  return std::to_string(static_cast<int>(header.kind)) + header.source.text() +
         header.destination.text() + std::to_string(header.size);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes wire = std::as_bytes(std::span(data, size));
  const ProxyParse parsed = parse_proxy_header(wire);
  const std::string whole = describe(parsed);
  if (const auto* header = std::get_if<ProxyHeader>(&parsed)) {
    FL_ASSERT(header->size <= size && header->size <= kProxyV2SizeMax);
    FL_ASSERT((header->kind == ProxyHeader::Kind::kProxied) ==
              (header->source.family != ProxyEndpoint::Family::kNone));
    FL_ASSERT(detect_protocol(wire, ProxyExpectation::kExpected) == Protocol::kProxy);
  }
  if (whole == "more") FL_ASSERT(size < kProxyV2SizeMax);
  for (size_t shorter = 0; shorter < size; ++shorter) {
    const std::string early = describe(parse_proxy_header(wire.first(shorter)));
    FL_ASSERT(early == "more" || early == whole);
    if (early != "more") break;
  }
  const bool begins = detect_protocol(wire, ProxyExpectation::kExpected) != Protocol::kUnknown;
  if (!begins) FL_ASSERT(std::holds_alternative<Reject>(parsed));
  return 0;
}
