#include "base/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <memory>

#include "base/assert.h"

namespace fairlead {
namespace {

struct Free {
  void operator()(EVP_MD* digest) const { EVP_MD_free(digest); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

class Hasher {
 public:
  explicit Hasher(const char* name)
      : digest_(EVP_MD_fetch(nullptr, name, nullptr)), context_(EVP_MD_CTX_new()) {}

  std::optional<DigestValue> hash(std::initializer_list<Bytes> parts) {
    EVP_MD_CTX* context = context_.get();
    if (!digest_ || !context || EVP_DigestInit_ex(context, digest_.get(), nullptr) != 1) {
      return std::nullopt;
    }
    for (const Bytes part : parts) {
      if (EVP_DigestUpdate(context, part.data(), part.size()) != 1) return std::nullopt;
    }
    DigestValue value;
    unsigned size = 0;
    auto* to = reinterpret_cast<unsigned char*>(value.bytes.data());
    if (EVP_DigestFinal_ex(context, to, &size) != 1) return std::nullopt;
    FL_ASSERT(size <= value.bytes.size());
    value.size = size;
    return value;
  }

 private:
  std::unique_ptr<EVP_MD, Free> digest_;
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

Hasher& hasher_of(DigestKind kind) {
  switch (kind) {
    case DigestKind::kMd5: {
      thread_local Hasher md5("MD5");
      return md5;
    }
    case DigestKind::kSha1: {
      thread_local Hasher sha1("SHA1");
      return sha1;
    }
    case DigestKind::kSha256: {
      thread_local Hasher sha256("SHA256");
      return sha256;
    }
  }
  unreachable();
}

// Of all three.
constexpr std::size_t kBlockBytes = 64;
using Block = std::array<std::byte, kBlockBytes>;

}  // namespace

std::optional<DigestValue> digest_of(DigestKind kind, std::initializer_list<Bytes> parts) {
  return hasher_of(kind).hash(parts);
}

std::optional<DigestValue> hmac_of(DigestKind kind, Bytes key, Bytes content) {
  std::optional<DigestValue> short_key;
  if (key.size() > kBlockBytes) {
    short_key = digest_of(kind, {key});
    if (!short_key) return std::nullopt;
    key = short_key->view();
  }
  Block inner;
  Block outer;
  for (std::size_t i = 0; i < kBlockBytes; ++i) {
    const std::byte byte = i < key.size() ? key[i] : std::byte{0};
    inner[i] = byte ^ std::byte{0x36};
    outer[i] = byte ^ std::byte{0x5c};
  }
  std::optional<DigestValue> value = digest_of(kind, {inner, content});
  if (value) value = digest_of(kind, {outer, value->view()});
  OPENSSL_cleanse(inner.data(), inner.size());
  OPENSSL_cleanse(outer.data(), outer.size());
  if (short_key) OPENSSL_cleanse(short_key->bytes.data(), short_key->bytes.size());
  return value;
}

}  // namespace fairlead
