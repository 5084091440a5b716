#include "load/sequence_check.h"

#include <gtest/gtest.h>

namespace fairlead::load {
namespace {

using Arrival = SequenceCheck::Arrival;
using Counts = SequenceCheck::Counts;

TEST(SequenceCheck, InOrderNothingIsWrong) {
  SequenceCheck check;
  for (uint64_t n = 0; n < 5'000; ++n) EXPECT_EQ(check.on_message(n), Arrival::kExpected);
  EXPECT_EQ(check.counts(), (Counts{.received = 5'000}));
}

TEST(SequenceCheck, ALostMessageIsCounted) {
  SequenceCheck check;
  check.on_message(0);
  EXPECT_EQ(check.on_message(3), Arrival::kSkipped);
  EXPECT_EQ(check.counts(), (Counts{.received = 2, .lost = 2}));
}

TEST(SequenceCheck, AMessageThatComesTwiceIsCounted) {
  SequenceCheck check;
  check.on_message(0);
  check.on_message(1);
  EXPECT_EQ(check.on_message(1), Arrival::kDuplicate);
  EXPECT_EQ(check.on_message(0), Arrival::kDuplicate);
  EXPECT_EQ(check.counts(), (Counts{.received = 2, .duplicates = 2}));
}

TEST(SequenceCheck, AMessageBehindALaterOneIsReorderedAndNotLost) {
  SequenceCheck check;
  check.on_message(1);
  EXPECT_EQ(check.counts().lost, 1u);
  EXPECT_EQ(check.on_message(0), Arrival::kReordered);
  EXPECT_EQ(check.counts(), (Counts{.received = 2, .reordered = 1}));
  EXPECT_EQ(check.on_message(0), Arrival::kDuplicate) << "the second time it is one too many";
}

TEST(SequenceCheck, WhatIsGivenUpIsLostUntilItComes) {
  SequenceCheck check;
  check.on_message(0);
  check.give_up_before(3);
  EXPECT_EQ(check.counts().lost, 2u);
  EXPECT_EQ(check.next(), 3u);
  check.give_up_before(2);
  EXPECT_EQ(check.next(), 3u) << "never backwards";
  check.on_message(2);
  EXPECT_EQ(check.counts(), (Counts{.received = 2, .lost = 1, .reordered = 1}));
}

TEST(SequenceCheck, AGapLargerThanItsMemoryIsStillCounted) {
  SequenceCheck check;
  const uint64_t far = 10 * SequenceCheck::kMemory;
  check.on_message(far);
  EXPECT_EQ(check.counts().lost, far);
  EXPECT_EQ(check.on_message(far - SequenceCheck::kMemory + 1), Arrival::kReordered);
  EXPECT_EQ(check.on_message(0), Arrival::kDuplicate) << "too old to be told apart";
}

TEST(SequenceCheck, CountsOfManyReceiversAddUp) {
  Counts sum{.received = 1, .lost = 2, .duplicates = 3, .reordered = 4};
  sum += Counts{.received = 10, .lost = 20, .duplicates = 30, .reordered = 40};
  EXPECT_EQ(sum, (Counts{.received = 11, .lost = 22, .duplicates = 33, .reordered = 44}));
}

}  // namespace
}  // namespace fairlead::load
