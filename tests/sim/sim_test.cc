#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <iostream>

#include "base/log.h"
#include "base/test_seeds.h"
#include "world.h"

namespace fairlead::sim {
namespace {

constexpr uint64_t kSeeds = 300;  // of `make test`: a few seconds

// An assertion of the product ends the process: the seed is said nevertheless.
std::array<char, 200> last_words;
extern "C" void say_last_words(int) {
  if (::write(STDERR_FILENO, last_words.data(), std::strlen(last_words.data())) < 0) std::_Exit(2);
}

std::string replay_command(uint64_t seed) {
  return "run it again with: FAIRLEAD_SEED=" + std::to_string(seed) +
         " build/release/tests/sim/test_sim\n";
}

void prepare_last_words(uint64_t seed) {
  const std::string words = replay_command(seed);
  last_words = {};
  words.copy(last_words.data(), last_words.size() - 1);
}

TEST(Simulation, KeepsEveryPromise) {
  set_log_level(LogLevel::kOff);
  std::signal(SIGABRT, say_last_words);
  const bool alone = std::getenv("FAIRLEAD_SEED") != nullptr;
  World::Figures sum;
  uint64_t acknowledged = 0;
  uint64_t arrived = 0;
  testing::for_each_seed(kSeeds, [&](uint64_t seed) {
    prepare_last_words(seed);
    World world(seed);
    if (alone) world.trace_it();
    world.run();
    if (alone) std::cout << world.ledger().trace();
    EXPECT_EQ(world.ledger().violation(), "") << replay_command(seed);
    sum += world.figures();
    acknowledged += world.ledger().acknowledged();
    arrived += world.ledger().arrived();
  });
  std::signal(SIGABRT, SIG_DFL);
  std::cout << acknowledged << " messages acknowledged, " << arrived << " arrived; " << sum.crashes
            << " crashes, " << sum.crashes_while_writing << " of them while writing; "
            << sum.commits << " commits, " << sum.failed_commits << " failed\n";
}

}  // namespace
}  // namespace fairlead::sim
