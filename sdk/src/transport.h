#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "net/loop.h"
#include "net/tcp.h"
#include "net/tls_stream.h"
#include "outcome.h"
#include "proto/ws/frame_reader.h"
#include "url.h"

namespace fairlead::sdk {

// One connection to a server: TCP, and TLS and WebSocket as the URL says. Carries bytes of MQTT.
// It never reports an end from within: the owner looks at lost() after each turn of the loop.
// Owner: the client, on the thread of the loop; the URL and the loop outlive it.
class Transport final : private IoHandler {
 public:
  // Called with pieces of the MQTT stream; kStop: the owner is about to drop the connection.
  using OnBytes = std::function<Flow(MutableBytes)>;

  // `tls` for mqtts and wss. Begins to connect; a failure shows in lost().
  Transport(Loop& loop, const Url& url, std::shared_ptr<const TlsContext> tls,
            const SocketAddress& address, OnBytes on_bytes);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // All handshakes are done: packets may be sent.
  [[nodiscard]] bool open() const { return stage_ == Stage::kOpen; }
  [[nodiscard]] bool lost() const { return stage_ == Stage::kLost; }
  [[nodiscard]] const Outcome& why() const { return why_; }  // after lost()
  // "TLS handshake with 127.0.0.1:8443", for time-outs.
  [[nodiscard]] std::string doing() const;

  // One packet: a WebSocket message of its own, for clients and servers that read one at a time.
  void send(Bytes packet);
  // Gives the kernel what it takes; the loop sends the rest.
  void flush();
  [[nodiscard]] std::size_t unsent_bytes() const { return plain_.size() + out_.size(); }

  // Says good-bye in WebSocket and TLS; what is unsent is still sent by flush().
  void shutdown();

 private:
  enum class Stage : uint8_t { kConnecting, kTls, kUpgrade, kOpen, kLost };
  struct FrameSink;

  void on_io(IoEvents events) override;
  void on_connected();
  void on_tls_done();
  void begin_upgrade();
  void receive();
  Flow on_plain(MutableBytes plain);
  Flow on_upgrade_bytes(MutableBytes plain);
  Flow on_frames(MutableBytes plain);
  void feed_tls(MutableBytes cipher);
  void fail(OutcomeKind kind, std::string sentence, std::string advice = {});
  void want(IoInterest interest);

  Loop& loop_;
  const Url& url_;
  SocketAddress address_;
  OnBytes on_bytes_;
  std::shared_ptr<const TlsContext> tls_context_;
  std::optional<TlsStream> tls_;
  FrameReader frames_;
  std::string upgrade_key_;
  UniqueFd fd_;
  ByteBuffer head_;   // of the HTTP response, while it is incomplete
  ByteBuffer plain_;  // to be sealed, with TLS
  ByteBuffer out_;    // for the socket
  Outcome why_;
  Stage stage_ = Stage::kConnecting;
  IoInterest interest_ = IoInterest::kNone;
};

}  // namespace fairlead::sdk
