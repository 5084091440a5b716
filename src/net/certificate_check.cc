#include "net/certificate_check.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <optional>

#include "net/openssl_error.h"
#include "net/x509_text.h"

namespace fairlead {
namespace {

struct Free {
  void operator()(BIO* it) const { BIO_free_all(it); }
  void operator()(X509* it) const { X509_free(it); }
  void operator()(EVP_PKEY* it) const { EVP_PKEY_free(it); }
  void operator()(X509_STORE* it) const { X509_STORE_free(it); }
  void operator()(X509_STORE_CTX* it) const { X509_STORE_CTX_free(it); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

int no_password(char*, int, int, void*) { return -1; }

// The leaf and its chain, as they stand in the file.
std::vector<Owned<X509>> load_chain(const std::string& file) {
  std::vector<Owned<X509>> chain;
  ERR_clear_error();
  const Owned<BIO> in(BIO_new_file(file.c_str(), "r"));
  while (in) {
    Owned<X509> next(PEM_read_bio_X509(in.get(), nullptr, no_password, nullptr));
    if (!next) break;
    chain.push_back(std::move(next));
  }
  return chain;
}

std::optional<std::string> check_key(X509* leaf, const std::string& file) {
  ERR_clear_error();
  const Owned<BIO> in(BIO_new_file(file.c_str(), "r"));
  if (!in) return "the key file " + file + " cannot be read: " + take_openssl_error();
  const Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(in.get(), nullptr, no_password, nullptr));
  if (!key) return "the key file " + file + " cannot be used: " + take_openssl_error();
  if (X509_check_private_key(leaf, key.get()) == 1) return std::nullopt;
  ERR_clear_error();
  return "the key in " + file + " is that of another certificate";
}

std::optional<std::string> check_time(X509* certificate, const char* which, milliseconds now) {
  const std::string name = which + (" " + x509_name_text(X509_get_subject_name(certificate)));
  if (x509_time(X509_get0_notAfter(certificate)) <= now) return name + " has expired";
  if (x509_time(X509_get0_notBefore(certificate)) > now) return name + " is not valid yet";
  return std::nullopt;
}

// Whether the machine's roots, or `root_file`, have issued `certificate`.
bool issued_by_a_root(X509* certificate, const std::string& root_file) {
  const Owned<X509_STORE> store(X509_STORE_new());
  const Owned<X509_STORE_CTX> context(X509_STORE_CTX_new());
  if (!store || !context) return true;
  X509_STORE_set_default_paths(store.get());
  X509_STORE_load_file(store.get(), root_file.c_str());
  X509_STORE_set_flags(store.get(), X509_V_FLAG_NO_CHECK_TIME | X509_V_FLAG_PARTIAL_CHAIN);
  const bool begun = X509_STORE_CTX_init(context.get(), store.get(), certificate, nullptr) == 1;
  const bool found = begun && X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  return found;
}

std::optional<std::string> check_chain(const std::vector<Owned<X509>>& chain,
                                       const std::string& root_file) {
  for (std::size_t i = 0; i + 1 < chain.size(); ++i) {
    if (X509_check_issued(chain[i + 1].get(), chain[i].get()) == X509_V_OK) continue;
    return "the chain has a gap: certificate " + std::to_string(i + 2) + " of the file, " +
           x509_name_text(X509_get_subject_name(chain[i + 1].get())) +
           ", is not the issuer of the one before it";
  }
  X509* last = chain.back().get();
  const bool is_root = X509_check_issued(last, last) == X509_V_OK;
  if (is_root || issued_by_a_root(last, root_file)) return std::nullopt;
  return "the chain is incomplete: its issuer " + x509_name_text(X509_get_issuer_name(last)) +
         " is neither in the file nor a root that this machine knows; append its certificate, "
         "unless it is a root that your clients trust";
}

}  // namespace

std::vector<std::string> check_certificate(const std::string& certificate_file,
                                           const std::string& key_file,
                                           const std::string& root_file, milliseconds now) {
  const auto chain = load_chain(certificate_file);
  if (chain.empty()) return {"the file holds no certificate"};
  std::vector<std::string> problems;
  const auto add = [&problems](std::optional<std::string> problem) {
    if (problem) problems.push_back(std::move(*problem));
  };
  for (const auto& each : chain) {
    add(check_time(each.get(), each == chain.front() ? "the certificate" : "in the chain,", now));
  }
  add(check_key(chain.front().get(), key_file));
  add(check_chain(chain, root_file));
  return problems;
}

}  // namespace fairlead
