#include <gtest/gtest.h>

#include <random>
#include <string>

#include "net/tls_test_pair.h"

namespace fairlead {
namespace {

using namespace tls_test;  // NOLINT: the dialogue's words

struct Ends {
  const char* name;
  std::shared_ptr<const TlsContext> server;
  std::shared_ptr<const TlsContext> client;
};

std::vector<Ends> setups() {
  return {{"TLS 1.3", server_context(), client_context()},
          {"TLS 1.2", server_context(), client_context({.tls12_only = true})},
          {"static RSA", server_context({.profile = TlsProfile::kLegacy}),
           client_context({.tls12_cipher_list = "AES128-SHA", .tls12_only = true})}};
}

// Carries everything both ways; the flight with number `cut_flight` arrives in two parts. Returns
// the size of that flight.
std::size_t talk_with_cut(Pair& pair, std::size_t cut_flight, std::size_t cut_at) {
  std::size_t flight = 0;
  std::size_t size = 0;
  if (!pair.client.stream.handshake_done()) pair.client.receive({});
  bool from_client = true;
  while (!pair.client.out.empty() || !pair.server.out.empty()) {
    End& from = from_client ? pair.client : pair.server;
    End& to = from_client ? pair.server : pair.client;
    from_client = !from_client;
    ByteBuffer bytes = std::move(from.out);
    if (bytes.empty()) continue;
    if (flight++ != cut_flight) {
      to.receive(bytes.view());
      continue;
    }
    size = bytes.size();
    const std::size_t at = std::min(cut_at, size);
    to.receive(bytes.view().first(at));
    to.receive(bytes.view().subspan(at));
  }
  return size;
}

TEST(TlsStreamProperty, AnyCutOfAHandshakeFlightGivesTheSame) {
  for (const Ends& setup : setups()) {
    for (std::size_t flight = 0; flight < 5; ++flight) {
      std::size_t size = 1;
      // Every position around record and message headers, then every 37th: signatures are slow.
      for (std::size_t at = 0; at < size; at += at < 16 ? 1 : 37) {
        Pair pair(setup.server, setup.client);
        size = talk_with_cut(pair, flight, at);
        ASSERT_TRUE(pair.ok() && pair.server_done() && pair.client.stream.handshake_done())
            << setup.name << ", flight " << flight << " cut at " << at << ": "
            << pair.server.progress.reason << pair.client.progress.reason;
        pair.client.send("up");
        pair.server.send("down");
        ASSERT_TRUE(pair.talk());
        ASSERT_EQ(pair.server.plain, "up");
        ASSERT_EQ(pair.client.plain, "down");
      }
    }
  }
}

TEST(TlsStreamProperty, ByteByByteHandshakeSucceeds) {
  for (const Ends& setup : setups()) {
    Pair pair(setup.server, setup.client);
    pair.client.receive({});
    while (!pair.client.out.empty() || !pair.server.out.empty()) {
      ByteBuffer up = std::move(pair.client.out);
      for (std::size_t i = 0; i < up.size(); ++i) pair.server.receive(up.view().subspan(i, 1));
      ByteBuffer down = std::move(pair.server.out);
      for (std::size_t i = 0; i < down.size(); ++i) pair.client.receive(down.view().subspan(i, 1));
    }
    EXPECT_TRUE(pair.server_done() && pair.client.stream.handshake_done()) << setup.name;
  }
}

TEST(TlsStreamProperty, AnySplitOfRecordsGivesTheSamePlaintext) {
  for (const Ends& setup : setups()) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      SCOPED_TRACE(std::string(setup.name) + ", seed " + std::to_string(seed));
      std::mt19937_64 random(seed);
      Pair pair(setup.server, setup.client);
      ASSERT_TRUE(pair.handshake());
      std::string sent;
      for (int i = 0; i < 10; ++i) {
        const std::string text(random() % 20'000, static_cast<char>('a' + i));
        pair.client.send(text);
        sent += text;
      }
      const ByteBuffer cipher = std::move(pair.client.out);
      for (Bytes rest = cipher.view(); !rest.empty();) {
        const std::size_t count = std::min<std::size_t>(1 + random() % 9000, rest.size());
        ASSERT_EQ(pair.server.receive(rest.first(count)).state, TlsState::kOpen);
        rest = rest.subspan(count);
      }
      ASSERT_EQ(pair.server.plain, sent);
    }
  }
}

TEST(TlsStreamProperty, RandomBytesNeverDoMoreThanFail) {
  const auto context = server_context();
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    End server{TlsStream(context)};
    std::string input(random() % 600, '\0');
    for (char& character : input) character = static_cast<char>(random());
    if (seed % 2 == 0) input.insert(0, "\x16\x03\x01\x01\x20\x01\x00\x01\x1c\x03\x03", 11);
    server.receive(as_bytes(input));
    EXPECT_EQ(server.plain, "");
    EXPECT_FALSE(server.stream.handshake_done());
  }
}

}  // namespace
}  // namespace fairlead
