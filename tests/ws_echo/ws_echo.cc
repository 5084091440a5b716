// ws_echo [--port N] [--deflate] [--message-bytes-max N]: sends back what it gets, text and binary,
// over the frames, the handshake and the compression that the server uses, so that any external
// WebSocket suite can judge them. Listens on 127.0.0.1, prints the port, serves until it is killed.
// A thread for each connection, and blocking: for tests only.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <string_view>
#include <thread>
#include <vector>

#include "base/utf8.h"
#include "proto/http/request_head.h"
#include "proto/http/response.h"
#include "proto/ws/deflate.h"
#include "proto/ws/frame_reader.h"
#include "proto/ws/frame_writer.h"
#include "proto/ws/handshake.h"

namespace {

using namespace fairlead;

struct Options {
  uint16_t port = 0;
  uint64_t message_bytes_max = 64u << 20;
  DeflateUse deflate = DeflateUse::kDeclined;
};

// One connection, from accept() to its end.
class Echo {
 public:
  Echo(int fd, const Options& options)
      : fd_(fd),
        options_(options),
        frames_(Role::kServer,
                {.message_bytes_max = options.message_bytes_max, .text = TextFrames::kAccept}) {}

  void run() {
    if (upgrade()) {
      while (!closing_ && receive()) flush();
    }
    flush();
    ::shutdown(fd_, SHUT_WR);
    while (wait_for_end() && receive_bytes() > 0) {
    }
    ::close(fd_);
  }

  // --- The sink of FrameReader -------------------------------------------------------------------
  Flow on_data(MutableBytes piece) {
    message_.append(piece);
    return Flow::kContinue;
  }
  Flow on_message_end(Opcode kind) {
    if (deflate_ && deflate_->fits(message_.size())) {
      append_deflated_frame(out_, kind, message_.view(), deflater_);
    } else {
      append_frame(out_, kind, message_.view());
    }
    message_.clear();
    return Flow::kContinue;
  }
  Flow on_compressed(MutableBytes piece, LastPiece last, Opcode kind) {
    compressed_.append(piece);
    if (last == LastPiece::kNo) return Flow::kContinue;
    const auto outcome =
        inflater_.inflate(compressed_.view(), options_.message_bytes_max, message_);
    compressed_.clear();
    if (outcome == Inflater::Outcome::kTooLarge) return fail(CloseCode::kMessageTooBig);
    const bool bad_text = kind == Opcode::kText && !is_utf8(message_.view());
    if (outcome == Inflater::Outcome::kCorrupt || bad_text) return fail(CloseCode::kInvalidPayload);
    return on_message_end(kind);
  }
  Flow on_ping(Bytes payload) {
    append_pong(out_, payload);
    return Flow::kContinue;
  }
  Flow on_pong(Bytes) { return Flow::kContinue; }
  Flow on_close(CloseCode code, std::string_view) { return fail(code); }

 private:
  Flow fail(CloseCode code) {
    append_close(out_, code);
    closing_ = true;
    return Flow::kStop;
  }

  // False when it was refused, or the peer went away.
  bool upgrade() {
    ByteBuffer head_bytes;
    for (;;) {
      const std::size_t count = receive_bytes();
      if (count == 0) return false;
      head_bytes.append(Bytes(in_).first(count));
      const RequestHeadParse parsed = parse_request_head(head_bytes.view());
      if (const auto* refusal = std::get_if<HttpRefusal>(&parsed)) {
        append_refusal(out_, *refusal);
        return false;
      }
      if (const auto* head = std::get_if<RequestHead>(&parsed)) {
        if (!answer(*head)) return false;
        feed(head_bytes.mutable_view().subspan(head->head_size));
        return true;
      }
    }
  }
  bool answer(const RequestHead& head) {
    const UpgradeVerdict verdict =
        evaluate_upgrade(head, {.subprotocols = {}, .deflate = options_.deflate});
    if (const auto* refusal = std::get_if<UpgradeRefusal>(&verdict)) {
      append_refusal(out_, refusal->status, refusal->sentence, refusal->headers);
      return false;
    }
    const auto& accepted = std::get<UpgradeAccepted>(verdict);
    write_upgrade_response(out_, accepted);
    deflate_ = accepted.deflate;
    if (deflate_) frames_.set_compression(Compression::kNegotiated);
    flush();
    return true;
  }

  void feed(MutableBytes bytes) {
    if (bytes.empty()) return;
    if (auto broken = frames_.feed(bytes, *this)) fail(*broken);
    flush();
  }
  bool receive() {
    const std::size_t count = receive_bytes();
    if (count > 0) feed(MutableBytes(in_).first(count));
    return count > 0;
  }
  std::size_t receive_bytes() {
    const ssize_t count = ::recv(fd_, in_.data(), in_.size(), 0);
    return count > 0 ? static_cast<std::size_t>(count) : 0;
  }
  void flush() {
    Bytes rest = out_.view();
    while (!rest.empty()) {
      const ssize_t sent = ::send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL);
      if (sent <= 0) break;
      rest = rest.subspan(static_cast<std::size_t>(sent));
    }
    out_.clear();
  }
  // Last words are not lost to a reset: the peer gets a moment to close its side.
  [[nodiscard]] bool wait_for_end() const {
    pollfd end{.fd = fd_, .events = POLLIN, .revents = 0};
    return ::poll(&end, 1, 2000) > 0;
  }

  int fd_;
  const Options& options_;
  FrameReader frames_;
  std::optional<DeflateAgreement> deflate_;
  Inflater inflater_;
  Deflater deflater_;
  ByteBuffer message_;
  ByteBuffer compressed_;
  ByteBuffer out_;
  std::vector<std::byte> in_ = std::vector<std::byte>(64u << 10);
  bool closing_ = false;
};

int open_listener(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int one = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(fd, 64) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::perror("ws_echo");
    return -1;
  }
  std::printf("listening on %d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  return fd;
}

template <class Number>
bool read_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool read_options(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    const std::string_view value = i + 1 < argc ? argv[i + 1] : "";
    if (name == "--deflate") {
      options.deflate = DeflateUse::kAgreed;
    } else if (name == "--port" && read_number(value, options.port)) {
      ++i;
    } else if (name == "--message-bytes-max" && read_number(value, options.message_bytes_max)) {
      ++i;
    } else {
      std::fprintf(stderr, "usage: ws_echo [--port N] [--deflate] [--message-bytes-max N]\n");
      return false;
    }
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  static Options options;  // outlives the threads
  if (!read_options(argc, argv, options)) return 2;
  const int listener = open_listener(options.port);
  if (listener < 0) return 1;
  for (;;) {
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    const int one = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    std::thread([fd] { Echo(fd, options).run(); }).detach();
  }
}
