#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <span>

#include "base/random.h"
#include "net/tls_ticket_callback.h"

namespace fairlead {

// RFC 5077 section 4: a name to find the key by, a cipher key, a MAC key.
struct TlsTicketKeys::Key {
  std::array<std::byte, 16> name{};
  std::array<std::byte, 32> cipher{};
  std::array<std::byte, 32> mac{};
};

namespace {

constexpr std::size_t kKeyCount = 2;

const unsigned char* raw(const std::byte* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);
}

}  // namespace

TlsTicketKeys::TlsTicketKeys() : keys_(new Key[kKeyCount]) {
  for (Key& key : std::span(keys_.get(), kKeyCount)) {
    random_bytes(key.name);
    random_bytes(key.cipher);
    random_bytes(key.mac);
  }
}

TlsTicketKeys::~TlsTicketKeys() { OPENSSL_cleanse(keys_.get(), kKeyCount * sizeof(Key)); }

std::shared_ptr<const TlsTicketKeys> TlsTicketKeys::generate() {
  return std::shared_ptr<const TlsTicketKeys>(new TlsTicketKeys);
}

std::shared_ptr<const TlsTicketKeys> TlsTicketKeys::rotate(const TlsTicketKeys& older) {
  std::shared_ptr<TlsTicketKeys> keys(new TlsTicketKeys);
  keys->keys_[1] = older.keys_[0];
  return keys;
}

int TlsTicketCallback::use(const TlsTicketKeys& keys, unsigned char* name, unsigned char* iv,
                           EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, Direction direction) {
  constexpr int kFailed = -1, kUnknownKey = 0, kDone = 1, kDoneRenewTicket = 2;
  const bool seal = direction == Direction::kSeal;
  const TlsTicketKeys::Key* key = keys.keys_.get();
  if (seal) {
    random_bytes({reinterpret_cast<std::byte*>(iv), 16});
    std::copy_n(raw(key->name.data()), key->name.size(), name);
  } else {
    const TlsTicketKeys::Key* end = key + kKeyCount;
    key = std::find_if(key, end, [name](const TlsTicketKeys::Key& candidate) {
      return std::equal(candidate.name.begin(), candidate.name.end(),
                        reinterpret_cast<const std::byte*>(name));
    });
    if (key == end) return kUnknownKey;
  }
  std::array<char, 7> digest{"SHA256"};
  const std::array<OSSL_PARAM, 3> parameters{
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, const_cast<std::byte*>(key->mac.data()),
                                        key->mac.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
      OSSL_PARAM_construct_end()};
  if (EVP_MAC_CTX_set_params(mac, parameters.data()) != 1) return kFailed;
  if (EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr, raw(key->cipher.data()), iv,
                        seal ? 1 : 0) != 1) {
    return kFailed;
  }
  return key == keys.keys_.get() ? kDone : kDoneRenewTicket;
}

}  // namespace fairlead
