#include "auth/password.h"

#include <openssl/evp.h>

#include <array>
#include <optional>

#include "auth/hex.h"
#include "auth/sign.h"
#include "base/number.h"

namespace fairlead {
namespace {

constexpr std::string_view kScheme = "pbkdf2-sha256$";
constexpr std::size_t kHashBytes = 32;

std::string derive_hex(std::string_view password, Bytes salt, uint32_t iterations) {
  std::array<std::byte, kHashBytes> hash{};
  int ok = PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                             reinterpret_cast<const unsigned char*>(salt.data()),
                             static_cast<int>(salt.size()), static_cast<int>(iterations),
                             EVP_sha256(), static_cast<int>(hash.size()),
                             reinterpret_cast<unsigned char*>(hash.data()));
  return ok == 1 ? to_hex(hash) : std::string();
}

// Takes the text up to the next '$' off the front.
std::optional<std::string_view> take_field(std::string_view& rest) {
  std::size_t end = rest.find('$');
  if (end == std::string_view::npos) return std::nullopt;
  std::string_view field = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return field;
}

}  // namespace

std::string encode_password(std::string_view password, Bytes salt, uint32_t iterations) {
  std::string hash = derive_hex(password, salt, iterations);
  if (hash.empty()) return {};
  std::string encoded(kScheme);
  encoded.append(std::to_string(iterations)).append("$");
  encoded.append(to_hex(salt)).append("$").append(hash);
  return encoded;
}

bool verify_password(std::string_view encoded, std::string_view password) {
  if (!encoded.starts_with(kScheme)) return false;
  std::string_view rest = encoded.substr(kScheme.size());
  auto count = take_field(rest);
  auto salt_text = take_field(rest);
  if (!count || !salt_text) return false;
  const auto iterations = parse_number<uint32_t>(*count);
  if (!iterations || *iterations == 0 || *iterations > kPasswordIterationsMax) return false;
  auto salt = from_hex(*salt_text);
  if (!salt || rest.size() != kHashBytes * 2) return false;
  return constant_time_equal_hex(derive_hex(password, *salt, *iterations), rest);
}

}  // namespace fairlead
