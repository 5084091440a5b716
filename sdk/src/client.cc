#include "fairlead/client.h"

#include <algorithm>
#include <atomic>

#include "base/mpsc_queue.h"
#include "base/random.h"
#include "net/loop.h"
#include "net/tls_context.h"
#include "outcome.h"
#include "packet_stream.h"
#include "session.h"
#include "transport.h"
#include "url.h"

namespace fairlead::sdk {
namespace {

// How long the server may take to close after DISCONNECT.
constexpr milliseconds kClosingMax{2'000};
constexpr milliseconds kTurnMax{60'000};

// In the second half of first * 2^failures, at most max.
milliseconds retry_delay(const Backoff& backoff, unsigned failures) {
  const auto first = std::max<int64_t>(backoff.first.count(), 1);
  const auto most = std::max<int64_t>(backoff.max.count(), first);
  int64_t whole = first;
  for (unsigned i = 0; i < failures && whole < most; ++i) whole *= 2;
  whole = std::min(whole, most);
  const int64_t half = whole / 2;
  return milliseconds{half + static_cast<int64_t>(random_u64() % static_cast<uint64_t>(half + 1))};
}

Result<std::shared_ptr<const TlsContext>> client_tls(const Tls& tls) {
  TlsClientOptions options;
  options.trust = tls.trust == Trust::kVerify ? TlsTrust::kVerify : TlsTrust::kAnyCertificate;
  options.ca_file = tls.ca_file;
  options.client_certificate = {tls.certificate_file, tls.key_file};
  return TlsContext::client(options);
}

}  // namespace

// Phases: idle until connect(); connecting, online, closing while there is a transport; waiting
// between two attempts; ended. Transports are made and dropped between turns of the loop only.
class Client::Impl {
 public:
  Impl(Options options, Handlers handlers)
      : options_(std::move(options)), handlers_(std::move(handlers)) {}

  Outcome connect();
  Outcome publish(const Message& message, Completion done);
  void disconnect();
  bool run_until(const std::function<bool()>& done, std::optional<milliseconds> max);
  void turn(milliseconds max_wait);
  void stop() {
    stop_.store(true, std::memory_order_release);
    loop_.wake();
  }
  void post(std::function<void()> work) {
    posted_.push(std::move(work));
    loop_.wake();
  }
  [[nodiscard]] bool connected() const { return phase_ == Phase::kOnline; }
  [[nodiscard]] bool ended() const { return phase_ == Phase::kEnded; }
  [[nodiscard]] Session* session() { return session_.get(); }

 private:
  enum class Phase : uint8_t { kIdle, kConnecting, kOnline, kClosing, kWaiting, kEnded };

  void attempt();
  void try_address();
  void step();
  // True: completions were called, so that there may be more to do.
  bool flush();
  void drop(Outcome why);
  void end(const Outcome& why);
  [[nodiscard]] bool may_retry(const Outcome& why) const;
  [[nodiscard]] bool has_work() const;
  Flow on_bytes(MutableBytes piece);
  void on_online();
  void send(Bytes packet);

  void on_deadline(Instant);
  void on_keep_alive(Instant now);
  void on_pong_missing(Instant);
  void on_retry(Instant) { phase_ = Phase::kIdle; }

  Options options_;
  Handlers handlers_;
  Url url_;
  std::shared_ptr<const TlsContext> tls_;
  Loop loop_;
  MpscQueue<std::function<void()>> posted_;
  std::atomic<bool> stop_{false};
  std::unique_ptr<Session> session_;

  std::vector<SocketAddress> addresses_;
  std::size_t address_next_ = 0;
  std::optional<Transport> transport_;
  std::optional<PacketStream> stream_;
  Outcome failure_;  // of the present connection, found by us
  Phase phase_ = Phase::kEnded;
  unsigned failures_ = 0;  // in a row
  Instant last_sent_{};
  Instant last_received_{};
  MethodTimer<Impl, &Impl::on_deadline> deadline_{*this};  // of an attempt, and of closing
  MethodTimer<Impl, &Impl::on_keep_alive> keep_alive_{*this};
  MethodTimer<Impl, &Impl::on_pong_missing> pong_{*this};
  MethodTimer<Impl, &Impl::on_retry> retry_{*this};
};

Outcome Client::Impl::connect() {
  const auto wrong = [](const Reject& reject) {
    return failure(OutcomeKind::kBadOptions, reject.sentence);
  };
  if (session_) return failure(OutcomeKind::kBadOptions, "connect() was called before");
  auto url = parse_url(options_.url);
  if (!url) return wrong(url.error());
  auto fields = connect_fields(options_, *url);
  if (!fields) return wrong(fields.error());
  if (url->tls()) {
    auto context = client_tls(options_.tls);
    if (!context) return wrong(context.error());
    tls_ = std::move(*context);
  }
  url_ = std::move(*url);
  session_ = std::make_unique<Session>(options_, std::move(*fields), handlers_);
  phase_ = Phase::kIdle;
  return {};
}

Outcome Client::Impl::publish(const Message& message, Completion done) {
  if (transport_ && message.qos == Qos::kAtMostOnce &&
      transport_->unsent_bytes() > options_.limits.output_bytes_max) {
    return failure(OutcomeKind::kQueueFull, "the network takes no more for now");
  }
  return session_->publish(message, std::move(done));
}

// --- Attempts ------------------------------------------------------------------------------------

void Client::Impl::attempt() {
  phase_ = Phase::kConnecting;
  loop_.timers().arm(deadline_, MonotonicClock::now() + options_.limits.connect_max);
  auto addresses = resolve(url_.host, url_.port);
  if (!addresses || addresses->empty()) {
    return drop(failure(
        OutcomeKind::kUnreachable,
        addresses ? "the host \"" + url_.host + "\" has no address" : addresses.error().sentence,
        "Check the name of the host."));
  }
  addresses_ = std::move(*addresses);
  address_next_ = 0;
  try_address();
}

void Client::Impl::try_address() {
  stream_.emplace(session_->version(), options_.limits.packet_bytes_max);
  transport_.emplace(loop_, url_, tls_, addresses_[address_next_++],
                     [this](MutableBytes piece) { return on_bytes(piece); });
}

// What the turn has brought about.
void Client::Impl::step() {
  if (phase_ == Phase::kIdle) attempt();
  if (!transport_) return;
  if (phase_ == Phase::kConnecting && transport_->open() &&
      session_->state() == Session::State::kOffline && failure_.ok()) {
    session_->begin([this](Bytes packet) { send(packet); });
  }
  flush();
  if (!failure_.ok()) {
    drop(std::exchange(failure_, {}));
  } else if (transport_->lost()) {
    drop(transport_->why());
  }
}

void Client::Impl::drop(Outcome why) {
  const bool next_address = phase_ == Phase::kConnecting && why.kind == OutcomeKind::kUnreachable &&
                            address_next_ < addresses_.size();
  transport_.reset();
  if (next_address) return try_address();
  addresses_.clear();
  deadline_.cancel();
  keep_alive_.cancel();
  pong_.cancel();
  if (phase_ == Phase::kClosing) {
    why = failure(OutcomeKind::kClosed, "the connection was closed by disconnect()");
  }
  const bool retry = phase_ != Phase::kClosing && may_retry(why);
  phase_ = retry ? Phase::kWaiting : Phase::kEnded;
  if (session_->state() != Session::State::kOffline) session_->end();
  if (phase_ == Phase::kEnded || !retry) return end(why);  // a completion may have ended it
  const milliseconds delay = retry_delay(options_.backoff, failures_++);
  loop_.timers().arm(retry_, MonotonicClock::now() + delay);
  if (handlers_.on_disconnected) handlers_.on_disconnected({std::move(why), delay});
}

void Client::Impl::end(const Outcome& why) {
  phase_ = Phase::kEnded;
  retry_.cancel();
  if (handlers_.on_disconnected) handlers_.on_disconnected({why, std::nullopt});
  session_->give_up(why);
}

bool Client::Impl::may_retry(const Outcome& why) const {
  if (options_.reconnect == Reconnect::kNever || why.kind == OutcomeKind::kBadOptions) return false;
  // Whoever took the session over would lose it again, and so on.
  return why.kind != OutcomeKind::kServerDisconnect ||
         why.code != static_cast<uint8_t>(ReasonCode::kSessionTakenOver);
}

// --- The connection ------------------------------------------------------------------------------

Flow Client::Impl::on_bytes(MutableBytes piece) {
  if (!failure_.ok()) return Flow::kStop;
  if (phase_ == Phase::kClosing) return Flow::kContinue;
  last_received_ = loop_.now();
  pong_.cancel();
  // What speaks another protocol would keep us waiting for the rest of a packet.
  if (session_->state() == Session::State::kAwaitConnack && stream_->empty() &&
      std::to_integer<uint8_t>(piece[0]) >> 4 != static_cast<int>(mqtt::PacketType::kConnack)) {
    failure_ = failure(OutcomeKind::kProtocolError, "the server's answer to CONNECT is not MQTT",
                       "Check the port: something else may listen there.");
    return Flow::kStop;
  }
  const Status status = stream_->feed(piece, [this](const mqtt::FixedHeader& header, Bytes body) {
    failure_ = session_->take(header, body);
    if (phase_ == Phase::kConnecting && session_->state() == Session::State::kOnline) on_online();
    return failure_.ok() && phase_ != Phase::kClosing;
  });
  if (!status) {
    failure_ = failure(OutcomeKind::kProtocolError,
                       "the server broke the protocol: " + status.error().sentence);
  }
  return failure_.ok() ? Flow::kContinue : Flow::kStop;
}

void Client::Impl::on_online() {
  phase_ = Phase::kOnline;
  failures_ = 0;
  deadline_.cancel();
  if (session_->keep_alive().count() > 0) {
    loop_.timers().arm(keep_alive_, loop_.now() + session_->keep_alive());
  }
}

void Client::Impl::send(Bytes packet) {
  last_sent_ = loop_.now();
  transport_->send(packet);
}

bool Client::Impl::flush() {
  if (!transport_ || !transport_->open()) return false;
  transport_->flush();
  if (transport_->unsent_bytes() > 0 || phase_ != Phase::kOnline) return false;
  return session_->on_output_sent();
}

void Client::Impl::disconnect() {
  switch (phase_) {
    case Phase::kOnline:
      session_->disconnect();
      phase_ = Phase::kClosing;
      keep_alive_.cancel();
      pong_.cancel();
      transport_->shutdown();
      loop_.timers().arm(deadline_, MonotonicClock::now() + kClosingMax);
      return;
    case Phase::kConnecting:
      if (session_->state() == Session::State::kOnline) {  // called by on_connected
        phase_ = Phase::kOnline;
        return disconnect();
      }
      failure_ = failure(OutcomeKind::kClosed, "the connection was closed by disconnect()");
      phase_ = Phase::kClosing;
      return;
    case Phase::kIdle:
    case Phase::kWaiting:
      return end(failure(OutcomeKind::kClosed, "the connection was closed by disconnect()"));
    case Phase::kClosing:
    case Phase::kEnded:
      return;
  }
}

void Client::Impl::on_deadline(Instant) {
  failure_ = failure(OutcomeKind::kTimedOut,
                     "no answer within " + std::to_string(options_.limits.connect_max.count()) +
                         " ms, while waiting for " + (transport_ ? transport_->doing() : ""),
                     "Check host and port: the server may speak another protocol there.");
}

void Client::Impl::on_keep_alive(Instant now) {
  const auto interval = session_->keep_alive();
  const Instant oldest = std::min(last_sent_, last_received_);
  if (now - oldest < interval) return loop_.timers().arm(keep_alive_, oldest + interval);
  session_->ping();
  if (!pong_.armed()) loop_.timers().arm(pong_, now + options_.limits.pingresp_max);
  loop_.timers().arm(keep_alive_, now + interval);
}

void Client::Impl::on_pong_missing(Instant) {
  failure_ = failure(OutcomeKind::kTimedOut,
                     "the server did not answer PINGREQ within " +
                         std::to_string(options_.limits.pingresp_max.count()) + " ms");
}

// --- Turns ---------------------------------------------------------------------------------------

bool Client::Impl::has_work() const {
  return phase_ == Phase::kIdle || !failure_.ok() || !posted_.empty() ||
         (transport_ &&
          (transport_->lost() || (phase_ == Phase::kOnline && transport_->unsent_bytes() == 0 &&
                                  session_->awaits_output())));
}

void Client::Impl::turn(milliseconds max_wait) {
  const bool called = flush();
  loop_.turn(called || has_work() ? milliseconds{0} : max_wait);
  posted_.drain([](std::function<void()>&& work) { work(); });
  if (session_) step();
  flush();
}

bool Client::Impl::run_until(const std::function<bool()>& done, std::optional<milliseconds> max) {
  const Instant end = max ? MonotonicClock::now() + *max : Instant::max();
  while (!stop_.exchange(false, std::memory_order_acquire)) {
    const Instant now = MonotonicClock::now();
    if ((done && done()) || now >= end || phase_ == Phase::kEnded) break;
    turn(std::min(kTurnMax, std::chrono::duration_cast<milliseconds>(end - now)));
  }
  return done && done();
}

// --- The public face -----------------------------------------------------------------------------

namespace {
Outcome not_begun() {
  return failure(OutcomeKind::kNotConnected, "connect() was not called, or it failed");
}
}  // namespace

Client::Client(Options options, Handlers handlers)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(handlers))) {}
Client::~Client() = default;

Outcome Client::connect() { return impl_->connect(); }

Outcome Client::publish(const Message& message, Completion done) {
  if (!impl_->session()) return not_begun();
  return impl_->publish(message, std::move(done));
}
Outcome Client::subscribe(const std::vector<Subscription>& subscriptions, Granted done) {
  if (!impl_->session()) return not_begun();
  return impl_->session()->subscribe(subscriptions, std::move(done));
}
Outcome Client::unsubscribe(const std::vector<std::string>& filters, Completion done) {
  if (!impl_->session()) return not_begun();
  return impl_->session()->unsubscribe(filters, std::move(done));
}
void Client::disconnect() { impl_->disconnect(); }

void Client::run() { impl_->run_until({}, std::nullopt); }
bool Client::run_for(std::chrono::milliseconds max) {
  impl_->run_until({}, max);
  return !impl_->ended();
}
bool Client::run_until(const std::function<bool()>& done, std::chrono::milliseconds max) {
  return impl_->run_until(done, max);
}
void Client::poll() { impl_->turn(std::chrono::milliseconds{0}); }
void Client::stop() { impl_->stop(); }
void Client::post(std::function<void()> work) { impl_->post(std::move(work)); }

bool Client::connected() const { return impl_->connected(); }
std::size_t Client::unsettled_count() const {
  return impl_->session() ? impl_->session()->unsettled_count() : 0;
}

}  // namespace fairlead::sdk
