#include "net/certificate.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <system_error>

#include "base/random.h"
#include "net/durable_file.h"
#include "net/openssl_error.h"
#include "net/tcp.h"
#include "net/x509_text.h"

namespace fairlead {
namespace {

constexpr int kRootDays = 20 * 365 + 5;
constexpr int kServerDays = 825;   // what browsers take from a root that the user has installed
constexpr int kBackdatedDays = 1;  // for devices whose clock is behind
constexpr unsigned kRsaBits = 2048;

template <auto kFree>
struct FreeWith {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using OwnedKey = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using OwnedCertificate = std::unique_ptr<X509, FreeWith<X509_free>>;
using OwnedBio = std::unique_ptr<BIO, FreeWith<BIO_free_all>>;
using OwnedNames = std::unique_ptr<GENERAL_NAMES, FreeWith<GENERAL_NAMES_free>>;

enum class KeyType : uint8_t { kRsa, kEc };

// What a certificate is to be: everything but its keys.
struct Profile {
  std::string organization;
  std::string common_name;
  std::string basic_constraints;
  std::string key_usage;
  std::string extended_key_usage;  // empty: none
  std::string alternative_names;   // empty: none
  int days = 0;
};

Reject refuse(std::string sentence) { return {ReasonCode::kUnspecifiedError, std::move(sentence)}; }

Reject library_failed(const char* what) {
  return refuse(std::string(what) + ": " + take_openssl_error());
}

// Keys are never asked for on the terminal.
int no_password(char*, int, int, void*) { return -1; }

std::string contents(BIO* memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  return {data, static_cast<std::size_t>(size)};
}

Result<OwnedKey> new_key(KeyType type) {
  OwnedKey key(type == KeyType::kRsa ? EVP_RSA_gen(kRsaBits) : EVP_EC_gen("P-256"));
  if (!key) return library_failed("cannot generate a key");
  return key;
}

Result<OwnedKey> load_or_create_key(const std::string& file, KeyType type) {
  if (!std::filesystem::exists(file)) {
    auto key = new_key(type);
    if (!key) return key.error();
    const OwnedBio pem(BIO_new(BIO_s_mem()));
    if (!pem || PEM_write_bio_PKCS8PrivateKey(pem.get(), key->get(), nullptr, nullptr, 0, nullptr,
                                              nullptr) != 1) {
      return library_failed("cannot encode a key");
    }
    const auto written = write_file_atomically(file, contents(pem.get()), FilePrivacy::kOwnerOnly);
    if (!written) return written.error();
    return key;
  }
  const OwnedBio pem(BIO_new_file(file.c_str(), "r"));
  if (!pem) return refuse("key file " + file + ": " + take_openssl_error());
  OwnedKey key(PEM_read_bio_PrivateKey(pem.get(), nullptr, no_password, nullptr));
  if (!key) return refuse("key file " + file + ": " + take_openssl_error());
  const int expected = type == KeyType::kRsa ? EVP_PKEY_RSA : EVP_PKEY_EC;
  if (EVP_PKEY_get_base_id(key.get()) != expected) {
    return refuse("key file " + file + ": is not of the expected type; move it away");
  }
  return key;
}

Result<OwnedCertificate> load_certificate(const std::string& file) {
  ERR_clear_error();
  const OwnedBio pem(BIO_new_file(file.c_str(), "r"));
  if (!pem) return refuse("certificate file " + file + ": " + take_openssl_error());
  OwnedCertificate certificate(PEM_read_bio_X509(pem.get(), nullptr, no_password, nullptr));
  if (!certificate) return refuse("certificate file " + file + ": " + take_openssl_error());
  return certificate;
}

Status save_certificate(const std::string& file, X509* certificate) {
  const OwnedBio pem(BIO_new(BIO_s_mem()));
  if (!pem || PEM_write_bio_X509(pem.get(), certificate) != 1) {
    return library_failed("cannot encode a certificate");
  }
  return write_file_atomically(file, contents(pem.get()), FilePrivacy::kPublic);
}

// RFC 5280 section 4.1.2.2: positive, at most 20 octets, unpredictable.
bool set_serial(X509* certificate) {
  std::array<std::byte, 16> serial;
  random_bytes(serial);
  serial[0] = (serial[0] & std::byte{0x7f}) | std::byte{0x40};
  using OwnedNumber = std::unique_ptr<BIGNUM, FreeWith<BN_free>>;
  const OwnedNumber number(BN_bin2bn(reinterpret_cast<const unsigned char*>(serial.data()),
                                     static_cast<int>(serial.size()), nullptr));
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool set_subject(X509* certificate, const Profile& profile) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  const auto add = [subject](const char* field, const std::string& value) {
    return X509_NAME_add_entry_by_txt(subject, field, MBSTRING_UTF8,
                                      reinterpret_cast<const unsigned char*>(value.data()),
                                      static_cast<int>(value.size()), -1, 0) == 1;
  };
  return add("O", profile.organization) && add("CN", profile.common_name);
}

// RFC 5280 section 4.1.2.5; a server certificate does not outlive its root.
bool set_validity(X509* certificate, const X509* issuer, int days) {
  ASN1_TIME* until = X509_getm_notAfter(certificate);
  if (X509_time_adj_ex(X509_getm_notBefore(certificate), -kBackdatedDays, 0, nullptr) == nullptr ||
      X509_time_adj_ex(until, days - kBackdatedDays, 0, nullptr) == nullptr) {
    return false;
  }
  const ASN1_TIME* limit = X509_get0_notAfter(issuer);
  if (issuer == certificate || ASN1_TIME_compare(until, limit) <= 0) return true;
  return X509_set1_notAfter(certificate, limit) == 1;
}

bool add_extension(X509* certificate, X509V3_CTX& context, int nid, const std::string& value) {
  if (value.empty()) return true;
  using OwnedExtension = std::unique_ptr<X509_EXTENSION, FreeWith<X509_EXTENSION_free>>;
  const OwnedExtension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

// Issues a certificate for `key`; without an issuer it signs itself.
Result<OwnedCertificate> issue(const Profile& profile, EVP_PKEY* key, X509* issuer,
                               EVP_PKEY* issuer_key) {
  ERR_clear_error();
  OwnedCertificate certificate(X509_new());
  if (!certificate) return library_failed("cannot make a certificate");
  X509* made = certificate.get();
  if (issuer == nullptr) issuer = made;
  bool done = X509_set_version(made, X509_VERSION_3) == 1 && set_serial(made) &&
              set_subject(made, profile) &&
              X509_set_issuer_name(made, X509_get_subject_name(issuer)) == 1 &&
              set_validity(made, issuer, profile.days) && X509_set_pubkey(made, key) == 1;
  X509V3_CTX context{};
  X509V3_set_ctx(&context, issuer, made, nullptr, nullptr, 0);
  done = done && add_extension(made, context, NID_basic_constraints, profile.basic_constraints) &&
         add_extension(made, context, NID_key_usage, profile.key_usage) &&
         add_extension(made, context, NID_ext_key_usage, profile.extended_key_usage) &&
         add_extension(made, context, NID_subject_alt_name, profile.alternative_names) &&
         add_extension(made, context, NID_subject_key_identifier, "hash") &&
         add_extension(made, context, NID_authority_key_identifier, "keyid:always") &&
         X509_sign(made, issuer_key, EVP_sha256()) > 0;
  if (!done) return library_failed("cannot make a certificate");
  return certificate;
}

// RFC 1123 labels, "*." in front allowed. What passes needs no quoting in an extension's text.
bool is_host_name(std::string_view host) {
  if (host.starts_with("*.")) host.remove_prefix(2);
  if (host.empty() || host.size() > 253 || host.front() == '.' || host.back() == '.') return false;
  if (host.find("..") != std::string_view::npos) return false;
  return std::all_of(host.begin(), host.end(), [](char character) {
    return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
           (character >= '0' && character <= '9') || character == '-' || character == '.' ||
           character == '_';
  });
}

Result<Profile> server_profile(const CertificateRequest& request) {
  std::string names;
  std::string first;
  const auto add = [&](const char* kind, const std::string& value) {
    if (!names.empty()) names += ",";
    names += kind + value;
    if (first.empty() && value.size() <= ub_common_name) first = value;
  };
  for (const std::string& host : request.hosts) {
    if (!is_host_name(host)) return refuse("\"" + host + "\" is not a host name");
    add("DNS:", host);
  }
  for (const std::string& ip : request.ips) {
    const auto address = SocketAddress::parse(ip, 0);
    if (!address) return address.error();
    const std::string text = address->ip_text();
    if (text.find('%') != std::string::npos) {
      return refuse("\"" + ip + "\": a certificate cannot name an interface");
    }
    add("IP:", text);
  }
  if (names.empty()) return refuse("a certificate needs at least one host name or address");
  if (first.empty()) first = "server";
  return Profile{request.organization, first, "critical,CA:FALSE", "",
                 "serverAuth",         names, kServerDays};
}

struct Root {
  OwnedKey key;
  OwnedCertificate certificate;
  RootOrigin origin;
};

Result<Root> load_or_create_root(const CertificateFiles& files, const std::string& organization) {
  const bool kept = std::filesystem::exists(files.ca_certificate);
  if (kept && !std::filesystem::exists(files.ca_key)) {
    return refuse("root certificate " + files.ca_certificate + " has no key " + files.ca_key +
                  "; restore the key, or move the certificate away to begin with a new root");
  }
  auto key = load_or_create_key(files.ca_key, KeyType::kRsa);
  if (!key) return key.error();
  if (kept) {
    auto certificate = load_certificate(files.ca_certificate);
    if (!certificate) return certificate.error();
    if (X509_check_private_key(certificate->get(), key->get()) != 1) {
      ERR_clear_error();
      return refuse("key file " + files.ca_key + " does not fit " + files.ca_certificate);
    }
    return Root{std::move(*key), std::move(*certificate), RootOrigin::kKept};
  }
  // The suffix tells roots apart: clients look issuers up by their subject.
  const Profile profile{organization,
                        organization.substr(0, 40) + " Root CA " + random_text(6),
                        "critical,CA:TRUE,pathlen:0",
                        "critical,keyCertSign,cRLSign",
                        "",
                        "",
                        kRootDays};
  auto certificate = issue(profile, key->get(), nullptr, key->get());
  if (!certificate) return certificate.error();
  const auto saved = save_certificate(files.ca_certificate, certificate->get());
  if (!saved) return saved.error();
  return Root{std::move(*key), std::move(*certificate), RootOrigin::kCreated};
}

Status issue_server_certificate(Profile profile, const Root& root, KeyType type,
                                const std::string& key_file, const std::string& file) {
  // RSA key exchange, which old device SDKs use, needs keyEncipherment.
  profile.key_usage = type == KeyType::kRsa ? "critical,digitalSignature,keyEncipherment"
                                            : "critical,digitalSignature";
  const auto key = load_or_create_key(key_file, type);
  if (!key) return key.error();
  const auto certificate = issue(profile, key->get(), root.certificate.get(), root.key.get());
  if (!certificate) return certificate.error();
  return save_certificate(file, certificate->get());
}

std::vector<std::string> alternative_names(const X509* certificate) {
  std::vector<std::string> names;
  const OwnedNames found(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; found && i < sk_GENERAL_NAME_num(found.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(found.get(), i);
    const ASN1_STRING* value = name->type == GEN_DNS     ? name->d.dNSName
                               : name->type == GEN_IPADD ? name->d.iPAddress
                                                         : nullptr;
    if (value == nullptr) continue;
    const auto* data = reinterpret_cast<const char*>(ASN1_STRING_get0_data(value));
    const std::string raw(data, static_cast<std::size_t>(ASN1_STRING_length(value)));
    if (name->type == GEN_DNS) {
      names.push_back(raw);
    } else if (const auto address = SocketAddress::from_ip(as_bytes(raw))) {
      names.push_back(address->ip_text());
    }
  }
  return names;
}

std::string key_text(EVP_PKEY* key) {
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA) {
    return "RSA-" + std::to_string(EVP_PKEY_get_bits(key));
  }
  std::array<char, 64> group{};
  if (EVP_PKEY_get_group_name(key, group.data(), group.size(), nullptr) != 1) {
    return OBJ_nid2sn(EVP_PKEY_get_base_id(key));
  }
  const char* nist = EC_curve_nid2nist(OBJ_txt2nid(group.data()));
  return std::string("EC ") + (nist != nullptr ? nist : group.data());
}

std::string fingerprint(const X509* certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  X509_digest(certificate, EVP_sha256(), digest.data(), &size);
  std::string text;
  for (unsigned i = 0; i < size; ++i) {
    std::array<char, 4> pair{};
    std::snprintf(pair.data(), pair.size(), i == 0 ? "%02X" : ":%02X", digest[i]);
    text += pair.data();
  }
  return text;
}

}  // namespace

CertificateFiles certificate_files(const std::string& directory) {
  const auto in = [&](const char* name) {
    return (std::filesystem::path(directory) / name).string();
  };
  return {in("ca.crt"),        in("ca.key"),        in("server-rsa.crt"), in("server-rsa.key"),
          in("server-ec.crt"), in("server-ec.key"), RootOrigin::kCreated};
}

Result<CertificateFiles> create_certificates(const CertificateRequest& request) {
  const auto profile = server_profile(request);
  if (!profile) return profile.error();
  std::error_code error;
  if (std::filesystem::create_directories(request.directory, error)) {
    std::filesystem::permissions(request.directory, std::filesystem::perms::owner_all, error);
  }
  if (error) return refuse("cannot create " + request.directory + ": " + error.message());
  CertificateFiles files = certificate_files(request.directory);
  const auto root = load_or_create_root(files, request.organization);
  if (!root) return root.error();
  files.root = root->origin;
  const auto rsa = issue_server_certificate(*profile, *root, KeyType::kRsa, files.rsa_key,
                                            files.rsa_certificate);
  if (!rsa) return rsa.error();
  const auto ec =
      issue_server_certificate(*profile, *root, KeyType::kEc, files.ec_key, files.ec_certificate);
  if (!ec) return ec.error();
  return files;
}

Result<CertificateDescription> describe_certificate(const std::string& file) {
  const auto certificate = load_certificate(file);
  if (!certificate) return certificate.error();
  X509* x509 = certificate->get();
  CertificateDescription description;
  description.subject = x509_name_text(X509_get_subject_name(x509));
  description.issuer = x509_name_text(X509_get_issuer_name(x509));
  description.names = alternative_names(x509);
  description.not_before = x509_time(X509_get0_notBefore(x509));
  description.not_after = x509_time(X509_get0_notAfter(x509));
  description.key_type = key_text(X509_get0_pubkey(x509));
  description.signature_algorithm = OBJ_nid2ln(X509_get_signature_nid(x509));
  description.fingerprint = fingerprint(x509);
  description.is_authority = X509_check_ca(x509) == 1;
  return description;
}

}  // namespace fairlead
