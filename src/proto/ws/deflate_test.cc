#include "proto/ws/deflate.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>

namespace fairlead {
namespace {

using namespace std::string_literals;

std::string answer_to(std::string_view line) {
  const auto extensions = parse_extensions(line);
  if (!extensions) return "malformed";
  const auto agreement = choose_deflate(*extensions);
  if (!agreement) return "declined";
  ByteBuffer out;
  append_deflate_answer(out, *agreement);
  return std::string(as_text(out.view()));
}

const std::string kPlainAnswer =
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

TEST(DeflateOffer, IsAgreedToWithoutContextTakeover) {
  for (std::string_view offer :
       {"permessage-deflate", "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=8",
        "permessage-deflate; client_max_window_bits=\"15\"",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        "x-other; a=1, permessage-deflate"}) {
    EXPECT_EQ(answer_to(offer), kPlainAnswer) << offer;
  }
}

TEST(DeflateOffer, WindowOfTheServerIsHonoured) {
  for (const char* bits : {"8", "9", "15"}) {
    EXPECT_EQ(answer_to("permessage-deflate; server_max_window_bits="s + bits),
              kPlainAnswer + "; server_max_window_bits=" + bits);
  }
  const DeflateAgreement narrow{.server_window_bits = 9, .server_window_asked = true};
  EXPECT_TRUE(narrow.fits(512));
  EXPECT_FALSE(narrow.fits(513));
  EXPECT_TRUE(DeflateAgreement{}.fits(std::size_t{1} << 30));
}

TEST(DeflateOffer, ParametersThatMakeNoSenseDeclineIt) {
  for (std::string_view parameters :
       {"unknown", "server_no_context_takeover=1", "client_no_context_takeover=true",
        "server_max_window_bits", "server_max_window_bits=7", "server_max_window_bits=16",
        "server_max_window_bits=08", "server_max_window_bits=0", "server_max_window_bits=+9",
        "server_max_window_bits=9x", "server_max_window_bits=265", "client_max_window_bits=7",
        "client_max_window_bits=16", "client_max_window_bits=010", "client_max_window_bits=x",
        "client_max_window_bits; client_max_window_bits",
        "server_no_context_takeover; server_no_context_takeover",
        "server_max_window_bits=9; server_max_window_bits=9", "Server_no_context_takeover"}) {
    EXPECT_EQ(answer_to("permessage-deflate; " + std::string(parameters)), "declined")
        << parameters;
  }
  EXPECT_EQ(answer_to("permessage-bzip2, x-webkit-deflate-frame"), "declined");
}

TEST(DeflateOffer, TheFirstGoodOneOfSeveralIsTaken) {
  EXPECT_EQ(answer_to("permessage-deflate; unknown, permessage-deflate; server_max_window_bits=7, "
                      "permessage-deflate; server_max_window_bits=10, permessage-deflate"),
            kPlainAnswer + "; server_max_window_bits=10");
}

std::string inflated(std::string_view compressed, std::size_t bytes_max = 1000) {
  Inflater inflater;
  ByteBuffer out;
  switch (inflater.inflate(as_bytes(compressed), bytes_max, out)) {
    case Inflater::Outcome::kDone:
      return std::string(as_text(out.view()));
    case Inflater::Outcome::kTooLarge:
      EXPECT_LE(out.size(), bytes_max + 1);
      return "too large";
    case Inflater::Outcome::kCorrupt:
      return "corrupt";
  }
  unreachable();
}

TEST(Inflater, ReadsTheExamplesOfTheSpecification) {
  EXPECT_EQ(inflated("\xf2\x48\xcd\xc9\xc9\x07\x00"s), "Hello");
  EXPECT_EQ(inflated("\x00\x05\x00\xfa\xffHello\x00"s), "Hello") << "not compressed";
  EXPECT_EQ(inflated("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"s), "Hello") << "a last block";
  EXPECT_EQ(inflated("\xf3\x48\xcd\xc9\xc9\x07\x00"s), "Hello") << "a last block, nothing behind";
  EXPECT_EQ(inflated("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"s), "Hello")
      << "two blocks";
  EXPECT_EQ(inflated("\x00"s), "") << "an empty message";
  EXPECT_EQ(inflated("\x02\x00"s), "");
  EXPECT_EQ(inflated(""), "");
}

TEST(Inflater, CorruptAndCutMessagesAreRefused) {
  EXPECT_EQ(inflated("\xff\xff\xff"s), "corrupt");
  EXPECT_EQ(inflated("\x06\x00"s), "corrupt") << "a kind of block that does not exist";
  EXPECT_EQ(inflated("\x00\x05\x00\xfa\xff"s
                     "Hell"s),
            "corrupt")
      << "cut short";
  EXPECT_EQ(inflated("\x00\x05\x00\xfb\xff"s
                     "Hello\x00"s),
            "corrupt");
  EXPECT_EQ(inflated("\xf2\x48\xcd\xc9"s), "corrupt") << "cut short";
  EXPECT_EQ(inflated("\x72\x48\x2d\x2a\x02"s), "corrupt") << "a distance before its beginning";
}

std::string deflated(std::string_view message, std::size_t stored = 0) {
  Deflater deflater;
  const auto small = deflater.deflate(as_bytes(message), stored);
  return small ? std::string(as_text(*small)) : "as it is";
}

TEST(Inflater, BombsAreStoppedAtTheLimit) {
  const std::string bomb = deflated(std::string(10'000'000, 'a'));
  EXPECT_LT(bomb.size(), 60'000u);
  EXPECT_EQ(inflated(bomb, 100'000), "too large");
  EXPECT_EQ(inflated(bomb, 9'999'999), "too large");
  EXPECT_EQ(inflated(bomb, 10'000'000).size(), 10'000'000u);
  EXPECT_EQ(inflated("\xf2\x48\xcd\xc9\xc9\x07\x00"s, 5), "Hello");
  EXPECT_EQ(inflated("\xf2\x48\xcd\xc9\xc9\x07\x00"s, 4), "too large");
  EXPECT_EQ(inflated("\xf2\x48\xcd\xc9\xc9\x07\x00"s, 0), "too large");
}

TEST(Inflater, OneMessageDoesNotReachIntoTheNext) {
  Inflater inflater;
  ByteBuffer out;
  const std::string repeated(200, 'x');
  const std::string first = deflated(repeated);
  EXPECT_EQ(inflater.inflate(as_bytes("\xf2\x48"), 100, out), Inflater::Outcome::kCorrupt);
  out.clear();
  EXPECT_EQ(inflater.inflate(as_bytes(first), 200, out), Inflater::Outcome::kDone);
  EXPECT_EQ(as_text(out.view()), repeated);
}

TEST(Deflater, WhatDoesNotGetSmallerIsSentAsItIs) {
  EXPECT_EQ(deflated(""), "as it is");
  EXPECT_EQ(deflated("abc"), "as it is");
  EXPECT_EQ(deflated(std::string(70'000, 'a'), 65'536), "as it is");
  std::mt19937_64 random(5);
  std::string noise(4096, '\0');
  for (char& c : noise) c = static_cast<char>(random());
  EXPECT_EQ(deflated(noise), "as it is");
}

TEST(Deflater, TheStoredFrontStandsInTheMessageAsItIs) {
  const std::string message = "front" + std::string(500, 'z');
  const std::string small = deflated(message, 5);
  EXPECT_LT(small.size(), 100u);
  EXPECT_EQ(small.substr(Deflater::kStoredAt, 5), "front");
  EXPECT_EQ(inflated(small), message);
  std::string changed = small;
  changed[Deflater::kStoredAt] = 'F';
  EXPECT_EQ(inflated(changed), "F" + message.substr(1));
}

TEST(DeflateProperty, WhatIsCompressedComesBack) {
  constexpr uint64_t kSeed = 11;
  SCOPED_TRACE(kSeed);
  std::mt19937_64 random(kSeed);
  Deflater deflater;
  Inflater inflater;
  std::size_t compressed = 0;
  for (int round = 0; round < 500; ++round) {
    std::string message;
    const std::size_t size = random() % (round % 10 == 0 ? 100'000 : 600);
    const uint64_t letters = 1 + random() % (round % 3 == 0 ? 256 : 8);
    for (std::size_t i = 0; i < size; ++i) message += static_cast<char>(random() % letters);
    const std::size_t stored = random() % 2 == 0 ? 0 : random() % (size + 1);
    const auto small = deflater.deflate(as_bytes(message), stored);
    if (!small) continue;
    ++compressed;
    ASSERT_LT(small->size(), message.size());
    ByteBuffer out;
    ASSERT_EQ(inflater.inflate(*small, message.size(), out), Inflater::Outcome::kDone);
    ASSERT_EQ(as_text(out.view()), message);
  }
  EXPECT_GT(compressed, 200u);
}

TEST(DeflateProperty, AnyBytesStayWithinTheLimit) {
  constexpr uint64_t kSeed = 12;
  SCOPED_TRACE(kSeed);
  std::mt19937_64 random(kSeed);
  Deflater deflater;
  Inflater inflater;
  for (int round = 0; round < 3000; ++round) {
    const std::string message(random() % 5000, static_cast<char>(random()));
    const auto small = deflater.deflate(as_bytes(message), 0);
    if (!small) continue;
    std::string damaged(as_text(*small));
    for (int i = 0; i < 2; ++i) damaged[random() % damaged.size()] ^= static_cast<char>(random());
    ByteBuffer out;
    if (inflater.inflate(as_bytes(damaged), 2000, out) == Inflater::Outcome::kDone) {
      EXPECT_LE(out.size(), 2000u);
    } else {
      EXPECT_LE(out.size(), 2001u);
    }
  }
}

}  // namespace
}  // namespace fairlead
