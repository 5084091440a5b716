#include "net/tls_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <array>
#include <string>
#include <thread>
#include <vector>

#include "net/tls_test_pair.h"

namespace fairlead {
namespace {

using namespace tls_test;  // NOLINT: the dialogue's words
using testing::HasSubstr;

TlsClientOptions tls12(const char* ciphers = "") {
  return {.tls12_cipher_list = ciphers, .tls12_only = true};
}

TEST(TlsStream, CarriesBytesBothWays) {
  for (const bool old : {false, true}) {
    Pair pair(server_context(), client_context({.tls12_only = old}));
    ASSERT_TRUE(pair.handshake()) << pair.server.progress.reason << pair.client.progress.reason;
    EXPECT_EQ(pair.server.stream.version(), old ? "TLSv1.2" : "TLSv1.3");
    EXPECT_EQ(pair.server.stream.server_name(), "localhost");
    pair.client.send("ping");
    pair.server.send("pong");
    ASSERT_TRUE(pair.talk());
    EXPECT_EQ(pair.server.plain, "ping");
    EXPECT_EQ(pair.client.plain, "pong");
  }
}

TEST(TlsStream, SealsMoreThanARecordHolds) {
  Pair pair(server_context(), client_context());
  ASSERT_TRUE(pair.handshake());
  const std::string large(100'000, 'x');
  pair.server.send(large);
  ASSERT_TRUE(pair.talk());
  EXPECT_EQ(pair.client.plain, large);
}

TEST(TlsStream, SmallPiecesShareARecord) {
  Pair pair(server_context(), client_context());
  ASSERT_TRUE(pair.handshake());
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < 200; ++i) texts.emplace_back(i % 7, static_cast<char>('a' + i % 26));
  texts.emplace_back(40'000, 'L');
  texts.emplace_back("end");
  std::string all;
  std::vector<Bytes> pieces;
  for (const std::string& text : texts) {
    all += text;
    pieces.push_back(as_bytes(text));
  }
  std::vector<std::byte> scratch(std::size_t{16} << 10);
  ASSERT_TRUE(pair.server.stream.seal(pieces, scratch, pair.server.out));
  constexpr std::size_t kRecordOverhead = 5 + 1 + 16;
  EXPECT_LE(pair.server.out.size(), all.size() + 3 * kRecordOverhead);
  ASSERT_TRUE(pair.talk());
  EXPECT_EQ(pair.client.plain, all);
}

TEST(TlsStream, AnswersFromWithinTheSink) {
  Pair pair(server_context(), client_context());
  ASSERT_TRUE(pair.handshake());
  pair.client.send("one");
  pair.client.send("two");
  ByteBuffer cipher = std::move(pair.client.out);
  std::vector<std::byte> scratch(std::size_t{16} << 10);
  const auto progress = pair.server.stream.feed(
      cipher.mutable_view(), pair.server.out, scratch, [&](MutableBytes plain) {
        EXPECT_TRUE(pair.server.stream.seal(plain, pair.server.out));
        return PlainFlow::kContinue;
      });
  EXPECT_EQ(progress.state, TlsState::kOpen);
  ASSERT_TRUE(pair.talk());
  EXPECT_EQ(pair.client.plain, "onetwo");
}

TEST(TlsStream, SinkThatStopsEndsTheInput) {
  Pair pair(server_context(), client_context());
  ASSERT_TRUE(pair.handshake());
  pair.client.send("one");
  pair.client.send("two");
  ByteBuffer cipher = std::move(pair.client.out);
  std::vector<std::byte> scratch(std::size_t{16} << 10);
  std::string seen;
  const auto progress = pair.server.stream.feed(cipher.mutable_view(), pair.server.out, scratch,
                                                [&](MutableBytes plain) {
                                                  seen += as_text(plain);
                                                  return PlainFlow::kStop;
                                                });
  EXPECT_EQ(progress.state, TlsState::kClosed);
  EXPECT_EQ(seen, "one");
}

TEST(TlsStream, CloseNotifyComesThrough) {
  Pair pair(server_context(), client_context());
  ASSERT_TRUE(pair.handshake());
  pair.server.send("bye");
  pair.server.stream.shutdown(pair.server.out);
  const std::size_t size = pair.server.out.size();
  pair.server.stream.shutdown(pair.server.out);
  EXPECT_EQ(pair.server.out.size(), size);
  ASSERT_TRUE(pair.talk());
  EXPECT_EQ(pair.client.plain, "bye");
  EXPECT_EQ(pair.client.progress.state, TlsState::kClosed);
}

TEST(TlsStream, MovesToAnotherThreadBetweenCalls) {
  Pair pair(server_context(), client_context());
  ASSERT_TRUE(pair.handshake());
  pair.client.send("before");
  std::thread([moved = std::move(pair)]() mutable {
    ASSERT_TRUE(moved.talk());
    moved.server.send("after");
    ASSERT_TRUE(moved.talk());
    EXPECT_EQ(moved.server.plain, "before");
    EXPECT_EQ(moved.client.plain, "after");
  }).join();
}

TEST(TlsStream, ThreadsShareAContext) {
  const auto server = server_context();
  const auto client = client_context();
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 5; ++round) {
        Pair pair(server, client);
        EXPECT_TRUE(pair.handshake());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(TlsStream, ChoosesTheCertificateThatTheClientCanVerify) {
  Pair rsa(server_context(), client_context(tls12("ECDHE-RSA-AES128-GCM-SHA256")));
  EXPECT_TRUE(rsa.handshake());
  Pair ec(server_context(), client_context(tls12("ECDHE-ECDSA-AES128-GCM-SHA256")));
  EXPECT_TRUE(ec.handshake());
}

TEST(TlsStream, StaticRsaSuitesNeedTheLegacyProfile) {
  const auto legacy = server_context({.profile = TlsProfile::kLegacy});
  for (const char* suite : {"AES128-SHA", "AES256-SHA", "AES128-SHA256", "AES256-SHA256"}) {
    Pair old(legacy, client_context(tls12(suite)));
    EXPECT_TRUE(old.handshake()) << suite << ": " << old.server.progress.reason;
    EXPECT_EQ(old.server.stream.cipher(), suite);
    Pair refused(server_context(), client_context(tls12(suite)));
    EXPECT_FALSE(refused.handshake());
    EXPECT_EQ(refused.server.progress.reason, "no shared cipher");
  }
}

TEST(TlsStream, SuitesWithSha256AreChosenAmongThoseThatBothHave) {
  Pair tls13(server_context(), client_context());
  ASSERT_TRUE(tls13.handshake());
  EXPECT_EQ(tls13.server.stream.cipher(), "TLS_AES_128_GCM_SHA256");
  Pair tls12_pair(server_context(), client_context(tls12("ECDHE+AESGCM")));
  ASSERT_TRUE(tls12_pair.handshake());
  EXPECT_EQ(tls12_pair.server.stream.cipher(), "ECDHE-ECDSA-AES128-GCM-SHA256");
  Pair only_256(server_context(), client_context(tls12("ECDHE-ECDSA-AES256-GCM-SHA384")));
  EXPECT_TRUE(only_256.handshake());
}

TEST(TlsStream, LegacyProfileStillPrefersModernSuites) {
  Pair pair(server_context({.profile = TlsProfile::kLegacy}), client_context());
  ASSERT_TRUE(pair.handshake());
  EXPECT_EQ(pair.server.stream.version(), "TLSv1.3");
}

TEST(TlsStream, ServerNameChoosesAmongSets) {
  const auto context =
      server_context({.certificates = {device_authority().both(), other_authority().both()}});
  const TlsClientOptions trusts_other{.ca_file = other_authority().files.ca_certificate};
  for (const char* host : {"other.example.com", "OTHER.example.COM", "a.other.example.com"}) {
    Pair pair(context, client_context(trusts_other), host);
    EXPECT_TRUE(pair.handshake()) << host << ": " << pair.client.progress.reason;
  }
  for (const char* host : {"localhost", "pk1.iot.example.com", "127.0.0.1", "::1"}) {
    Pair pair(context, client_context(), host);
    EXPECT_TRUE(pair.handshake()) << host << ": " << pair.client.progress.reason;
  }
  Pair two_labels(context, client_context(trusts_other), "a.b.other.example.com");
  EXPECT_FALSE(two_labels.handshake());
}

TEST(TlsStream, ClientRefusesAWrongNameAndAWrongRoot) {
  Pair name(server_context(), client_context(), "elsewhere.example.org");
  EXPECT_FALSE(name.handshake());
  EXPECT_THAT(name.client.progress.reason, HasSubstr("hostname mismatch"));
  Pair address(server_context(), client_context(), "127.0.0.2");
  EXPECT_FALSE(address.handshake());
  EXPECT_THAT(address.client.progress.reason, HasSubstr("IP address mismatch"));
  Pair root(server_context(), client_context({.ca_file = other_authority().files.ca_certificate}));
  EXPECT_FALSE(root.handshake());
  EXPECT_THAT(root.client.progress.reason, HasSubstr("unable to get local issuer certificate"));
  EXPECT_THAT(root.server.progress.reason, HasSubstr("unknown ca"));
  Pair careless(server_context(), client_context({.trust = TlsTrust::kAnyCertificate}), "any");
  EXPECT_TRUE(careless.handshake());
}

TEST(TlsStream, AClientKnowsWithWhichKindOfKeyTheServerProvedItself) {
  const auto key_type = [](TlsCertificateSet set) {
    Pair pair(server_context({.certificates = {std::move(set)}}), client_context());
    EXPECT_EQ(pair.client.stream.peer_key_type(), "");
    EXPECT_TRUE(pair.handshake());
    return std::string(pair.client.stream.peer_key_type());
  };
  EXPECT_EQ(key_type({{device_authority().rsa()}}), "RSA");
  EXPECT_EQ(key_type({{device_authority().ec()}}), "EC");
  EXPECT_EQ(key_type(device_authority().both()), "EC");
}

TEST(TlsStream, ResumesBySharedTicketKeysAcrossAReload) {
  const auto keys = TlsTicketKeys::generate();
  const auto before = server_context({.ticket_keys = keys});
  const auto after = server_context({.ticket_keys = keys});
  for (const bool old : {false, true}) {
    const auto client = client_context({.tls12_only = old});
    Pair first(before, client);
    ASSERT_TRUE(first.handshake());
    EXPECT_FALSE(first.server.stream.session_resumed());
    const TlsSession session = first.client.stream.session();
    ASSERT_TRUE(session.valid());
    Pair second(after, client, "localhost", &session);
    ASSERT_TRUE(second.handshake());
    EXPECT_TRUE(second.server.stream.session_resumed());
    second.client.send("again");
    ASSERT_TRUE(second.talk());
    EXPECT_EQ(second.server.plain, "again");
  }
}

TEST(TlsStream, ASessionOutlivesAConnectionThatEndsWithoutAWord) {
  const auto server = server_context();
  for (const bool old : {false, true}) {
    const auto client = client_context({.tls12_only = old});
    TlsSession session;
    {
      Pair first(server, client);
      ASSERT_TRUE(first.handshake());
      session = first.client.stream.session();
    }
    Pair second(server, client, "localhost", &session);
    ASSERT_TRUE(second.handshake());
    EXPECT_TRUE(second.client.stream.session_resumed());
  }
}

TEST(TlsStream, RotatedKeysStillOpenOlderTicketsOnce) {
  const auto keys = TlsTicketKeys::generate();
  const auto rotated = TlsTicketKeys::rotate(*keys);
  const auto rotated_twice = TlsTicketKeys::rotate(*rotated);
  const auto client = client_context();
  Pair first(server_context({.ticket_keys = keys}), client);
  ASSERT_TRUE(first.handshake());
  const TlsSession session = first.client.stream.session();
  Pair second(server_context({.ticket_keys = rotated}), client, "localhost", &session);
  ASSERT_TRUE(second.handshake());
  EXPECT_TRUE(second.server.stream.session_resumed());
  Pair third(server_context({.ticket_keys = rotated_twice}), client, "localhost", &session);
  ASSERT_TRUE(third.handshake());
  EXPECT_FALSE(third.server.stream.session_resumed());
}

TEST(TlsStream, ClientKnowsTheServersSubject) {
  Pair pair(server_context(), client_context());
  ASSERT_TRUE(pair.handshake());
  EXPECT_EQ(pair.client.stream.peer_certificate_common_name(), "localhost");
  EXPECT_THAT(pair.client.stream.peer_certificate_subject(), HasSubstr("CN=localhost"));
}

TEST(TlsStream, NamesWhatIsNotTls) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "http request"},
      {std::string("\x16\x03\x01\xff\xff", 5) + std::string(300, 'x'), ""},
      {std::string("\x10\x10\x00\x04MQTT", 8) + std::string(32, '\0'), ""},
      {std::string(4000, '\xff'), ""}};
  for (const auto& [input, reason] : cases) {
    End server{TlsStream(server_context())};
    const auto progress = server.receive(as_bytes(input));
    EXPECT_EQ(progress.state, TlsState::kFailed) << input;
    EXPECT_FALSE(progress.reason.empty());
    if (!reason.empty()) {
      EXPECT_EQ(progress.reason, reason);
    }
    EXPECT_EQ(server.receive(as_bytes("more")).state, TlsState::kFailed);
    EXPECT_FALSE(server.stream.seal(as_bytes("x"), server.out));
  }
}

TEST(TlsStream, AnnouncedHelloDoesNotReserveMemory) {
  End server{TlsStream(server_context())};
  const auto progress = server.receive(as_bytes({"\x16\x03\x01\x02\x00\x01\x01\xff\xff", 9}));
  EXPECT_EQ(progress.state, TlsState::kFailed);
  EXPECT_THAT(progress.reason, HasSubstr("ClientHello of more than 16 KiB"));
}

TEST(TlsStream, ChangedRecordIsRefused) {
  Pair pair(server_context(), client_context());
  ASSERT_TRUE(pair.handshake());
  pair.client.send("untouched");
  pair.client.out.data()[pair.client.out.size() - 1] ^= std::byte{1};
  EXPECT_FALSE(pair.talk());
  EXPECT_EQ(pair.server.plain, "");
  EXPECT_EQ(pair.server.progress.reason, "decryption failed or bad record mac");
}

// The number that the budget of an idle wss connection is made of (STYLE section 6).
TEST(TlsStream, IdleStreamOwnsLittleBeyondOpenSsl) {
  constexpr std::size_t kStreams = 200;
  constexpr std::size_t kBudgetBytes = 15'500;
  if (::mallinfo2().uordblks == 0) GTEST_SKIP() << "another allocator counts differently";
  const auto context = server_context();
  for (const bool old : {false, true}) {
    const auto client = client_context({.tls12_only = old});
    std::vector<Pair> pairs;
    pairs.reserve(kStreams);
    for (std::size_t i = 0; i < kStreams; ++i) {
      pairs.emplace_back(context, client);
      ASSERT_TRUE(pairs.back().handshake());
      pairs.back().client.send("CONNECT");
      ASSERT_TRUE(pairs.back().talk());
    }
    const std::size_t with = ::mallinfo2().uordblks;
    for (Pair& pair : pairs) {
      TlsStream gone = std::move(pair.server.stream);
      pair.server.stream = TlsStream(std::move(gone));
    }
    std::vector<TlsStream> streams;
    const std::size_t before = ::mallinfo2().uordblks;
    EXPECT_EQ(with, before) << "moving a stream allocates nothing";
    for (Pair& pair : pairs) const TlsStream gone = std::move(pair.server.stream);
    const std::size_t each = (before - ::mallinfo2().uordblks) / kStreams;
    std::printf("idle %s stream: %zu bytes of heap\n", old ? "TLS 1.2" : "TLS 1.3", each);
    RecordProperty(old ? "idle_bytes_tls12" : "idle_bytes_tls13", static_cast<int>(each));
    EXPECT_LE(each, kBudgetBytes);
  }
}

static_assert(sizeof(TlsStream) <= 40, "a part of every connection");

}  // namespace
}  // namespace fairlead
