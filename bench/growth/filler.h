#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "bench/growth/names.h"
#include "load/client.h"
#include "load/histogram.h"

namespace fairlead::growth {

struct FillerOptions {
  load::Target target;
  int broker_pid = 0;
  std::string name_prefix = "growth";  // of client identifiers
  std::string topic_prefix = "bench";
};

// Clients that make a broker hold more and more, and stay. Each call goes as fast as the broker
// allows and returns when it has confirmed everything, with what that took; throws
// std::runtime_error when it does not, or a connection is lost. One thread.
class Filler final : public load::ClientEvents {
 public:
  using Report = nlohmann::ordered_json;

  explicit Filler(FillerOptions options) : options_(std::move(options)) {}

  // Until there are so many clients.
  Report connect(std::size_t total);
  // Until there are so many filters, numbers 0, 1, ..., spread over the clients.
  Report subscribe(Shape shape, std::size_t total);
  // Until there are none.
  Report unsubscribe();
  // Until there are so many retained messages.
  Report retain(std::size_t total, std::size_t payload_bytes);
  // Clients subscribe, hear what is retained, and unsubscribe, `count` times together.
  Report ask(Question question, std::size_t count);
  // Connections need a turn now and then: for pings.
  void turn(milliseconds wait);

 private:
  enum class Work : uint8_t { kNone, kSubscribe, kUnsubscribe, kRetain, kAsk };

  // What a client has asked for, at its index.
  struct Slot {
    std::size_t subscribed = 0;  // filters, of those whose numbers fall to it
    std::size_t question = 0;    // the number that its question is about
    std::size_t missing = 0;     // answers to it
    std::chrono::steady_clock::time_point asked_at{};
  };

  Report carry_out(Work work, std::size_t worker_count, const std::function<bool()>& done);
  void go_on(load::Client& client);
  void subscribe_more(load::Client& client);
  void unsubscribe_more(load::Client& client);
  void publish_more(load::Client& client);
  void ask_more(load::Client& client);
  void on_suback(load::Client& client, Bytes body);
  void on_ready(load::Client& client) override;
  void on_packet(load::Client& client, const mqtt::FixedHeader& header, Bytes body) override;
  void on_closed(load::Client& client, const std::string& why) override;
  void fail(std::string why);
  // How many of the filters below `total` are this client's.
  [[nodiscard]] std::size_t share_of(const load::Client& client, std::size_t total) const;

  const FillerOptions options_;
  Loop loop_;
  load::FlushList flushes_;
  std::deque<load::Client> clients_;  // tag: the index
  std::vector<Slot> slots_;
  std::string failure_;
  Work work_ = Work::kNone;
  std::size_t ready_count_ = 0;

  Shape shape_ = Shape::kExact;
  std::size_t filters_total_ = 0;
  std::size_t filter_count_ = 0;  // confirmed

  std::size_t retained_total_ = 0;
  std::size_t retained_sent_ = 0;
  std::size_t retained_count_ = 0;  // confirmed
  std::string payload_;

  Question question_ = Question::kExact;
  std::size_t questions_total_ = 0;
  std::size_t questions_begun_ = 0;
  std::size_t questions_done_ = 0;
  uint64_t answers_ = 0;
  load::Histogram took_;
};

}  // namespace fairlead::growth
