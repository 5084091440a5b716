// Frames of a peer: first byte = role, text policy, compression and where to cut; the rest is the
// wire. The input is read whole, byte by byte, in pieces and with stops; all must tell the same.

#include <algorithm>
#include <vector>

#include "base/assert.h"
#include "proto/ws/frame_log.h"
#include "proto/ws/frame_reader.h"

namespace {

using namespace fairlead;

enum class Stops : uint8_t { kNever, kAfterEachEvent };

std::string read(Bytes wire, uint8_t settings, size_t piece, Stops stops) {
  std::vector<std::byte> bytes(wire.begin(), wire.end());
  const FrameReader::Limits limits{
      .message_bytes_max = 4096,
      .text = (settings & 2) == 0 ? TextFrames::kRefuse : TextFrames::kAccept};
  FrameReader reader((settings & 1) == 0 ? Role::kServer : Role::kClient, limits);
  if ((settings & 4) != 0) reader.set_compression(Compression::kNegotiated);
  FrameLog log;
  if (stops == Stops::kAfterEachEvent) log.stop_always();
  std::optional<CloseCode> code;
  MutableBytes rest = bytes;
  while (!rest.empty() && !code) {
    MutableBytes in = rest.first(std::min(piece, rest.size()));
    rest = rest.subspan(in.size());
    // A stopped reader is called until an empty input brings nothing more.
    for (bool more = true; more && !code;) {
      const size_t before = log.count();
      const size_t left = in.size();
      code = reader.feed_some(in, log);
      FL_ASSERT(in.size() <= left);
      more = stops == Stops::kAfterEachEvent && (!in.empty() || before != log.count());
    }
    FL_ASSERT(code || in.empty());
  }
  log.verdict(code);
  return log.text();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const Bytes wire = std::as_bytes(std::span(data + 1, size - 1));
  const size_t piece = 1 + (data[0] >> 3);
  const std::string whole = read(wire, data[0], wire.size(), Stops::kNever);
  FL_ASSERT(whole != "empty piece!");
  FL_ASSERT(read(wire, data[0], 1, Stops::kNever) == whole);
  FL_ASSERT(read(wire, data[0], piece, Stops::kNever) == whole);
  FL_ASSERT(read(wire, data[0], piece, Stops::kAfterEachEvent) == whole);
  return 0;
}
