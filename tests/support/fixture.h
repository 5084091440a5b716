#pragma once

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <tuple>

#include "support/test_client.h"

// What conformance and hostile tests share: each runs over every transport, and in every version
// that it applies to.

namespace fairlead::testing {

class ConformanceTest : public ::testing::TestWithParam<std::tuple<Transport, ProtocolVersion>> {
 protected:
  [[nodiscard]] Transport transport() const { return std::get<0>(GetParam()); }
  [[nodiscard]] ProtocolVersion version() const { return std::get<1>(GetParam()); }
  [[nodiscard]] bool is_v5() const { return version() == ProtocolVersion::k5; }
  [[nodiscard]] virtual TestServer& server() { return shared_server(); }

  // A client over this test's transport and in its version; without CONNECT.
  [[nodiscard]] TestClient client() { return {server(), transport(), version()}; }
  // With CONNECT, anonymous: standard profile.
  [[nodiscard]] TestClient connected(std::string_view client_id = {}) {
    TestClient made = client();
    made.connect(client_id.empty() ? unique("c") : std::string(client_id));
    return made;
  }
};

inline std::string param_name(
    const ::testing::TestParamInfo<std::tuple<Transport, ProtocolVersion>>& info) {
  return std::string(transport_name(std::get<0>(info.param))) + "_" +
         std::string(version_name(std::get<1>(info.param)));
}

inline const auto kEveryTransport = ::testing::ValuesIn(kAllTransports);
inline const auto kEveryVersion =
    ::testing::Values(ProtocolVersion::k31, ProtocolVersion::k311, ProtocolVersion::k5);

// The suites: fixtures derived from ConformanceTest.
#define FL_EVERY_VERSION(Suite)                                                            \
  INSTANTIATE_TEST_SUITE_P(All, Suite, ::testing::Combine(kEveryTransport, kEveryVersion), \
                           param_name)
#define FL_ONLY(Suite, ...) \
  INSTANTIATE_TEST_SUITE_P( \
      All, Suite, ::testing::Combine(kEveryTransport, ::testing::Values(__VA_ARGS__)), param_name)
// What belongs to a transport. A test that skips the others would count as one that runs over them.
#define FL_OVER_WEBSOCKET(Suite)                                                             \
  INSTANTIATE_TEST_SUITE_P(                                                                  \
      All, Suite,                                                                            \
      ::testing::Combine(::testing::Values(Transport::kWs, Transport::kWss), kEveryVersion), \
      param_name)
#define FL_OVER_TLS(Suite)                                                                    \
  INSTANTIATE_TEST_SUITE_P(                                                                   \
      All, Suite,                                                                             \
      ::testing::Combine(::testing::Values(Transport::kTls, Transport::kWss), kEveryVersion), \
      param_name)

}  // namespace fairlead::testing
