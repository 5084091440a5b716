#include "net/tls_context.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "base/time.h"
#include "net/openssl_error.h"
#include "net/tcp.h"
#include "net/tls_client_trust.h"
#include "net/tls_ticket_callback.h"
#include "net/x509_text.h"

namespace fairlead {
namespace {

// Authenticated encryption first; CBC with ECDHE for clients that are merely old. AES-128 before
// AES-256: handshakes then hash with SHA-256, for which processors have instructions, and not with
// SHA-384, for which they have none (bench/NOTES.md).
constexpr const char* kSuites13 =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* kModernCiphers =
    "ECDHE+AESGCM+AES128:ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES128:ECDHE+AES256:"
    "!AESCCM:!aNULL:!PSK:!DSS";
constexpr const char* kLegacyCiphers =
    "ECDHE+AESGCM+AES128:ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES128:ECDHE+AES256:"
    "!AESCCM:!aNULL:!PSK:!DSS:"
    "AES128-GCM-SHA256:AES256-GCM-SHA384:AES256-SHA256:AES128-SHA256:AES256-SHA:AES128-SHA";
constexpr int kModernSecurityLevel = 2;  // 112 bits: RSA-2048, SHA-224
constexpr int kLegacySecurityLevel = 0;  // TLS 1.0 and 1.1 need SHA-1 and MD5
constexpr seconds kTicketLifetime = std::chrono::hours{12};

Reject refuse(std::string sentence) { return {ReasonCode::kUnspecifiedError, std::move(sentence)}; }

Reject refuse_file(const char* what, const std::string& file) {
  return refuse(std::string(what) + " " + file + ": " + take_openssl_error());
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char character) {
    return character >= 'A' && character <= 'Z' ? static_cast<char>(character + ('a' - 'A'))
                                                : character;
  });
  return lower;
}

// Instead of asking on the terminal.
int no_password(char*, int, int, void*) { return -1; }

std::string_view text_of(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<std::size_t>(ASN1_STRING_length(string))};
}

// DNS names of the certificate; the common name counts where there is no alternative name.
std::vector<std::string> dns_names(const X509* certificate) {
  std::vector<std::string> names;
  auto* alternatives = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(alternatives); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(alternatives, i);
    if (name->type == GEN_DNS) names.push_back(lower_case(text_of(name->d.dNSName)));
  }
  if (alternatives == nullptr) {
    const X509_NAME* subject = X509_get_subject_name(certificate);
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at >= 0) {
      names.push_back(
          lower_case(text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)))));
    }
  }
  GENERAL_NAMES_free(alternatives);
  return names;
}

Status use_key_pair(SSL_CTX* context, const TlsKeyPair& pair) {
  ERR_clear_error();
  SSL_CTX_set_default_passwd_cb(context, no_password);
  if (SSL_CTX_use_certificate_chain_file(context, pair.certificate_file.c_str()) != 1) {
    return refuse_file("certificate file", pair.certificate_file);
  }
  if (SSL_CTX_use_PrivateKey_file(context, pair.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    const bool mismatch = ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_VALUES_MISMATCH;
    const bool encrypted = ERR_GET_REASON(ERR_peek_error()) == PEM_R_BAD_PASSWORD_READ;
    Reject reject = refuse_file("key file", pair.key_file);
    if (mismatch) reject.sentence += " (certificate: " + pair.certificate_file + ")";
    if (encrypted) reject.sentence += " (the key is encrypted; store it without a password)";
    return reject;
  }
  if (SSL_CTX_check_private_key(context) != 1) {
    return refuse("key file " + pair.key_file + " does not fit certificate file " +
                  pair.certificate_file);
  }
  return Done{};
}

Status apply_profile(SSL_CTX* context, TlsProfile profile) {
  const bool legacy = profile == TlsProfile::kLegacy;
  SSL_CTX_set_security_level(context, legacy ? kLegacySecurityLevel : kModernSecurityLevel);
  if (SSL_CTX_set_min_proto_version(context, legacy ? TLS1_VERSION : TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(context, legacy ? kLegacyCiphers : kModernCiphers) != 1 ||
      SSL_CTX_set_ciphersuites(context, kSuites13) != 1) {
    return refuse("TLS profile: " + take_openssl_error());
  }
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  // The chain is what the certificate file holds, not what the roots for the peer happen to add.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
  // Sessions live in tickets: no cache, no lock, no memory.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  return Done{};
}

// Tolerant: an offer that names nothing of ours is ignored, not refused.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_length,
                    const unsigned char* offered, unsigned offered_length, void*) {
  static constexpr std::array<unsigned char, 14> kOurs{4,   'm', 'q', 't', 't', 8,   'h',
                                                       't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_length, kOurs.data(), kOurs.size(), offered,
                            offered_length) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

void list_certificates(std::vector<TlsExpiry>& to, SSL_CTX* context, const std::string& file) {
  const auto add = [&](TlsExpiry::Kind kind, const X509* certificate) {
    to.push_back({kind, file, x509_name_text(X509_get_subject_name(certificate)),
                  x509_time(X509_get0_notAfter(certificate))});
  };
  add(TlsExpiry::Kind::kServer, SSL_CTX_get0_certificate(context));
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(context, &chain);
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    add(TlsExpiry::Kind::kChain, sk_X509_value(chain, i));
  }
}

}  // namespace

std::string_view expiry_kind_name(TlsExpiry::Kind kind) {
  switch (kind) {
    case TlsExpiry::Kind::kServer:
      return "server";
    case TlsExpiry::Kind::kChain:
      return "chain";
    case TlsExpiry::Kind::kAuthority:
      return "authority";
    case TlsExpiry::Kind::kRevocations:
      return "crl";
  }
  unreachable();
}

// The parts of building that reach into a TlsContext.
struct TlsContextBuilder {
  static int on_server_name(SSL* ssl, int*, void* argument) {
    const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (name == nullptr) return SSL_TLSEXT_ERR_NOACK;
    SSL_CTX* chosen = static_cast<const TlsContext*>(argument)->select(name);
    if (chosen != SSL_get_SSL_CTX(ssl)) SSL_set_SSL_CTX(ssl, chosen);
    return SSL_TLSEXT_ERR_OK;
  }

  static int on_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                       EVP_MAC_CTX* mac, int seal) {
    using Direction = TlsTicketCallback::Direction;
    const auto* keys =
        static_cast<const TlsTicketKeys*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
    return TlsTicketCallback::use(*keys, name, iv, cipher, mac,
                                  seal != 0 ? Direction::kSeal : Direction::kOpen);
  }

  static Result<TlsContext::OwnedContext> new_context(const SSL_METHOD* method) {
    TlsContext::OwnedContext context(SSL_CTX_new(method));
    if (!context) return refuse("TLS: " + take_openssl_error());
    return context;
  }

  static Status add_set(TlsContext& owner, const TlsServerOptions& options,
                        const TlsClientTrust& trust, const TlsCertificateSet& set) {
    auto made = new_context(TLS_server_method());
    if (!made) return made.error();
    SSL_CTX* context = made->get();
    if (set.pairs.empty()) return refuse("TLS: a certificate set is empty");
    if (auto status = apply_profile(context, options.profile); !status) return status;
    if (auto status = trust.apply(context); !status) return status;
    SSL_CTX_set_timeout(context, kTicketLifetime.count());
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket);
    SSL_CTX_set_app_data(context, const_cast<TlsTicketKeys*>(owner.ticket_keys_.get()));
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
    SSL_CTX_set_tlsext_servername_callback(context, on_server_name);
    SSL_CTX_set_tlsext_servername_arg(context, &owner);
    if (auto status = add_pairs(owner, context, set); !status) return status;
    owner.contexts_.push_back(std::move(*made));
    return Done{};
  }

  static Status add_pairs(TlsContext& owner, SSL_CTX* context, const TlsCertificateSet& set) {
    std::vector<int> key_types;
    for (const TlsKeyPair& pair : set.pairs) {
      if (auto status = use_key_pair(context, pair); !status) return status;
      const X509* certificate = SSL_CTX_get0_certificate(context);
      const int type = EVP_PKEY_get_base_id(X509_get0_pubkey(certificate));
      if (std::find(key_types.begin(), key_types.end(), type) != key_types.end()) {
        return refuse("certificate file " + pair.certificate_file +
                      ": another certificate of its set has the same key type");
      }
      key_types.push_back(type);
      list_certificates(owner.expiries_, context, pair.certificate_file);
      for (std::string& name : dns_names(certificate)) {
        owner.names_.emplace(std::move(name), owner.contexts_.size());
      }
    }
    return Done{};
  }
};

void TlsContext::FreeContext::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }

Result<std::shared_ptr<const TlsContext>> TlsContext::server(const TlsServerOptions& options) {
  if (options.certificates.empty()) return refuse("TLS: no certificate is configured");
  std::shared_ptr<TlsContext> context(new TlsContext);
  context->ticket_keys_ = options.ticket_keys ? options.ticket_keys : TlsTicketKeys::generate();
  const auto trust = TlsClientTrust::load(options);
  if (!trust) return trust.error();
  for (const TlsCertificateSet& set : options.certificates) {
    if (auto status = TlsContextBuilder::add_set(*context, options, *trust, set); !status) {
      return status.error();
    }
  }
  trust->list_expiries(context->expiries_);
  return std::shared_ptr<const TlsContext>(std::move(context));
}

Result<std::shared_ptr<const TlsContext>> TlsContext::client(const TlsClientOptions& options) {
  ERR_clear_error();
  auto made = TlsContextBuilder::new_context(TLS_client_method());
  if (!made) return made.error();
  SSL_CTX* context = made->get();
  if (auto status = apply_profile(context, options.profile); !status) return status.error();
  const std::string& ciphers = options.tls12_cipher_list;
  if (!ciphers.empty() && SSL_CTX_set_cipher_list(context, ciphers.c_str()) != 1) {
    return refuse("TLS cipher list \"" + ciphers + "\": " + take_openssl_error());
  }
  if (options.tls12_only) SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
  if (options.trust == TlsTrust::kVerify) {
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    if (options.ca_file.empty()) {
      SSL_CTX_set_default_verify_paths(context);
    } else if (SSL_CTX_load_verify_file(context, options.ca_file.c_str()) != 1) {
      return refuse_file("CA file", options.ca_file);
    }
  }
  if (!options.client_certificate.certificate_file.empty()) {
    if (auto status = use_key_pair(context, options.client_certificate); !status) {
      return status.error();
    }
  }
  std::shared_ptr<TlsContext> result(new TlsContext);
  result->contexts_.push_back(std::move(*made));
  return std::shared_ptr<const TlsContext>(std::move(result));
}

ssl_ctx_st* TlsContext::select(std::string_view server_name) const {
  if (server_name.ends_with('.')) server_name.remove_suffix(1);
  const std::string name = lower_case(server_name);
  auto found = names_.find(name);
  if (found == names_.end()) {
    const auto dot = name.find('.');  // a wildcard stands for one label: RFC 6125 section 6.4.3
    if (dot != std::string::npos) found = names_.find("*" + name.substr(dot));
  }
  return contexts_[found == names_.end() ? 0 : found->second].get();
}

std::vector<std::string> TlsContext::names() const {
  std::vector<std::string> names;
  for (const auto& [name, index] : names_) names.push_back(name);
  return names;
}

}  // namespace fairlead
