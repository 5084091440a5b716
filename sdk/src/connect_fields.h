#pragma once

#include <optional>
#include <string>

#include "fairlead/client.h"
#include "url.h"

namespace fairlead::sdk {

// What CONNECT says about who connects.
struct ConnectFields {
  std::string client_id;
  std::optional<std::string> user_name;
  std::optional<std::string> password;
};

// Checks all that can be checked without a network, and signs for a device. The reject's sentence
// names the option.
[[nodiscard]] Result<ConnectFields> connect_fields(const Options& options, const Url& url);

}  // namespace fairlead::sdk
