#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

struct ssl_ctx_st;
struct ssl_session_st;

namespace fairlead {

// kModern: TLS 1.2 with ECDHE (AEAD, and CBC for what is merely old) and TLS 1.3.
// kLegacy: besides, TLS 1.2 static-RSA AES-CBC suites, TLS 1.0 and 1.1, and keys and digests that
// OpenSSL's level 0 allows: what device SDKs of the last decade need (real-clients row 11).
enum class TlsProfile : uint8_t { kModern, kLegacy };

enum class ClientCertificates : uint8_t { kOff, kRequest, kRequire };

// PEM files; the certificate file holds the leaf first and then its chain.
struct TlsKeyPair {
  std::string certificate_file{};
  std::string key_file{};
};

// Certificates of the same names: an RSA and an ECDSA one side by side, the client's signature
// algorithms decide. The names are those in the certificates.
struct TlsCertificateSet {
  std::vector<TlsKeyPair> pairs{};
};

// What session tickets are sealed with. One object is shared by the contexts of all listeners and
// shards, and by a context that is built on reload, so that tickets keep their worth. Immutable.
class TlsTicketKeys {
 public:
  static std::shared_ptr<const TlsTicketKeys> generate();
  // New keys that still open tickets sealed with those of `older`.
  static std::shared_ptr<const TlsTicketKeys> rotate(const TlsTicketKeys& older);
  ~TlsTicketKeys();

 private:
  friend struct TlsTicketCallback;
  struct Key;
  TlsTicketKeys();
  std::unique_ptr<Key[]> keys_;  // the current one, the previous one
};

struct TlsServerOptions {
  // The first set serves clients that send no server name or one that no set covers. At least one.
  std::vector<TlsCertificateSet> certificates{};
  TlsProfile profile = TlsProfile::kModern;
  ClientCertificates client_certificates = ClientCertificates::kOff;
  std::string client_ca_file{};  // with kRequest and kRequire
  // PEM, any number of lists. Not empty: every certificate of a client's chain must be covered by
  // a list that is in force, and not be on it.
  std::string client_crl_file{};
  std::shared_ptr<const TlsTicketKeys> ticket_keys{};  // none: keys of this context's own
};

enum class TlsTrust : uint8_t { kVerify, kAnyCertificate };

struct TlsClientOptions {
  TlsTrust trust = TlsTrust::kVerify;
  std::string ca_file{};            // empty: the system's roots
  TlsKeyPair client_certificate{};  // empty: none
  std::string tls12_cipher_list{};  // empty: OpenSSL's default; e.g. "AES128-SHA"
  TlsProfile profile = TlsProfile::kModern;
  bool tls12_only = false;
};

// Something of a server's context that ends by itself: a certificate, or a list of revoked ones.
struct TlsExpiry {
  // kChain: in the chain behind a server's certificate; kAuthority: of client certificates.
  enum class Kind : uint8_t { kServer, kChain, kAuthority, kRevocations };
  Kind kind = Kind::kServer;
  std::string file;
  std::string subject;       // RFC 2253; of a list, its issuer
  milliseconds not_after{};  // since 1970-01-01 UTC
};

[[nodiscard]] std::string_view expiry_kind_name(TlsExpiry::Kind kind);  // "server"

// Certificates, suites and trust for TlsStreams. Immutable and shared by all threads; a reload
// builds another one and swaps the pointer: streams keep the one that they began with.
// Errors name the file and what is wrong with it.
class TlsContext {
 public:
  static Result<std::shared_ptr<const TlsContext>> server(const TlsServerOptions& options);
  static Result<std::shared_ptr<const TlsContext>> client(const TlsClientOptions& options);
  ~TlsContext() = default;
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  // All names of the server's certificates, for start-up logs.
  [[nodiscard]] std::vector<std::string> names() const;
  // What of it ends when, in the order of the options.
  [[nodiscard]] const std::vector<TlsExpiry>& expiries() const { return expiries_; }

 private:
  friend class TlsStream;
  friend struct TlsContextBuilder;
  friend struct TlsTicketCallback;
  struct FreeContext {
    void operator()(ssl_ctx_st* context) const;
  };
  using OwnedContext = std::unique_ptr<ssl_ctx_st, FreeContext>;
  TlsContext() = default;

  // The context to use for a name: exact match, then wildcard, then the default.
  [[nodiscard]] ssl_ctx_st* select(std::string_view server_name) const;

  std::vector<OwnedContext> contexts_;  // one for each certificate set; a client has one
  std::map<std::string, std::size_t, std::less<>> names_;  // lower case → index in contexts_
  std::shared_ptr<const TlsTicketKeys> ticket_keys_;
  std::vector<TlsExpiry> expiries_;
};

}  // namespace fairlead
