// permessage-deflate: the first byte says what the rest is. A line of offers: what is agreed to is
// told in a line that agrees to itself. A compressed message: inflated alike by a fresh inflater
// and by one that has seen everything, never beyond the limit. A message: comes back as it was.

#include <algorithm>
#include <string>

#include "base/assert.h"
#include "proto/ws/deflate.h"

namespace {

using namespace fairlead;

void check_offers(std::string_view line) {
  const auto offers = parse_extensions(line);
  if (!offers) return;
  for (const Extension& offer : *offers) {
    FL_ASSERT(!offer.name.empty() && line.find(offer.name) != line.npos);
    for (const auto& parameter : offer.parameters) FL_ASSERT(!parameter.name.empty());
  }
  const auto agreement = choose_deflate(*offers);
  if (!agreement) return;
  FL_ASSERT(agreement->server_window_bits >= 8 && agreement->server_window_bits <= 15);
  ByteBuffer answer;
  append_deflate_answer(answer, *agreement);
  const auto said = parse_extensions(as_text(answer.view()));
  FL_ASSERT(said && said->size() == 1);
  const auto again = choose_deflate(*said);
  FL_ASSERT(again && again->server_window_bits == agreement->server_window_bits);
}

void check_compressed(Bytes wire, std::size_t bytes_max) {
  static Inflater used;
  Inflater fresh;
  ByteBuffer out;
  ByteBuffer other;
  out.append("before");
  const auto outcome = used.inflate(wire, bytes_max, out);
  FL_ASSERT(fresh.inflate(wire, bytes_max, other) == outcome);
  FL_ASSERT(as_text(out.view()).starts_with("before") && other.size() <= bytes_max + 1);
  FL_ASSERT(std::ranges::equal(out.view().subspan(6), other.view()));
  FL_ASSERT(outcome != Inflater::Outcome::kDone || other.size() <= bytes_max);
  if (outcome != Inflater::Outcome::kDone || other.empty()) return;
  ByteBuffer less;
  FL_ASSERT(used.inflate(wire, other.size() - 1, less) == Inflater::Outcome::kTooLarge);
}

void check_message(Bytes message, std::size_t stored) {
  static Deflater deflater;
  static Inflater inflater;
  const auto compressed = deflater.deflate(message, stored);
  if (!compressed) return;
  FL_ASSERT(compressed->size() < message.size());
  const Bytes kept = compressed->subspan(stored > 0 ? Deflater::kStoredAt : 0, stored);
  FL_ASSERT(std::ranges::equal(kept, message.first(stored)));
  ByteBuffer out;
  FL_ASSERT(inflater.inflate(*compressed, message.size(), out) == Inflater::Outcome::kDone);
  FL_ASSERT(std::ranges::equal(out.view(), message));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const Bytes rest = std::as_bytes(std::span(data + 1, size - 1));
  switch (data[0] % 4) {
    case 0:
      check_offers(as_text(rest));
      break;
    case 1:
    case 2:
      check_compressed(rest, std::size_t{data[0]} * 64);
      break;
    default:
      check_message(rest, std::min<std::size_t>(rest.size(), data[0] / 4));
  }
  return 0;
}
