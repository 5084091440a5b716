#include "auth/sign.h"

#include <algorithm>
#include <vector>

#include "auth/hex.h"
#include "base/assert.h"
#include "base/digest.h"

namespace fairlead {
namespace {

char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

DigestKind digest_of(SignMethod method) {
  switch (method) {
    case SignMethod::kHmacMd5:
      return DigestKind::kMd5;
    case SignMethod::kHmacSha1:
      return DigestKind::kSha1;
    case SignMethod::kHmacSha256:
      return DigestKind::kSha256;
  }
  unreachable();
}

}  // namespace

std::optional<SignMethod> parse_sign_method(std::string_view name) {
  if (name.size() > 16) return std::nullopt;
  std::string lower;
  for (char c : name) {
    if (c != '-' && c != '_') lower.push_back(ascii_lower(c));
  }
  std::string_view digest = lower;
  if (digest.starts_with("hmac")) digest.remove_prefix(4);
  if (digest == "md5") return SignMethod::kHmacMd5;
  if (digest == "sha1") return SignMethod::kHmacSha1;
  if (digest == "sha256") return SignMethod::kHmacSha256;
  return std::nullopt;
}

std::string_view sign_method_name(SignMethod method) {
  switch (method) {
    case SignMethod::kHmacMd5:
      return "hmacmd5";
    case SignMethod::kHmacSha1:
      return "hmacsha1";
    case SignMethod::kHmacSha256:
      return "hmacsha256";
  }
  unreachable();
}

std::size_t sign_hex_size(SignMethod method) {
  switch (method) {
    case SignMethod::kHmacMd5:
      return 32;
    case SignMethod::kHmacSha1:
      return 40;
    case SignMethod::kHmacSha256:
      return 64;
  }
  unreachable();
}

std::optional<SignMethod> sign_method_of_hex_size(std::size_t size) {
  switch (size) {
    case 32:
      return SignMethod::kHmacMd5;
    case 40:
      return SignMethod::kHmacSha1;
    case 64:
      return SignMethod::kHmacSha256;
    default:
      return std::nullopt;
  }
}

std::string canonical_content(std::span<const SignField> fields) {
  std::vector<SignField> sorted(fields.begin(), fields.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const SignField& a, const SignField& b) { return a.key < b.key; });
  std::string content;
  for (const SignField& field : sorted) {
    content.append(field.key);
    content.append(field.value);
  }
  return content;
}

std::string sign(SignMethod method, std::string_view key, std::string_view content) {
  const auto mac = hmac_of(digest_of(method), as_bytes(key), as_bytes(content));
  return mac ? to_hex(mac->view()) : std::string();
}

bool constant_time_equal_hex(std::string_view a, std::string_view b) {
  if (a.size() != b.size() || a.empty()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned>(static_cast<unsigned char>(ascii_lower(a[i]))) ^
                  static_cast<unsigned>(static_cast<unsigned char>(ascii_lower(b[i])));
  }
  return difference == 0;
}

}  // namespace fairlead
