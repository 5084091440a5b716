#include "net/openssl_error.h"

#include <openssl/err.h>

#include "net/tcp.h"

namespace fairlead {

std::string take_openssl_error() {
  // The oldest entry is the cause; what follows are its callers' complaints.
  const unsigned long code = ERR_peek_error();
  ERR_clear_error();
  if (code == 0) return "unknown error";
  if (ERR_SYSTEM_ERROR(code)) return error_text(ERR_GET_REASON(code));
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "OpenSSL error " + std::to_string(code);
}

}  // namespace fairlead
