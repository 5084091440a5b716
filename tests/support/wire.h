#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "net/tcp.h"
#include "net/tls_stream.h"
#include "proto/ws/deflate.h"
#include "proto/ws/frame_reader.h"
#include "proto/ws/frame_writer.h"
#include "proto/ws/handshake.h"

namespace fairlead::testing {

enum class Transport : uint8_t { kTcp, kTls, kWs, kWss };
inline constexpr std::array kAllTransports{Transport::kTcp, Transport::kTls, Transport::kWs,
                                           Transport::kWss};
[[nodiscard]] std::string_view transport_name(Transport transport);
[[nodiscard]] constexpr bool is_ws(Transport t) {
  return t == Transport::kWs || t == Transport::kWss;
}
[[nodiscard]] constexpr bool is_tls(Transport t) {
  return t == Transport::kTls || t == Transport::kWss;
}

// What went otherwise than the test expects; ends the test.
struct TestFailure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// No single wait lasts longer; slow machines and sanitizers included.
inline constexpr std::chrono::seconds kPatience{30};

struct WireOptions {
  std::string host = "localhost";  // server name and Host header
  std::string path = "/mqtt";
  std::string subprotocol = "mqtt";            // empty: offers none
  std::optional<uint64_t> chop_seed = {};      // cuts what is sent into small pieces
  std::shared_ptr<const TlsContext> tls = {};  // none: test_client_tls()
  std::vector<HeaderLine> headers = {};
  std::string extensions = {};  // "permessage-deflate": what is sent is then compressed, too
  std::string preamble = {};    // goes to the socket before TLS and HTTP: a PROXY header
};

// A client's end of a connection over one of the four transports: bytes of MQTT in and out.
// Blocking, with kPatience as the limit of every wait; a TestFailure says what did not come.
class Wire {
 public:
  // Connects; with TLS and WebSocket until their handshakes are done.
  Wire(const SocketAddress& address, Transport transport, WireOptions options = {});

  // MQTT bytes, in WebSocket frames where there are any: one frame for a call, or chopped.
  void send(Bytes mqtt);
  // Below WebSocket, inside TLS: whole frames or anything else.
  void send_plain(Bytes bytes);
  // To the socket itself.
  void send_socket(Bytes bytes);
  void send_frame(Opcode opcode, Bytes payload, Fragment fragment = Fragment::kFinal);
  // One compressed message, in one frame or in fragments of that size; `compressed` as it is.
  void send_compressed(Bytes compressed, std::size_t fragment_bytes = SIZE_MAX);

  // Waits until more has come; false when the peer has closed.
  bool fill();
  // What came and was not taken: MQTT bytes (the payloads of WebSocket messages).
  [[nodiscard]] ByteBuffer& stream() { return stream_; }
  [[nodiscard]] std::optional<CloseCode> close_code() const { return close_code_; }
  [[nodiscard]] const std::string& subprotocol() const { return subprotocol_; }
  [[nodiscard]] bool deflates() const { return deflates_; }  // the server has agreed
  [[nodiscard]] std::size_t compressed_count() const { return compressed_count_; }  // that came
  [[nodiscard]] const std::vector<std::string>& pongs() const { return pongs_; }
  [[nodiscard]] std::size_t ping_count() const { return ping_count_; }  // they are not answered
  [[nodiscard]] bool closed() const { return closed_; }
  // Every message was binary, and one whole packet: false once one was not.
  [[nodiscard]] bool one_packet_per_message() const { return one_packet_per_message_; }

  void reset();  // the peer sees a connection that broke
  void finish_sending();
  [[nodiscard]] TlsStream* tls() { return tls_.get(); }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  struct Sink;
  void connect_tls();
  void upgrade();
  void take_plain(MutableBytes plain);
  void wait(short events);
  std::size_t next_piece(std::size_t left);

  Transport transport_;
  WireOptions options_;
  UniqueFd fd_;
  std::unique_ptr<TlsStream> tls_;
  FrameReader frames_{Role::kClient, {.message_bytes_max = 64u << 20}};
  bool upgraded_ = false;
  bool closed_ = false;
  bool one_packet_per_message_ = true;
  std::optional<CloseCode> close_code_;
  std::string subprotocol_;
  std::vector<std::string> pongs_;
  std::size_t ping_count_ = 0;
  bool deflates_ = false;
  std::size_t compressed_count_ = 0;
  std::unique_ptr<Inflater> inflater_ = std::make_unique<Inflater>();
  std::unique_ptr<Deflater> deflater_ = std::make_unique<Deflater>();
  ByteBuffer compressed_;  // of the compressed message that is coming
  ByteBuffer stream_;
  ByteBuffer message_;  // of the WebSocket message that is coming
  std::vector<std::byte> in_;
  std::vector<std::byte> plain_;
  std::mt19937_64 random_;
};

}  // namespace fairlead::testing
