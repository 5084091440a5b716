#include "net/tls_stream.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "net/openssl_error.h"

namespace fairlead {
namespace {

constexpr std::size_t kRecordBytesMax = std::size_t{16} << 10;

// What the stream's BIO reads from and writes to, for the length of one call.
struct Exchange {
  Bytes in;
  ByteBuffer* out;
  HelloGuard* guard = nullptr;  // judges what the client says first; none afterwards
  const SSL* ssl = nullptr;     // with a guard
  bool refused = false;         // by the guard
};

bool refused_by_guard(Exchange& exchange, Bytes bytes) {
  if (exchange.guard == nullptr || exchange.guard->done()) return false;
  const auto retry = SSL_version(exchange.ssl) == TLS1_3_VERSION ? HelloGuard::Retry::kPossible
                                                                 : HelloGuard::Retry::kImpossible;
  exchange.refused = exchange.guard->pass(bytes, retry) == HelloGuard::Verdict::kRefuse;
  return exchange.refused;
}

int bio_write(BIO* bio, const char* data, std::size_t size, std::size_t* written) {
  auto* exchange = static_cast<Exchange*>(BIO_get_data(bio));
  FL_ASSERT(exchange != nullptr);
  exchange->out->append(Bytes{reinterpret_cast<const std::byte*>(data), size});
  *written = size;
  return 1;
}

int bio_read(BIO* bio, char* data, std::size_t size, std::size_t* read) {
  auto* exchange = static_cast<Exchange*>(BIO_get_data(bio));
  FL_ASSERT(exchange != nullptr);
  BIO_clear_retry_flags(bio);
  *read = std::min(size, exchange->in.size());
  if (*read == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  if (refused_by_guard(*exchange, exchange->in.first(*read))) {
    *read = 0;
    return 0;
  }
  std::memcpy(data, exchange->in.data(), *read);
  exchange->in = exchange->in.subspan(*read);
  return 1;
}

long bio_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

int bio_create(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

// Built once, immutable, for the life of the process.
const BIO_METHOD* exchange_method() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "exchange");
    FL_ASSERT(made != nullptr);
    BIO_meth_set_write_ex(made, bio_write);
    BIO_meth_set_read_ex(made, bio_read);
    BIO_meth_set_ctrl(made, bio_control);
    BIO_meth_set_create(made, bio_create);
    return made;
  }();
  return method;
}

// Connects the stream to its caller's buffers while in scope. Calls nest: a sink may seal().
class Attachment {
 public:
  Attachment(SSL* ssl, Exchange& exchange) : bio_(SSL_get_rbio(ssl)), outer_(BIO_get_data(bio_)) {
    BIO_set_data(bio_, &exchange);
  }
  ~Attachment() { BIO_set_data(bio_, outer_); }
  Attachment(const Attachment&) = delete;
  Attachment& operator=(const Attachment&) = delete;

 private:
  BIO* bio_;
  void* outer_;
};

SSL* new_ssl(SSL_CTX* context) {
  SSL* ssl = SSL_new(context);
  BIO* bio = BIO_new(exchange_method());
  FL_ASSERT(ssl != nullptr && bio != nullptr);
  SSL_set_bio(ssl, bio, bio);
  return ssl;
}

}  // namespace

void TlsSession::Free::operator()(ssl_session_st* session) const { SSL_SESSION_free(session); }

TlsStream::TlsStream(std::shared_ptr<const TlsContext> context)
    : TlsStream(context, new_ssl(context->contexts_.front().get())) {
  SSL_set_accept_state(ssl_);
}

TlsStream::TlsStream(std::shared_ptr<const TlsContext> context, ssl_st* ssl)
    : context_(std::move(context)), ssl_(ssl) {}

TlsStream TlsStream::client(std::shared_ptr<const TlsContext> context, const std::string& host,
                            const TlsSession* resume) {
  SSL* ssl = new_ssl(context->contexts_.front().get());
  TlsStream stream(std::move(context), ssl);
  SSL_set_connect_state(ssl);
  X509_VERIFY_PARAM* check = SSL_get0_param(ssl);
  if (X509_VERIFY_PARAM_set1_ip_asc(check, host.c_str()) != 1) {  // not an address: a name
    X509_VERIFY_PARAM_set_hostflags(check, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    stream.usable_ = X509_VERIFY_PARAM_set1_host(check, host.data(), host.size()) == 1 &&
                     SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
  }
  if (resume != nullptr && resume->valid()) SSL_set_session(ssl, resume->session_.get());
  ERR_clear_error();
  return stream;
}

TlsStream::TlsStream(TlsStream&& other) noexcept
    : context_(std::move(other.context_)),
      ssl_(std::exchange(other.ssl_, nullptr)),
      hello_(other.hello_),
      usable_(other.usable_) {}

TlsStream& TlsStream::operator=(TlsStream&& other) noexcept {
  std::swap(context_, other.context_);
  std::swap(ssl_, other.ssl_);
  std::swap(hello_, other.hello_);
  std::swap(usable_, other.usable_);
  return *this;
}

// Without a word about the end the library would spoil the session, which outlives connections that
// just break (RFC 5246 section 7.2.1), and look for it in a cache that we do not have.
TlsStream::~TlsStream() {
  if (ssl_ != nullptr && usable_) SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(ssl_);
}

TlsProgress TlsStream::feed_to(MutableBytes cipher_in, ByteBuffer& cipher_out,
                               MutableBytes plain_scratch, PlainSink on_plain, void* sink) {
  if (!usable_) return {TlsState::kFailed, "the stream failed before, or has no valid host name"};
  Exchange exchange{.in = cipher_in, .out = &cipher_out};
  if (SSL_is_server(ssl_) == 1 && !hello_.done()) {
    exchange.guard = &hello_;
    exchange.ssl = ssl_;
  }
  const Attachment attachment(ssl_, exchange);
  ERR_clear_error();
  while (usable_) {
    std::size_t count = 0;
    const int done = SSL_read_ex(ssl_, plain_scratch.data(), plain_scratch.size(), &count);
    if (done == 1) {
      const PlainFlow flow = on_plain(sink, plain_scratch.first(count));
      if (flow == PlainFlow::kStop) return {TlsState::kClosed, {}};
      continue;
    }
    switch (SSL_get_error(ssl_, done)) {
      case SSL_ERROR_WANT_READ:
        return {TlsState::kOpen, {}};
      case SSL_ERROR_ZERO_RETURN:
        return {TlsState::kClosed, {}};
      default:
        usable_ = false;
    }
  }
  if (exchange.refused) {
    ERR_clear_error();
    return {TlsState::kFailed, "ClientHello of more than 16 KiB, or cut into odd records"};
  }
  return failure();
}

TlsProgress TlsStream::failure() const {
  TlsProgress progress{TlsState::kFailed, take_openssl_error()};
  const long verified = SSL_get_verify_result(ssl_);
  if (!handshake_done() && verified != X509_V_OK) {
    progress.reason += std::string(": ") + X509_verify_cert_error_string(verified);
  }
  return progress;
}

bool TlsStream::seal(Bytes plain, ByteBuffer& cipher_out) {
  if (!usable_) return false;
  if (plain.empty()) return true;
  FL_ASSERT(handshake_done());
  Exchange exchange{.in = {}, .out = &cipher_out};
  const Attachment attachment(ssl_, exchange);
  ERR_clear_error();
  std::size_t written = 0;
  usable_ = SSL_write_ex(ssl_, plain.data(), plain.size(), &written) == 1;
  return usable_;
}

bool TlsStream::seal(std::span<const Bytes> pieces, MutableBytes scratch, ByteBuffer& cipher_out) {
  const std::size_t room = std::min(scratch.size(), kRecordBytesMax);
  std::size_t gathered = 0;
  for (Bytes piece : pieces) {
    while (!piece.empty()) {
      if (gathered == 0 && piece.size() >= room) {  // whole records straight from where they lie
        const std::size_t whole = piece.size() - piece.size() % room;
        if (!seal(piece.first(whole), cipher_out)) return false;
        piece = piece.subspan(whole);
        continue;
      }
      const std::size_t count = std::min(piece.size(), room - gathered);
      std::memcpy(scratch.data() + gathered, piece.data(), count);
      gathered += count;
      piece = piece.subspan(count);
      if (gathered < room) continue;
      if (!seal(scratch.first(gathered), cipher_out)) return false;
      gathered = 0;
    }
  }
  return seal(scratch.first(gathered), cipher_out);
}

void TlsStream::shutdown(ByteBuffer& cipher_out) {
  if (!usable_ || !handshake_done()) return;
  if ((SSL_get_shutdown(ssl_) & SSL_SENT_SHUTDOWN) != 0) return;
  Exchange exchange{.in = {}, .out = &cipher_out};
  const Attachment attachment(ssl_, exchange);
  SSL_shutdown(ssl_);
  ERR_clear_error();
}

bool TlsStream::handshake_done() const { return SSL_is_init_finished(ssl_) == 1; }

bool TlsStream::session_resumed() const { return SSL_session_reused(ssl_) == 1; }

std::string TlsStream::server_name() const {
  const char* name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
  return name != nullptr ? name : "";
}

std::string_view TlsStream::version() const { return SSL_get_version(ssl_); }

std::string_view TlsStream::cipher() const { return SSL_get_cipher_name(ssl_); }

std::string_view TlsStream::application_protocol() const {
  const unsigned char* name = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(ssl_, &name, &length);
  return {reinterpret_cast<const char*>(name), length};
}

std::string_view TlsStream::peer_key_type() const {
  const X509* certificate = SSL_get0_peer_certificate(ssl_);
  const EVP_PKEY* key = certificate != nullptr ? X509_get0_pubkey(certificate) : nullptr;
  return key != nullptr ? EVP_PKEY_get0_type_name(key) : "";
}

std::string TlsStream::peer_certificate_subject() const {
  const X509* certificate = SSL_get0_peer_certificate(ssl_);
  if (certificate == nullptr) return {};
  BIO* text = BIO_new(BIO_s_mem());
  FL_ASSERT(text != nullptr);
  X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0,
                     XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  char* data = nullptr;
  const long size = BIO_get_mem_data(text, &data);
  std::string subject(data, static_cast<std::size_t>(size));
  BIO_free(text);
  return subject;
}

std::string TlsStream::peer_certificate_common_name() const {
  const X509* certificate = SSL_get0_peer_certificate(ssl_);
  if (certificate == nullptr) return {};
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) return {};
  unsigned char* text = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  if (size < 0) return {};
  std::string name(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
  OPENSSL_free(text);
  return name;
}

TlsSession TlsStream::session() const {
  TlsSession session(SSL_get1_session(ssl_));
  if (session.valid() && SSL_SESSION_is_resumable(session.session_.get()) != 1) return {};
  return session;
}

}  // namespace fairlead
