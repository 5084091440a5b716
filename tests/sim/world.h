#pragma once

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "ledger.h"
#include "sim_client.h"
#include "sim_server.h"

namespace fairlead::sim {

// A server, its clients and what happens to them, all from a seed: the same again for the same one.
// Steps are taken in any order: a shard takes a turn, a client does something, bytes are carried, a
// commit goes one step on, time passes, the process or the machine stops.
class World {
 public:
  explicit World(uint64_t seed);

  // All of it, up to the first thing that is wrong.
  void run();
  [[nodiscard]] const Ledger& ledger() const { return ledger_; }
  void trace_it() { ledger_.trace_it(); }

  struct Figures {
    uint64_t crashes = 0;
    uint64_t crashes_while_writing = 0;
    uint64_t failed_commits = 0;
    uint64_t commits = 0;
    Figures& operator+=(const Figures& other) {
      crashes += other.crashes;
      crashes_while_writing += other.crashes_while_writing;
      failed_commits += other.failed_commits;
      commits += other.commits;
      return *this;
    }
  };
  [[nodiscard]] const Figures& figures() const { return figures_; }

 private:
  // What kind of a world it is: drawn once.
  struct Nature {
    unsigned client_count = 3;
    unsigned steps = 500;
    unsigned crash_in = 200;  // steps
    unsigned commit_weight = 10;
    uint16_t window = 4;
    bool all_kept = true;  // every session outlives its connection
    bool time_flies = false;
    bool disk_has_faults = false;
  };

  [[nodiscard]] uint64_t draw(uint64_t below) { return random_() % below; }
  [[nodiscard]] bool one_in(uint64_t count) { return draw(count) == 0; }
  template <class T, std::size_t kSize>
  const T& one_of(const T (&choices)[kSize]) {
    return choices[draw(kSize)];
  }
  [[nodiscard]] SimClient& any_client() { return *clients_[draw(nature_.client_count)]; }
  [[nodiscard]] SimClient::Hello any_hello();

  void step();
  void turn();
  void pass_time();
  void disturb_disk();
  void crash();
  void start();
  void on_commit_step(SimServer::Step step);
  void act(SimClient& client);
  void publish(SimClient& client);
  void connect(SimClient& client, const SimClient::Hello& hello);
  [[nodiscard]] mqtt::Qos qos_of(const SimClient& client, const std::string& filter) const;
  [[nodiscard]] std::size_t index_of(const SimClient& client) const;

  void settle();
  void drain();
  bool run_all_once();
  void check_retained();
  void end_all_sessions();
  void check_store();

  std::mt19937_64 random_;
  const Nature nature_;
  Ledger ledger_;
  SimServer server_;
  std::vector<std::unique_ptr<SimClient>> clients_;  // the last one only looks on
  std::size_t retained_count_ = 0;
  Figures figures_;

  static Nature draw_nature(std::mt19937_64& random);
};

}  // namespace fairlead::sim
