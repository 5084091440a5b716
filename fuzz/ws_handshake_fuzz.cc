// A request or response head from the wire through proto/http into the WebSocket handshake. An
// accepted upgrade must satisfy our own client, and no byte of a peer may break out of its line.

#include <algorithm>
#include <array>
#include <string>

#include "base/assert.h"
#include "proto/http/request_head.h"
#include "proto/http/response.h"
#include "proto/ws/handshake.h"

namespace {

using namespace fairlead;

void check_request(Bytes wire) {
  const auto parsed = parse_request_head(wire);
  const auto* head = std::get_if<RequestHead>(&parsed);
  if (!head) return;
  const UpgradeVerdict verdict = evaluate_upgrade(*head);
  ByteBuffer out;
  if (const auto* refusal = std::get_if<UpgradeRefusal>(&verdict)) {
    FL_ASSERT(refusal->status >= 400 && refusal->status < 600 && !refusal->sentence.empty());
    append_refusal(out, refusal->status, refusal->sentence, refusal->headers);
    const auto read = parse_response_head(out.view());
    FL_ASSERT(std::get<ResponseHead>(read).status == refusal->status);
    return;
  }
  const auto& accepted = std::get<UpgradeAccepted>(verdict);
  write_upgrade_response(out, accepted);
  const auto read = parse_response_head(out.view());
  const auto& answer = std::get<ResponseHead>(read);
  FL_ASSERT(answer.head_size == out.size());
  const std::string key(*head->header_values("Sec-WebSocket-Key").begin());
  const UpgradeOffer offer{.host = "a", .key = key, .subprotocol = accepted.subprotocol};
  FL_ASSERT(check_upgrade_response(answer, offer).ok());
}

// Whatever a caller wants in an offer: what is written is one head that a server accepts.
void check_offer(std::string_view text) {
  const size_t third = text.size() / 3;
  const HeaderLine further[] = {{"User-Agent", text.substr(2 * third)}};
  const UpgradeOffer offer{.host = text.substr(0, third),
                           .path = text.substr(third, third),
                           .key = "dGhlIHNhbXBsZSBub25jZQ==",
                           .headers = further};
  ByteBuffer out;
  if (!write_upgrade_request(out, offer).ok()) {
    FL_ASSERT(out.empty());
    return;
  }
  const auto parsed = parse_request_head(out.view());
  const auto* head = std::get_if<RequestHead>(&parsed);
  if (!head) return;  // a host or path with odd characters, refused by the server
  FL_ASSERT(head->head_size == out.size() && head->headers.size() == 7);
  FL_ASSERT(std::holds_alternative<UpgradeAccepted>(evaluate_upgrade(*head)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes wire = std::as_bytes(std::span(data, size));
  check_request(wire);
  check_offer(as_text(wire));
  const auto parsed = parse_response_head(wire);
  if (const auto* head = std::get_if<ResponseHead>(&parsed)) {
    const UpgradeOffer offer{.host = "a", .key = "dGhlIHNhbXBsZSBub25jZQ=="};
    if (check_upgrade_response(*head, offer).ok()) FL_ASSERT(head->status == 101);
  }
  return 0;
}
