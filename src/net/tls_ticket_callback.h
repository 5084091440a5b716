#pragma once

#include <cstdint>

#include "net/tls_context.h"

struct evp_cipher_ctx_st;
struct evp_mac_ctx_st;

namespace fairlead {

// What OpenSSL asks of the ticket keys; between tls_context.cc and tls_ticket_keys.cc only.
struct TlsTicketCallback {
  enum class Direction : uint8_t { kSeal, kOpen };

  // Prepares both contexts with the current key, or with the one that sealed the ticket called
  // `name`. Returns what SSL_CTX_set_tlsext_ticket_key_evp_cb(3) defines.
  static int use(const TlsTicketKeys& keys, unsigned char* name, unsigned char* iv,
                 evp_cipher_ctx_st* cipher, evp_mac_ctx_st* mac, Direction direction);
};

}  // namespace fairlead
