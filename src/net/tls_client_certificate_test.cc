#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "net/tls_test_pair.h"

namespace fairlead {
namespace {

using namespace tls_test;  // NOLINT: the dialogue's words
using testing::HasSubstr;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

File open_file(const std::string& path, const char* mode) {
  return File(std::fopen(path.c_str(), mode));
}

struct FreeAny {
  void operator()(X509* it) const { X509_free(it); }
  void operator()(X509_CRL* it) const { X509_CRL_free(it); }
  void operator()(EVP_PKEY* it) const { EVP_PKEY_free(it); }
  void operator()(X509_EXTENSION* it) const { X509_EXTENSION_free(it); }
};
template <class T>
using Owned = std::unique_ptr<T, FreeAny>;

// The root of an authority of the tests, with its key.
struct Root {
  explicit Root(const Authority& authority)
      : certificate(PEM_read_X509(open_file(authority.files.ca_certificate, "r").get(), nullptr,
                                  nullptr, nullptr)),
        key(PEM_read_PrivateKey(open_file(authority.files.ca_key, "r").get(), nullptr, nullptr,
                                nullptr)) {}
  Owned<X509> certificate;
  Owned<EVP_PKEY> key;
};

struct DeviceCertificate {
  int serial = 7;
  int lifetime_seconds = 3600;
  const Authority& authority = device_authority();
};

// A device's certificate under a test root: subject "O=Test, CN=pk1&dev1", use clientAuth.
TlsKeyPair issue_device_certificate(const TemporaryDirectory& directory,
                                    const DeviceCertificate& wanted = {}) {
  const Root root(wanted.authority);
  const Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
  const Owned<X509> made(X509_new());
  X509_set_version(made.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), wanted.serial);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), wanted.lifetime_seconds);
  X509_NAME* subject = X509_get_subject_name(made.get());
  for (const auto& [field, value] : {std::pair{"O", "Test"}, std::pair{"CN", "pk1&dev1"}}) {
    X509_NAME_add_entry_by_txt(subject, field, MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(value), -1, -1, 0);
  }
  X509_set_issuer_name(made.get(), X509_get_subject_name(root.certificate.get()));
  X509_set_pubkey(made.get(), key.get());
  const Owned<X509_EXTENSION> use(
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_ext_key_usage, "clientAuth"));
  X509_add_ext(made.get(), use.get(), -1);
  X509_sign(made.get(), root.key.get(), EVP_sha256());
  const std::string name = "device" + std::to_string(wanted.serial);
  TlsKeyPair pair{directory.path(name + ".crt"), directory.path(name + ".key")};
  PEM_write_X509(open_file(pair.certificate_file, "w").get(), made.get());
  PEM_write_PrivateKey(open_file(pair.key_file, "w").get(), key.get(), nullptr, nullptr, 0, nullptr,
                       nullptr);
  return pair;
}

// Appends a list of revoked serial numbers to a file.
void append_revocations(const std::string& file, const Authority& authority,
                        const std::vector<int>& serials, int lifetime_seconds = 3600) {
  const Root root(authority);
  const Owned<X509_CRL> list(X509_CRL_new());
  X509_CRL_set_version(list.get(), X509_CRL_VERSION_2);
  X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(root.certificate.get()));
  ASN1_TIME* time = ASN1_TIME_new();
  X509_CRL_set1_lastUpdate(list.get(), X509_gmtime_adj(time, -3600));
  X509_CRL_set1_nextUpdate(list.get(), X509_gmtime_adj(time, lifetime_seconds));
  for (int serial : serials) {
    X509_REVOKED* revoked = X509_REVOKED_new();
    ASN1_INTEGER* number = ASN1_INTEGER_new();
    ASN1_INTEGER_set(number, serial);
    X509_REVOKED_set_serialNumber(revoked, number);
    X509_REVOKED_set_revocationDate(revoked, X509_gmtime_adj(time, -60));
    X509_CRL_add0_revoked(list.get(), revoked);
    ASN1_INTEGER_free(number);
  }
  ASN1_TIME_free(time);
  X509_CRL_sort(list.get());
  X509_CRL_sign(list.get(), root.key.get(), EVP_sha256());
  PEM_write_X509_CRL(open_file(file, "a").get(), list.get());
}

// Both roots of the tests in one file.
std::string both_roots(const TemporaryDirectory& directory) {
  const std::string file = directory.path("roots.pem");
  for (const Authority* authority : {&device_authority(), &other_authority()}) {
    PEM_write_X509(open_file(file, "a").get(), Root(*authority).certificate.get());
  }
  return file;
}

TlsServerOptions asks_clients(ClientCertificates policy) {
  return {.client_certificates = policy, .client_ca_file = device_authority().files.ca_certificate};
}

TEST(TlsClientCertificate, IsVerifiedAndNamedAlsoAfterResumption) {
  TemporaryDirectory directory;
  const TlsKeyPair device = issue_device_certificate(directory);
  for (const auto policy : {ClientCertificates::kRequest, ClientCertificates::kRequire}) {
    const auto server = server_context(asks_clients(policy));
    for (const bool old : {false, true}) {
      const auto client = client_context({.client_certificate = device, .tls12_only = old});
      Pair first(server, client);
      ASSERT_TRUE(first.handshake()) << first.server.progress.reason;
      EXPECT_EQ(first.server.stream.peer_certificate_subject(), "CN=pk1&dev1,O=Test");
      const TlsSession session = first.client.stream.session();
      Pair second(server, client, "localhost", &session);
      ASSERT_TRUE(second.handshake()) << second.server.progress.reason;
      EXPECT_TRUE(second.server.stream.session_resumed());
      EXPECT_EQ(second.server.stream.peer_certificate_common_name(), "pk1&dev1");
    }
  }
}

TEST(TlsClientCertificate, OfAnotherRootIsRefused) {
  TemporaryDirectory directory;
  auto options = asks_clients(ClientCertificates::kRequest);
  options.client_ca_file = other_authority().files.ca_certificate;
  Pair pair(server_context(options),
            client_context({.client_certificate = issue_device_certificate(directory)}));
  EXPECT_FALSE(pair.handshake());
  EXPECT_THAT(pair.server.progress.reason, HasSubstr("unable to get local issuer certificate"));
}

TEST(TlsClientCertificate, ForAnotherPurposeIsRefused) {
  Pair pair(server_context(asks_clients(ClientCertificates::kRequire)),
            client_context({.client_certificate = device_authority().ec()}));
  EXPECT_FALSE(pair.handshake());
  EXPECT_THAT(pair.server.progress.reason, HasSubstr("unsuitable certificate purpose"));
}

TEST(TlsClientCertificate, MayBeAbsentWhenRequestedNotWhenRequired) {
  Pair requested(server_context(asks_clients(ClientCertificates::kRequest)), client_context());
  EXPECT_TRUE(requested.handshake());
  EXPECT_EQ(requested.server.stream.peer_certificate_subject(), "");
  Pair required(server_context(asks_clients(ClientCertificates::kRequire)), client_context());
  EXPECT_FALSE(required.handshake());
  EXPECT_EQ(required.server.progress.reason, "peer did not return a certificate");
}

TEST(TlsClientCertificate, TicketOfAnOpenListenerDoesNotPassAStrictOne) {
  const auto keys = TlsTicketKeys::generate();
  for (const bool old : {false, true}) {
    const auto client = client_context({.tls12_only = old});
    Pair open(server_context({.ticket_keys = keys}), client);
    ASSERT_TRUE(open.handshake());
    const TlsSession session = open.client.stream.session();
    auto strict = asks_clients(ClientCertificates::kRequire);
    strict.ticket_keys = keys;
    Pair pair(server_context(strict), client, "localhost", &session);
    EXPECT_FALSE(pair.handshake());
  }
}

// --- Revocation ----------------------------------------------------------------------------------

TEST(TlsRevocation, RevokedCertificatesAreRefusedAndOthersAreNot) {
  TemporaryDirectory directory;
  auto options = asks_clients(ClientCertificates::kRequire);
  options.client_ca_file = both_roots(directory);
  options.client_crl_file = directory.path("lists.pem");
  append_revocations(options.client_crl_file, device_authority(), {3, 7});
  append_revocations(options.client_crl_file, other_authority(), {8});
  const auto server = server_context(options);
  const auto connects = [&](const DeviceCertificate& wanted) {
    Pair pair(server,
              client_context({.client_certificate = issue_device_certificate(directory, wanted)}));
    return pair.handshake() ? "yes" : pair.server.progress.reason;
  };
  EXPECT_EQ(connects({.serial = 8}), "yes");
  EXPECT_EQ(connects({.serial = 7, .authority = other_authority()}), "yes");
  EXPECT_THAT(connects({.serial = 7}), HasSubstr("certificate revoked"));
  EXPECT_THAT(connects({.serial = 8, .authority = other_authority()}),
              HasSubstr("certificate revoked"));
}

TEST(TlsRevocation, AnAuthorityWithoutAListInForceLetsNobodyIn) {
  TemporaryDirectory directory;
  auto options = asks_clients(ClientCertificates::kRequire);
  options.client_ca_file = both_roots(directory);
  const auto client =
      client_context({.client_certificate = issue_device_certificate(directory, {})});
  options.client_crl_file = directory.path("other.pem");
  append_revocations(options.client_crl_file, other_authority(), {});
  Pair missing(server_context(options), client);
  EXPECT_FALSE(missing.handshake());
  EXPECT_THAT(missing.server.progress.reason, HasSubstr("unable to get certificate CRL"));
  options.client_crl_file = directory.path("old.pem");
  append_revocations(options.client_crl_file, device_authority(), {}, -60);
  Pair old(server_context(options), client);
  EXPECT_FALSE(old.handshake());
  EXPECT_THAT(old.server.progress.reason, HasSubstr("CRL has expired"));
}

// Resumption does not verify again: a ticket from before the reload would have let it in.
TEST(TlsRevocation, TicketOfACertificateRevokedSinceDoesNotPass) {
  for (const bool old : {false, true}) {
    TemporaryDirectory directory;
    auto options = asks_clients(ClientCertificates::kRequire);
    options.ticket_keys = TlsTicketKeys::generate();
    options.client_crl_file = directory.path("list.pem");
    append_revocations(options.client_crl_file, device_authority(), {});
    const auto revoked = client_context(
        {.client_certificate = issue_device_certificate(directory), .tls12_only = old});
    const auto other =
        client_context({.client_certificate = issue_device_certificate(directory, {.serial = 8}),
                        .tls12_only = old});
    Pair first(server_context(options), revoked);
    Pair second(server_context(options), other);
    ASSERT_TRUE(first.handshake() && second.handshake());
    const TlsSession ticket = first.client.stream.session();
    const TlsSession other_ticket = second.client.stream.session();
    Pair resumed(server_context(options), revoked, "localhost", &ticket);
    ASSERT_TRUE(resumed.handshake());
    ASSERT_TRUE(resumed.server.stream.session_resumed());

    std::filesystem::remove(options.client_crl_file);
    append_revocations(options.client_crl_file, device_authority(), {7});
    options.ticket_keys = TlsTicketKeys::rotate(*options.ticket_keys);
    Pair refused(server_context(options), revoked, "localhost", &ticket);
    EXPECT_FALSE(refused.handshake());
    EXPECT_THAT(refused.server.progress.reason, HasSubstr("certificate revoked"));
    Pair accepted(server_context(options), other, "localhost", &other_ticket);
    EXPECT_TRUE(accepted.handshake());
    EXPECT_FALSE(accepted.server.stream.session_resumed());
  }
}

TEST(TlsRevocation, TicketFromARemovedAuthorityDoesNotPass) {
  TemporaryDirectory directory;
  auto options = asks_clients(ClientCertificates::kRequire);
  options.ticket_keys = TlsTicketKeys::generate();
  options.client_ca_file = both_roots(directory);
  const auto client =
      client_context({.client_certificate = issue_device_certificate(directory, {})});
  Pair first(server_context(options), client);
  ASSERT_TRUE(first.handshake());
  const TlsSession ticket = first.client.stream.session();
  options.client_ca_file = other_authority().files.ca_certificate;
  Pair pair(server_context(options), client, "localhost", &ticket);
  EXPECT_FALSE(pair.handshake());
  EXPECT_THAT(pair.server.progress.reason, HasSubstr("unable to get local issuer certificate"));
}

// A ticket lives for hours, a certificate may not.
TEST(TlsRevocation, TicketOfACertificateExpiredSinceDoesNotPass) {
  TemporaryDirectory directory;
  auto options = asks_clients(ClientCertificates::kRequire);
  options.ticket_keys = TlsTicketKeys::generate();
  const auto server = server_context(options);
  const auto client = client_context(
      {.client_certificate = issue_device_certificate(directory, {.lifetime_seconds = 2})});
  Pair first(server, client);
  ASSERT_TRUE(first.handshake()) << first.server.progress.reason;
  TlsSession ticket = first.client.stream.session();
  for (;;) {  // until the certificate has expired
    Pair pair(server, client, "localhost", &ticket);
    if (pair.handshake()) {
      ASSERT_TRUE(pair.server.stream.session_resumed());
      ticket = pair.client.stream.session();
      continue;
    }
    EXPECT_THAT(pair.server.progress.reason, HasSubstr("certificate has expired"));
    break;
  }
}

TEST(TlsRevocation, AFileThatIsNoListIsNamed) {
  TemporaryDirectory directory;
  const auto complaint = [&](const std::string& file) {
    auto options = asks_clients(ClientCertificates::kRequest);
    options.certificates = {device_authority().both()};
    options.client_crl_file = file;
    const auto context = TlsContext::server(options);
    return context ? "accepted" : context.error().sentence;
  };
  const std::string list = directory.path("list.pem");
  EXPECT_EQ(complaint(list), "client CRL file " + list + ": cannot be read");
  EXPECT_EQ(complaint(directory.path("")),
            "client CRL file " + directory.path("") + ": cannot be read");
  const std::string certificate = device_authority().files.ca_certificate;
  EXPECT_EQ(complaint(certificate),
            "client CRL file " + certificate + ": holds no certificate revocation list");
  append_revocations(list, device_authority(), {7});
  EXPECT_EQ(complaint(list), "accepted");
  std::filesystem::resize_file(list, std::filesystem::file_size(list) / 2);  // being written
  EXPECT_THAT(complaint(list), HasSubstr("client CRL file " + list + ": "));
}

TEST(TlsExpiry, EveryCertificateAndListOfAServerIsNamedWithItsEnd) {
  TemporaryDirectory directory;
  auto options = asks_clients(ClientCertificates::kRequire);
  options.client_crl_file = directory.path("list.pem");
  append_revocations(options.client_crl_file, device_authority(), {});
  const auto& files = device_authority().files;
  const auto context = server_context(options);
  const auto& expiries = context->expiries();
  ASSERT_EQ(expiries.size(), 4u);
  EXPECT_EQ(expiries[0].file, files.rsa_certificate);
  EXPECT_EQ(expiries[0].kind, TlsExpiry::Kind::kServer);
  EXPECT_EQ(expiries[0].subject, "CN=localhost,O=Test");
  EXPECT_EQ(expiries[0].not_after, describe_certificate(files.rsa_certificate)->not_after);
  EXPECT_EQ(expiries[1].file, files.ec_certificate);
  EXPECT_EQ(expiries[2].kind, TlsExpiry::Kind::kAuthority);
  EXPECT_EQ(expiries[2].file, files.ca_certificate);
  EXPECT_EQ(expiries[3].kind, TlsExpiry::Kind::kRevocations);
  EXPECT_EQ(expiries[3].subject, expiries[2].subject);
  EXPECT_NEAR(static_cast<double>((expiries[3].not_after - wall_clock_now()).count()), 3.6e6, 6e5);
}

}  // namespace
}  // namespace fairlead
