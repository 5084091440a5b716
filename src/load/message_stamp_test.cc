#include "load/message_stamp.h"

#include <gtest/gtest.h>

#include <array>

namespace fairlead::load {
namespace {

TEST(MessageStamp, FlowAndNumberComeBackWhateverTheyAre) {
  std::array<std::byte, MessageStamp::kBytes> payload{};
  for (const uint64_t flow : {uint64_t{0}, uint64_t{999'999}, MessageStamp::kFlowsMax - 1}) {
    for (const uint64_t sequence :
         {uint64_t{0}, uint64_t{1} << 33, MessageStamp::kSequencesMax - 1}) {
      MessageStamp{flow, sequence}.write(payload.data());
      const MessageStamp read = MessageStamp::read(payload.data());
      EXPECT_EQ(read.flow, flow);
      EXPECT_EQ(read.sequence, sequence);
    }
  }
}

TEST(MessageStamp, SixteenBytesHoldTheMomentToo) {
  std::array<std::byte, 16> payload{};
  const auto due = MessageStamp::Due(std::chrono::nanoseconds(0x0123'4567'89ab'cdef));
  MessageStamp{7, 8}.write(payload.data());
  MessageStamp::write_due(payload.data(), due);
  EXPECT_EQ(MessageStamp::read_due(payload.data()), due);
  EXPECT_EQ(MessageStamp::read(payload.data()).flow, 7u);
  EXPECT_EQ(MessageStamp::read(payload.data()).sequence, 8u);
}

TEST(MessageStamp, WhatNobodyHasStampedIsOfNoFlowOfARun) {
  std::array<std::byte, MessageStamp::kBytes> payload{};
  payload.fill(std::byte{'x'});
  EXPECT_GT(MessageStamp::read(payload.data()).flow, 1'000'000u);
}

}  // namespace
}  // namespace fairlead::load
