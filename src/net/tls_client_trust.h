#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "net/tls_context.h"

struct X509_crl_st;
struct x509_st;

namespace fairlead {

// Which client certificates the contexts of a server accept: the authorities, the certificates
// that they have revoked, and the policy. Each file is read once, so that what is verified with
// and what tickets are bound to are the same. For TlsContext, and for
// who judges the files alone.
class TlsClientTrust {
 public:
  // Errors name the file and what is wrong with it.
  static Result<TlsClientTrust> load(const TlsServerOptions& options);

  [[nodiscard]] Status apply(ssl_ctx_st* context) const;
  void list_expiries(std::vector<TlsExpiry>& to) const;

 private:
  struct Free {
    void operator()(x509_st* certificate) const;
    void operator()(X509_crl_st* list) const;
  };
  Status load_authorities(const std::string& file, const std::string& pem);
  Status load_revocations(const std::string& file, const std::string& pem);

  ClientCertificates policy_ = ClientCertificates::kOff;
  std::string ca_file_;
  std::string crl_file_;
  std::vector<std::unique_ptr<x509_st, Free>> authorities_;
  std::vector<std::unique_ptr<X509_crl_st, Free>> revocations_;
  std::array<unsigned char, 32> session_context_{};
};

}  // namespace fairlead
