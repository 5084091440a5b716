#include "shard/acceptor.h"

#include "base/log.h"
#include "shard/shard.h"

namespace fairlead {
namespace {

constexpr milliseconds kPause{100};

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

bool Acceptor::welcome(const SocketAddress& peer) const {
  return options_.proxy_header != ProxyUse::kRequired ||
         options_.trusted_proxies.contains(peer.ip());
}

void Acceptor::on_io(IoEvents) {
  const int count_max = shard_.admission_budget().accept_count_max();
  for (int i = 0; i < count_max; ++i) {
    if (!shard_.has_room_for_suspect()) return pause();
    AcceptResult accepted = socket_.accept();
    switch (accepted.kind) {
      case AcceptKind::kWouldBlock:
        return;
      case AcceptKind::kError:
        continue;
      case AcceptKind::kOutOfDescriptors:
        FL_LOG(kError, "accept.failed",
               {"cause", "out of file descriptors: raise the limit of open files (ulimit -n)"});
        return pause();
      case AcceptKind::kAccepted:
        break;
    }
    if (!welcome(accepted.peer)) {
      shard_.counters().connections_total.add();
      shard_.counters().refused_for(RefusalCause::kProtocolError).add();
      FL_LOG(kWarning, "connection.refused", {"source", accepted.peer.text()},
             {"cause", "not a trusted proxy, on a listener that expects a PROXY header"});
      continue;
    }
    shard_.add_connection(std::move(accepted.fd), accepted.peer, options_);
  }
}

void Acceptor::pause() {
  shard_.loop().change(socket_.fd(), *this, IoInterest::kNone);
  shard_.loop().timers().arm(resume_, shard_.now() + kPause);
}

void Acceptor::on_resume(Instant) { shard_.loop().change(socket_.fd(), *this, IoInterest::kRead); }

}  // namespace fairlead
