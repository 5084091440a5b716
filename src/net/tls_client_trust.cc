#include "net/tls_client_trust.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>

#include <fstream>
#include <sstream>
#include <utility>

#include "net/openssl_error.h"
#include "net/x509_text.h"

namespace fairlead {
namespace {

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
struct FreeInfos {
  void operator()(STACK_OF(X509_INFO) * infos) const {
    sk_X509_INFO_pop_free(infos, X509_INFO_free);
  }
};
using PemObjects = std::unique_ptr<STACK_OF(X509_INFO), FreeInfos>;

Reject refuse(std::string sentence) { return {ReasonCode::kUnspecifiedError, std::move(sentence)}; }

Result<std::string> content(const char* what, const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (!(text << in.rdbuf())) return refuse(std::string(what) + " " + file + ": cannot be read");
  return std::move(text).str();
}

// Everything in a PEM text; null with an error of the library when a part is broken.
PemObjects parse_pem(const std::string& pem) {
  ERR_clear_error();
  const std::unique_ptr<BIO, FreeBio> in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return PemObjects(in ? PEM_X509_INFO_read_bio(in.get(), nullptr, nullptr, nullptr) : nullptr);
}

// A ticket stands for a handshake that was made before. A certificate that has expired since does
// not pass by it: the client has to show one again.
SSL_TICKET_RETURN judge_ticket(SSL*, SSL_SESSION* session, const unsigned char*, std::size_t,
                               SSL_TICKET_STATUS status, void*) {
  if (status == SSL_TICKET_FATAL_ERR_MALLOC || status == SSL_TICKET_FATAL_ERR_OTHER) {
    return SSL_TICKET_RETURN_ABORT;
  }
  if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) {
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  }
  const X509* peer = SSL_SESSION_get0_peer(session);
  if (peer != nullptr && X509_cmp_current_time(X509_get0_notAfter(peer)) <= 0) {
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  }
  return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

}  // namespace

void TlsClientTrust::Free::operator()(x509_st* certificate) const { X509_free(certificate); }
void TlsClientTrust::Free::operator()(X509_crl_st* list) const { X509_CRL_free(list); }

Result<TlsClientTrust> TlsClientTrust::load(const TlsServerOptions& options) {
  TlsClientTrust trust;
  trust.policy_ = options.client_certificates;
  // A ticket opens no door that its own handshake would not have opened, as the keys are shared by
  // listeners of different policies and outlive a reload: it is bound to all that decides here, so
  // that a removed authority or a revoked certificate is judged anew.
  std::string bound = "fairlead/" + std::to_string(static_cast<int>(trust.policy_));
  if (trust.policy_ != ClientCertificates::kOff) {
    const auto authorities = content("client CA file", options.client_ca_file);
    if (!authorities) return authorities.error();
    if (Status status = trust.load_authorities(options.client_ca_file, *authorities); !status) {
      return status.error();
    }
    bound += "/" + std::to_string(authorities->size()) + "/" + *authorities;
  }
  if (trust.policy_ != ClientCertificates::kOff && !options.client_crl_file.empty()) {
    const auto revocations = content("client CRL file", options.client_crl_file);
    if (!revocations) return revocations.error();
    if (Status status = trust.load_revocations(options.client_crl_file, *revocations); !status) {
      return status.error();
    }
    bound += "/" + *revocations;
  }
  SHA256(reinterpret_cast<const unsigned char*>(bound.data()), bound.size(),
         trust.session_context_.data());
  return trust;
}

Status TlsClientTrust::load_authorities(const std::string& file, const std::string& pem) {
  ca_file_ = file;
  const PemObjects found = parse_pem(pem);
  if (!found) return refuse("client CA file " + file + ": " + take_openssl_error());
  for (int i = 0; i < sk_X509_INFO_num(found.get()); ++i) {
    X509* certificate = sk_X509_INFO_value(found.get(), i)->x509;
    if (certificate == nullptr) continue;
    X509_up_ref(certificate);
    authorities_.emplace_back(certificate);
  }
  if (authorities_.empty()) return refuse("client CA file " + file + ": holds no certificate");
  return Done{};
}

Status TlsClientTrust::load_revocations(const std::string& file, const std::string& pem) {
  crl_file_ = file;
  const PemObjects found = parse_pem(pem);
  if (!found) return refuse("client CRL file " + file + ": " + take_openssl_error());
  for (int i = 0; i < sk_X509_INFO_num(found.get()); ++i) {
    X509_CRL* list = sk_X509_INFO_value(found.get(), i)->crl;
    if (list == nullptr) continue;
    X509_CRL_up_ref(list);
    revocations_.emplace_back(list);
  }
  if (revocations_.empty()) {
    return refuse("client CRL file " + file + ": holds no certificate revocation list");
  }
  return Done{};
}

Status TlsClientTrust::apply(ssl_ctx_st* context) const {
  SSL_CTX_set_session_id_context(context, session_context_.data(), SHA256_DIGEST_LENGTH);
  if (policy_ == ClientCertificates::kOff) return Done{};
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  for (const auto& authority : authorities_) {
    if (X509_STORE_add_cert(store, authority.get()) != 1 ||
        SSL_CTX_add_client_CA(context, authority.get()) != 1) {
      return refuse("client CA file " + ca_file_ + ": " + take_openssl_error());
    }
  }
  for (const auto& list : revocations_) {
    if (X509_STORE_add_crl(store, list.get()) != 1) {
      return refuse("client CRL file " + crl_file_ + ": " + take_openssl_error());
    }
  }
  // An authority without a list, or with one that is out of date, lets nobody in.
  if (!revocations_.empty()) {
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  }
  const bool required = policy_ == ClientCertificates::kRequire;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                     nullptr);
  SSL_CTX_set_session_ticket_cb(context, nullptr, judge_ticket, nullptr);
  return Done{};
}

void TlsClientTrust::list_expiries(std::vector<TlsExpiry>& to) const {
  for (const auto& authority : authorities_) {
    to.push_back({TlsExpiry::Kind::kAuthority, ca_file_,
                  x509_name_text(X509_get_subject_name(authority.get())),
                  x509_time(X509_get0_notAfter(authority.get()))});
  }
  for (const auto& list : revocations_) {
    const ASN1_TIME* next = X509_CRL_get0_nextUpdate(list.get());
    if (next == nullptr) continue;
    to.push_back({TlsExpiry::Kind::kRevocations, crl_file_,
                  x509_name_text(X509_CRL_get_issuer(list.get())), x509_time(next)});
  }
}

}  // namespace fairlead
