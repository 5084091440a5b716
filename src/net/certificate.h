#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"

// Certificates for `fairlead cert init|show`: an own root, and server certificates that browsers
// and old device SDKs both accept (real-clients row 11: RSA-2048, SHA-256). Blocking; start-up and
// command line only.

namespace fairlead {

struct CertificateRequest {
  std::string directory{};           // created if it is missing, with mode 0700
  std::vector<std::string> hosts{};  // DNS names, "*.example.com" allowed
  std::vector<std::string> ips{};  // IPv4 and IPv6 addresses; hosts and ips together: at least one
  std::string organization = "Fairlead";
};

enum class RootOrigin : uint8_t { kCreated, kKept };

struct CertificateFiles {
  std::string ca_certificate;   // ca.crt
  std::string ca_key;           // ca.key, mode 0600
  std::string rsa_certificate;  // server-rsa.crt
  std::string rsa_key;          // server-rsa.key, mode 0600
  std::string ec_certificate;   // server-ec.crt
  std::string ec_key;           // server-ec.key, mode 0600
  RootOrigin root = RootOrigin::kCreated;
};

// The paths, whether or not the files exist.
[[nodiscard]] CertificateFiles certificate_files(const std::string& directory);

// Creates the root (RSA-2048, SHA-256, 20 years) unless the directory has one, and issues the two
// server certificates (RSA-2048 and ECDSA P-256, 825 days, signed by the root with SHA-256; the
// root itself is not repeated in them). Keys that are there are kept, so that renewing is one
// rename for each certificate; each file is written whole or not at all. A root certificate
// without its key, or with another one, is an error.
Result<CertificateFiles> create_certificates(const CertificateRequest& request);

struct CertificateDescription {
  std::string subject;  // RFC 2253
  std::string issuer;
  std::vector<std::string> names;  // subjectAltName: DNS names and addresses
  milliseconds not_before{};       // since 1970-01-01 UTC
  milliseconds not_after{};
  std::string key_type;             // "RSA-2048", "EC P-256"
  std::string signature_algorithm;  // "sha256WithRSAEncryption"
  std::string fingerprint;          // SHA-256, "AB:CD:..."
  bool is_authority = false;
};

// Of the first certificate in a PEM file.
Result<CertificateDescription> describe_certificate(const std::string& file);

}  // namespace fairlead
