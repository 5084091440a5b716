#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/time.h"
#include "proto/mqtt/packet.h"

namespace fairlead::sim {

// What clients were promised and what they got, from outside of the server; and whether the one
// follows from the other. Messages have numbers, which are their payloads. A client has one session
// at a time, as far as it can know. Events are counted: "before" and "after" mean their order.
// The first thing that is wrong is kept as violation().
class Ledger {
 public:
  explicit Ledger(std::size_t client_count) : sessions_(client_count) {}

  // While the disk takes nothing CONNECT is refused, and what a publisher of MQTT 3.x sends ends
  // its connection.
  void let_disk_fail() { disk_may_fail_ = true; }
  [[nodiscard]] bool disk_may_fail() const { return disk_may_fail_; }

  void on_crash() { last_crash_ = ++events_; }

  // --- Publishers --------------------------------------------------------------------------------

  struct Published {
    std::size_t publisher = 0;
    std::string topic = {};
    mqtt::Qos qos{};
    mqtt::Retain retain{};
    bool is_will = false;
    bool clears = false;  // a retained message: the payload is empty
    std::optional<seconds> expiry = {};
    Instant sent_at{};
    uint64_t sent = 0;   // event; of a will: CONNECT
    uint64_t acked = 0;  // event; 0: not
  };
  uint64_t publish(Published message);
  // PUBACK or PUBREC; or what does it for a will: the connection is gone.
  void on_acked(uint64_t number);
  void on_will_due(uint64_t number);

  // --- Sessions ----------------------------------------------------------------------------------

  enum class Kept : uint8_t { kNo, kYes };  // beyond the connection
  // CONNACK without and with Session Present.
  void begin_session(std::size_t client, Kept kept);
  void resume_session(std::size_t client, Kept kept);
  // From now on nothing is owed to the session: its end has been asked for, or, where it goes on
  // without being kept, with its connection.
  void release_session(std::size_t client);
  void release_unkept_session(std::size_t client);
  // What is sent gives the event; its answer takes it.
  struct Request {
    std::string filter;
    uint64_t sent = 0;
  };
  Request on_subscribe(std::size_t client, const std::string& filter, mqtt::Qos qos);
  void on_suback(std::size_t client, const Request& request);
  Request on_unsubscribe(std::size_t client, const std::string& filter);
  void on_unsuback(std::size_t client, const Request& request);
  // For the application: what the protocol takes for a repetition is left out.
  void on_arrival(std::size_t client, uint64_t number, std::string_view topic, mqtt::Qos qos);

  // --- What must hold ----------------------------------------------------------------------------

  // Every client is connected, and there is nothing under way.
  void check_settled(Instant now);
  // `found`: topics and numbers, all that is retained.
  void check_retained(const std::map<std::string, uint64_t>& found,
                      const std::vector<std::string>& topics, Instant now);
  void fail(const std::string& what);
  [[nodiscard]] const std::string& violation() const { return violation_; }
  [[nodiscard]] bool sound() const { return violation_.empty(); }
  [[nodiscard]] uint64_t acknowledged() const { return acknowledged_; }
  [[nodiscard]] uint64_t arrived() const { return arrived_; }

  void note(const std::string& line) {
    if (tracing_) trace_ += std::to_string(events_) + " " + line + "\n";
  }
  void trace_it() { tracing_ = true; }
  [[nodiscard]] bool tracing() const { return tracing_; }
  [[nodiscard]] const std::string& trace() const { return trace_; }

 private:
  // A SUBSCRIBE and what became of it: events, 0: not yet.
  struct Asked {
    std::string filter;
    mqtt::Qos qos{};
    uint64_t sent = 0;
    uint64_t granted = 0;
    uint64_t given_up = 0;  // UNSUBSCRIBE
    uint64_t gone = 0;      // UNSUBACK
  };
  using Flow = std::tuple<std::size_t, std::string, mqtt::Qos, mqtt::Qos>;
  struct Session {
    Kept kept = Kept::kNo;
    std::vector<Asked> asked = {};
    std::map<uint64_t, unsigned> arrivals = {};       // by number
    std::map<uint64_t, unsigned> arrivals_once = {};  // of them, at QoS 2
    std::map<Flow, uint64_t> newest = {};  // publisher, topic, its QoS and the receiver's: number
    std::set<uint64_t> owed = {};
  };

  [[nodiscard]] static bool has_confirmed(const Session& session, const Published& message,
                                          std::string_view filter);
  [[nodiscard]] bool has_keeper(const std::string& group, const Published& message) const;
  [[nodiscard]] bool goes_with_its_member(const Published& message) const;
  [[nodiscard]] bool is_over(const Published& message, Instant now) const;
  void owe(uint64_t number);
  void end_session(std::size_t client);
  enum class Leaving : uint8_t { kGroup, kForGood };
  void forgive(const std::string& group, Leaving leaving);
  void mix(const std::string& group);
  void check_once(const Session& session, const Published& message, unsigned count);
  [[nodiscard]] std::string describe(uint64_t number) const;

  std::vector<Session> sessions_;
  std::vector<Published> published_;  // by number
  // Shared groups: a message that one of the members is to get; who got it; who was ever in it.
  std::set<std::pair<std::string, uint64_t>> group_owed_;
  std::map<std::string, uint64_t> last_left_;  // by group: when a member went for good
  std::map<uint64_t, std::set<std::size_t>> takers_;
  std::map<std::string, std::set<std::size_t>> members_;
  std::set<std::string> mixed_;  // groups with a member that may forget what it was given
  uint64_t events_ = 0;
  uint64_t acknowledged_ = 0;
  uint64_t arrived_ = 0;
  std::string violation_;
  std::string trace_;
  uint64_t last_crash_ = 0;  // event
  bool disk_may_fail_ = false;
  bool tracing_ = false;
};

}  // namespace fairlead::sim
