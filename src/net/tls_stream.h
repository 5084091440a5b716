#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/bytes.h"
#include "net/hello_guard.h"
#include "net/tls_context.h"

struct ssl_st;

namespace fairlead {

enum class TlsState : uint8_t {
  kOpen,    // all input was consumed; the handshake may or may not be done
  kClosed,  // the peer sent close_notify, or the sink said stop
  kFailed,  // see reason; an alert for the peer may be in cipher_out: send it, then close
};

struct TlsProgress {
  TlsState state = TlsState::kOpen;
  std::string reason{};  // with kFailed: "no shared cipher", "http request", "... unknown ca"
};

enum class PlainFlow : uint8_t { kContinue, kStop };

// A client's session to be resumed by its next connection. Opaque; movable between threads.
class TlsSession {
 public:
  TlsSession() = default;
  explicit TlsSession(ssl_session_st* owned) : session_(owned) {}
  [[nodiscard]] bool valid() const { return session_ != nullptr; }

 private:
  friend class TlsStream;
  struct Free {
    void operator()(ssl_session_st* session) const;
  };
  std::unique_ptr<ssl_session_st, Free> session_;
};

// One TLS connection as a filter between bytes and bytes: no descriptor, and no buffer of its own
// between calls except a record that has not arrived completely. Any split of the input gives the
// same plaintext. TLS 1.2 (RFC 5246) and 1.3 (RFC 8446); renegotiation is refused, and so is a
// ClientHello of more than 16 KiB. About 14 KB after the handshake, all but 200 bytes OpenSSL's.
// Movable; one thread at a time, and any thread may be the next one (handover).
// After kClosed or kFailed from feed(), only the const functions may be called, and shutdown().
class TlsStream {
 public:
  // The server's side.
  explicit TlsStream(std::shared_ptr<const TlsContext> context);
  // The client's side. `host` is a name or an IP address: sent as server name (names only) and
  // checked against the certificate. Begin with a feed() of nothing, which gives the first flight.
  static TlsStream client(std::shared_ptr<const TlsContext> context, const std::string& host,
                          const TlsSession* resume = nullptr);
  TlsStream(TlsStream&& other) noexcept;
  TlsStream& operator=(TlsStream&& other) noexcept;
  ~TlsStream();

  // Consumes all of `cipher_in`, takes the handshake as far as it goes, and calls
  // on_plain(MutableBytes) for each piece of plaintext: a part of `plain_scratch` (16 KiB or more,
  // not overlapping `cipher_in`), valid during the call. on_plain may return PlainFlow: after
  // kStop the rest of the input is dropped, so the connection must be closed. It may seal() into
  // the same `cipher_out`, and must not destroy the stream.
  // A connection that is to be handed over goes on and keeps the plaintext: cipher text that was
  // not consumed cannot be fed again.
  // Appends what is to be sent (handshake, tickets, alerts) to `cipher_out`.
  template <class Sink>
  TlsProgress feed(MutableBytes cipher_in, ByteBuffer& cipher_out, MutableBytes plain_scratch,
                   Sink&& on_plain) {
    using Callable = std::remove_reference_t<Sink>;
    return feed_to(
        cipher_in, cipher_out, plain_scratch,
        [](void* sink, MutableBytes plain) {
          auto& call = *static_cast<Callable*>(sink);
          if constexpr (std::same_as<decltype(call(plain)), PlainFlow>) {
            return call(plain);
          } else {
            call(plain);
            return PlainFlow::kContinue;
          }
        },
        const_cast<void*>(static_cast<const void*>(std::addressof(on_plain))));
  }

  // Appends `plain` as records of at most 16 KiB. Only after handshake_done(). False when the
  // connection is of no more use.
  [[nodiscard]] bool seal(Bytes plain, ByteBuffer& cipher_out);
  // The same for all pieces in a row; small ones share a record. `scratch`: 16 KiB or more, not
  // overlapping the pieces.
  [[nodiscard]] bool seal(std::span<const Bytes> pieces, MutableBytes scratch,
                          ByteBuffer& cipher_out);

  // Appends close_notify, once, if the handshake is done and the stream did not fail.
  void shutdown(ByteBuffer& cipher_out);

  [[nodiscard]] bool handshake_done() const;
  [[nodiscard]] bool session_resumed() const;
  [[nodiscard]] std::string server_name() const;   // as the client sent it; empty: none
  [[nodiscard]] std::string_view version() const;  // "TLSv1.3"
  [[nodiscard]] std::string_view cipher() const;   // "TLS_AES_256_GCM_SHA384"
  [[nodiscard]] std::string_view application_protocol() const;  // chosen by ALPN, or empty
  [[nodiscard]] std::string_view peer_key_type() const;  // of its certificate: "RSA", "EC", ""
  // RFC 2253 text of the verified peer certificate's subject, and its common name; or empty.
  [[nodiscard]] std::string peer_certificate_subject() const;
  [[nodiscard]] std::string peer_certificate_common_name() const;
  // Client: what resumes this session, once a ticket has arrived (TLS 1.3: after the handshake).
  [[nodiscard]] TlsSession session() const;

 private:
  using PlainSink = PlainFlow (*)(void* sink, MutableBytes plain);
  TlsStream(std::shared_ptr<const TlsContext> context, ssl_st* ssl);
  TlsProgress feed_to(MutableBytes cipher_in, ByteBuffer& cipher_out, MutableBytes plain_scratch,
                      PlainSink on_plain, void* sink);
  TlsProgress failure() const;

  std::shared_ptr<const TlsContext> context_;
  ssl_st* ssl_ = nullptr;
  HelloGuard hello_;    // the server's side only
  bool usable_ = true;  // no fatal error so far
};

}  // namespace fairlead
