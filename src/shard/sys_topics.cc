#include "shard/sys_topics.h"

namespace fairlead {

void for_each_sys_topic(const ServerCounters& counters, std::chrono::seconds uptime,
                        const std::function<void(std::string_view, const std::string&)>& publish) {
  const uint64_t offline = counters.sessions_now > counters.clients_now
                               ? counters.sessions_now - counters.clients_now
                               : 0;
  publish("$SYS/broker/version", "fairlead version " FAIRLEAD_VERSION);
  publish("$SYS/broker/uptime", std::to_string(uptime.count()) + " seconds");
  publish("$SYS/broker/clients/connected", std::to_string(counters.clients_now));
  publish("$SYS/broker/clients/disconnected", std::to_string(offline));
  publish("$SYS/broker/clients/total", std::to_string(counters.sessions_now));
  publish("$SYS/broker/connections/count", std::to_string(counters.connections_now));
  publish("$SYS/broker/connections/refused", std::to_string(counters.refused_total()));
  publish("$SYS/broker/subscriptions/count", std::to_string(counters.subscriptions_now));
  publish("$SYS/broker/retained messages/count", std::to_string(counters.retained_now));
  publish("$SYS/broker/publish/messages/received", std::to_string(counters.messages_received));
  publish("$SYS/broker/publish/messages/sent", std::to_string(counters.messages_sent));
  publish("$SYS/broker/publish/messages/dropped", std::to_string(counters.messages_dropped));
  publish("$SYS/broker/bytes/received", std::to_string(counters.bytes_received));
  publish("$SYS/broker/bytes/sent", std::to_string(counters.bytes_sent));
}

}  // namespace fairlead
