#pragma once

#include <string>

#include "base/time.h"

struct X509_name_st;
struct asn1_string_st;

namespace fairlead {

// RFC 2253: "CN=iot.example.com,O=Example".
[[nodiscard]] std::string x509_name_text(const X509_name_st* name);
// Since 1970-01-01 UTC; 0 for what is no time.
[[nodiscard]] milliseconds x509_time(const asn1_string_st* time);

}  // namespace fairlead
