#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "shard/server.h"

namespace fairlead {

// The `$SYS` topics that monitoring of MQTT brokers expects, with mosquitto's names where it has
// one. Calls publish(topic, payload) for each.
void for_each_sys_topic(const ServerCounters& counters, std::chrono::seconds uptime,
                        const std::function<void(std::string_view, const std::string&)>& publish);

}  // namespace fairlead
