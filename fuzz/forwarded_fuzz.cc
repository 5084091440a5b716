// What proxies say: lines for trusted networks, then an empty line, then one header line of hops.
// An address that is believed is one, reads back as itself, and hops left of the client's do not
// matter.

#include <string>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "proto/proxy/forwarded.h"

namespace {

using namespace fairlead;

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == text.npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string describe(const Forwarded& said) {
  if (std::holds_alternative<ForwardedNothing>(said)) return "nothing";
  if (const auto* garbage = std::get_if<ForwardedGarbage>(&said)) {
    FL_ASSERT(!garbage->sentence.empty() && garbage->sentence.size() < 200);
    return garbage->sentence;
  }
  const auto& client = std::get<ProxyEndpoint>(said);
  FL_ASSERT(client.family != ProxyEndpoint::Family::kNone);
  FL_ASSERT(ProxyEndpoint::parse_ip(client.ip_text(), client.port) == client);
  FL_ASSERT(ProxyEndpoint::from_ip(client.ip(), client.port) == client);
  return client.text();
}

void check_networks(const std::vector<std::string>& entries, const TrustedNetworks& trusted) {
  for (const std::string& entry : entries) {
    const auto first = ProxyEndpoint::parse_ip(entry.substr(0, entry.find('/')));
    FL_ASSERT(first && trusted.contains(first->ip()));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto end = text.find("\n\n");
  std::vector<std::string> entries;
  if (end != text.npos) {
    for (std::string_view entry : split(text.substr(0, end), '\n')) entries.emplace_back(entry);
  }
  const auto parsed = TrustedNetworks::parse(entries);
  const TrustedNetworks trusted = parsed ? *parsed : TrustedNetworks();
  if (parsed) check_networks(entries, trusted);

  const auto hops = split(end == text.npos ? text : text.substr(end + 2), ',');
  const Forwarded said = read_forwarded_for(hops, trusted);
  const std::string line = describe(said);
  FL_ASSERT(describe(read_real_ip(std::span(hops).first(1))) != "nothing");
  const auto* client = std::get_if<ProxyEndpoint>(&said);
  if (client == nullptr || trusted.contains(client->ip())) return 0;
  // Whatever a client writes in front is its own word.
  std::vector<std::string_view> more{"203.0.113.99", "not an address"};
  more.insert(more.end(), hops.begin(), hops.end());
  FL_ASSERT(describe(read_forwarded_for(more, trusted)) == line);
  return 0;
}
