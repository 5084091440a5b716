#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/certificate.h"
#include "net/tls_context.h"
#include "net/tls_stream.h"

// For tests: a directory, certificates in it, and two TLS streams that talk through memory.

namespace fairlead::tls_test {

// Removed with all that is in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory() : path_(testing::TempDir() + "fairlead-net-XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] std::string path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// A root and server certificates for these hosts and 127.0.0.1.
class Authority {
 public:
  explicit Authority(std::vector<std::string> hosts) {
    auto made = create_certificates({.directory = directory_.path("certs"),
                                     .hosts = std::move(hosts),
                                     .ips = {"127.0.0.1", "::1"},
                                     .organization = "Test"});
    if (!made) throw std::runtime_error(made.error().sentence);
    files = *made;
  }

  [[nodiscard]] TlsKeyPair rsa() const { return {files.rsa_certificate, files.rsa_key}; }
  [[nodiscard]] TlsKeyPair ec() const { return {files.ec_certificate, files.ec_key}; }
  [[nodiscard]] TlsCertificateSet both() const { return {{rsa(), ec()}}; }

  CertificateFiles files;

 private:
  TemporaryDirectory directory_;
};

// Made once for a test program: keys take time.
inline const Authority& device_authority() {
  static const Authority authority({"localhost", "*.iot.example.com"});
  return authority;
}
inline const Authority& other_authority() {
  static const Authority authority({"other.example.com", "*.other.example.com"});
  return authority;
}

inline std::shared_ptr<const TlsContext> server_context(TlsServerOptions options = {}) {
  if (options.certificates.empty()) options.certificates = {device_authority().both()};
  auto context = TlsContext::server(options);
  if (!context) throw std::runtime_error(context.error().sentence);
  return *context;
}

inline std::shared_ptr<const TlsContext> client_context(TlsClientOptions options = {}) {
  if (options.ca_file.empty()) options.ca_file = device_authority().files.ca_certificate;
  auto context = TlsContext::client(options);
  if (!context) throw std::runtime_error(context.error().sentence);
  return *context;
}

// One end: a stream, what it has to send, and the plaintext that it has got.
struct End {
  explicit End(TlsStream s) : stream(std::move(s)) {}

  TlsProgress receive(Bytes cipher) {
    std::vector<std::byte> copy(cipher.begin(), cipher.end());
    std::vector<std::byte> scratch(std::size_t{16} << 10);
    progress =
        stream.feed(copy, out, scratch, [this](MutableBytes piece) { plain += as_text(piece); });
    return progress;
  }
  void send(std::string_view text) { EXPECT_TRUE(stream.seal(as_bytes(text), out)); }

  TlsStream stream;
  ByteBuffer out;
  std::string plain;
  TlsProgress progress;
};

struct Pair {
  Pair(std::shared_ptr<const TlsContext> server_side, std::shared_ptr<const TlsContext> client_side,
       const std::string& host = "localhost", const TlsSession* resume = nullptr)
      : server(TlsStream(std::move(server_side))),
        client(TlsStream::client(std::move(client_side), host, resume)) {}

  // Carries bytes both ways until there are none. False when an end failed.
  bool talk() {
    if (!started_) client.receive({});
    started_ = true;
    while (!client.out.empty() || !server.out.empty()) {
      if (!deliver(client, server) || !deliver(server, client)) return false;
    }
    return ok();
  }
  bool handshake() { return talk() && client.stream.handshake_done() && server_done(); }
  [[nodiscard]] bool ok() const {
    return client.progress.state != TlsState::kFailed && server.progress.state != TlsState::kFailed;
  }
  [[nodiscard]] bool server_done() const { return server.stream.handshake_done(); }

  End server;
  End client;

 private:
  bool deliver(End& from, End& to) {
    ByteBuffer bytes = std::move(from.out);
    if (bytes.empty()) return true;
    // An alert still reaches the other end after the first failure, and names the cause there.
    if (to.progress.state == TlsState::kFailed) return false;
    to.receive(bytes.view());
    return true;
  }
  bool started_ = false;
};

}  // namespace fairlead::tls_test
