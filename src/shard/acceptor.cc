#include "shard/acceptor.h"

#include <algorithm>

#include "base/log.h"
#include "shard/shard.h"

namespace fairlead {
namespace {

// Handshakes per turn are bounded, so that a storm of reconnects does not starve those connected.
constexpr int kAcceptsPerTurn = 64;
constexpr milliseconds kPauseWithoutDescriptors{100};

}  // namespace

bool Acceptor::start() {
  watched_ = shard_.loop().watch(socket_.fd(), *this, IoInterest::kRead);
  return watched_;
}

void Acceptor::stop() {
  resume_.cancel();
  if (watched_) shard_.loop().forget(socket_.fd(), *this);
  watched_ = false;
}

bool Acceptor::trusted(const SocketAddress& peer) const {
  if (options_.proxy_header == ProxyUse::kNone) return true;
  const auto& list = options_.trusted_proxies;
  return std::find(list.begin(), list.end(), peer.ip_text()) != list.end();
}

void Acceptor::on_io(IoEvents) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    AcceptResult accepted = socket_.accept();
    switch (accepted.kind) {
      case AcceptKind::kWouldBlock:
        return;
      case AcceptKind::kError:
        continue;
      case AcceptKind::kOutOfDescriptors:
        FL_LOG(kError, "accept.failed",
               {"cause", "out of file descriptors: raise the limit of open files (ulimit -n)"});
        shard_.loop().change(socket_.fd(), *this, IoInterest::kNone);
        shard_.loop().timers().arm(resume_, shard_.now() + kPauseWithoutDescriptors);
        return;
      case AcceptKind::kAccepted:
        break;
    }
    if (!trusted(accepted.peer)) {
      FL_LOG(kWarning, "connection.refused", {"source", accepted.peer.text()},
             {"cause", "not a trusted proxy, on a listener that expects a PROXY header"});
      continue;
    }
    shard_.add_connection(std::move(accepted.fd), accepted.peer, options_);
  }
}

void Acceptor::on_resume(Instant) { shard_.loop().change(socket_.fd(), *this, IoInterest::kRead); }

}  // namespace fairlead
