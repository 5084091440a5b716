#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fairlead {

// The system filters that the server subscribes for a device that connects with `_ss=1`
// (reference: aliyun-device-protocol section 5.5.1 and 5.5.4): every topic of section 5.2 that the
// platform sends, none that a device sends. About 60 texts; /ext/rrpc/# is among them only when
// the client id asked for it with bit 0 of `ext`.
[[nodiscard]] std::vector<std::string> system_filters(std::string_view product_key,
                                                      std::string_view device_name,
                                                      unsigned ext_bits);

// The same as a question, without a text per device: whether one of system_filters() matches
// `topic`. Allocates nothing.
[[nodiscard]] bool is_system_delivery(std::string_view topic, std::string_view product_key,
                                      std::string_view device_name, unsigned ext_bits);

// What reaches a device without any subscription, with or without `_ss` (section 5.5.2): broadcast
// requests, and the replies of registration. The latter topics name no device
// (/ext/register, /ext/regnwl, /ext/auth/identity/response): their service hands them to the one
// session, so that default_delivery_filters() leaves them out and is_default_delivery() knows them.
[[nodiscard]] std::vector<std::string> default_delivery_filters(std::string_view product_key,
                                                                std::string_view device_name);
[[nodiscard]] bool is_default_delivery(std::string_view topic, std::string_view product_key,
                                       std::string_view device_name);

}  // namespace fairlead
