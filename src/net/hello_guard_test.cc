#include "net/hello_guard.h"

#include <gtest/gtest.h>

#include <string>

namespace fairlead {
namespace {

using Verdict = HelloGuard::Verdict;
using Retry = HelloGuard::Retry;

std::string record(uint8_t type, const std::string& body) {
  return std::string{static_cast<char>(type), 3, 1, static_cast<char>(body.size() >> 8),
                     static_cast<char>(body.size())} +
         body;
}

std::string hello_header(std::size_t length) {
  return {1, static_cast<char>(length >> 16), static_cast<char>(length >> 8),
          static_cast<char>(length)};
}

std::string hello(std::size_t length) {
  return record(22, hello_header(length) + std::string(length, 'h'));
}

// The verdict on all of it, the same for any cut into two and for single bytes.
Verdict judge(const std::string& bytes, Retry retry, bool expect_done) {
  const auto run = [&](std::size_t cut, std::size_t step) {
    HelloGuard guard;
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t count = at < cut ? cut - at : std::min(step, bytes.size() - at);
      if (guard.pass(as_bytes(std::string_view(bytes).substr(at, count)), retry) ==
          Verdict::kRefuse) {
        return Verdict::kRefuse;
      }
      at += count;
    }
    EXPECT_EQ(guard.done(), expect_done);
    return Verdict::kPass;
  };
  const Verdict whole = run(0, bytes.size());
  for (std::size_t cut = 0; cut < std::min<std::size_t>(bytes.size(), 64); ++cut) {
    EXPECT_EQ(run(cut, bytes.size()), whole) << "cut at " << cut;
  }
  EXPECT_EQ(run(0, 1), whole);
  return whole;
}

TEST(HelloGuard, PassesAHelloAndWhatFollows) {
  EXPECT_EQ(judge(hello(500), Retry::kImpossible, false), Verdict::kPass);
  EXPECT_EQ(judge(hello(500) + record(22, "anything"), Retry::kImpossible, true), Verdict::kPass);
  EXPECT_EQ(judge(hello(500) + record(23, "sealed"), Retry::kPossible, true), Verdict::kPass);
}

TEST(HelloGuard, PassesAHelloInSeveralRecords) {
  const std::string split = record(22, hello_header(300) + std::string(100, 'h')) +
                            record(22, std::string(150, 'h')) + record(22, std::string(50, 'h'));
  EXPECT_EQ(judge(split, Retry::kPossible, false), Verdict::kPass);
  EXPECT_EQ(judge(record(22, hello_header(9)) + record(22, "123456789"), Retry::kPossible, false),
            Verdict::kPass);
}

TEST(HelloGuard, PassesTheSecondHelloOfARetry) {
  EXPECT_EQ(judge(hello(200) + record(20, "\x01") + hello(230), Retry::kPossible, true),
            Verdict::kPass);
}

TEST(HelloGuard, RefusesAnnouncementsNobodyNeeds) {
  EXPECT_EQ(judge(hello(HelloGuard::kHelloBytesMax), Retry::kPossible, false), Verdict::kPass);
  const std::string large = record(22, hello_header(HelloGuard::kHelloBytesMax + 1) + "x");
  EXPECT_EQ(judge(large, Retry::kPossible, false), Verdict::kRefuse);
  EXPECT_EQ(judge(hello(200) + large, Retry::kPossible, false), Verdict::kRefuse);
  EXPECT_EQ(judge(hello(200) + record(20, "\x01") + large, Retry::kPossible, false),
            Verdict::kRefuse);
  const std::string warning = record(21, std::string("\x01\x5a", 2));
  EXPECT_EQ(judge(warning + large, Retry::kPossible, false), Verdict::kRefuse);
}

TEST(HelloGuard, RefusesRecordsThatHideTheLength) {
  EXPECT_EQ(judge(record(22, "\x01") + record(22, "abc"), Retry::kPossible, false),
            Verdict::kRefuse);
  EXPECT_EQ(judge(record(22, ""), Retry::kPossible, false), Verdict::kRefuse);
  EXPECT_EQ(judge(record(22, hello_header(2) + "hh" + hello_header(9)), Retry::kPossible, false),
            Verdict::kRefuse);
}

TEST(HelloGuard, LeavesOtherInputToOpenSsl) {
  EXPECT_EQ(judge("GET / HTTP/1.1\r\n", Retry::kPossible, true), Verdict::kPass);
  EXPECT_EQ(judge(record(22, "\x0bnot a hello"), Retry::kPossible, true), Verdict::kPass);
}

}  // namespace
}  // namespace fairlead
